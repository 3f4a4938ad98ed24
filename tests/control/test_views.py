"""Saved views: mine, shared, the one a screen opens with, and whose they are to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql import views
from tests.build.control import Desk

VIEW: dict[str, Any] = {"screen": "explore", "name": "HR by model", "state": "group=model&team=hr"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def test_a_view_is_kept_changed_and_forgotten(desk: Desk) -> None:
    async with desk.owner() as client:
        made = await client.post("/api/views", json=VIEW)
        assert made.status_code == 201
        kept = made.json()
        assert {**VIEW, "shared": False, "default": False, "mine": True}.items() <= kept.items()
        changed = await client.put(f"/api/views/{kept['id']}", json={**VIEW, "state": "group=user", "shared": True})
        assert (changed.json()["state"], changed.json()["shared"], changed.json()["id"]) == ("group=user", True, kept["id"])
        assert [one["state"] for one in (await client.get("/api/views")).json()["items"]] == ["group=user"]
        assert (await client.delete(f"/api/views/{kept['id']}")).status_code == 204
        assert (await client.get("/api/views")).json() == {"items": []}
        assert (await client.delete(f"/api/views/{kept['id']}")).status_code == 404


async def test_others_see_what_is_shared_and_change_nothing(desk: Desk) -> None:
    member, admin = desk.member("member", "search"), desk.member("admin")
    async with desk.owner() as client:
        shared, private = [(await client.post("/api/views", json={**VIEW, "name": name, "shared": name == "ours"})).json()["id"]
                           for name in ("ours", "mine")]
    async with desk.person(member) as client:
        (seen,) = (await client.get("/api/views")).json()["items"]
        assert (seen["id"], seen["mine"]) == (shared, False)
        assert (await client.put(f"/api/views/{shared}", json=VIEW)).status_code == 403
        assert (await client.delete(f"/api/views/{shared}")).status_code == 403
        assert (await client.put(f"/api/views/{private}", json=VIEW)).status_code == 404
    async with desk.person(admin) as client:
        assert (await client.put(f"/api/views/{shared}", json=VIEW)).status_code == 403
        assert (await client.delete(f"/api/views/{private}")).status_code == 404
        assert (await client.delete(f"/api/views/{shared}")).status_code == 204


async def test_what_somebody_shared_leaves_with_them(desk: Desk) -> None:
    admin = desk.member("admin")
    async with desk.person(admin) as client:
        await client.post("/api/views", json={**VIEW, "shared": True})
    async with desk.owner() as client:
        assert len((await client.get("/api/views")).json()["items"]) == 1
        assert (await client.delete(f"/api/members/{admin}")).is_success
        assert (await client.get("/api/views")).json() == {"items": []}


async def test_a_screen_opens_with_one_view(desk: Desk) -> None:
    async with desk.owner() as client:
        for name, screen in (("a", "explore"), ("b", "explore"), ("c", "requests")):
            await client.post("/api/views", json={**VIEW, "name": name, "screen": screen, "default": True})
        listed = (await client.get("/api/views")).json()["items"]
    assert {one["name"]: one["default"] for one in listed} == {"a": False, "b": True, "c": True}


async def test_names_are_ones_own_and_there_are_only_so_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    other = desk.member("finance")
    async with desk.person(other) as client:
        assert (await client.post("/api/views", json=VIEW)).status_code == 201
    async with desk.owner() as client:
        first = (await client.post("/api/views", json=VIEW)).json()["id"]
        assert (await client.post("/api/views", json=VIEW)).status_code == 409
        assert (await client.put(f"/api/views/{first}", json=VIEW)).status_code == 200
        second = (await client.post("/api/views", json={**VIEW, "name": "x"})).json()["id"]
        assert (await client.put(f"/api/views/{second}", json=VIEW)).status_code == 409
        monkeypatch.setattr(views, "VIEWS_MAX", 2)
        assert (await client.post("/api/views", json={**VIEW, "name": "y"})).json()["code"] == "too_many"
        for bad in ({**VIEW, "screen": "moon"}, {**VIEW, "name": ""}, {**VIEW, "state": "x" * 8_001}, {**VIEW, "more": 1}):
            assert (await client.post("/api/views", json=bad)).status_code == 400
