"""Past calls are judged as they would have been live: the same function, on what their entries keep of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.attempt import Admission, Refusal
from tallystick.core.budget import Scope
from tallystick.core.call import Call, Facts, written
from tallystick.core.entry import admission_fields, read_admission, read_refusal, refusal_fields
from tallystick.core.identity import Attribution
from tallystick.core.policies.book import Judgement, PolicyBook, changed, judge, policy_book, rule_of
from tallystick.core.policies.dry_run import EXACT, SIMULATED, PastCall, Tally, Who, dry_run, past_admission, past_refusal
from tallystick.core.policies.parameters import parse_scope
from tallystick.core.policies.policy import Case, Policy

NOON_US = 1_795_262_400_000_000
REQUEST = "req_" + "0" * 32


def policies(*said: tuple[str, str, dict[str, Any]]) -> PolicyBook:
    return policy_book(Policy(number, "", kind, parse_scope(on), rule_of(kind, parameters, ZoneInfo), parameters)
                       for number, (kind, on, parameters) in enumerate(said, 1))


RULES = policies(
    ("kill", "team:ops", {}), ("hours", "org", {"open": "mon-sat 06:00-20:00", "zone": "Europe/Berlin"}),
    ("model_access", "team:search", {"deny_models": ["o3*"]}), ("required_dimensions", "org", {"require": ["user"], "verified": True}),
    ("request_size", "org", {"input_tokens_max": 5_000, "output_tokens_max": 800, "n_max": 2, "clamp": True}),
    ("default_output", "org", {"output_tokens": 500}), ("reasoning", "user:*", {"effort_max": "medium", "tokens_max": 2_000}),
)

FACTS = st.builds(
    Facts, model=st.sampled_from(["gpt-4o", "o3-mini", None]), output_limit=st.none() | st.integers(0, 2_000), n=st.integers(1, 3),
    reasoning_effort=st.sampled_from([None, "low", "HIGH", "medium", "ultra", "auto"]), reasoning_limit=st.none() | st.integers(0, 4_000),
    media=st.integers(0, 3), media_bytes=st.integers(0, 5_000), tools=st.integers(0, 9))
CASES = st.builds(
    lambda facts, who, at_us, size, billable, route: Case(
        Call(REQUEST, "openai", "POST", "/v1/x", route[0], route[1], facts, size, at_us), who, billable=billable),
    FACTS,
    st.builds(lambda team, user, claimed: Attribution("k1", "default", {"team": team} | ({"user": user} if user else {}),
                                                      claimed=frozenset({"user"}) if claimed and user else frozenset()),
              st.sampled_from(["search", "ops", "web"]), st.sampled_from([None, "ann", "bob"]), st.booleans()),
    st.integers(NOON_US - 14 * 86_400_000_000, NOON_US), st.integers(0, 60_000), st.booleans(),
    st.sampled_from([("chat", "openai_chat"), ("responses", "openai_responses"), ("embeddings", "openai_embeddings"), ("other", None)]))


class Names:
    """A dictionary as a chain keeps it."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, int], str] = {}

    def define(self, kind: str, name: str, content: Any = None) -> int:
        number = len(self.names) + 1
        self.names[kind, number] = name
        return number

    def named(self, kind: str, number: int) -> tuple[str, dict[str, str]]:
        return self.names[kind, number], {}


def through_the_ledger(case: Case, judgement: Judgement) -> PastCall | None:
    """The call as it is found again: as an admission with its changes, or as a refusal."""
    names, call = Names(), judgement.call
    if judgement.denied is not None:
        refused = Refusal(REQUEST, call.at_us, "default", judgement.denied.code, 403, case.attribution, call.provider, call.operation,
                          case.call.facts.model, written(case.call.facts), call.body_bytes, judgement.policy, call.dialect, case.billable)
        return past_refusal(read_refusal({**refusal_fields(refused, names.define), "org": "default"}, names.named))
    admitted = Admission(
        REQUEST, 1, call.at_us, case.attribution, call.provider, call.operation, call.dialect, call.facts.model, written(call.facts),
        call.body_bytes, 0, 0, True, case.billable, judged=judgement.judged, asked=changed(case.call, call))
    return past_admission(read_admission({**admission_fields(admitted, names.define), "org": "default"}, names.named))


@given(CASES)
def test_a_past_call_is_decided_as_it_was_live(case: Case) -> None:
    live = judge(RULES, case)
    past = through_the_ledger(case, live)
    assert past is not None
    again = judge(RULES, past.case)
    assert (again.denied, again.policy, again.edit, again.judged) == (live.denied, live.policy, live.edit, live.judged)


@given(st.lists(CASES, max_size=20))
def test_the_rules_in_force_stop_of_the_past_what_they_stopped(cases: list[Case]) -> None:
    lived = [(case, judge(RULES, case)) for case in cases]
    run = dry_run(RULES, [past for case, live in lived if (past := through_the_ledger(case, live)) is not None])
    assert run.tally.calls == len(cases)
    assert run.tally.stopped == sum(live.denied is not None for _, live in lived)
    assert run.changed == sum(live.edit is not None and live.denied is None for _, live in lived)
    assert (run.released, run.unjudged) == (0, {})


def past(user: str, *, at_us: int = NOON_US, cost_nanos: int = 100, **more: Any) -> PastCall:
    who = Attribution("k1", "default", {"team": "web", "user": user})
    call = Call(REQUEST, "openai", "", "", "chat", "openai_chat", Facts(model="gpt-4o", output_limit=10), 1_000, at_us)
    return PastCall(REQUEST, Case(call, who), cost_nanos, 20, at_us + 1_000_000, **more)


def test_who_would_have_been_stopped_and_what_that_saves() -> None:
    run = dry_run(policies(("model_access", "user:ann", {"deny_models": "gpt-4o*"})), [past("ann"), past("bob"), past("ann", cost_nanos=7)])
    assert run.tally == Tally(3, 2, 107)
    assert run.by_who == {Who("k1", "web", "", "ann"): Tally(2, 2, 107), Who("k1", "web", "", "bob"): Tally(1, 0, 0)}
    assert [(one.policy, one.code, one.cost_nanos) for one in run.stopped] == [(1, "policy_denied", 100), (1, "policy_denied", 7)]


def test_rates_are_replayed_in_the_order_of_the_calls() -> None:
    calls = [past("ann", at_us=NOON_US + at * 500_000) for at in range(4)]
    assert dry_run(policies(("rates", "org", {"requests": 3})), calls).tally.stopped == 1
    assert dry_run(policies(("rates", "org", {"concurrent": 1})), calls).tally.stopped == 2, "each runs for a second"
    assert dry_run(policies(("rates", "user:*", {"tokens": 399})), calls).tally.stopped == 1, "of which each took 20"


def test_caps_of_sessions_are_replayed_in_the_order_of_the_calls() -> None:
    def of(session: str | None, cost_nanos: int = 100) -> PastCall:
        one = past("ann", cost_nanos=cost_nanos)
        labels = {"team": "web"} | ({"session": session} if session else {})
        who = Attribution("k1", "default", labels, claimed=frozenset({"session"}))
        return replace(one, case=replace(one.case, attribution=who, expected=lambda _: cost_nanos * 2))

    calls = [of("s1"), of("s2"), of("s1"), of("s1"), of(None)]
    counted = dry_run(policies(("session_caps", "org", {"calls": 2})), calls)
    assert [one.code for one in counted.stopped] == ["budget_exceeded", "policy_denied"]
    assert dry_run(policies(("session_caps", "org", {"calls": 2, "optional": True})), calls).tally.stopped == 1
    paid = dry_run(policies(("session_caps", "team:web", {"usd": "0.0000003", "optional": True})), calls)
    assert paid.tally.stopped == 1, "300 spent is no room for 200 more, 200 spent neither"
    assert dry_run(policies(("session_caps", "team:ops", {"calls": 1})), calls).tally.stopped == 0


def test_what_cannot_be_asked_is_counted_and_what_nobody_would_stop_any_more_too() -> None:
    refused = past("ann", stopped_by=9, cost_nanos=0)
    run = dry_run(policies(("addresses", "org", {"allow": "10.0.0.0/8"}), ("expensive", "org", {"confirm_above_usd": 1})), [past("bob"), refused])
    assert (run.tally.stopped, run.released, run.unjudged) == (0, 1, {"addresses": 2, "expensive": 1})


def test_a_refusal_that_was_no_policys_does_not_say_enough() -> None:
    assert past_refusal(Refusal(REQUEST, NOON_US, "default", "budget_exceeded", 402, Attribution("k1", "default", {}))) is None
    assert not EXACT & SIMULATED


def test_a_call_changed_by_a_budget_is_judged_as_its_caller_wrote_it() -> None:
    call = past("ann").case.call
    admitted = Admission(REQUEST, 1, NOON_US, Attribution("k1", "default", {}), "openai", "chat", "openai_chat", "gpt-4o",
                         replace(call.facts, output_limit=3), 1_000, 0, 0, True, True, asked={"output_limit": "900", "clamped_by": "4"})
    book = policies(("request_size", str(Scope("org")), {"output_tokens_max": 800}))
    assert judge(book, past_admission(admitted).case).denied is not None
