"""Stored credentials through the API: they go in and never come out; each organisation has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.core.secret import Secret
from tallystick.stores.sql.verify import verify
from tests.build.control import Desk

CANARY = "sk-canary-api-2kLm64"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def in_use(desk: Desk, name: str = "default", organization: str = "default") -> str | None:
    """The value that the line would send."""
    found = await desk.credentials.find(organization, "openai", name)
    return found.reveal() if isinstance(found, Secret) else None


async def test_set_listed_replaced_and_removed(desk: Desk) -> None:
    async with desk.owner() as client:
        made = (await client.put("/api/credentials/openai/default", json={"value": CANARY})).json()
        assert made == {
            "provider": "openai", "name": "default", "origin": "https://api.openai.com", "version": 1, "status": "usable",
            "set_at": "2026-11-20T12:00:00Z", "set_by": "acc_1"}
        assert await in_use(desk) == CANARY
        (listed,) = (await client.get("/api/credentials")).json()["items"]
        assert listed.pop("health")["state"] == "healthy"
        assert listed == made
        assert (await client.put("/api/credentials/openai/default", json={"value": "sk-new"})).json()["version"] == 2
        assert await in_use(desk) == "sk-new"
        assert (await client.delete("/api/credentials/openai/default")).json()["version"] == 2
        assert await in_use(desk) is None
        assert (await client.delete("/api/credentials/openai/default")).status_code == 404
        assert (await client.get("/api/credentials")).json()["items"] == []
    assert verify(desk.database, b"p" * 32).findings == ()


@pytest.mark.parametrize("body", [
    {}, {"value": ""}, {"value": None}, {"value": [CANARY]}, {"value": f"{CANARY} x"}, {"value": f"{CANARY}\n"}, {"value": CANARY * 1000},
    {"value": CANARY, "origin": "https://evil.example"}, {"value": f"tsk_{CANARY}"}, CANARY,
])
async def test_a_value_that_cannot_stand_is_refused_and_not_repeated(desk: Desk, body: object) -> None:
    async with desk.owner() as client:
        reply = await client.put("/api/credentials/openai/default", json=body)
        assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")
        assert CANARY not in reply.text
        assert (await client.get("/api/credentials")).json()["items"] == []


@pytest.mark.parametrize("place", ["nobody/default", "openai/%2e%2e%2fx", "openai/a%20b", f"openai/{'x' * 65}"])
async def test_a_place_that_cannot_be_is_refused(desk: Desk, place: str) -> None:
    async with desk.owner() as client:
        assert (await client.put(f"/api/credentials/{place}", json={"value": CANARY})).status_code in {400, 404}
        assert (await client.get("/api/credentials")).json()["items"] == []


async def test_an_organisation_sees_and_changes_its_own_alone(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner() as ours, desk.owner("other") as theirs:
        await ours.put("/api/credentials/openai/default", json={"value": CANARY})
        assert (await theirs.get("/api/credentials")).json()["items"] == []
        assert (await theirs.delete("/api/credentials/openai/default")).status_code == 404
        await theirs.put("/api/credentials/openai/default", json={"value": "sk-theirs"})
        assert await in_use(desk) == CANARY
        assert await in_use(desk, organization="other") == "sk-theirs"


async def test_a_project_names_the_one_its_keys_use(desk: Desk) -> None:
    _, text = desk.key(team="hr", project="bot")
    async with desk.owner() as client:
        changed = (await client.patch("/api/projects", json={"team": "hr", "project": "bot", "credential": "batch"})).json()
        assert (changed["name"], changed["team"], changed["credential"]) == ("bot", "hr", "batch")
        principal = await desk.parts.keyring.find(text)
        assert principal is not None
        assert principal.credential == "batch"
        assert changed in (await client.get("/api/projects")).json()["items"]
        assert (await client.patch("/api/projects", json={"team": "hr", "project": "none"})).status_code == 404
        assert (await client.patch("/api/projects", json={"team": "hr", "project": "bot", "credential": "a b"})).status_code == 400
    assert verify(desk.database, b"p" * 32).findings == ()
