"""LiteLLM's three routes answer in its shapes with the ledger's figures, and show nobody more than they may see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

import pytest

from tallystick.core.budget import Amount, Scope
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tests.build.control import Desk

NANOS = 10**9
DAYS = {"start_date": "2026-01-01", "end_date": "2026-12-31"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def exact(reply: httpx.Response) -> Any:
    """The document with numbers as they are written, not as floats have them."""
    assert reply.status_code == 200, reply.text
    return json.loads(reply.content, parse_float=Decimal)


def budget_on(desk: Desk, key_id: str, limit: int) -> None:
    spec = BudgetSpec(Scope("key", key_id), Amount(limit, "money"), limit=limit)
    Budgets(desk.sequencer).set(1, spec, desk.clock.at_us, "cli")


async def test_a_key_asks_what_it_has_left(desk: Desk) -> None:
    key_id, key = desk.key(team="search", user="ada")
    desk.book(key_id=key_id, cost_nanos=72_900, labels={"team": "search", "user": "ada"})
    async with desk.client(key) as client:
        info = exact(await client.get("/key/info"))
        assert info["key"] == key_id
        assert (info["info"]["spend"], info["info"]["max_budget"]) == (Decimal("0.0000729"), None)
        budget_on(desk, key_id, 20 * NANOS)
        told = exact(await client.get("/key/info", params={"key": key_id}))["info"]
    assert (told["max_budget"], told["budget_duration"], told["team_id"], told["user_id"]) == (20, "1mo", "search", "ada")
    assert (told["status"], told["blocked"]) == ("active", False)
    assert told["budget_reset_at"] is not None
    assert key not in str(told)


async def test_a_key_sees_itself_alone(desk: Desk) -> None:
    own_id, own = desk.key()
    other_id, _ = desk.key()
    for key_id, cost in ((own_id, 10), (other_id, 1_000)):
        desk.book(key_id=key_id, cost_nanos=cost)
    async with desk.client(own) as client:
        assert (await client.get("/key/info", params={"key": other_id})).status_code == 403
        assert (await client.get("/spend/logs", params={"api_key": other_id})).status_code == 403
        assert [log["spend"] for log in exact(await client.get("/spend/logs"))] == [Decimal("0.00000001")]
        activity = exact(await client.get("/user/daily/activity", params=DAYS))
    assert activity["metadata"]["total_spend"] == Decimal("0.00000001")
    assert [*activity["results"][0]["breakdown"]["api_keys"]] == [own_id]


async def test_the_log_is_the_ledger(desk: Desk) -> None:
    key_id, _ = desk.key(team="search")
    first = desk.book(key_id=key_id, cost_nanos=1, labels={"team": "search", "user": "ada"})
    second = desk.book(key_id=key_id, cost_nanos=2_000_000_003)
    async with desk.owner() as owner:
        logs = exact(await owner.get("/spend/logs"))
        assert {log["request_id"]: log["spend"] for log in logs} == {first: Decimal("0.000000001"), second: Decimal("2.000000003")}
        (one,) = exact(await owner.get("/spend/logs", params={"request_id": first}))
        assert (one["team_id"], one["user"], one["api_key"], one["status"]) == ("search", "ada", key_id, "success")
        assert one["total_tokens"] == one["prompt_tokens"] + one["completion_tokens"] > 0
        assert [log["request_id"] for log in exact(await owner.get("/spend/logs", params={"user_id": "ada"}))] == [first]
        days = exact(await owner.get("/spend/logs", params=DAYS))
        rows = exact(await owner.get("/spend/logs", params={**DAYS, "summarize": "false"}))
        exported = exact(await owner.get("/api/requests"))["items"]
    assert [day["spend"] for day in days if day["spend"]] == [Decimal("2.000000004")]
    assert days[0]["users"] == {"": Decimal("2.000000003"), "ada": Decimal("0.000000001")}
    assert days[-1]["startTime"] == "2026-12-31"
    assert rows == logs
    assert sum(Decimal(call["cost_nanos"]) for call in exported) == sum(log["spend"] for log in logs) * NANOS


async def test_days_add_up_and_are_paged(desk: Desk) -> None:
    key_id, _ = desk.key()
    for day in range(3):
        desk.clock.at_us += 86_400_000_000 * (day > 0)
        desk.book(key_id=key_id, cost_nanos=10**day)
    async with desk.owner() as owner:
        whole = exact(await owner.get("/user/daily/activity", params=DAYS))
        pages = [exact(await owner.get("/user/daily/activity", params={**DAYS, "page": page, "page_size": 2})) for page in (1, 2)]
        missing = await owner.get("/user/daily/activity")
    assert [day["metrics"]["spend"] for day in whole["results"]] == [Decimal("0.0000001"), Decimal("0.00000001"), Decimal("0.000000001")]
    assert whole["metadata"]["total_spend"] == Decimal("0.000000111")
    assert (whole["metadata"]["total_api_requests"], whole["metadata"]["has_more"]) == (3, False)
    assert [page["metadata"]["has_more"] for page in pages] == [True, False]
    assert sum(page["metadata"]["total_spend"] for page in pages) == whole["metadata"]["total_spend"]
    for day in whole["results"]:
        for cut in day["breakdown"].values():
            assert sum(group["metrics"]["spend"] for group in cut.values()) == day["metrics"]["spend"]
    assert (missing.status_code, missing.json()["code"]) == (400, "invalid_request")


async def test_a_personal_token_opens_them_by_the_areas_they_show(desk: Desk) -> None:
    key_id, _ = desk.key()
    desk.book(key_id=key_id)
    async with desk.owner() as owner:
        token = (await owner.post("/api/tokens", json={"scopes": ["keys:read", "aggregations:read"]})).json()["token"]
    async with desk.client(token) as program:
        assert (await program.get("/key/info", params={"key": key_id})).status_code == 200
        assert (await program.get("/user/daily/activity", params=DAYS)).status_code == 200
        assert (await program.get("/spend/logs")).status_code == 403
        assert (await program.get("/key/info")).json()["detail"].startswith("Name the key")


async def test_nobody_asks_after_a_key_of_another_organisation(desk: Desk) -> None:
    other = desk.other_organization()
    key_id, _ = desk.key(other)
    async with desk.owner() as ours, desk.owner("other") as theirs:
        assert (await ours.get("/key/info", params={"key": key_id})).status_code == 404
        assert (await theirs.get("/key/info", params={"key": key_id})).status_code == 200
