"""Whatever is asked of calls, by whatever filter and grouping, is the rows added up one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.entry import read_pairs
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql import breakdown, breakdown_names, facts
from tallystick.stores.sql.breakdown import Group, Question, Total, broken_down, charted
from tallystick.stores.sql.breakdown_names import Filter, TooMany, matching
from tallystick.stores.sql.callfact import OUTCOMES
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.facts import ATTEMPTS, REFUSALS, SANDBOX, Asked
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.rollups import ERRORS, LATENCY_BOUNDS_US
from tallystick.stores.sql.sight import Sight
from tests.build.databases import both_engines, files_only
from tests.stores.test_rollups import CLOCKS_GO_BACK_US, Books, booked, happen, happening

pytestmark = both_engines

DAY = CLOCKS_GO_BACK_US // facts.DAY_US
COLUMN_OF = {"prompt_key": ("prompt_key_id", "prompt_key"), "prompt_version": ("prompt_version_id", "prompt_version"), **facts.NAMED_FILTERS}


def labels_of(names: Names, row: Mapping[str, Any], name: str) -> tuple[str | None, ...]:
    """What a row is counted under, told from the row alone."""
    if name == "model":
        return (names.of("model", row["served_id"] or row["model_id"]),)
    if name == "outcome":
        return (OUTCOMES[row["outcome"] - 1] if row["outcome"] else None,)
    if name == "tag":
        return tuple(f"{tag}={value}" for tag, value in read_pairs(names.of("tags", row["tags_id"]) or "")) if row["tags_id"] else (None,)
    if name == "dimension.region":
        return (dict(read_pairs(names.of("dimensions", row["dimensions_id"]) or "")).get("region"),) if row["dimensions_id"] else (None,)
    column, kind = COLUMN_OF[name]
    return (names.of(kind, row[column]),)


def passes(labels: tuple[str | None, ...], asked: Filter) -> bool:
    if asked.test == "contains":
        return any(value.lower() in label.lower() for value in asked.values for label in labels if value and label)
    return any(label in asked.values for label in labels) == (asked.test == "is")


def one_by_one(db: Connection, organization: int, question: Question) -> dict[tuple[int, tuple[str | None, ...]], Total]:
    names, found = Names(db, organization), dict[tuple[int, tuple[str | None, ...]], Total]()
    asked = Asked(question.first_day, question.last_day, (question.kind,), sight=question.sight)
    if question.hours is not None:
        asked = replace(asked, from_us=question.hours[0] * facts.HOUR_US, before_us=question.hours[1] * facts.HOUR_US)
    for row in facts.listed(db, organization, asked, newest_first=True, behind=None, limit=10_000):
        if not all(passes(labels_of(names, row, one.dimension), one) for one in question.filters):
            continue
        for group in product(*(labels_of(names, row, name) for name in question.groups)):
            place = row[question.step] if question.step else 0
            add(found.setdefault((place, group), Total()), row, latencies=question.latencies)
    return found


def add(total: Total, row: Mapping[str, Any], *, latencies: bool) -> None:
    total.requests += row["attempt"] == 1
    total.attempts += 1
    total.errors += row["outcome"] in ERRORS
    for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nanos", "off_list_nanos", "would_be_nanos",
                 "latency_us"):
        setattr(total, name, getattr(total, name) + row[name])
    if latencies and row["latency_us"]:
        total.latencies[sum(row["latency_us"] > bound for bound in LATENCY_BOUNDS_US)] += 1


def questions() -> Iterator[Question]:
    filters = [
        (), (Filter("team", "is", ("a",)),), (Filter("team", "is_not", ("a",)),), (Filter("team", "is", (None, "b")),), (Filter("user", "is_not", (None,)),),
        (Filter("model", "contains", ("MINI",)),), (Filter("team", "is", ("a", "b")), Filter("user", "is", ("b",))),
        (Filter("tag", "is", ("feature=answers",)),), (Filter("tag", "is", (None,)),), (Filter("tag", "is_not", ("feature=answers",)),),
        (Filter("dimension.region", "is", ("eu",)),), (Filter("dimension.region", "contains", ("E",)),),
        (Filter("outcome", "is", ("failed", "cut")),), (Filter("outcome", "is_not", ("completed",)),), (Filter("key", "is", ("nobody",)),),
        (Filter("key", "is_not", ("nobody",)),), (Filter("session", "is", ("a",)),), (Filter("outcome", "is", (None,)),), (Filter("dimension.region", "is_not", (None, "us")),)]
    groups: list[tuple[str, ...]] = [
        (), ("team",), ("user",), ("model",), ("tag",), ("dimension.region",), ("prompt_key", "prompt_version"), ("team", "model"),
        ("user", "team"), ("outcome",), ("session",), ("tag", "team")]
    for wanted, group, kind in product(filters, groups, (ATTEMPTS, REFUSALS, SANDBOX)):
        yield Question(DAY - 1, DAY + 5, group, "day", wanted, kind)
    for group, reach in product(groups, ("own_teams", "own")):
        yield Question(DAY - 1, DAY + 5, group, sight=Sight(reach, "ann"))
    for group in groups:
        yield Question(DAY, DAY + 1, group, "hour", latencies=True)
        yield Question(DAY - 400, DAY - 300, group)
    for group, (wanted, step), reach in product(groups, ((filters[0], "hour"), (filters[1], ""), (filters[6], "day")), ("all", "own_teams")):
        hours = ((DAY + 1) * 24 - 11, (DAY + 1) * 24 + 13)
        yield Question(*facts.days_around(hours), group, step, wanted, sight=Sight(reach, "ann"), hours=hours)


def both_agree(history: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        books = Books(Path(folder))
        happen(books, history, at_once=9)
        books.ann_joins_team_a()
        with books.database.read() as db:
            for organization, question in product((books.organizations["berlin"], books.organizations["delhi"]), questions()):
                by_place = one_by_one(db, organization, question)
                assert broken_down(db, organization, question) == by_place, question
                chart_agrees(db, organization, question, by_place)
        books.database.close()


def chart_agrees(db: Connection, organization: int, question: Question, by_place: Mapping[tuple[int, Group], Total]) -> None:
    """The two dearest groups over the range and by place, and all calls, are what the rows say."""
    over_all = replace(question, step="")
    totals = {group: total for (_, group), total in one_by_one(db, organization, over_all).items()} if question.groups else {}
    cut = one_by_one(db, organization, replace(question, groups=()))
    chart = charted(db, organization, over_all, question.step, dearest, frozenset({"cost_nanos"}))
    assert chart.groups == len(totals), question
    assert chart.top == {group: totals[group] for group in dearest(totals)}, question
    assert {(0, ()): chart.whole} == (one_by_one(db, organization, replace(over_all, groups=())) or {(0, ()): Total()}), question
    if question.step:
        assert chart.cut == cut, question
        assert {at: total for at, total in chart.told.items() if at[1] in chart.top} == {
            at: total for at, total in by_place.items() if at[1] in chart.top}, question


def dearest(totals: Mapping[Group, Total]) -> list[Group]:
    return sorted(totals, key=lambda group: (-totals[group].cost_nanos, [name or "" for name in group]))[:2]


@files_only
@settings(max_examples=5, deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(history=st.lists(happening, min_size=1, max_size=40))
def test_every_answer_is_the_rows_added_up(history: list[tuple[str, Any]]) -> None:
    both_agree(history)


@settings(max_examples=1, deadline=None, suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large))
@given(history=st.lists(happening, min_size=30, max_size=40))
def test_on_either_engine(history: list[tuple[str, Any]]) -> None:
    both_agree(history)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.database.close()


def test_a_call_with_two_tags_counts_under_each(books: Books) -> None:
    booked(books, 1, tags=(("feature", "answers"), ("nightly", "")), cost_nanos=5)
    booked(books, 2, tags=(("nightly", ""),), cost_nanos=7)
    booked(books, 3, cost_nanos=11)
    with books.database.read() as db:
        found = broken_down(db, books.organizations["delhi"], Question(DAY, DAY, ("tag",)))
        assert {group: total.cost_nanos for (_, group), total in found.items()} == {("feature=answers",): 5, ("nightly",): 12, (None,): 11}


def test_amounts_beyond_sixty_four_bits_add_up(books: Books) -> None:
    for number in (1, 2, 3):
        booked(books, number, cost_nanos=2**63 - 1)
    with books.database.read() as db:
        for groups in ((), ("user",), ("team", "model"), ("session",)):
            (total,) = broken_down(db, books.organizations["delhi"], Question(DAY, DAY, groups)).values()
            assert total.cost_nanos == 3 * (2**63 - 1) > 9 * NANOS_PER_UNIT


def test_more_groups_than_an_answer_holds_are_refused(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        booked(books, number, labels={"team": f"t{number}"})
    monkeypatch.setattr(breakdown, "GROUPS_MAX", 2)
    monkeypatch.setattr(breakdown_names, "MATCHES_MAX", 2)
    with books.database.read() as db:
        with pytest.raises(TooMany):
            broken_down(db, books.organizations["delhi"], Question(DAY, DAY, ("team",)))
        with pytest.raises(TooMany):
            broken_down(db, books.organizations["delhi"], Question(DAY, DAY, (), filters=(Filter("team", "contains", ("T",)),)))


def test_names_that_contain_a_text(books: Books) -> None:
    for number, team in enumerate(("Search", "research", "web"), start=1):
        booked(books, number, labels={"team": team, "user": f"{team}@example.com"}, tags=((team, "x"),))
    with books.database.read() as db:
        here = books.organizations["delhi"]
        assert matching(db, here, "team", "SEARCH", 9) == ["Search", "research"]
        assert matching(db, here, "user", "web", 9) == ["web@example.com"]
        assert matching(db, here, "tag", "", 2) == ["Search=x", "research=x"]
        assert matching(db, here, "outcome", "comp", 9) == ["completed"]
        assert matching(db, books.organizations["utc"], "team", "", 9) == []
