"""Which budgets a call draws on, and what a person may write for a limit."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.budget import BadBudget, Budget, Raise, Scope, Subject, budget_book, parse_limit, subject_matches
from tallystick.core.identity import Attribution
from tallystick.core.windows import parse_window

NOW = 1_795_266_000_000_000


def budget(number: int, kind: Any, value: str = "", **more: Any) -> Budget:
    return Budget(number, Scope(kind, value), parse_window("month"), UTC, 1_000, **more)


def call(labels: dict[str, str] | None = None, *, claimed: tuple[str, ...] = (), delegated: tuple[str, ...] = (),
         **more: Any) -> Subject:
    attribution = Attribution("k1", "default", labels or {}, claimed=frozenset(claimed), **more)
    return Subject(attribution, "openai", "gpt-5", frozenset(delegated))


def drawn(*budgets: Budget, on: Subject) -> list[tuple[int, str, bool]]:
    return [(match.budget.id, match.subject, match.binding) for match in budget_book(budgets).path(on, NOW)]


def test_a_call_draws_on_every_level_above_it() -> None:
    levels = (budget(1, "org"), budget(2, "team", "web"), budget(3, "project", "web/search"), budget(4, "key", "k1"),
              budget(5, "user", "u1"), budget(6, "provider", "openai"), budget(7, "model", "gpt-5"))
    others = (budget(8, "team", "ops"), budget(9, "project", "ops/search"), budget(10, "model", "gpt-5-mini"))
    on = call({"team": "web", "project": "search", "user": "u1"})
    assert drawn(*levels, *others, on=on) == [(number, "", True) for number in range(1, 8)]


def test_a_project_without_a_team_belongs_to_the_team_default() -> None:
    assert drawn(budget(1, "project", "default/search"), on=call({"project": "search"})) == [(1, "", True)]


def test_a_template_counts_each_value_for_itself() -> None:
    assert drawn(budget(1, "user", "*"), on=call({"user": "u7"})) == [(1, "u7", True)]
    assert drawn(budget(1, "user", "*"), on=call()) == []


def test_a_tag_with_or_without_value_and_a_dimension() -> None:
    on = call(tags=(("beta", ""), ("feature", "chat")), dimensions={"customer": "acme"})
    budgets = (budget(1, "tag", "beta"), budget(2, "tag", "feature=chat"), budget(3, "tag", "feature=*"), budget(4, "dimension", "customer=*"))
    assert drawn(*budgets, on=on) == [(1, "", True), (2, "", True), (3, "feature=chat", True), (4, "customer=acme", True)]


def test_a_value_that_only_the_caller_asserts_does_not_bind_unless_the_key_delegates_it() -> None:
    on = call({"team": "web", "user": "u1"}, claimed=("team", "user"))
    assert drawn(budget(1, "user", "u1"), on=on) == [(1, "", False)]
    assert drawn(budget(1, "team", "web"), on=on) == [(1, "", True)], "within the key's scope"
    on = call({"user": "u1"}, claimed=("user",), delegated=("user",))
    assert drawn(budget(1, "user", "u1"), on=on) == [(1, "", True)]


def test_soft_and_observing_budgets_never_bind() -> None:
    assert drawn(budget(1, "org", mode="soft"), budget(2, "org", mode="observe"), on=call()) == [(1, "", False), (2, "", False)]


def test_a_budget_counts_from_its_start_to_its_end() -> None:
    on = call()
    assert drawn(budget(1, "org", starts_us=NOW + 1), on=on) == []
    assert drawn(budget(1, "org", starts_us=NOW, ends_us=NOW + 1), on=on) == [(1, "", True)]
    assert drawn(budget(1, "org", ends_us=NOW), on=on) == []


def test_a_raise_adds_until_it_ends() -> None:
    raised = budget(1, "org", raises=(Raise(50, NOW + 10), Raise(7, NOW)))
    assert (raised.cap(NOW), raised.cap(NOW + 10)) == (1_050, 1_000)


_NAMES = st.sampled_from(["a", "b", "c", "*"])


_HOUR_US = 3_600_000_000
_CALLS = st.builds(
    call, st.dictionaries(st.sampled_from(["team", "project", "user"]), st.sampled_from(["a", "b"])),
    claimed=st.sampled_from([(), ("user",), ("user", "tags")]), delegated=st.sampled_from([(), ("user",)]),
    tags=st.sampled_from([(), (("t", "1"),), (("t", "2"),)]), dimensions=st.sampled_from([{}, {"d": "1"}, {"d": "2"}]))
_ALL_KINDS = (("org", ""), ("team", "a"), ("team", "*"), ("project", "a/b"), ("key", "k1"), ("user", "a"), ("user", "*"), ("tag", "t=1"),
              ("tag", "t=*"), ("dimension", "d=1"), ("model", "gpt-5"))


@given(st.lists(st.tuples(_CALLS, st.integers(0, 60 * 24)), min_size=1, max_size=12), st.sampled_from(["hour", "day", "month"]),
       st.integers(0, 2_000), st.integers(1, 2_000), st.integers(0, 2_000))
def test_a_path_that_is_remembered_is_the_path_that_would_be_found(
        calls: list[tuple[Subject, int]], window: str, starts: int, lasts: int, gap: int) -> None:
    """Whatever calls come before, in whatever order of time, budgets begin, end, pause and change windows as they do alone."""
    minute = _HOUR_US // 60
    budgets = [
        Budget(number, Scope(kind, value), parse_window(window), UTC, 1_000, mode="hard" if number % 3 else "soft",  # type: ignore[arg-type]
               starts_us=NOW + starts * minute if number % 2 else 0, ends_us=NOW + (starts + lasts) * minute if number % 4 else None,
               except_in=((NOW + gap * minute, NOW + (gap + 30) * minute),) if number % 5 else ())
        for number, (kind, value) in enumerate(_ALL_KINDS, start=1)]
    book = budget_book(budgets)
    for on, after in calls:
        at_us = NOW + after * minute
        assert book.path(on, at_us) == budget_book(budgets).path(on, at_us)


@given(st.lists(st.tuples(st.sampled_from(["org", "team", "user", "key", "model", "provider", "agent"]), _NAMES), max_size=8),
       st.dictionaries(st.sampled_from(["team", "user", "agent"]), st.sampled_from(["a", "b", "c"])))
def test_the_compiled_book_finds_what_each_budget_says_for_itself(scopes: list[tuple[Any, str]], labels: dict[str, str]) -> None:
    budgets = [budget(number, kind, "" if kind == "org" else value) for number, (kind, value) in enumerate(scopes)]
    on = Subject(Attribution("a", "default", labels), "b", "c")
    alone = {(one.id, subject) for one in budgets if (subject := subject_matches(one.scope, on)) is not None}
    assert {(number, subject) for number, subject, _ in drawn(*budgets, on=on)} == alone


@pytest.mark.parametrize(("text", "value", "unit", "currency", "window"), [
    ("$500/month", 500_000_000_000, "money", "USD", "month"),
    ("500", 500_000_000_000, "money", "USD", None),
    ("1,000.50 EUR per week", 1_000_500_000_000, "money", "EUR", "week"),
    ("€20", 20_000_000_000, "money", "EUR", None),
    ("$2k/quarter", 2_000_000_000_000, "money", "USD", "quarter"),
    ("2m tokens/day", 2_000_000, "tokens", "USD", "day"),
    ("10k calls/1h", 10_000, "calls", "USD", "hour"),
    ("0.00000015 USD/30d", 150, "money", "USD", "month"),
    ("0", 0, "money", "USD", None),
])
def test_limits_as_people_write_them(text: str, value: int, unit: str, currency: str, window: str | None) -> None:
    amount, parsed = parse_limit(text)
    assert (amount.value, amount.unit, amount.currency) == (value, unit, currency)
    assert (str(parsed) if parsed else None) == window


@pytest.mark.parametrize("text", ["", "$", "-5", "five", "1e9", "$5 EUR", "$5 tokens", "1.5 calls", "5 dollars", "$500/fortnight",
                                  "0.0000000001", "99999999999999", "NaN", "$500/month/day"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(BadBudget):
        parse_limit(text)
