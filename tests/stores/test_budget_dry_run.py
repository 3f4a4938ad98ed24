"""What a budget would have refused is what it refuses when the same calls come again under it, each held for what it comes to."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.budget import Budget, Scope
from tallystick.core.identity import Attribution
from tallystick.core.windows import bounds, parse_window
from tallystick.stores.sql import budget_dry_run
from tallystick.stores.sql.budget_dry_run import Trial, try_budget
from tallystick.stores.sql.engine import DEFAULT
from tests.build.databases import both_engines
from tests.build.journal import NOON_US, Journal, admission, open_journal, run, settlement

pytestmark = both_engines

COST = settlement().cost_nanos
MINUTE_US = 60_000_000
ANN = Attribution("k1", "default", {"team": "search", "user": "ann"})
BOB = Attribution("k2", "default", {"team": "ops", "user": "bob"}, (("feature", "chat"), ("beta", "")))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def called(journal: Journal, calls: list[tuple[int, Attribution, int]]) -> None:
    """Calls at so many minutes past noon, of somebody, at so many nanos."""
    for number, (minute, whose, cost_nanos) in enumerate(calls, start=1):
        at_us = NOON_US + minute * MINUTE_US
        run(journal.spool.admit(admission(number, attribution=whose, at_us=at_us)))
        run(journal.spool.settle(settlement(number, cost_nanos=cost_nanos)))
    journal.ship()


def tried(journal: Journal, kind: Any, value: str, limit: int, window: str = "day", *, unit: Any = "money", days: int = 7) -> Trial:
    budget = Budget(0, Scope(kind, value), parse_window(window), ZoneInfo("UTC"), limit, unit)
    with journal.database.read() as db:
        return try_budget(db, DEFAULT, budget, days, NOON_US + 1_440 * MINUTE_US)


def test_what_goes_beyond_the_limit_would_be_refused_until_the_window_ends(journal: Journal) -> None:
    called(journal, [(minute, ANN, COST) for minute in (0, 1, 2, 61, 62)])
    trial = tried(journal, "org", "", 2 * COST, "hour")
    assert (trial.calls, trial.refused.calls, trial.refused.cost_nanos) == (5, 1, COST)
    assert trial.refused.first_us == NOON_US + 2 * MINUTE_US
    assert tried(journal, "org", "", 2 * COST, "day").refused.calls == 3
    assert tried(journal, "org", "", 5 * COST, "day").refused.calls == 0


def test_a_smaller_call_still_fits_where_a_larger_one_did_not(journal: Journal) -> None:
    called(journal, [(0, ANN, 60), (1, ANN, 50), (2, ANN, 40)])
    trial = tried(journal, "team", "search", 100)
    assert (trial.refused.calls, trial.refused.cost_nanos) == (1, 50)


def test_a_template_says_of_whom(journal: Journal) -> None:
    called(journal, [(minute, (ANN, BOB)[minute % 2], COST) for minute in range(10)])
    trial = tried(journal, "user", "*", 3 * COST)
    assert {subject: one.calls for subject, one in trial.by_subject.items()} == {"ann": 2, "bob": 2}
    assert tried(journal, "user", "bob", 0, unit="calls").refused.calls == 5
    assert tried(journal, "user", "nobody", 0).calls == 0
    assert tried(journal, "tag", "feature=*", 4, unit="calls").by_subject["feature=chat"].calls == 1


def test_what_the_window_counted_before_the_days_asked_for_counts(journal: Journal) -> None:
    called(journal, [(0, ANN, COST), (1_430, ANN, COST)])
    budget = Budget(0, Scope("org"), parse_window("week"), ZoneInfo("UTC"), COST)
    with journal.database.read() as db:
        trial = try_budget(db, DEFAULT, budget, 1, NOON_US + 1_441 * MINUTE_US)
    assert (trial.calls, trial.refused.calls) == (1, 1)


def test_a_long_answer_says_where_it_stopped(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_dry_run, "CALLS_MAX", 3)
    called(journal, [(minute, ANN, COST) for minute in range(5)])
    trial = tried(journal, "org", "", 0)
    assert (trial.calls, trial.refused.calls, trial.until_us) == (3, 3, NOON_US + 3 * MINUTE_US)


@settings(max_examples=10, deadline=None, suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.too_slow))
@given(calls=st.lists(st.tuples(st.integers(0, 300), st.sampled_from((ANN, BOB)), st.integers(0, 100)), max_size=25), limit=st.integers(0, 400))
def test_it_is_the_calls_told_again_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, Attribution, int]], limit: int,
) -> None:
    calls = sorted(calls, key=lambda one: one[0])
    journal = open_journal(tmp_path_factory.mktemp("told"))
    called(journal, calls)
    used, refused = defaultdict[Any, int](int), 0
    for minute, whose, cost_nanos in calls:
        node = whose.labels["user"], bounds(parse_window("hour"), ZoneInfo("UTC"), NOON_US + minute * MINUTE_US)
        if used[node] + cost_nanos <= limit:
            used[node] += cost_nanos
        else:
            refused += cost_nanos
    assert tried(journal, "user", "*", limit, "hour").refused.cost_nanos == refused
