"""The library: somebody proposes a version, another approves it, the ledger names both, and what was changed in the table alone is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tests.build.control import Desk

WANTED = {"prompt_key": "support/summary", "version": "2", "owner": "Ann", "purpose": "Of tickets.", "text": "Summarise this: {ticket}"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def registered(desk: Desk, organization: str = "default") -> None:
    async with desk.owner(organization) as client:
        for version in ("1", "2"):
            await client.post("/api/prompts/versions", json={"prompt_key": "support/summary", "version": version, "model": "gpt-4o"})


async def library(desk: Desk) -> dict[str, Any]:
    async with desk.owner() as client:
        found: dict[str, Any] = (await client.get("/api/library")).json()
        return found


def chained(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "PROMPT"]


async def test_one_proposes_and_another_approves(desk: Desk) -> None:
    await registered(desk)
    member, manager = desk.member("member", "search"), desk.member("manager", "search")
    for cost in (10, 30):
        desk.book(cost, labels={"prompt_key": "support/summary", "prompt_version": "2"})
    async with desk.person(member) as client:
        asked = await client.post("/api/library", json=WANTED)
        assert asked.status_code == 202, asked.text
        proposal = asked.json()["id"]
        assert (await client.post(f"/api/library/{proposal}/approve")).status_code == 403
    before = await library(desk)
    assert (before["items"], [one["id"] for one in before["waiting"]]) == ([], [proposal])
    assert "Summarise" not in json.dumps(before)
    async with desk.person(manager) as client:
        assert (await client.post(f"/api/library/{proposal}/approve")).json()["state"] == "approved"
        assert (await client.post(f"/api/library/{proposal}/approve")).json()["code"] == "decided"
    (item,) = (await library(desk))["items"]
    digest = sha256(WANTED["text"].encode()).hexdigest()
    assert (item["version"], item["owner"], item["sha256"], item["model"]) == ("2", "Ann", digest, "gpt-4o")
    assert (item["requests"], item["cost_nanos"], item["per_1000_nanos"]) == (2, 40, 20_000)
    assert (item["proposed_by"], item["approved_by"]) == (member, manager)
    (entry,) = chained(desk)
    assert (entry["event"], entry["actor"], entry["approved"], entry["sha256"]) == ("approved", member, manager, digest)
    async with desk.owner() as client:
        (shown,) = (await client.get("/api/prompts")).json()["items"]
        assert shown["approved"] == ["2"]
    assert desk.findings() == []


async def test_alone_it_is_done_at_once_and_undone(desk: Desk) -> None:
    await registered(desk)
    async with desk.owner() as client:
        made = await client.post("/api/library", json=WANTED)
        assert (made.status_code, len(made.json()["items"])) == (201, 1)
        assert (await client.post("/api/library", json=WANTED)).status_code == 409
        assert (await client.post("/api/library", json={**WANTED, "version": "9"})).status_code == 404
        place = {"prompt_key": "support/summary", "version": "2"}
        assert (await client.delete("/api/library", params=place)).status_code == 204
        assert (await client.delete("/api/library", params=place)).status_code == 404
    assert [entry["event"] for entry in chained(desk)] == ["approved", "withdrawn"]
    assert desk.findings() == []


async def test_a_proposal_is_declined_or_taken_back(desk: Desk) -> None:
    await registered(desk)
    member, other = desk.member("member", "search"), desk.member("member", "ads")
    for decider, status in ((other, 404), (member, 200)):
        async with desk.person(member) as client:
            waiting = (await client.get("/api/library")).json()["waiting"]
            proposal = waiting[0]["id"] if waiting else (await client.post("/api/library", json=WANTED)).json()["id"]
        async with desk.person(decider) as client:
            assert (await client.post(f"/api/library/{proposal}/decline")).status_code == status
    assert (await library(desk))["waiting"] == []


@pytest.mark.parametrize("change", ["DELETE FROM approved_prompt", "UPDATE approved_prompt SET sha256 = 'f00'", "UPDATE approved_prompt SET version = '1'"])
async def test_what_was_changed_in_the_table_alone_is_found(desk: Desk, change: str) -> None:
    await registered(desk)
    async with desk.owner() as client:
        await client.post("/api/library", json=WANTED)
    with desk.database.write() as db:
        db.execute(change)
    assert [finding.check for finding in desk.findings()] in (["directory"], ["directory", "directory"])


async def test_everybody_pins_for_themselves_and_all_see_what_all_think(desk: Desk) -> None:
    await registered(desk)
    place = {"prompt_key": "support/summary", "version": "2"}
    async with desk.owner() as owner:
        assert (await owner.put("/api/library/mark", json={**place, "pinned": True})).status_code == 404        # not approved yet
        await owner.post("/api/library", json=WANTED)
        assert (await owner.put("/api/library/mark", json={**place, "pinned": True, "stars": 5})).status_code == 204
        for member in (desk.member("member", "search"), desk.member("auditor")):
            async with desk.person(member) as client:
                assert (await client.put("/api/library/mark", json={**place, "stars": 4})).status_code == 204
                (seen,) = (await client.get("/api/library")).json()["items"]
                assert (seen["pinned"], seen["stars"]) == (False, 4)
        assert (await owner.put("/api/library/mark", json={**place, "stars": 6})).status_code == 400
        (seen,) = (await owner.get("/api/library")).json()["items"]
        assert (seen["pinned"], seen["stars"], seen["ratings"], seen["rating_tenths"]) == (True, 5, 3, 43)
        assert (await owner.put("/api/library/mark", json=place)).status_code == 204                            # taken back
        (seen,) = (await owner.get("/api/library")).json()["items"]
        assert (seen["pinned"], seen["stars"], seen["ratings"], seen["rating_tenths"]) == (False, None, 2, 40)
        await owner.delete("/api/library", params=place)
        await owner.post("/api/library", json=WANTED)
        (anew,) = (await owner.get("/api/library")).json()["items"]
        assert anew["ratings"] == 0
    assert len(chained(desk)) == 3                                                                              # marks are no entries
    assert desk.findings() == []


async def test_of_another_organization_nothing_is_seen(desk: Desk) -> None:
    desk.other_organization()
    desk.member("admin", organization=2)
    await registered(desk, "other")
    async with desk.owner("other") as theirs:
        proposal = (await theirs.post("/api/library", json=WANTED)).json()["id"]
    desk.member("admin")
    async with desk.owner() as ours:
        assert (await ours.get("/api/library")).json() == {"items": [], "waiting": []}
        for act in ("approve", "decline"):
            assert (await ours.post(f"/api/library/{proposal}/{act}")).status_code == 404
