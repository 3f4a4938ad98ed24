"""Files of the books: every call of a view once, and rows, control total and explorer agree to the nano, whatever the filter."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.control.exports import AT_ONCE_MAX
from tallystick.stores.sql.booking import book_attempt
from tests.build.control import NOON, Desk, describe, us

DAY_US = 86_400_000_000
MONTH_END_US = us(NOON) - 20 * DAY_US + 43_199_000_000      # the last second of October


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    for number in range(9):
        made.book(1_500_001 + number, us(NOON) - number % 3 * DAY_US, labels={"team": f"team{number % 2}", "user": "=2+2"})
    made.refuse(team="team0")
    retried(made, us(NOON), "openai", "anthropic")
    retried(made, MONTH_END_US, "openai", "openai")
    yield made
    made.close()


def retried(desk: Desk, at_us: int, *providers: str) -> None:
    """A call that failed at the first provider and went on to the next, two seconds later each."""
    first = desk.admission(at_us, labels={"team": "team0"})
    with desk.sequencer.append(desk.clock.at_us) as pen:
        for number, provider in enumerate(providers):
            admission = replace(first, attempt=number + 1, provider=provider, at_us=at_us + number * 2_000_000)
            outcome = "completed" if number + 1 == len(providers) else "failed"
            book_attempt(pen, admission, desk.settlement(admission, 1_001 + number, outcome=outcome), describe)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


FILTERS: list[dict[str, Any]] = [
    {}, {"team": "team1"}, {"user": "=2+2"}, {"provider": "anthropic"}, {"provider": "openai"}, {"team": "nobody"},
    {"filters": json.dumps([{"dimension": "provider", "test": "is_not", "values": ["openai"]}])},
    {"filters": json.dumps([{"dimension": "team", "test": "contains", "values": ["TEAM"]},
                            {"dimension": "user", "test": "is", "values": [None]}])},
    {"filters": json.dumps([{"dimension": "outcome", "test": "is", "values": ["failed"]}])},
]


@pytest.mark.parametrize("asked", FILTERS, ids=str)
@pytest.mark.parametrize("days", [{"start": "2026-10-01", "end": "2026-11-30"}, {"start": "2026-11-19", "end": "2026-11-20"}], ids=str)
async def test_rows_control_total_and_explorer_agree(desk: Desk, asked: dict[str, Any], days: dict[str, str]) -> None:
    given = {**asked, **days, "kind": "calls"}
    told = json.loads(asked.get("filters", "[]")) + [
        {"dimension": name, "test": "is", "values": [value]} for name, value in asked.items() if name != "filters"]
    async with desk.owner() as owner:
        totals = (await owner.get("/api/exports/totals", params=given)).json()
        rows = rows_of((await owner.get("/api/exports/calls.csv", params=given)).text)
        lines = [json.loads(line) for line in (await owner.get("/api/exports/calls.jsonl", params={**given, "sort": "newest"})).text.splitlines()]
        explored = (await owner.get("/api/explore", params={**days, "filters": json.dumps(told)})).json()["total"]
    assert sum(int(row["cost_nanos"]) for row in rows) == totals["cost_nanos"] == explored["cost_nanos"]
    assert len(rows) == totals["calls"] == len({row["id"] for row in rows})
    assert totals["attempts"] == explored["attempts"] == sum(int(row["attempts"]) for row in rows)
    assert sorted(line["id"] for line in lines) == sorted(row["id"] for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


async def test_the_list_of_calls_and_its_file_say_the_same(desk: Desk) -> None:
    async with desk.owner() as owner:
        listed = (await owner.get("/api/requests", params={"limit": 100})).json()["items"]
        reply = await owner.get("/api/exports/calls.csv", params={"sort": "newest"})
    rows = rows_of(reply.text)
    assert [row["id"] for row in rows] == [one["id"] for one in listed]
    assert [int(row["cost_nanos"]) for row in rows] == [one["cost_nanos"] for one in listed]
    assert reply.headers["content-disposition"] == 'attachment; filename="tallystick-default-calls.csv"'
    assert {row["user"] for row in rows} == {"", "'=2+2"}, "no spreadsheet runs what a caller wrote"


async def test_who_sees_their_teams_only_gets_a_file_of_those(desk: Desk) -> None:
    async with desk.person(desk.member("manager", "team1")) as manager:
        rows = rows_of((await manager.get("/api/exports/calls.csv")).text)
        totals = (await manager.get("/api/exports/totals")).json()
        assert (await manager.get("/api/exports/ledger.jsonl")).status_code == 403
    assert {row["team"] for row in rows} == {"team1"}
    assert totals["calls"] == len(rows) == 4


async def test_a_ledger_is_whole(desk: Desk) -> None:
    async with desk.owner() as owner:
        lines = [json.loads(line) for line in (await owner.get("/api/exports/ledger.jsonl")).text.splitlines()]
    assert lines[0]["format"] == "tallystick-ledger-1"
    assert [line["seq"] for line in lines[1:-1]] == list(range(lines[-1]["entries"]))


async def test_only_so_many_are_written_at_once(desk: Desk) -> None:
    desk.app.state.writing.open = AT_ONCE_MAX
    async with desk.owner() as owner:
        reply = await owner.get("/api/exports/calls.csv")
        assert (reply.status_code, reply.json()["code"]) == (503, "too_many_exports")
        desk.app.state.writing.open = 0
        assert (await owner.get("/api/exports/calls.csv")).status_code == 200
        assert desk.app.state.writing.open == 0


@pytest.mark.parametrize("asked", [{"filters": "{"}, {"filters": '[{"dimension":"no","test":"is","values":["x"]}]'}, {"limit": "5"}])
async def test_what_cannot_be_asked_is_said_before_a_file_begins(desk: Desk, asked: dict[str, str]) -> None:
    async with desk.owner() as owner:
        reply = await owner.get("/api/exports/calls.csv", params=asked)
        assert reply.status_code == 400
        assert reply.headers["content-type"] == "application/problem+json"
