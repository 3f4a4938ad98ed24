"""Providers over the API: every one of the table, with what went to it, and nothing of what others' calls came to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.core.dialect import UNLISTED_POST
from tallystick.providers import PROVIDERS
from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    object.__setattr__(desk.parts, "providers", {one.id: one for one in PROVIDERS if one.base_url is not None})
    for number in range(4):
        desk.book(1_000 + number, labels={"team": f"team{number % 2}"}, settled={"latency_us": 100_000 * (number + 1)})
    desk.book(0, labels={"team": "team0"}, settled={"outcome": "failed", "status": 500})
    desk.book(0, labels={"team": "team0"}, operation=UNLISTED_POST.operation, settled={"method": "unpriced", "lines": ()})
    desk.book(70, provider="anthropic", model="claude-sonnet-4-5", settled={"model": "claude-sonnet-4-5"})
    yield desk
    desk.close()


async def test_all_providers_are_there_the_dearest_first(desk: Desk) -> None:
    async with desk.owner() as owner:
        items = (await owner.get("/api/providers")).json()["items"]
        total = (await owner.get("/api/explore")).json()["total"]
    assert {one["id"] for one in items} == {one.id for one in PROVIDERS}
    assert [one["id"] for one in items[:2]] == ["openai", "anthropic"]
    first = items[0]
    assert (first["requests"], first["errors"], first["unlisted"], first["cost_nanos"]) == (6, 1, 1, 4_006)
    assert first["error_rate"] == round(1 / 6, 4)
    assert first["base_url"] == "https://api.openai.com"
    assert sum(one["cost_nanos"] for one in items) == total["cost_nanos"]
    assert {one["base_url"] for one in items if one["id"] == "azure"} == {None}, "it has no address before the configuration gives it one"


async def test_one_provider_is_told_by_model_and_operation(desk: Desk) -> None:
    async with desk.owner() as owner:
        one = (await owner.get("/api/providers/openai")).json()
        assert (await owner.get("/api/providers/nobody")).status_code == 404
        none = (await owner.get("/api/providers/openai", params={"start": "2026-01-01", "end": "2026-01-02"})).json()
    assert sum(model["cost_nanos"] for model in one["models"]) == one["cost_nanos"] == sum(done["cost_nanos"] for done in one["operations"])
    assert {done["operation"] for done in one["operations"] if not done["listed"]} == {UNLISTED_POST.operation}
    chat = next(route for route in one["table"] if route["path"] == "/v1/chat/completions")
    assert (chat["method"], chat["metered"], chat["billable"]) == ("POST", True, True)
    assert (none["requests"], none["error_rate"], none["models"]) == (0, None, [])


async def test_who_sees_their_teams_only_gets_figures_of_those(desk: Desk) -> None:
    async with desk.person(desk.member("manager", "team1")) as manager:
        one = (await manager.get("/api/providers/openai")).json()
        other = (await manager.get("/api/providers/anthropic")).json()
    assert (one["requests"], one["cost_nanos"]) == (2, 2_004)
    assert other["requests"] == 0
