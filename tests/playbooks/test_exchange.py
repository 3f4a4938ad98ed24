"""The life of a call as a script: `<<` is what the exchange asks for, `>>` what the world answers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tallystick.core.attempt import Refusal, Settlement
from tallystick.core.call import Call, Facts
from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.core.errors import Denied
from tallystick.core.exchange import (
    Admit, Asked, Authenticate, Caller, Delivered, Forward, Opening, Read, Refuse, Rules, Settle, exchange,
)
from tallystick.core.identity import Claims, Principal
from tallystick.core.pricebook import PriceBook
from tallystick.core.settlement import Served
from tallystick.core.usage import Reading, StatedCost, usage_of
from tests.build.prices import book_of

AT_US = 1_795_000_000_000_000
CHAT = Route("POST", "/v1/chat/completions", "chat", dialect=None)
FREE = Route("GET", "/v1/models", "models", kind="models", free=True)
PRINCIPAL = Principal("key_1", "default", {"team": "hr", "project": "bot"})


class Playbook:
    """Runs one exchange, checking each command and sending back its answer."""

    def __init__(self, *, route: Route = CHAT, book: PriceBook | None = None, **provider: Any) -> None:
        host = Provider("acme", "Acme", "https://acme.example", (CHAT, FREE), (CredentialPlace("authorization", "Bearer "),), **provider)
        rules = Rules(book or book_of(acme={"m-1": {"input_text": "2", "output_text": "10"}}))
        self._script = exchange(Opening("req_1", AT_US, host, route), rules)
        self.asked: Any = next(self._script)
        self.outcome: Settlement | Refusal | None = None

    def expect(self, kind: type) -> Any:
        assert isinstance(self.asked, kind), f"asked for {self.asked}, expected {kind.__name__}"
        return self.asked

    def answer(self, reply: Any) -> Playbook:
        try:
            self.asked = self._script.send(reply)
        except StopIteration as end:
            self.asked, self.outcome = None, end.value
        return self

    def until_forward(self, *, facts: Facts | None = None, claims: Claims | None = None, dialect: str | None = "openai_chat") -> Playbook:
        self.expect(Authenticate)
        self.answer(Caller(PRINCIPAL, "caller"))
        self.expect(Read)
        call = Call("req_1", "acme", "POST", "/v1/chat/completions", "chat", dialect, facts or Facts(model="m-1", output_limit=100), 1_000, AT_US)
        self.answer(Asked(call, claims or Claims()))
        self.answer(self.expect(Admit).admission)
        self.expect(Forward)
        return self

    def served(self, **served: Any) -> Settlement:
        self.answer(Delivered(Served(**served), AT_US + 5))
        settlement: Settlement = self.expect(Settle).settlement
        self.answer(None)
        assert self.outcome == settlement
        return settlement


def test_a_call_is_admitted_before_it_is_forwarded_and_settled_after() -> None:
    settlement = Playbook().until_forward().served(
        status=200, reading=Reading(usage=usage_of(input_text=1_000, output_text=50), model="m-1", ended=True))
    assert (settlement.method, settlement.basis, settlement.outcome) == ("priced", "usage", "completed")
    assert settlement.cost_nanos == 1_000 * 2_000 + 50 * 10_000


def test_the_hold_is_the_worst_case_of_what_was_asked() -> None:
    play = Playbook()
    play.answer(Caller(PRINCIPAL, "caller"))
    play.answer(Asked(Call("req_1", "acme", "POST", "/p", "chat", "d", Facts(model="m-1", output_limit=100), 1_000, AT_US), Claims()))
    admission = play.expect(Admit).admission
    assert admission.hold_nanos == admission.input_bound * 2_000 + 100 * 10_000
    assert admission.hold_priced


@pytest.mark.parametrize("step", ["authenticate", "read", "admit"])
def test_a_denial_at_any_step_ends_in_one_refusal(step: str) -> None:
    play = Playbook()
    denied = Denied("rate_limited", "Too many.")
    call = Call("req_1", "acme", "POST", "/p", "chat", "d", Facts(model="m-1"), 10, AT_US)
    replies: Mapping[str, list[Any]] = {
        "authenticate": [denied],
        "read": [Caller(PRINCIPAL, "caller"), denied],
        "admit": [Caller(PRINCIPAL, "caller"), Asked(call, Claims()), denied],
    }
    for reply in replies[step]:
        play.answer(reply)
    refusal = play.expect(Refuse).refusal
    play.answer(None)
    assert play.outcome == refusal
    assert refusal.code == "rate_limited"
    assert refusal.organization == ("system" if step == "authenticate" else "default")


def test_a_caller_without_a_key_leaves_no_text_of_its_own() -> None:
    play = Playbook()
    play.answer(Denied("invalid_api_key", "No."))
    refusal = play.expect(Refuse).refusal
    assert (refusal.attribution, refusal.provider, refusal.model) == (None, None, None)


def test_naming_a_team_outside_the_keys_scope_is_refused() -> None:
    play = Playbook()
    play.answer(Caller(PRINCIPAL, "caller"))
    call = Call("req_1", "acme", "POST", "/p", "chat", "d", Facts(model="m-1"), 10, AT_US)
    play.answer(Asked(call, Claims(labels={"team": "sales"})))
    assert play.expect(Refuse).denied.code == "outside_key_scope"


def test_a_connection_never_made_costs_nothing() -> None:
    settlement = Playbook().until_forward().served(fault="connect", written=False)
    assert (settlement.cost_nanos, settlement.basis, settlement.outcome) == (0, "zero_proven", "unreached")


def test_bytes_sent_and_then_silence_cost_the_worst_case() -> None:
    play = Playbook().until_forward()
    hold = play.expect(Forward).admission.hold_nanos
    settlement = play.served(fault="timeout", written=True)
    assert (settlement.cost_nanos, settlement.basis, settlement.code) == (hold, "worst_case", "upstream_timeout")


@pytest.mark.parametrize(("status", "own", "basis"), [
    (400, True, "zero_proven"), (429, True, "zero_proven"), (500, True, "zero_proven"), (529, True, "zero_proven"),
    (404, False, "zero_proven"), (408, False, "worst_case"), (500, False, "worst_case"), (502, False, "worst_case"),
    (504, False, "worst_case"), (524, False, "worst_case"),
])
def test_an_error_answer_costs_nothing_only_when_it_is_the_providers_own(status: int, own: bool, basis: str) -> None:
    settlement = Playbook().until_forward().served(status=status, own_error=own)
    assert (settlement.basis, settlement.outcome) == (basis, "failed")


def test_a_reply_without_usage_is_estimated_and_says_so() -> None:
    settlement = Playbook().until_forward().served(status=200, reading=Reading(model="m-1", output_bytes=400, ended=True))
    assert (settlement.method, settlement.basis) == ("estimated", "counted")
    assert settlement.cost_nanos > 0


def test_a_count_that_was_still_running_is_the_least_a_cut_reply_cost() -> None:
    """The input is what was stated; of the output more was seen than had been counted."""
    reading = Reading(usage=usage_of(input_text=1_000, output_text=10), model="m-1", output_bytes=3_000, running=True)
    settlement = Playbook().until_forward().served(status=200, reading=reading, fault="reset")
    assert (settlement.outcome, settlement.method, settlement.basis) == ("cut", "estimated", "counted")
    assert settlement.usage is not None
    assert settlement.usage.input_tokens == 1_000
    assert settlement.usage.output_tokens > 10
    complete = Playbook().until_forward().served(status=200, reading=reading)
    assert (complete.method, complete.basis, complete.usage) == ("priced", "usage", reading.usage)


def test_usage_of_zero_is_a_statement_not_an_absence() -> None:
    settlement = Playbook().until_forward().served(status=200, reading=Reading(usage=usage_of(), model="m-1", ended=True))
    assert (settlement.method, settlement.basis, settlement.cost_nanos) == ("priced", "usage", 0)


def test_an_unknown_model_is_unpriced_never_silently_zero() -> None:
    settlement = Playbook().until_forward(facts=Facts(model="m-9")).served(
        status=200, reading=Reading(usage=usage_of(input_text=10), model="m-9", ended=True))
    assert settlement.method == "unpriced"


def test_a_billable_route_without_a_meter_is_unpriced() -> None:
    settlement = Playbook().until_forward(dialect=None).served(status=200)
    assert settlement.method == "unpriced"


def test_what_the_provider_says_it_charged_wins_and_the_gap_is_drift() -> None:
    reading = Reading(usage=usage_of(input_text=1_000_000), model="m-1", stated=StatedCost(Decimal("2.02")), ended=True)
    settlement = Playbook(states_cost=True).until_forward().served(status=200, reading=reading)
    assert (settlement.method, settlement.cost_nanos, settlement.computed_nanos) == ("stated", 2_020_000_000, 2_000_000_000)
    assert settlement.drift


def test_a_statement_is_ignored_where_the_provider_file_does_not_declare_it() -> None:
    reading = Reading(usage=usage_of(input_text=1_000), model="m-1", stated=StatedCost(Decimal("0.5")), ended=True)
    settlement = Playbook().until_forward().served(status=200, reading=reading)
    assert (settlement.method, settlement.cost_nanos) == ("priced", 2_000_000)


def test_a_stated_zero_for_tokens_of_a_priced_model_is_no_price() -> None:
    reading = Reading(usage=usage_of(input_text=1_000), model="m-1", stated=StatedCost(Decimal(0)), ended=True)
    settlement = Playbook(states_cost=True).until_forward().served(status=200, reading=reading)
    assert (settlement.method, settlement.drift) == ("unpriced", True)


def test_a_byok_call_books_the_stated_zero_and_the_upstream_line() -> None:
    stated = StatedCost(Decimal(0), byok=True, upstream_usd=Decimal("0.002"))
    reading = Reading(usage=usage_of(input_text=1_000), model="m-1", stated=stated, ended=True)
    settlement = Playbook(states_cost=True).until_forward().served(status=200, reading=reading)
    assert (settlement.method, settlement.cost_nanos, settlement.upstream_nanos, settlement.drift) == ("stated", 0, 2_000_000, False)


def test_the_sandbox_costs_nothing_and_shows_what_it_would_have_cost() -> None:
    reading = Reading(usage=usage_of(input_text=1_000), model="m-1", ended=True)
    settlement = Playbook().until_forward(claims=Claims(sandbox=True)).served(status=200, reading=reading)
    assert (settlement.method, settlement.cost_nanos, settlement.would_be_nanos) == ("sandbox", 0, 2_000_000)


def test_a_caller_that_left_changes_the_outcome_not_the_price() -> None:
    reading = Reading(usage=usage_of(input_text=1_000), model="m-1", ended=True)
    settlement = Playbook().until_forward().served(status=200, reading=reading, client_gone=True)
    assert (settlement.outcome, settlement.cost_nanos) == ("client_gone", 2_000_000)


def test_a_free_route_holds_and_costs_nothing() -> None:
    play = Playbook(route=FREE).until_forward(dialect=None, facts=Facts())
    assert play.expect(Forward).admission.hold_nanos == 0
    settlement = play.served(status=200)
    assert (settlement.cost_nanos, settlement.method, settlement.basis) == (0, "priced", "zero_proven")


def test_a_text_in_the_place_of_a_name_is_cut_and_ids_of_objects_are_not_written_down() -> None:
    """A prompt pasted into `model` or `user` must neither be stored nor be too long for the journal."""
    prompt = "my secret " * 100_000
    facts = Facts(model=prompt, end_user=prompt, tier=prompt, reasoning_effort=prompt, objects=("file-1",) * 1_000)
    play = Playbook().until_forward(facts=facts)
    admission = play.expect(Forward).admission
    reading = Reading(usage=usage_of(input_text=1), model=prompt, response_id=prompt, traits={"tier": prompt}, ended=True)
    assert len(repr(admission)) + len(repr(play.served(status=200, reading=reading))) < 8_000
    assert admission.facts.objects == ()
