"""Keys, teams and projects over the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def test_a_key_is_shown_once_and_works_at_once(desk: Desk) -> None:
    async with desk.owner() as client:
        made = await client.post("/api/keys", json={"team": "search", "project": "ranking", "name": "first"})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        key = made.json()
        read = await client.get(f"/api/keys/{key['id']}")
        listed = await client.get("/api/keys")
    text = key.pop("key")
    assert key["created_by"] == "acc_1"
    assert read.json() == key
    assert listed.json() == {"items": [key], "next_cursor": None}
    assert text not in read.text + listed.text
    async with desk.client(text) as own:
        assert (await own.get("/api/keys/self")).json() == {**key, "budgets": []}


async def test_an_expired_key_opens_nothing(desk: Desk) -> None:
    async with desk.owner() as client:
        made = (await client.post("/api/keys", json={"expires_at": "2026-11-20T13:00:00+01:00"}))
        assert made.status_code == 400                                   # that is now
        made = (await client.post("/api/keys", json={"expires_at": "2026-11-20T12:00:01Z"}))
        assert made.json()["expires_at"] == "2026-11-20T12:00:01Z"
        key = made.json()["key"]
    async with desk.client(key) as own:
        assert (await own.get("/api/keys/self")).status_code == 200
        desk.clock.at_us += 1_000_000
        assert (await own.get("/api/keys/self")).status_code == 401


@pytest.mark.parametrize("body", [
    {"team": ""}, {"team": "x" * 300}, {"user": "a\nb"}, {"organization": "other"}, {"id": "mine"}, {"created_by": "me"},
    {"expires_at": "2026-11-20T12:00:00"}, {"format": "rot13"}, {"dimensions": {"a": 1}}, [], "x",
])
async def test_a_key_that_cannot_be(desk: Desk, body: object) -> None:
    async with desk.owner() as client:
        reply = await client.post("/api/keys", json=body)
        assert reply.status_code == 400
        assert reply.headers["content-type"] == "application/problem+json"
        assert (await client.get("/api/keys")).json()["items"] == []


async def test_keys_come_in_pages(desk: Desk) -> None:
    ids = [desk.key(team=f"t{number}")[0] for number in range(5)]       # all at one moment
    async with desk.owner() as client:
        first = (await client.get("/api/keys", params={"limit": 3})).json()
        second = (await client.get("/api/keys", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        assert (await client.get("/api/keys", params={"cursor": "%00"})).status_code == 400
    assert [key["id"] for key in first["items"] + second["items"]] == sorted(ids)
    assert second["next_cursor"] is None


async def test_teams_and_projects(desk: Desk) -> None:
    async with desk.owner() as client:
        team = (await client.post("/api/teams", json={"name": "search"})).json()
        assert (await client.post("/api/teams", json={"name": "search"})).status_code == 409
        assert (await client.post("/api/teams", json={"name": "  "})).status_code == 400
        project = (await client.post("/api/projects", json={"team": "search", "name": "ranking"})).json()
        assert (await client.post("/api/projects", json={"team": "search", "name": "ranking"})).status_code == 409
        assert (await client.post("/api/projects", json={"name": "ranking"})).json()["team"] == "default"
        assert [found["name"] for found in (await client.get("/api/teams")).json()["items"]] == ["default", "search"]
        found = (await client.get("/api/projects", params={"team": "search"})).json()
        assert found == {"items": [project], "next_cursor": None}
        page = (await client.get("/api/projects", params={"limit": 2})).json()
        rest = (await client.get("/api/projects", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert (team["name"], project["team"], project["name"]) == ("search", "search", "ranking")
    assert [(found["team"], found["name"]) for found in page["items"] + rest["items"]] == [
        ("default", "default"), ("search", "ranking"), ("default", "ranking"),
    ]


async def test_a_team_gets_another_name(desk: Desk) -> None:
    async with desk.owner() as client:
        made = (await client.post("/api/keys", json={"team": "hr", "project": "bot"})).json()
        renamed = await client.patch("/api/teams", json={"team": "hr", "name": "people"})
        assert renamed.status_code == 200 and renamed.json()["name"] == "people" and renamed.json()["not_in_force_on"] == []
        assert (await client.get(f"/api/keys/{made['id']}")).json()["team"] == "people"
        assert [one["team"] for one in (await client.get("/api/projects", params={"team": "people"})).json()["items"]] == ["people"]
        for body, status in (({"team": "nobody", "name": "x"}, 404), ({"team": "hr", "name": "default"}, 409),
                             ({"team": "hr", "name": "a/b"}, 400)):
            said = await client.patch("/api/teams", json=body)
            assert said.status_code == status and said.json()["detail"]
    assert not desk.findings()


async def test_a_project_moves_to_another_team(desk: Desk) -> None:
    async with desk.owner() as client:
        key_id = (await client.post("/api/keys", json={"team": "hr", "project": "bot"})).json()["id"]
        await client.post("/api/teams", json={"name": "ops"})
        moved = (await client.post("/api/projects/move", json={"team": "hr", "project": "bot", "to": "ops"})).json()
        assert (moved["team"], moved["keys"], moved["moved_to"]) == ("ops", 1, None)
        assert (await client.get(f"/api/keys/{key_id}")).json()["team"] == "ops"
        was = (await client.get("/api/projects", params={"team": "hr"})).json()["items"]
        assert [(one["name"], one["moved_to"]) for one in was] == [("bot", "ops")] and was[0]["moved_at"]
        assert (await client.post("/api/projects/move", json={"team": "hr", "project": "none", "to": "ops"})).status_code == 404
    manager = desk.member("manager", "hr")
    async with desk.person(manager) as client:   # who answers for one of the two teams only
        assert (await client.post("/api/projects/move", json={"team": "hr", "project": "bot", "to": "ops"})).status_code == 403
    assert not desk.findings()


async def test_what_spends_under_an_envelope_stays(desk: Desk) -> None:
    async with desk.owner() as client:
        await client.post("/api/keys", json={"team": "hr", "project": "bot"})
        await client.post("/api/teams", json={"name": "ops"})
        asked = {"scope": "project", "value": "hr/bot", "amount": "5", "ends_at": "2026-12-31T00:00:00Z", "purpose": "x"}
        assert (await client.post("/api/envelopes", json=asked)).status_code == 201
        said = await client.post("/api/projects/move", json={"team": "hr", "project": "bot", "to": "ops"})
        assert (said.status_code, said.json()["code"]) == (409, "has_envelope")
