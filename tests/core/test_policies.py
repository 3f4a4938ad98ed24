"""What policies say of a call: one rule at a time, and all of an organisation's together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.attempt import Judged
from tallystick.core.budget import bound_by, Scope, subject_matches
from tallystick.core.call import Call, Facts, name
from tallystick.core.errors import Denied
from tallystick.core.facts import pack, unpack as facts_of
from tallystick.core.identity import Attribution
from tallystick.core.policies.book import KIND_NAMES, Judgement, asked_before, changed, judge, policy_book, rule_of
from tallystick.core.policies.counters import WHOLE, Counters, Part
from tallystick.core.policies.parameters import BadPolicy, parse_scope
from tallystick.core.policies.policy import Capped, Bypass, Case, Claimed, Edit, Policy, Verdict, Warn
from tallystick.core.policies.spellings import limited, spelling_of

NOON_US = 1_795_262_400_000_000              # Saturday 2026-11-21 12:00 UTC
ORG = Scope("org")


def call(**more: Any) -> Call:
    facts = {"model": "gpt-4o", "output_limit": 100, **more.pop("facts", {})}
    said = {"provider": "openai", "operation": "chat", "dialect": "openai_chat", "body_bytes": 1_000, "at_us": NOON_US, **more}
    return Call("req_1", method="POST", path="/v1/chat/completions", facts=Facts(**facts), **said)


def case(*, labels: dict[str, str] | None = None, claimed: tuple[str, ...] = (), tags: tuple[tuple[str, str], ...] = (),
         dimensions: dict[str, str] | None = None, billable: bool = True, confirmed: bool = False, address: str = "", **more: Any) -> Case:
    who = Attribution("k1", "default", {"team": "search", **(labels or {})}, tags, dimensions or {}, frozenset(claimed))
    return Case(call(**more), who, billable=billable, confirmed=confirmed, address=address)


def policy(number: int, kind: str, scope: Scope = ORG, **more: Any) -> Policy:
    said = {name: more.pop(name) for name in ("mode", "starts_us", "ends_us", "name") if name in more}
    return Policy(number, kind=kind, scope=scope, rule=rule_of(kind, more), parameters=more, **{"name": "", **said})


def says(kind: str, about: Case, **parameters: Any) -> Verdict | None:
    return rule_of(kind, parameters).judge(about)


def refuses(kind: str, about: Case, **parameters: Any) -> bool:
    return isinstance(says(kind, about, **parameters), Denied)


# --- model_access

@pytest.mark.parametrize(("lists", "model", "open_"), [
    ({"allow_models": ["gpt-4o*"]}, "gpt-4o-mini", True),
    ({"allow_models": ["gpt-4o*"]}, "GPT-4O", True),
    ({"allow_models": ["gpt-4o*"]}, "o3", False),
    ({"allow_models": "gpt-4?"}, "gpt-4o", True),
    ({"deny_models": ["*-preview", "o1*"]}, "o1-pro", False),
    ({"deny_models": ["*-preview", "o1*"]}, "gpt-4o", True),
    ({"allow_models": ["gpt-*"], "deny_models": ["gpt-4o"]}, "gpt-4o", False),
    ({"allow_models": ["a.b"]}, "axb", False),
    ({"allow_providers": ["openai"]}, "anything", True),
    ({"deny_providers": ["open*"]}, "anything", False),
    ({"allow_providers": ["anthropic"]}, "gpt-4o", False),
])
def test_models_and_providers_by_pattern(lists: dict[str, Any], model: str, open_: bool) -> None:
    assert refuses("model_access", case(facts={"model": model}), **lists) is not open_


def test_a_model_that_cannot_be_read_is_no_way_around_the_list() -> None:
    upload = case(facts={"model": None}, operation="transcription", dialect=None)
    assert refuses("model_access", upload, allow_models=["gpt-4o"])
    assert refuses("model_access", upload, deny_models=["gpt-5*"])
    assert not refuses("model_access", upload, allow_providers=["openai"])
    assert not refuses("model_access", case(facts={"model": None}, billable=False, operation="models"), allow_models=["gpt-4o"])


# --- required_dimensions

def test_what_a_call_must_say_of_itself() -> None:
    need = {"require": ["user", "tag:feature", "dimension:region"]}
    denied = says("required_dimensions", case(labels={"user": "ann"}), **need)
    assert isinstance(denied, Denied)
    assert denied.details["missing"] == "tag:feature,dimension:region"
    full = case(labels={"user": "ann"}, tags=(("feature", ""),), dimensions={"region": "eu"}, claimed=("user", "tags"))
    assert says("required_dimensions", full, **need) is None
    assert refuses("required_dimensions", full, verified=True, **need), "what only the caller says does not count"
    assert not refuses("required_dimensions", case(billable=False), **need)


def test_only_listed_values_may_be_given() -> None:
    listed = {"allowed": {"environment": ["prod", "dev"]}}
    assert not refuses("required_dimensions", case(), **listed)
    assert not refuses("required_dimensions", case(labels={"environment": "dev"}), **listed)
    assert refuses("required_dimensions", case(labels={"environment": "test"}), **listed)


# --- request_size, default_output

@pytest.mark.parametrize(("limit", "facts", "passes"), [
    ({"body_bytes_max": 1_000}, {}, True), ({"body_bytes_max": 999}, {}, False),
    ({"n_max": 1}, {"n": 2}, False), ({"media_max": 0}, {"media": 1}, False), ({"tools_max": 2}, {"tools": 2, "server_tools": 1}, False),
    ({"input_tokens_max": 170}, {}, True), ({"input_tokens_max": 169}, {}, False),
    ({"output_tokens_max": 100}, {}, True), ({"output_tokens_max": 99}, {}, False), ({"output_tokens_max": 99}, {"output_limit": None}, False),
])
def test_how_large_a_call_may_be(limit: dict[str, int], facts: dict[str, Any], passes: bool) -> None:
    assert refuses("request_size", case(facts=facts), **limit) is not passes


def test_the_output_is_clamped_where_the_policy_says_so() -> None:
    clamp = {"output_tokens_max": 50, "clamp": True}
    assert says("request_size", case(), **clamp) == Edit(output_limit=50)
    assert says("request_size", case(facts={"output_limit": None}), **clamp) == Edit(output_limit=50)
    assert says("request_size", case(facts={"output_limit": 50}), **clamp) is None
    assert refuses("request_size", case(dialect="bedrock_invoke"), **clamp), "nobody knows how it is spelled: refused, not passed"
    assert refuses("request_size", case(dialect="openai_responses"), output_tokens_max=15, clamp=True), "below the least it takes"


def test_an_output_limit_for_calls_that_state_none() -> None:
    unstated = {"output_limit": None}
    assert says("default_output", case(facts=unstated), output_tokens=500) == Edit(output_limit=500)
    assert says("default_output", case(facts=unstated, dialect="openai_responses"), output_tokens=5) == Edit(output_limit=16)
    assert says("default_output", case(), output_tokens=500) is None
    assert says("default_output", case(facts=unstated, dialect="openai_embeddings", operation="embeddings"), output_tokens=500) is None


# --- reasoning, hours, addresses, expensive

@pytest.mark.parametrize(("limit", "facts", "passes"), [
    ({"effort_max": "medium"}, {"reasoning_effort": "medium"}, True), ({"effort_max": "medium"}, {"reasoning_effort": "HIGH"}, False),
    ({"effort_max": "medium"}, {}, True), ({"effort_max": "medium"}, {"reasoning_effort": "ultra"}, False),
    ({"effort_max": "medium"}, {"reasoning_effort": "auto"}, True), ({"tokens_max": 1_000}, {"reasoning_limit": 1_000}, True),
    ({"tokens_max": 1_000}, {"reasoning_limit": 1_001}, False), ({"must_state": True}, {}, False),
    ({"must_state": True}, {"reasoning_effort": "auto"}, False), ({"must_state": True}, {"reasoning_effort": "low"}, True),
])
def test_how_much_a_model_may_reason(limit: dict[str, Any], facts: dict[str, Any], passes: bool) -> None:
    about = case(facts=facts)
    assert refuses("reasoning", about, **limit) is not passes
    kept = facts_of(pack(about.call.facts, 1_000, 0)).facts
    assert refuses("reasoning", case(facts={"reasoning_effort": kept.reasoning_effort, "reasoning_limit": kept.reasoning_limit}),
                   **limit) is not passes, "what the journal keeps of it is judged the same"


@pytest.mark.parametrize(("spans", "at", "open_"), [
    ({"open": "mon-fri 08:00-18:00"}, "2026-11-20T16:59:59+00:00", True),          # Friday 17:59:59 in Berlin
    ({"open": "mon-fri 08:00-18:00"}, "2026-11-20T17:00:00+00:00", False),
    ({"open": "mon-fri 08:00-18:00"}, "2026-11-21T09:00:00+00:00", False),
    ({"open": ["mon-fri 08:00-18:00", "sat 09:00-12:00"]}, "2026-11-21T09:00:00+00:00", True),
    ({"open": "fri 22:00-06:00"}, "2026-11-21T04:59:00+00:00", True),              # Saturday morning belongs to Friday's night
    ({"open": "fri 22:00-06:00"}, "2026-11-20T04:59:00+00:00", False),
    ({"open": "fri-mon 00:00-24:00"}, "2026-11-22T23:30:00+00:00", True),          # Monday by now
    ({"open": "fri-mon 00:00-24:00"}, "2026-11-24T00:30:00+00:00", False),
    ({"closed": "02:00-03:00"}, "2026-10-25T00:30:00+00:00", False),               # the hour that stands twice
    ({"closed": "02:00-03:00"}, "2026-10-25T01:30:00+00:00", False),
    ({"closed": "02:00-03:00"}, "2026-10-25T02:00:00+00:00", True),
])
def test_the_hours_of_a_zone(spans: dict[str, Any], at: str, open_: bool) -> None:
    at_us = int(datetime.fromisoformat(at).timestamp()) * 1_000_000
    rule = rule_of("hours", {"zone": "Europe/Berlin", **spans}, ZoneInfo)
    assert isinstance(rule.judge(case(at_us=at_us)), Denied) is not open_


@pytest.mark.parametrize(("lists", "address", "passes"), [
    ({"allow": ["10.0.0.0/8", "2001:db8::/32"]}, "10.1.2.3", True), ({"allow": ["10.0.0.0/8"]}, "::ffff:10.1.2.3", True),
    ({"allow": ["10.0.0.0/8", "2001:db8::/32"]}, "2001:db8::7", True), ({"allow": "10.0.0.0/8"}, "11.0.0.1", False),
    ({"allow": "10.0.0.0/8"}, "", False), ({"deny": "10.0.0.0/8"}, "10.9.9.9", False), ({"deny": "10.0.0.0/8"}, "", True),
    ({"allow": "10.0.0.0/8", "deny": "10.0.0.7"}, "10.0.0.7", False),
])
def test_where_calls_may_come_from(lists: dict[str, Any], address: str, passes: bool) -> None:
    assert refuses("addresses", case(address=address), **lists) is not passes


def test_an_expensive_call_is_warned_of_or_asks_to_be_confirmed() -> None:
    terms = {"warn_above_usd": "0.50", "confirm_above_usd": 2}

    def costs(dollars: int | None, *, confirmed: bool = False) -> Verdict | None:
        nanos = None if dollars is None else dollars * 10**9
        return rule_of("expensive", terms).judge(replace(case(confirmed=confirmed), expected=lambda _: nanos))

    assert costs(0) is None
    assert costs(1) == Warn("expected_cost_usd=1.000000000")
    denied = costs(3)
    assert isinstance(denied, Denied)
    assert (denied.code, denied.details["expected_cost_usd"]) == ("confirmation_required", "3.000000000")
    assert costs(3, confirmed=True) == Warn("expected_cost_usd=3.000000000")
    assert costs(None) is None


# --- downgrade

@pytest.mark.parametrize(("used", "more", "expected"), [
    (80, {}, Edit(model="gpt-4o-mini")), (79, {}, None), (None, {}, None), (300, {}, Edit(model="gpt-4o-mini")),
    (90, {"facts": {"model": "gpt-4o-mini"}}, None), (90, {"facts": {"model": "o3"}}, None), (90, {"facts": {"model": None}}, None),
    (90, {"provider": "azure"}, Edit(model="gpt-4o-mini")), (90, {"dialect": None}, None), (90, {"dialect": "gemini_interactions"}, None),
])
def test_a_cheaper_model_when_a_budget_is_near_its_end(used: int | None, more: dict[str, Any], expected: Edit | None) -> None:
    rule = rule_of("downgrade", {"at_percent": 80, "models": {"gpt-4o*": "gpt-4o-mini"}})
    assert rule.judge(replace(case(**more), budget_used=lambda: used)) == expected


def test_a_model_in_the_path_is_another_there_and_one_that_is_closed_is_nobodys_way_around() -> None:
    about = replace(case(facts={"model": "gemini-2.5-pro"}, dialect="gemini"), budget_used=lambda: 90)
    cheaper = policy(1, "downgrade", at_percent=80, models={"gemini-2.5-pro": "gemini-2.5-flash"})
    assert judge(policy_book([cheaper]), about).edit is None
    assert judge(policy_book([cheaper]), replace(about, model_in_path=True)).edit == Edit(model="gemini-2.5-flash")
    closed = policy(2, "model_access", deny_models="*flash*")
    assert judge(policy_book([cheaper, closed]), replace(about, model_in_path=True)) == Judgement(about.call)


def test_which_models_are_open_is_what_every_enforced_list_lets_through() -> None:
    book = policy_book([policy(1, "model_access", allow_models="gpt-4o*"), policy(2, "model_access", Scope("team", "search"), deny_models="*-pro"),
                        policy(3, "model_access", mode="observe", deny_models="*"), policy(4, "model_access", Scope("team", "ops"), deny_models="*")])
    opens = book.opens(case().subject, NOON_US)
    assert opens is not None
    assert [opens(model) for model in ("gpt-4o", "gpt-4o-pro", "o3")] == [True, False, False]
    assert policy_book([policy(3, "model_access", mode="observe", deny_models="*")]).opens(case().subject, NOON_US) is None


# --- the request's bytes

@pytest.mark.parametrize(("dialect", "provider", "body", "expected"), [
    ("openai_chat", "openai", b'{"model":"m"}', b'{"max_completion_tokens":7,"model":"m"}'),
    ("openai_chat", "groq", b'{ }', b'{"max_tokens":7 }'),
    ("openai_chat", "openai", b'{"max_tokens" : 900, "a":1}', b'{"max_tokens" : 7, "a":1}'),
    ("openai_chat", "openai", b'{"max_tokens":9,"max_completion_tokens":null}', b'{"max_tokens":7,"max_completion_tokens":7}'),
    ("openai_responses", "openai", b'{"input":"x"}', b'{"max_output_tokens":7,"input":"x"}'),
    ("gemini", "google", b'{"contents":[]}', b'{"contents":[],"generationConfig":{"maxOutputTokens":7}}'),
    ("gemini", "google", b'{"generation_config":{"max_output_tokens":9}}', b'{"generation_config":{"max_output_tokens":7}}'),
    ("gemini", "google", b'{"generationConfig":{"topP":1}}', b'{"generationConfig":{"maxOutputTokens":7,"topP":1}}'),
    ("gemini", "google", b'{"generationConfig":null}', b'{"generationConfig":{"maxOutputTokens":7}}'),
    ("bedrock_converse", "bedrock", b'{}', b'{"inferenceConfig":{"maxTokens":7}}'),
    ("anthropic_messages", "anthropic", b'{"max_tokens":9}', b'{"max_tokens":7}'),
])
def test_a_limit_is_spliced_in_as_the_dialect_spells_it(dialect: str, provider: str, body: bytes, expected: bytes) -> None:
    spelling = spelling_of(dialect, "chat", provider)
    assert spelling is not None
    assert limited(body, spelling, 7) == expected


# --- delegation

def test_a_callers_word_counts_where_a_policy_says_so() -> None:
    book = policy_book([policy(1, "delegation", Scope("team", "search"), dimensions=["session", "dimension:run", "tags"])])
    about = case(labels={"session": "s1", "user": "ann"}, dimensions={"run": "7"}, claimed=("session", "user", "dimension.run"))
    assert judge(book, about).delegated == {"session", "dimension.run"}
    assert judge(book, about).judged == ()
    assert judge(policy_book([policy(1, "delegation", mode="observe", dimensions="session")]), about).delegated == frozenset()


@pytest.mark.parametrize(("per", "subject"), [(None, "run-1"), ("tag:app", "app=x"), ("dimension:run", "run=7")])
def test_a_call_falls_under_the_cap_of_its_session_and_must_name_one(per: str | None, subject: str) -> None:
    about = case(labels={"session": "run-1"}, tags=(("app", "x"),))
    about = replace(about, attribution=replace(about.attribution, dimensions={"run": "7"}))
    terms = {"calls": 50, "usd": "2"} | ({"per": per} if per else {})
    assert says("session_caps", about, **terms) == Capped(subject, 50, 2 * 10**9)
    judgement = judge(policy_book([policy(7, "session_caps", **terms), policy(8, "session_caps", mode="observe", calls=1, optional=True)]), about)
    assert (judgement.delegated, judgement.caps) == ({bound_by(7)}, ((7, Capped(subject, 50, 2 * 10**9)),))
    assert refuses("session_caps", case(), **terms)
    assert says("session_caps", case(), optional=True, **terms) is None
    assert says("session_caps", replace(case(), billable=False), **terms) is None


# --- rates

def claimed(about: Case, *, enforced: bool = True, scope: str = "org", **limits: Any) -> tuple[Claimed, ...]:
    mode = "enforce" if enforced else "observe"
    return judge(policy_book([policy(1, "rates", parse_scope(scope), mode=mode, **limits)]), about).claims


def test_so_many_calls_in_a_window_and_the_wait_until_the_next() -> None:
    counters, claims = Counters(), claimed(case(), requests=2)
    assert [counters.take(claims, NOON_US + at, WHOLE)[0] for at in (0, 1)] == [None, None]
    denied, _ = counters.take(claims, NOON_US + 48_500_000)
    assert denied is not None
    assert (denied.code, denied.retry_after_s, denied.details["limit"], denied.details["policy_id"]) == ("rate_limited", 12, "2", "1")
    assert counters.take(claims, NOON_US + 60_000_000)[0] is None


def test_tokens_are_taken_as_expected_and_put_right_at_the_end() -> None:
    counters, claims = Counters(), claimed(case(), tokens=500)                   # 170 in and up to 100 out
    assert counters.take(claims, NOON_US)[0] is None
    counters.end(claims, NOON_US, 20)
    assert counters.take(claims, NOON_US)[0] is None
    denied, _ = counters.take(claims, NOON_US)
    assert denied is not None
    assert denied.details["of"] == "tokens"


def test_so_many_at_once() -> None:
    counters, claims = Counters(), claimed(case(), concurrent=1)
    assert counters.take(claims, NOON_US)[0] is None
    denied, _ = counters.take(claims, NOON_US + 90_000_000)
    assert denied is not None
    assert denied.code == "too_many_at_once"
    counters.end(claims, NOON_US, 0)
    assert counters.take(claims, NOON_US + 90_000_000)[0] is None


def test_each_of_a_template_has_its_own_rate_and_observing_never_refuses() -> None:
    counters = Counters()
    for user in ("ann", "bob"):
        assert counters.take(claimed(case(labels={"user": user}), scope="user:*", requests=1), NOON_US)[0] is None
    assert counters.take(claimed(case(labels={"user": "bob"}), scope="user:*", requests=1), NOON_US)[0] is not None
    assert Counters().take(claimed(case(), enforced=False, requests=0), NOON_US) == (None, (Judged(1, "observed"),))


def test_a_call_that_one_rate_has_no_room_for_takes_nothing_of_another() -> None:
    counters, wide, narrow = Counters(), claimed(case(), requests=1), claimed(case(), requests=0)
    assert counters.take((*wide, replace(narrow[0], policy=2)), NOON_US)[0] is not None
    assert counters.take(wide, NOON_US)[0] is None


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=30)), min_size=1, max_size=4))
def test_instances_together_never_pass_a_limit_whoever_joins_or_leaves(limit: int, times: list[tuple[int, list[int]]]) -> None:
    claims, everyone, passed = claimed(case(), requests=limit), [Counters() for _ in range(4)], 0
    most = 0                                 # who came in mid-window waits for the next
    for alive, calls in times:
        most = most or alive
        for number in calls:
            if number < alive:
                part = Part(alive, number, 0 if number < most else NOON_US + 1)
                passed += everyone[number].take(claims, NOON_US, part)[0] is None
    assert passed <= limit


# --- all together

def test_the_first_refusal_names_its_policy_and_kill_comes_first() -> None:
    book = policy_book([policy(1, "model_access", deny_models=["*"]), policy(2, "kill", Scope("team", "search"), reason="leaked key")])
    judgement = judge(book, case())
    assert judgement.denied is not None
    assert (judgement.denied.code, judgement.policy) == ("killed", 2)
    assert judgement.denied.details == {"policy_id": "2", "policy": "kill", "kind": "kill", "scope": "team:search", "reason": "leaked key"}


@pytest.mark.parametrize(("scope", "matches"), [
    ("org", True), ("team:search", True), ("team:*", True), ("team:ops", False), ("user:*", False), ("key:k1", True),
    ("provider:openai", True), ("model:gpt-4o", True), ("project:web", False),
])
def test_a_policy_is_asked_about_the_calls_of_its_scope(scope: str, matches: bool) -> None:
    book = policy_book([policy(1, "kill", parse_scope(scope))])
    assert (judge(book, case()).denied is not None) is matches


def test_what_follows_a_change_sees_the_call_as_it_goes_out() -> None:
    book = policy_book([policy(1, "default_output", output_tokens=500), policy(2, "request_size", output_tokens_max=200, clamp=True)])
    assert judge(book, case(facts={"output_limit": None})).call.facts.output_limit == 200, "sizes are asked first, and set the limit"
    assert judge(book, case(facts={"output_limit": 150})) == Judgement(call(facts={"output_limit": 150}))


def test_observing_changes_nothing_and_is_noted() -> None:
    book = policy_book([policy(1, "kill", mode="observe"), policy(2, "default_output", mode="observe", output_tokens=5)])
    about = case(facts={"output_limit": None})
    assert judge(book, about) == Judgement(about.call, judged=(Judged(1, "observed"), Judged(2, "observed")))


def test_a_policy_holds_from_its_beginning_to_its_end() -> None:
    book = policy_book([policy(1, "kill", starts_us=NOON_US, ends_us=NOON_US + 10)])
    assert [judge(book, case(at_us=NOON_US + offset)).denied is not None for offset in (-1, 0, 9, 10)] == [False, True, True, False]


def test_broken_glass_lets_its_scope_through_until_it_ends_and_a_kill_switch_must_be_named() -> None:
    policies = [policy(1, "model_access", deny_models=["*"]), policy(2, "kill", Scope("key", "k1"))]
    until = NOON_US + 10
    everything = policy_book(policies, [Bypass(0, Scope("team", "search"), until)])
    named = policy_book(policies, [Bypass(0, ORG, until), Bypass(2, ORG, until)])
    assert judge(everything, case()).policy == 2
    assert judge(named, case()).judged == (Judged(2, "bypassed"), Judged(1, "bypassed"))
    assert judge(named, case(at_us=until)).policy == 2
    assert judge(policy_book(policies[:1], [Bypass(0, Scope("team", "ops"), until)]), case()).denied is not None


def test_a_kill_switch_cuts_running_calls_only_where_it_says_now() -> None:
    who, scope = case().subject, Scope("team", "search")
    book = policy_book([policy(1, "kill", scope, now=True, reason="leaked key")])
    refusal = book.killed(who, NOON_US, running=True)
    assert refusal == book.killed(who, NOON_US) == judge(book, case()).denied
    quiet = policy_book([policy(1, "kill", scope)])
    assert (quiet.killed(who, NOON_US, running=True), quiet.killed(who, NOON_US) is not None) == (None, True)
    for other in (policy(1, "kill", now=True, mode="observe"), policy(1, "kill", Scope("team", "ops"), now=True), policy(1, "rates", requests=1)):
        assert policy_book([other]).killed(who, NOON_US) is None
    assert policy_book([policy(1, "kill", now=True)], [Bypass(1, ORG, NOON_US + 1)]).killed(who, NOON_US) is None


@given(st.none() | st.integers(0, 1 << 30), st.none() | st.text(max_size=20), st.builds(Edit, st.none() | st.just("m"), st.none() | st.integers(1, 99)))
def test_what_was_changed_can_be_undone(limit: int | None, model: str | None, edit: Edit) -> None:
    before = call(facts={"output_limit": limit, "model": name(model or None)})      # as it is written down
    after = edit.of(before)
    assert asked_before(after, changed(before, after)) == before


# --- parameters

@pytest.mark.parametrize(("kind", "parameters"), [
    ("model_access", {}), ("model_access", {"allow_model": ["x"]}), ("model_access", {"allow_models": []}), ("model_access", {"allow_models": [7]}),
    ("required_dimensions", {}), ("required_dimensions", {"require": ["planet"]}), ("required_dimensions", {"require": ["tag:"]}),
    ("request_size", {}), ("request_size", {"clamp": True}), ("request_size", {"n_max": -1}), ("request_size", {"n_max": 1.5}),
    ("request_size", {"n_max": True}), ("request_size", {"n_max": 1, "clamp": True}), ("default_output", {}), ("default_output", {"output_tokens": 0}),
    ("reasoning", {}), ("reasoning", {"effort_max": "huge"}), ("hours", {}), ("hours", {"open": "noon"}), ("hours", {"open": "08:00-08:00"}),
    ("hours", {"open": "mon 08:00-25:00"}), ("hours", {"open": "day 08:00-09:00"}), ("hours", {"open": "08:00-09:00", "zone": "Mars/Olympus"}),
    ("addresses", {}), ("addresses", {"allow": "10.0.0.1/8"}), ("addresses", {"deny": "example.org"}),
    ("expensive", {}), ("expensive", {"warn_above_usd": "much"}), ("expensive", {"warn_above_usd": 0.5}),
    ("delegation", {}), ("delegation", {"dimensions": ["team"]}), ("delegation", {"dimensions": ["dimension:"]}),
    ("downgrade", {}), ("downgrade", {"at_percent": 101, "models": {"a": "b"}}), ("downgrade", {"at_percent": 80, "models": {"a": ["b", "c"]}}),
    ("rates", {}), ("rates", {"requests": 5, "window": "hour"}),
    ("kill", {"now": "yes"}), ("kill", {"reason": "a\nb"}), ("nonsense", {}),
    ("session_caps", {}), ("session_caps", {"calls": 0}), ("session_caps", {"calls": 1, "per": "user"}), ("session_caps", {"usd": "x"}),
    ("session_caps", {"calls": 1, "per": "tag:"}),
])
def test_what_no_rule_would_apply_is_an_error(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        rule_of(kind, parameters)


@pytest.mark.parametrize("text", ["", "org:x", "team", "team:", "planet:mars", "header:a/b"])
def test_scopes_that_are_none(text: str) -> None:
    with pytest.raises(BadPolicy):
        parse_scope(text)


def test_every_kind_says_what_it_takes() -> None:
    for kind in KIND_NAMES:
        with pytest.raises(BadPolicy, match=r"it takes|give|has no"):
            rule_of(kind, {"no_such_parameter": 1})


@given(st.lists(st.tuples(st.sampled_from(["web", "ops", ""]), st.sampled_from(["ann", "bob", ""]), st.integers(-20, 20)), min_size=1, max_size=10),
       st.lists(st.tuples(st.sampled_from(["org", "team:web", "team:*", "user:ann", "user:*"]), st.integers(-20, 20), st.integers(1, 20)), max_size=6))
def test_what_a_call_falls_under_does_not_depend_on_the_calls_before_it(
        calls: list[tuple[str, str, int]], policies: list[tuple[str, int, int]]) -> None:
    at_us = call().at_us
    every = [policy(number, "request_size", parse_scope(on), body_bytes_max=1, starts_us=at_us + starts, ends_us=at_us + starts + lasts)
             for number, (on, starts, lasts) in enumerate(policies, start=1)]
    book = policy_book(every)
    for team, user, after in calls:
        subject = case(labels={name: value for name, value in (("team", team), ("user", user)) if value}).subject
        found = book.applied(subject, at_us + after)
        assert found == policy_book(every).applied(subject, at_us + after)
        assert [one.policy.id for one in found] == [
            each.id for each in every if each.in_force(at_us + after) and subject_matches(each.scope, subject) is not None]
        assert all(one.whose == subject_matches(one.policy.scope, subject) for one in found)
