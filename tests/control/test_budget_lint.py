"""Budgets that do not do what somebody thinks they do, each said when it is set and by the lint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.build.control import Desk

QUIET = "no call of the last 30 days was in"
CLAIMED = "only callers say it, so it watches and refuses nothing; let their word count by a policy of kind delegation"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.key(team="search", project="web", user="ann")
    yield made
    made.close()


async def set_(client: httpx.AsyncClient, scope: str, value: str = "", limit: str = "$100/month", **more: Any) -> Any:
    made = await client.post("/api/budgets", json={"scope": scope, "value": value, "limit": limit, **more})
    assert made.status_code in (200, 201), made.text
    return made.json()


@pytest.mark.parametrize(("scope", "value", "warnings"), [
    ("team", "search", []), ("project", "search/web", []), ("org", "", []), ("team", "*", []), ("provider", "openai", []), ("model", "gpt-4o", []),
    ("user", "ann", []), ("user", "*", []), ("team", "serach", ["no live key can be in team:serach"]),
    ("project", "ads/web", ["no live key can be in project:ads/web"]), ("key", "key_gone", ["no live key can be in key:key_gone"]),
    ("provider", "opnai", ["no provider opnai can be called"]), ("user", "bob", ["no live key can be in user:bob"]),
    ("session", "*", [CLAIMED]), ("agent", "bot", [CLAIMED]), ("tag", "app=*", [CLAIMED]), ("dimension", "app=x", [CLAIMED]),
])
async def test_what_a_budget_cannot_reach_or_refuse(desk: Desk, scope: str, value: str, warnings: list[str]) -> None:
    async with desk.owner() as client:
        assert (await set_(client, scope, value))["warnings"] == warnings
        [found] = (await client.get("/api/budgets/lint")).json()["items"]
        assert [finding for finding in found["findings"] if not finding.startswith(QUIET)] == warnings
        assert found["asked"] == any(finding.startswith(QUIET) for finding in found["findings"])
        assert (await set_(client, scope, value, mode="soft"))["warnings"] == [said for said in warnings if said != CLAIMED]


async def test_whose_word_counts_binds_and_a_call_is_a_match(desk: Desk) -> None:
    async with desk.owner() as client:
        await client.post("/api/policies", json={"kind": "delegation", "on": "team:search", "parameters": {"dimensions": ["session", "dimension:app"]}})
        assert (await set_(client, "session", "*"))["warnings"] == (await set_(client, "dimension", "app=x"))["warnings"] == []
        await set_(client, "team", "search")
        desk.book(cost_nanos=5, labels={"team": "search"})
        items = (await client.get("/api/budgets/lint")).json()["items"]
        assert {item["scope"]: (item["findings"], item["last_matched_at"] is not None) for item in items} == {
            "session": ([], False), "dimension": ([], False), "team": ([], True)}


async def test_a_child_above_its_parent_has_no_say(desk: Desk) -> None:
    async with desk.owner() as client:
        org = await set_(client, "org", limit="$100/month")
        team = await set_(client, "team", "search", limit="$90/month")
        assert team["warnings"] == []
        child = await set_(client, "project", "search/web", limit="$95/month")
        assert child["warnings"] == [f"it has no say: budget {team['id']} on team:search has less in the same window"]
        assert (await set_(client, "project", "search/web", limit="$80/month"))["warnings"] == []
        assert (await set_(client, "project", "search/web", limit="$200/day"))["warnings"] == [], "another window"
        assert (await set_(client, "user", "ann", limit="$101/month"))["warnings"] == [
            f"it has no say: budget {org['id']} on org has less in the same window"]
        each = await set_(client, "team", "*", limit="$50/month")
        assert each["warnings"] == []
        findings = {item["id"]: item["findings"] for item in (await client.get("/api/budgets/lint")).json()["items"]}
        assert f"it has no say: budget {each['id']} on team:* has less in the same window" in findings[team["id"]]


async def test_a_cap_below_one_typical_call(desk: Desk) -> None:
    for cost_usd in (1, 3):
        desk.book(cost_nanos=cost_usd * 10**9, labels={"team": "search"})
    async with desk.owner() as client:
        assert (await set_(client, "team", "search", limit="$1.99/month"))["warnings"] == [
            "a typical call costs $2.000000000, which is more than all of it"]
        assert (await set_(client, "team", "search", limit="$2/month"))["warnings"] == []
