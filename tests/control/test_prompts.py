"""The prompt registry: prompts that calls name and prompts that somebody registered, versions, the active one, and what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql import prompts
from tallystick.stores.sql.live_prompts import LivePrompts
from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def book(desk: Desk, cost: int, prompt: str | None, version: str | None = None, **labels: str) -> None:
    named = {"prompt_key": prompt, "prompt_version": version}
    desk.book(cost, labels={**labels, **{name: value for name, value in named.items() if value is not None}})


async def one(desk: Desk, name: str) -> dict[str, Any]:
    async with desk.owner() as client:
        reply = await client.get("/api/prompts/one", params={"prompt_key": name})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_what_calls_name_is_there_without_being_registered(desk: Desk) -> None:
    book(desk, 5, "summary", "2")
    book(desk, 7, "summary")
    book(desk, 100, "reply/long")
    book(desk, 1_000, None)
    async with desk.owner() as client:
        listed = (await client.get("/api/prompts")).json()
        narrowed = (await client.get("/api/prompts", params={"contains": "SUM"})).json()["items"]
    assert [(item["prompt_key"], item["cost_nanos"], item["requests"], item["registered"]) for item in listed["items"]] == [
        ("reply/long", 100, 1, False), ("summary", 12, 2, False)]
    assert [item["prompt_key"] for item in narrowed] == ["summary"]
    versions = (await one(desk, "summary"))["version_list"]
    assert [(item["version"], item["cost_nanos"], item["registered"]) for item in versions] == [("2", 5, False), (None, 7, False)]


async def test_a_prompt_is_found_by_its_key_its_owner_and_its_tags(desk: Desk) -> None:
    async with desk.owner() as client:
        for key, more in (("a/b", {"owner": "Ann", "tags": ["support", "Q4", "support"]}), ("größe 🎈", {"note": "of boxes"}), ("plain", {})):
            assert (await client.put("/api/prompts", json={"prompt_key": key, **more})).status_code == 200
        async def found(text: str) -> list[str]:
            return [item["prompt_key"] for item in (await client.get("/api/prompts", params={"contains": text})).json()["items"]]
        assert [await found(text) for text in ("ann", "q4", "GRÖSSE", "zzz")] == [["a/b"], ["a/b"], ["größe 🎈"], []]
        assert (await one(desk, "a/b"))["tags"] == ["support", "Q4"]
        changed = (await client.put("/api/prompts", json={"prompt_key": "a/b", "note": "now"})).json()
        assert (changed["owner"], changed["tags"], changed["note"]) == ("", [], "now")
        assert (await client.put("/api/prompts", json={"prompt_key": "a", "tags": ["x"] * 21})).status_code == 400


async def test_a_list_in_pages_with_its_trend_and_what_was_before_ties_out(desk: Desk) -> None:
    today = desk.clock.at_us
    for days_ago, cost, prompt in ((0, 5, "b"), (3, 7, "b"), (29, 100, "b"), (30, 40, "b"), (59, 2, "b"), (60, 1_000, "b"), (1, 112, "a"),
                                   (1, 3, None)):
        desk.clock.at_us = today - days_ago * 86_400_000_000
        book(desk, cost, prompt)
    desk.clock.at_us = today
    async with desk.owner() as client:
        await client.put("/api/prompts", json={"prompt_key": "c"})
        pages, cursor = [], None
        while True:
            page = (await client.get("/api/prompts", params={"limit": 1, **({"cursor": cursor} if cursor else {})})).json()
            pages.append(page)
            if (cursor := page["next_cursor"]) is None:
                break
        by_prompt = (await client.get("/api/aggregations/by-prompt", params={"start": "2026-10-22", "end": "2026-11-20"})).json()["prompts"]
    items = [item for page in pages for item in page["items"]]
    assert [(item["prompt_key"], item["cost_nanos"], item["before_nanos"]) for item in items] == [("a", 112, 0), ("b", 112, 42), ("c", 0, 0)]
    assert [(sum(item["trend"]), len(item["trend"])) for item in items] == [(112, 15), (112, 15), (0, 15)]
    assert (items[1]["trend"][0], items[1]["trend"][-1]) == (100, 5)
    assert pages[0]["matching"] == 3
    told = {item["prompt_key"]: (item["cost_usd"], item["requests"]) for item in items if item["requests"]}
    told["unknown"] = (pages[0]["unnamed"]["cost_usd"], pages[0]["unnamed"]["requests"])
    assert told == {one["prompt_key"]: (f"{one['total_cost']:.9f}", one["request_count"]) for one in by_prompt}


async def test_the_comparison_ties_out_with_the_aggregation(desk: Desk) -> None:
    for cost, version in ((10, "1"), (21, "1"), (300, "2"), (4, "trial"), (9, None)):
        book(desk, cost, "a/b", version)
    compared = await one(desk, "a/b")
    async with desk.owner() as client:
        said = (await client.get("/api/aggregations/version-comparison", params={"prompt_key": "a/b"})).json()["versions"]
    assert {item["version"]: (item["cost_usd"], item["requests"], item["cost_per_request_nanos"]) for item in compared["version_list"]} == {
        None if item["version_number"] is None else str(item["version_number"]):
            (f"{item['total_cost']:.9f}", item["request_count"], round(item["avg_cost_per_request"] * 1e9)) for item in said}
    assert sum(item["cost_nanos"] for item in compared["version_list"]) == compared["cost_nanos"] == 344


async def test_versions_are_numbered_and_one_is_active(desk: Desk) -> None:
    live = LivePrompts(desk.database)
    async with desk.owner() as client:
        assert (await client.put("/api/prompts", json={"prompt_key": "summary", "note": "of tickets"})).status_code == 200
        for said in ({"model": "gpt-4o", "temperature": "0.7", "max_tokens": 400}, {"active": True}, {"version": "trial"}):
            assert (await client.post("/api/prompts/versions", json={"prompt_key": "summary", **said})).status_code == 201
        assert (await client.post("/api/prompts/versions", json={"prompt_key": "summary", "version": "2"})).status_code == 409
        live.poll()
        assert live.get("default") == {"summary": "2"}
        assert live.get("other") is None
        assert (await client.put("/api/prompts/active", json={"prompt_key": "summary", "version": "9"})).status_code == 404
        found = (await client.put("/api/prompts/active", json={"prompt_key": "summary", "version": "1"})).json()
        live.poll()
        assert live.get("default") == {"summary": "1"}
    assert [(item["version"], item["active"]) for item in found["version_list"]] == [("2", False), ("1", True), ("trial", False)]
    (first,) = [item for item in found["version_list"] if item["version"] == "1"]
    assert (first["model"], first["temperature"], first["max_tokens"], first["registered"]) == ("gpt-4o", "0.7", 400, True)
    assert first["activated_at"] is not None
    assert (found["note"], found["active_version"], found["registered"]) == ("of tickets", "1", True)


async def test_versions_are_compared_by_what_their_calls_cost(desk: Desk) -> None:
    for cost, version in ((10, "1"), (20, "1"), (300, "2")):
        book(desk, cost, "summary", version)
    async with desk.owner() as client:
        await client.post("/api/prompts/versions", json={"prompt_key": "summary", "version": "3"})
    found = await one(desk, "summary")
    assert [(item["version"], item["requests"], item["cost_per_request_nanos"]) for item in found["version_list"]] == [
        ("3", 0, None), ("2", 1, 300), ("1", 2, 15)]
    assert (found["cost_nanos"], found["cost_per_request_nanos"], found["cost_usd"]) == (330, 110, "0.000000330")


async def test_forgotten_is_only_what_was_registered(desk: Desk) -> None:
    book(desk, 5, "summary", "1")
    async with desk.owner() as client:
        await client.post("/api/prompts/versions", json={"prompt_key": "summary", "version": "1", "active": True})
        await client.post("/api/prompts/versions", json={"prompt_key": "unused"})
        for name, left in (("summary", 200), ("unused", 404)):
            assert (await client.delete("/api/prompts", params={"prompt_key": name})).status_code == 204
            assert (await client.get("/api/prompts/one", params={"prompt_key": name})).status_code == left
            assert (await client.delete("/api/prompts", params={"prompt_key": name})).status_code == 404
    assert LivePrompts(desk.database).get("default") is None


async def test_figures_are_of_what_one_sees(desk: Desk) -> None:
    book(desk, 5, "summary", "1", team="search")
    book(desk, 7, "summary", "1", team="ads")
    book(desk, 9, "secret", "1", team="ads")
    async with desk.person(desk.member("manager", "search")) as client:
        assert [(item["prompt_key"], item["cost_nanos"]) for item in (await client.get("/api/prompts")).json()["items"]] == [("summary", 5)]
        assert (await client.get("/api/prompts/one", params={"prompt_key": "secret"})).status_code == 404


async def test_bounds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "PROMPTS_MAX", 1)
    monkeypatch.setattr(prompts, "VERSIONS_MAX", 1)
    async with desk.owner() as client:
        assert (await client.post("/api/prompts/versions", json={"prompt_key": "a"})).status_code == 201
        assert (await client.post("/api/prompts/versions", json={"prompt_key": "a"})).json()["code"] == "too_many"
        assert (await client.put("/api/prompts", json={"prompt_key": "b"})).json()["code"] == "too_many"
        for bad in ({"prompt_key": ""}, {"prompt_key": "a\nb"}, {"prompt_key": "a", "temperature": "hot"}, {"prompt_key": "a", "max_tokens": 0}):
            assert (await client.post("/api/prompts/versions", json=bad)).status_code == 400
        assert (await client.get("/api/prompts", params={"start": "2026-11-02", "end": "2026-11-01"})).status_code == 400


async def test_a_prompt_of_another_organization_is_nobodys(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner("other") as theirs:
        assert (await theirs.post("/api/prompts/versions", json={"prompt_key": "secret", "active": True})).status_code == 201
    async with desk.owner() as ours:
        assert (await ours.get("/api/prompts/one", params={"prompt_key": "secret"})).status_code == 404
        assert (await ours.put("/api/prompts/active", json={"prompt_key": "secret", "version": "1"})).status_code == 404
        assert (await ours.delete("/api/prompts", params={"prompt_key": "secret"})).status_code == 404
    assert LivePrompts(desk.database).get("default") is None
