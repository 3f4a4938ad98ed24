"""Calls that go out again with another credential, as scripts of commands and answers: when they may, and what is booked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tallystick.core.attempt import Refusal, Settlement
from tallystick.core.budget import Scope
from tallystick.core.call import Call, Facts
from tallystick.core.credential_health import Cooling, Place
from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.core.errors import Denied
from tallystick.core.exchange import (
    Admit, Asked, Authenticate, Book, Caller, Delivered, Forward, GiveBack, Opening, Read, Refuse, Rules, Settle, exchange,
)
from tallystick.core.identity import Claims, Principal
from tallystick.core.policies.book import policy_book, rule_of
from tallystick.core.policies.policy import Policy
from tallystick.core.settlement import Served
from tallystick.core.usage import Reading, usage_of
from tests.build.prices import book_of

AT_US = 1_795_000_000_000_000
SECOND = 1_000_000
CHAT = Route("POST", "/v1/chat/completions", "chat", dialect=None)
RESPONSES = Route("POST", "/v1/responses", "responses", keeps=True)
LIST = Route("GET", "/v1/models", "models", kind="models", free=True)
PRINCIPAL = Principal("key_1", "default", {"team": "hr", "project": "bot"})
FACTS = Facts(model="m-1", output_limit=100)
USED = Reading(usage=usage_of(input_text=1_000, output_text=50), model="m-1", ended=True)
LIMITED = Served(status=429, own_error=True)
ALL = ["rate_limit", "refused", "unavailable", "connect"]


class Story:
    """One call with a stored credential, under a policy that names others."""

    def __init__(self, *, on: list[str] | None = None, others: list[str] | None = None, attempts: int = 2, route: Route = CHAT,
                 credential: str = "default", cooling: dict[str, Cooling] | None = None, mode: Any = "enforce", facts: Facts = FACTS,
                 whole: bool = True, prices: Any = None) -> None:
        rule = rule_of("failover", {"credentials": others or ["second", "third"], "on": on or ALL, "attempts": attempts})
        book = policy_book([Policy(7, "", "failover", Scope("org"), rule, mode=mode)])
        host = Provider("acme", "Acme", "https://acme.example", (CHAT, RESPONSES, LIST), (CredentialPlace("authorization", "Bearer "),))
        self.asked_of: list[tuple[Place, str | None]] = []

        def cools(place: Place, model: str | None) -> Cooling | None:
            self.asked_of.append((place, model))
            return (cooling or {}).get(place.name)

        rules = Rules(prices or book_of(acme={"m-1": {"input_text": "2", "output_text": "10"}}), policies={"default": book}, cooling=cools)
        self._script = exchange(Opening("req_1", AT_US, host, route), rules)
        self.asked: Any = next(self._script)
        self.outcome: Settlement | Refusal | None = None
        self.expect(Authenticate)
        self.answer(Caller(PRINCIPAL, credential))
        self.expect(Read)
        call = Call("req_1", "acme", route.method, route.path, route.operation, "openai_chat", facts, 1_000, AT_US)
        self.answer(Asked(call, Claims(), whole=whole))

    def expect(self, kind: type) -> Any:
        assert isinstance(self.asked, kind), f"asked for {self.asked}, expected {kind.__name__}"
        return self.asked

    def answer(self, reply: Any) -> Story:
        try:
            self.asked = self._script.send(reply)
        except StopIteration as end:
            self.asked, self.outcome = None, end.value
        return self

    def goes(self, credential: str, attempt: int = 1) -> Story:
        """It is admitted with this credential, and forwarded."""
        admission = self.expect(Admit).admission
        assert (admission.credential, admission.attempt) == (credential, attempt)
        self.answer(admission)
        self.expect(Forward)
        return self

    def meets(self, served: Served, *, in_hand: bool = True, wait_us: int | None = None, after_us: int = SECOND) -> Story:
        return self.answer(Delivered(served, AT_US + after_us, in_hand=in_hand, wait_us=wait_us))

    def is_over(self) -> Settlement:
        settlement: Settlement = self.expect(Settle).settlement
        self.answer(None)
        assert self.outcome == settlement
        return settlement


def test_a_rate_limit_is_booked_as_what_it_was_and_the_next_credential_carries_the_call() -> None:
    story = Story().goes("default").meets(LIMITED)
    first = story.expect(Book).settlement
    assert (first.attempt, first.cost_nanos, first.basis, first.status) == (1, 0, "zero_proven", 429)
    story.answer(None)
    admission = story.expect(Admit).admission
    assert (admission.request_id, admission.attempt, admission.credential) == ("req_1", 2, "second")
    assert admission.at_us == AT_US + SECOND                 # it begins when the one before had ended
    assert admission.hold_nanos > 0
    assert [(judged.policy, judged.how) for judged in admission.judged] == [(7, "edited")]
    story.goes("second", 2).meets(Served(status=200, reading=USED), in_hand=False, after_us=2 * SECOND)
    settlement = story.is_over()
    assert (settlement.attempt, settlement.cost_nanos) == (2, 1_000 * 2_000 + 50 * 10_000)


@pytest.mark.parametrize(("served", "kind"), [
    (LIMITED, "rate_limit"), (Served(status=529, own_error=True), "rate_limit"), (Served(status=401, own_error=True), "refused"),
    (Served(status=402, own_error=True), "refused"), (Served(status=403, own_error=True), "refused"),
    (Served(status=500, own_error=True), "unavailable"), (Served(status=502), "unavailable"), (Served(status=503), "unavailable"),
    (Served(fault="connect", written=False), "connect"),
])
def test_what_another_attempt_may_follow_and_only_where_the_policy_says_so(served: Served, kind: str) -> None:
    Story(on=[kind]).goes("default").meets(served).expect(Book)
    others = [one for one in ALL if one != kind]
    Story(on=others).goes("default").meets(served).is_over()


@pytest.mark.parametrize("served", [
    Served(status=200, reading=USED), Served(status=400, own_error=True), Served(status=404, own_error=True), Served(status=422, own_error=True),
    Served(status=408), Served(status=504), Served(status=524),                  # an edge gave up; the provider may not have
    Served(fault="timeout", written=True), Served(fault="reset", written=True), Served(fault="cancelled", written=False),
    Served(status=429, own_error=True, fault="reset"),
])
def test_what_no_attempt_follows_whatever_a_policy_says(served: Served) -> None:
    Story(on=ALL).goes("default").meets(served).is_over()


def test_nothing_follows_once_a_byte_has_reached_the_caller() -> None:
    Story().goes("default").meets(LIMITED, in_hand=False).is_over()


def test_nothing_follows_for_a_caller_that_left() -> None:
    Story().goes("default").meets(replace(LIMITED, client_gone=True)).is_over()


def test_a_body_that_streamed_through_is_not_sent_again() -> None:
    Story(whole=False).goes("default").meets(LIMITED).is_over()


def test_a_callers_own_credential_is_the_callers_business() -> None:
    story = Story(credential="caller", cooling={"caller": Cooling("rate_limit", AT_US, AT_US + SECOND, stated=True)})
    story.goes("caller").meets(LIMITED).is_over()
    assert story.asked_of == []


@pytest.mark.parametrize(("route", "facts"), [(RESPONSES, FACTS), (CHAT, replace(FACTS, background=True))])
def test_what_the_provider_keeps_stays_with_its_credential(route: Route, facts: Facts) -> None:
    Story(route=route, facts=facts).goes("default").meets(LIMITED).is_over()
    waits = {"default": Cooling("rate_limit", AT_US, AT_US + 9 * SECOND, stated=True)}
    assert Story(route=route, facts=facts, cooling=waits).expect(Refuse).denied.code == "credential_cooling_down"


def test_an_observing_policy_moves_nothing() -> None:
    Story(mode="observe").goes("default").meets(LIMITED).is_over()


def test_there_are_as_many_attempts_as_the_policy_says() -> None:
    two = Story().goes("default").meets(LIMITED)
    two.answer(None).goes("second", 2).meets(LIMITED)
    assert two.is_over().attempt == 2
    three = Story(attempts=3).goes("default").meets(LIMITED)
    three.answer(None).goes("second", 2).meets(LIMITED)
    three.answer(None).goes("third", 3).meets(LIMITED)
    assert three.is_over().attempt == 3


def test_a_second_attempt_that_does_not_fit_gives_the_first_answer_back() -> None:
    story = Story().goes("default").meets(LIMITED)
    story.answer(None)
    story.expect(Admit)
    story.answer(Denied("budget_exceeded", "No."))
    story.expect(GiveBack)
    story.answer(None)
    assert isinstance(story.outcome, Settlement)
    assert (story.outcome.attempt, story.outcome.status) == (1, 429)


def test_a_credential_that_is_not_held_is_passed_over() -> None:
    story = Story().goes("default").meets(LIMITED)
    story.answer(None)
    assert story.expect(Admit).admission.credential == "second"
    story.answer(Denied("provider_credential_missing", "None."))
    story.goes("third", 2).meets(Served(status=200, reading=USED)).is_over()
    none = Story().goes("default").meets(LIMITED)
    none.answer(None).answer(Denied("provider_credential_missing", "None.")).answer(Denied("provider_credential_unusable", "None."))
    none.expect(GiveBack)


def test_the_hold_of_each_attempt_is_at_its_own_credentials_price() -> None:
    class ByCredential:
        """Prices that depend on who pays."""

        def __init__(self) -> None:
            self.books = {name: book_of(acme={"m-1": {"input_text": "2", "output_text": price}})
                          for name, price in (("default", "10"), ("second", "20"))}

        def of(self, _provider: str, _attribution: Any, credential: str) -> Any:
            return self.books[credential]

    story = Story(prices=ByCredential(), others=["second"])
    before = story.expect(Admit).admission.hold_nanos
    story.goes("default").meets(LIMITED).answer(None)
    after = story.expect(Admit).admission.hold_nanos
    assert after - before == 100 * 10_000
    settlement = story.goes("second", 2).meets(Served(status=200, reading=USED)).is_over()
    assert settlement.cost_nanos == 1_000 * 2_000 + 50 * 20_000


def stated(seconds: int) -> Cooling:
    return Cooling("rate_limit", AT_US, AT_US + seconds * SECOND, stated=True)


def guessed(why: Any = "rate_limit") -> Cooling:
    return Cooling(why, AT_US, AT_US + SECOND, stated=False)


def test_while_a_credential_cools_the_next_one_goes_first() -> None:
    story = Story(cooling={"default": stated(20)})
    admission = story.expect(Admit).admission
    assert (admission.attempt, admission.credential) == (1, "second")
    assert [(judged.policy, judged.how) for judged in admission.judged] == [(7, "edited")]
    assert (Place("default", "acme", "default"), "m-1") in story.asked_of
    # Where that one is limited too, the cooling one is not tried: the provider said not to.
    story.goes("second").meets(LIMITED).answer(None)
    story.goes("third", 2)


def test_where_all_cool_the_call_is_answered_here_with_the_soonest_end() -> None:
    story = Story(cooling={"default": stated(20), "second": stated(7), "third": stated(30)})
    denied = story.expect(Refuse).denied
    assert (denied.code, denied.retry_after_s) == ("credential_cooling_down", 7)
    story.answer(None)
    assert isinstance(story.outcome, Refusal)
    assert (story.outcome.code, story.outcome.model, story.outcome.provider) == ("credential_cooling_down", "m-1", "acme")


def test_where_the_others_are_not_held_the_caller_is_told_of_the_limit() -> None:
    story = Story(cooling={"default": stated(20)})
    for credential in ("second", "third"):
        assert story.expect(Admit).admission.credential == credential
        story.answer(Denied("provider_credential_missing", "None."))
    denied = story.expect(Refuse).denied
    assert (denied.code, denied.retry_after_s) == ("credential_cooling_down", 20)


def test_without_a_policy_only_a_stated_limit_turns_a_call_away() -> None:
    def alone(cooling: Cooling) -> Story:
        return Story(mode="observe", cooling={"default": cooling})

    assert alone(stated(20)).expect(Refuse).denied.retry_after_s == 20
    alone(guessed()).goes("default")
    alone(guessed("refused")).goes("default")


def test_a_guess_only_changes_the_order() -> None:
    story = Story(cooling={"default": guessed(), "second": stated(20)}, attempts=3)
    story.goes("third").meets(LIMITED).answer(None)
    story.goes("default", 2).meets(LIMITED)
    assert story.is_over().attempt == 2


def test_a_policy_that_says_nothing_of_limits_does_not_pass_them_by() -> None:
    assert Story(on=["connect"], cooling={"default": stated(20)}).expect(Refuse).denied.code == "credential_cooling_down"
    Story(on=["connect"], cooling={"default": guessed("refused")}).goes("default")


def test_a_free_route_asks_of_no_model() -> None:
    story = Story(route=LIST)
    assert {model for _, model in story.asked_of} == {None}
