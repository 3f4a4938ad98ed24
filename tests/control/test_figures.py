"""What was spent: a source system's four aggregations, and the overview. Sums are checked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.build.control import NOON, Desk, us


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def fill(desk: Desk) -> None:
    """Five calls of November and one of October."""
    support = {"team": "support", "prompt_key": "greet"}
    desk.book(1_000_000, labels={**support, "prompt_version": "1"})
    desk.book(3_000_000, labels={**support, "prompt_version": "1"}, at_us=us(NOON - timedelta(days=5)))
    desk.book(2_500_000, labels={**support, "prompt_version": "10"}, provider="anthropic")
    desk.book(500_000, labels={**support, "prompt_version": "2"})
    desk.book(7_000_000_001, labels={"team": "search"})
    desk.book(900_000, labels={"team": "search"}, at_us=us(datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)))
    desk.refuse(team="search")
    desk.book(0, sandbox=True, labels={"team": "search"}, settled={"method": "sandbox", "would_be_nanos": 5})


async def asked(desk: Desk, path: str, bearer: str | None = None, **params: str) -> dict[str, object]:
    async with desk.client(bearer) if bearer else desk.owner() as client:
        reply = await client.get(f"/api/aggregations/{path}", params=params)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    found: dict[str, object] = reply.json()
    return found


async def test_a_month(desk: Desk) -> None:
    fill(desk)
    assert await asked(desk, "monthly") == {
        "total_cost": 7.007000001, "period": {"start": "2026-11-01", "end": "2026-11-30"}}
    assert await asked(desk, "monthly", start="2026-10-01", end="2026-10-31") == {
        "total_cost": 0.0009, "period": {"start": "2026-10-01", "end": "2026-10-31"}}
    assert await asked(desk, "monthly", provider="anthropic") == {
        "total_cost": 0.0025, "period": {"start": "2026-11-01", "end": "2026-11-30"}}
    assert (await asked(desk, "monthly", provider="nobody"))["total_cost"] == 0
    assert (await asked(desk, "monthly", start="2026-10-31"))["period"] == {"start": "2026-10-31", "end": "2026-11-20"}
    assert (await asked(desk, "monthly", end="2026-11-15")) == {
        "total_cost": 0.003, "period": {"start": "2026-11-01", "end": "2026-11-15"}}


async def test_the_end_is_included_and_the_next_day_is_not(desk: Desk) -> None:
    last, next_day = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    desk.book(1_000_000_000, at_us=us(last))
    desk.book(2_000_000_000, at_us=us(next_day))
    assert (await asked(desk, "monthly", start="2026-02-01", end="2026-02-28"))["total_cost"] == 1
    assert (await asked(desk, "monthly", start="2026-03-01", end="2026-03-01"))["total_cost"] == 2


async def test_days_are_the_organisations(desk: Desk) -> None:
    with desk.database.write() as db:
        db.execute("UPDATE organization SET zone = 'Pacific/Auckland' WHERE slug = 'default'")
    desk.book(1_000_000_000, at_us=us(datetime(2026, 10, 31, 11, 30, tzinfo=UTC)))      # 1 November, 00:30 there
    assert (await asked(desk, "monthly", start="2026-11-01", end="2026-11-01"))["total_cost"] == 1
    assert (await asked(desk, "monthly", start="2026-10-31", end="2026-10-31"))["total_cost"] == 0
    desk.clock.at_us = us(datetime(2026, 11, 30, 12, tzinfo=UTC))                      # December there
    assert (await asked(desk, "monthly"))["period"] == {"start": "2026-12-01", "end": "2026-12-31"}


async def test_by_prompt_and_by_team(desk: Desk) -> None:
    fill(desk)
    assert await asked(desk, "by-prompt") == {"prompts": [
        {"prompt_key": "unknown", "total_cost": 7.000900001, "request_count": 2},
        {"prompt_key": "greet", "total_cost": 0.007, "request_count": 4},
    ]}
    assert await asked(desk, "by-team", start="2026-11-01") == {"teams": [
        {"team_name": "search", "total_cost": 7.000000001, "request_count": 1},
        {"team_name": "support", "total_cost": 0.007, "request_count": 4},
    ]}


async def test_versions_in_their_order(desk: Desk) -> None:
    fill(desk)
    assert await asked(desk, "version-comparison", prompt_key="greet") == {"versions": [
        {"version_number": 1, "total_cost": 0.004, "request_count": 2, "avg_cost_per_request": 0.002},
        {"version_number": 2, "total_cost": 0.0005, "request_count": 1, "avg_cost_per_request": 0.0005},
        {"version_number": 10, "total_cost": 0.0025, "request_count": 1, "avg_cost_per_request": 0.0025},
    ]}
    assert await asked(desk, "version-comparison", prompt_key="nobody") == {"versions": []}
    assert (await asked(desk, "version-comparison", prompt_key="unknown")) == {"versions": [
        {"version_number": None, "total_cost": 7.000900001, "request_count": 2, "avg_cost_per_request": 3.500450001}]}


@pytest.mark.parametrize(("path", "params"), [
    ("version-comparison", {}), ("version-comparison", {"prompt_key": ""}), ("monthly", {"start": "2026-02-30"}),
    ("monthly", {"start": "yesterday"}), ("monthly", {"start": "86400"}), ("monthly", {"start": "20260201"}), ("by-team", {"start": "2026-11-02", "end": "2026-11-01"}), ("monthly", {"end": "1' OR 1=1"}),
])
async def test_what_cannot_be_added_up_is_400(desk: Desk, path: str, params: dict[str, str]) -> None:
    async with desk.owner() as client:
        assert (await client.get(f"/api/aggregations/{path}", params=params)).status_code == 400


async def test_a_key_sees_its_team_and_one_without_a_team_itself(desk: Desk) -> None:
    team_id, team_key = desk.key(team="search")
    own_id, own_key = desk.key()
    desk.book(1_000_000_000, labels={"team": "search"}, key_id=team_id)
    desk.book(2_000_000_000, labels={"team": "search"}, key_id="another")
    desk.book(4_000_000_000, labels={"team": "support"}, key_id=own_id)
    desk.book(8_000_000_000, key_id="another")
    assert (await asked(desk, "monthly", team_key))["total_cost"] == 3
    assert (await asked(desk, "monthly", own_key))["total_cost"] == 4
    assert (await asked(desk, "by-team", team_key)) == {"teams": [{"team_name": "search", "total_cost": 3, "request_count": 2}]}
    _, fresh = desk.key()
    assert (await asked(desk, "monthly", fresh))["total_cost"] == 0


async def test_sums_beyond_64_bits(desk: Desk) -> None:
    """Two calls whose nanos together pass 2^63: SQLite's own sum of them would fail."""
    for _ in range(2):
        desk.book(2**63 - 1)
    async with desk.owner() as client:
        reply = await client.get("/api/metrics/overview")
    assert reply.json()["today"]["cost_nanos"] == 2**64 - 2


async def test_an_empty_overview_has_its_whole_shape(desk: Desk) -> None:
    async with desk.owner() as client:
        reply = await client.get("/api/metrics/overview")
    assert reply.json() == {
        "today": {
            "requests": 0, "requests_change_pct": None, "cost_nanos": 0, "cost_usd": "0.000000000", "average_latency_ms": None,
            "errors": 0, "blocked": 0, "top_models": [],
        },
        "month_to_date": {
            "requests": 0, "cost_nanos": 0, "cost_usd": "0.000000000", "burn_per_day_nanos": 0, "forecast_nanos": None,
        },
        "top_users_30d": [], "top_projects_30d": [], "wasted_repeats_7d": {"requests": None, "cost_nanos": None},
    }


async def test_the_overview(desk: Desk) -> None:
    fill(desk)
    yesterday = NOON - timedelta(days=1)
    desk.book(10, at_us=us(yesterday - timedelta(hours=1)), labels={"user": "ana", "project": "bot"})
    desk.book(10, at_us=us(yesterday + timedelta(hours=1)))              # later in the day than now: not compared
    desk.book(30, labels={"user": "bob", "project": "bot"}, settled={"outcome": "failed", "status": 500, "latency_us": 1_250_000})
    async with desk.owner() as client:
        overview = (await client.get("/api/metrics/overview")).json()
    today = overview["today"]
    assert (today["requests"], today["requests_change_pct"], today["errors"], today["blocked"]) == (5, 400.0, 1, 1)
    assert today["cost_nanos"] == 1_000_000 + 2_500_000 + 500_000 + 7_000_000_001 + 30
    assert today["average_latency_ms"] == (4 * 250 + 1_250) // 5
    assert today["top_models"] == [{"model": "gpt-4o-mini-2024-07-18", "cost_nanos": today["cost_nanos"], "share": 1.0}]
    month = overview["month_to_date"]
    assert (month["requests"], month["cost_nanos"]) == (8, 7_007_000_001 + 10 + 10 + 30)
    assert month["burn_per_day_nanos"] == 350_350_003                    # 7,007,000,051 / 20 days, to the nearest
    assert [(who["name"], who["cost_nanos"]) for who in overview["top_users_30d"]] == [("bob", 30), ("ana", 10)]
    assert [(what["name"], what["cost_nanos"], what["requests"]) for what in overview["top_projects_30d"]] == [("bot", 40, 2)]
