"""The explorer's answers: groups, buckets, an earlier period, what is left beside the dearest, and a file of it all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.identity import Attribution
from tests.build.control import NOON, Desk, us


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def explored(desk: Desk, **params: Any) -> dict[str, Any]:
    async with desk.owner() as client:
        reply = await client.get("/api/explore", params=params)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def only(name: str, test: str, *values: str | None) -> str:
    return json.dumps([{"dimension": name, "test": test, "values": values}])


def before(days: int) -> int:
    return us(NOON - timedelta(days=days))


async def test_two_groups_over_days_add_up_to_the_total(desk: Desk) -> None:
    for days, team, cost in ((0, "search", 5), (1, "search", 7), (1, "ads", 11), (2, None, 13)):
        desk.book(cost, at_us=before(days), labels={"team": team} if team else {})
    found = await explored(desk, group=["team", "model"], start="2026-11-18", end="2026-11-20")
    assert found["buckets"] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    model = "gpt-4o-mini-2024-07-18"
    assert [(one["names"], one["values"], one["cost_nanos"]) for one in found["series"]] == [
        ([None, model], [13, 0, 0], 13), (["search", model], [0, 7, 5], 12), (["ads", model], [0, 11, 0], 11)]
    assert (found["total"]["values"], found["total"]["cost_nanos"], found["total"]["cost_usd"]) == ([13, 18, 5], 36, "0.000000036")
    assert (found["groups"], found["other"], found["overlapping"]) == (3, None, False)


async def test_hours_instead_of_days(desk: Desk) -> None:
    for hours, cost in ((0, 5), (20, 7), (22, 11), (30, 100), (24 * 31, 1_000)):
        desk.book(cost, at_us=us(NOON - timedelta(hours=hours)), labels={"team": "search"})
    asked = {"since": "2026-11-19T15:00:00Z", "group": ["team"], "grain": "hour"}
    found = await explored(desk, compare="previous", **asked)
    assert found["range"] == {"start": "2026-11-19", "end": "2026-11-20", "since": "2026-11-19T15:00:00Z", "until": "2026-11-20T15:00:00Z"}
    assert (len(found["buckets"]), found["buckets"][0][:13], found["buckets"][-1][:13]) == (24, "2026-11-19T15", "2026-11-20T14")
    assert (found["total"]["cost_nanos"], found["before"]["cost_nanos"], found["before_range"]["since"]) == (12, 111, "2026-11-18T15:00:00Z")
    assert [place for place, cost in enumerate(found["total"]["values"]) if cost] == [1, 21]
    month = await explored(desk, compare="month", **asked)
    assert (month["before"]["cost_nanos"], month["before_range"]["since"]) == (1_000, "2026-10-19T15:00:00Z")
    own = await explored(desk, compare="custom", compare_start="2026-11-17", **asked)
    assert own["before_range"]["since"] == "2026-11-17T15:00:00Z"
    short = await explored(desk, hours=1, **asked)
    assert (short["total"]["cost_nanos"], len(short["buckets"])) == (0, 1)
    by_day = await explored(desk, **{**asked, "grain": "day"})
    assert (by_day["buckets"], by_day["total"]["values"]) == (["2026-11-19", "2026-11-20"], [7, 5])


@pytest.mark.parametrize("wrong", [
    {"since": "2026-11-19T15:30:00Z"}, {"since": "2026-11-19T15:00:00"}, {"since": "2026-11-19"}, {"since": "2026-11-39T15:00:00Z"},
    {"since": "2026-11-19T15:00:00Z", "start": "2026-11-19"}, {"since": "2026-11-19T15:00:00Z", "hours": 0},
    {"since": "2026-11-19T15:00:00Z", "hours": 169}, {"since": "0001-01-01T00:00:00Z", "compare": "year"}])
async def test_hours_are_whole_few_and_instead_of_days(desk: Desk, wrong: dict[str, Any]) -> None:
    async with desk.owner() as client:
        for path in ("/api/explore", "/api/requests") if "compare" not in wrong else ("/api/explore",):
            reply = await client.get(path, params=wrong)
            assert reply.status_code in {400, 422}, reply.text


async def test_what_is_not_told_one_by_one_is_other(desk: Desk) -> None:
    for number in range(1, 6):
        desk.book(10**number, labels={"user": f"u{number}"})
    found = await explored(desk, group=["user"], top=2, start="2026-11-20")
    assert [one["names"] for one in found["series"]] == [["u5"], ["u4"]]
    assert (found["other"]["cost_nanos"], found["other"]["values"], found["other"]["requests"]) == (1_110, [1_110], 3)
    assert found["groups"] == 5


async def test_a_call_with_several_tags_leaves_no_other(desk: Desk) -> None:
    for cost, tags in ((3, (("nightly", ""), ("feature", "chat"))), (4, (("nightly", ""),))):
        desk.book(cost, attribution=Attribution("key1", "default", {}, tags))
    found = await explored(desk, group=["tag"], top=1, grain="none")
    assert [(one["names"], one["value"]) for one in found["series"]] == [(["nightly"], 7)]
    assert (found["other"], found["overlapping"], found["total"]["cost_nanos"]) == (None, True, 7)


@pytest.mark.parametrize(("compare", "span", "cost"), [
    ("previous", {"start": "2026-11-17", "end": "2026-11-18"}, 100),
    ("month", {"start": "2026-10-19", "end": "2026-10-20"}, 1_000),
    ("year", {"start": "2025-11-19", "end": "2025-11-20"}, 10_000)])
async def test_beside_an_earlier_period(desk: Desk, compare: str, span: dict[str, str], cost: int) -> None:
    for days, amount in ((0, 5), (2, 100), (31, 1_000), (365, 10_000)):
        desk.book(amount, at_us=before(days), labels={"team": "search"})
    found = await explored(desk, start="2026-11-19", end="2026-11-20", compare=compare, group=["team"])
    assert (found["before_range"], found["before"]["cost_nanos"]) == (span, cost)
    (series,) = found["series"]
    assert (series["cost_nanos"], series["before"]["cost_nanos"]) == (5, cost)
    assert len(found["before"]["values"]) == 2


async def test_beside_any_other_days(desk: Desk) -> None:
    desk.book(5, at_us=before(0))
    desk.book(7, at_us=before(10))
    asked = {"start": "2026-11-19", "end": "2026-11-20", "compare": "custom"}
    found = await explored(desk, **asked, compare_start="2026-11-09")
    assert (found["before_range"], found["before"]["cost_nanos"]) == ({"start": "2026-11-09", "end": "2026-11-10"}, 7)
    async with desk.owner() as client:
        assert (await client.get("/api/explore", params=asked)).status_code == 400


async def test_whole_months_are_compared_with_whole_months(desk: Desk) -> None:
    found = await explored(desk, start="2026-02-01", end="2026-02-28", compare="month")
    assert found["before_range"] == {"start": "2026-01-01", "end": "2026-01-31"}
    assert (await explored(desk, start="2026-03-31", end="2026-03-31", compare="month"))["before_range"]["start"] == "2026-02-28"


@pytest.mark.parametrize(("grain", "buckets"), [
    ("week", ["2026-11-09", "2026-11-16"]), ("month", ["2026-11-01"]), ("none", [])])
async def test_grains(desk: Desk, grain: str, buckets: list[str]) -> None:
    desk.book(3, at_us=before(5))
    desk.book(4)
    found = await explored(desk, start="2026-11-14", end="2026-11-20", grain=grain)
    assert found["buckets"] == buckets
    assert sum(found["total"]["values"]) == (7 if buckets else 0)
    assert found["total"]["value"] == 7


async def test_hours_are_of_the_organizations_zone(desk: Desk) -> None:
    with desk.database.write() as db:
        db.execute("UPDATE organization SET zone = 'Europe/Berlin' WHERE slug = 'default'")
    desk.book(3, at_us=us(datetime(2026, 11, 20, 12, 30, tzinfo=UTC)))
    found = await explored(desk, start="2026-11-20", end="2026-11-20", grain="hour")
    assert len(found["buckets"]) == 24
    assert found["total"]["values"][found["buckets"].index("2026-11-20T13:00:00+01:00")] == 3


async def test_filters_narrow_and_none_is_what_names_nothing(desk: Desk) -> None:
    for cost, labels in ((1, {"team": "Search"}), (2, {"team": "research"}), (4, {"team": "ads"}), (8, {})):
        desk.book(cost, labels=labels)
    for test, values, cost in (("is", ("ads", None), 12), ("is_not", ("ads",), 11), ("contains", ("SEARCH",), 3), ("is", ("nobody",), 0)):
        assert (await explored(desk, filters=only("team", test, *values)))["total"]["cost_nanos"] == cost, (test, values)


@pytest.mark.parametrize(("metric", "value"), [
    ("requests", 2), ("errors", 1), ("tokens", 2_200), ("error_rate", 0.5), ("cost_per_request", 150), ("cost_per_million_tokens", 136_364),
    ("latency_mean", 750_000), ("latency_p95", 1_520_000), ("input_tokens", 2_000), ("would_be", 0)])
async def test_metrics(desk: Desk, metric: str, value: float) -> None:
    desk.book(100)
    desk.book(200, settled={"outcome": "failed", "status": 500, "latency_us": 1_250_000})
    assert (await explored(desk, metric=metric))["total"]["value"] == pytest.approx(value)


async def test_refusals_are_counted_by_their_reason(desk: Desk) -> None:
    for code in ("budget_exceeded", "budget_exceeded", "outside_key_scope"):
        desk.refuse(code)
    found = await explored(desk, kind="refused", group=["code"], metric="requests")
    assert [(one["names"], one["value"]) for one in found["series"]] == [(["budget_exceeded"], 2), (["outside_key_scope"], 1)]


@pytest.mark.parametrize("params", [
    {"group": ["moon"]}, {"group": ["team", "team"]}, {"group": ["team", "user", "model"]}, {"start": "2026-11-20", "end": "2026-11-19"},
    {"grain": "hour", "start": "2026-01-01"}, {"start": "1970-01-01", "grain": "month", "end": "9999-12-31"}, {"filters": "no"},
    {"filters": "[{}]"}, {"filters": only("moon", "is", "x")}, {"filters": only("team", "is")}, {"filters": only("team", "like", "x")},
    {"metric": "love"}, {"top": 51}, {"more": 1}, {"filters": json.dumps([{"dimension": "team", "test": "is", "values": ["x"]}] * 13)}])
async def test_what_makes_no_sense_is_400(desk: Desk, params: dict[str, Any]) -> None:
    async with desk.owner() as client:
        reply = await client.get("/api/explore", params=params)
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json"), reply.text


async def test_a_file_has_every_row_and_no_formula(desk: Desk) -> None:
    for number in range(1, 31):
        desk.book(number, at_us=before(number % 2), labels={"user": f"=u{number}"})
    params: dict[str, Any] = {"group": ["user"], "grain": "day", "start": "2026-11-19", "end": "2026-11-20"}
    async with desk.owner() as client:
        reply = await client.get("/api/explore/rows.csv", params=params)
        whole = await client.get("/api/explore/rows.csv", params={**params, "grain": "none", "group": []})
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert len(rows) == 30
    assert sum(int(row["cost_nanos"]) for row in rows) == 465 == int(next(csv.DictReader(io.StringIO(whole.text)))["cost_nanos"])
    assert {row["from"] for row in rows} == {"2026-11-19", "2026-11-20"}
    assert all(row["user"].startswith("'=") for row in rows)
    assert reply.headers["content-disposition"] == 'attachment; filename="tallystick-2026-11-19-2026-11-20-user.csv"'


async def test_values_for_a_filter(desk: Desk) -> None:
    own, _ = desk.key(team="search", user="ann")
    desk.book(1, key_id=own, labels={"user": "ann", "team": "search"})
    desk.book(2, labels={"user": "Anton", "team": "ads"})
    async with desk.owner() as client:
        assert (await client.get("/api/explore/values", params={"dimension": "user", "contains": "an"})).json() == {"values": ["Anton", "ann"]}
        assert (await client.get("/api/explore/values", params={"dimension": "moon"})).status_code == 400
    async with desk.person(desk.member("manager", "search")) as client:
        assert (await client.get("/api/explore/values", params={"dimension": "user"})).json() == {"values": ["ann"]}
        assert (await client.get("/api/explore", params={"group": ["user"]})).json()["total"]["cost_nanos"] == 1
