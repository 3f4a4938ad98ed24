"""Four eyes: who proposes, who approves, and that nobody approves their own unless they are the only one who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tests.build.control import Desk

TERMS = {"kind": "percent", "provider": "*", "unit": "all", "value": "-5"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def entries(desk: Desk, kind: str) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == kind]


async def test_alone_it_is_done_at_once_and_marked_so(desk: Desk) -> None:
    async with desk.owner() as owner:
        made = await owner.post("/api/prices/overrides", json=TERMS)
        assert (made.status_code, made.json()["proposed_by"], made.json()["approved_by"]) == (201, "acc_1", "acc_1")
        corrected = await owner.post(f"/api/requests/{desk.book()}/adjustments", json={"cost_nanos": 7, "evidence": "invoice"})
        assert (corrected.status_code, corrected.json()["adjustments"][0]["approved_by"]) == (201, "acc_1")


async def test_what_an_admin_proposes_holds_when_finance_approves(desk: Desk) -> None:
    admin, finance = desk.member("admin"), desk.member("finance")
    async with desk.person(admin) as proposer, desk.person(finance) as approver:
        reply = await proposer.post("/api/prices/overrides", json=TERMS)
        assert reply.status_code == 202
        proposal = reply.json()
        assert (proposal["kind"], proposal["state"], proposal["proposed_by"], proposal["what"]["terms"]["value"]) == (
            "override_set", "open", admin, "-5")
        assert (await proposer.get("/api/prices/overrides")).json()["items"] == entries(desk, "PRICE") == []
        assert (await proposer.post(f"/api/proposals/{proposal['id']}/approve")).status_code == 403
        desk.clock.at_us += 60_000_000
        approved = (await approver.post(f"/api/proposals/{proposal['id']}/approve")).json()
        assert (approved["state"], approved["decided_by"]) == ("approved", finance)
        (override,) = (await approver.get("/api/prices/overrides")).json()["items"]
        assert (override["proposed_by"], override["approved_by"], override["valid_from"]) == (admin, finance, "2026-11-20T12:01:00Z")
        assert (await approver.post(f"/api/proposals/{proposal['id']}/approve")).json()["code"] == "decided"
        ending = (await proposer.delete(f"/api/prices/overrides/{override['id']}")).json()
        assert (await approver.post(f"/api/proposals/{ending['id']}/approve")).status_code == 200
        assert (await proposer.get("/api/prices/overrides")).json()["items"][0]["status"] == "ended"
        assert [one["state"] for one in (await proposer.get("/api/proposals")).json()["items"]] == ["approved", "approved"]
        assert (await proposer.get("/api/proposals", params={"state": "open"})).json()["items"] == []
    assert [(entry["event"], entry["actor"], entry["approved"]) for entry in entries(desk, "PRICE")] == [
        ("set", admin, finance), ("ended", admin, finance)]
    assert desk.findings() == []


@pytest.mark.parametrize("role", ["owner", "finance"])
async def test_nobody_approves_their_own(desk: Desk, role: str) -> None:
    account = desk.member(role)  # type: ignore[arg-type]
    async with desk.person(account) as client, desk.owner() as owner:
        proposal = (await client.post("/api/prices/overrides", json=TERMS)).json()
        refused = await client.post(f"/api/proposals/{proposal['id']}/approve")
        assert (refused.status_code, refused.json()["code"]) == (403, "own_proposal")
        assert entries(desk, "PRICE") == []
        assert (await owner.post(f"/api/proposals/{proposal['id']}/approve")).status_code == 200


async def test_who_is_alone_by_now_approves_what_they_proposed(desk: Desk) -> None:
    second = desk.member("owner")
    async with desk.owner() as owner:
        proposal = (await owner.post("/api/prices/overrides", json=TERMS)).json()
        assert (await owner.delete(f"/api/members/{second}")).status_code == 200
        assert (await owner.post(f"/api/proposals/{proposal['id']}/approve")).status_code == 200
    (entry,) = entries(desk, "PRICE")
    assert entry["actor"] == entry["approved"] == "acc_1"


async def test_finance_proposes_a_correction_and_an_owner_approves_it(desk: Desk) -> None:
    finance, request_id = desk.member("finance"), desk.book(9_000_000)
    async with desk.person(finance) as client, desk.owner() as owner:
        asked = await client.post(f"/api/requests/{request_id}/adjustments", json={"cost_nanos": 5, "evidence": "invoice 7"})
        assert asked.status_code == 202
        refused = await client.post(f"/api/proposals/{asked.json()['id']}/approve")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")           # finance approves prices, not this
        assert (await owner.get(f"/api/requests/{request_id}")).json()["cost_nanos"] == 9_000_000
        assert (await owner.post(f"/api/proposals/{asked.json()['id']}/approve")).status_code == 200
        call = (await client.get(f"/api/requests/{request_id}")).json()
    assert call["cost_nanos"] == 5
    assert (call["adjustments"][0]["actor"], call["adjustments"][0]["approved_by"]) == (finance, "acc_1")
    assert [(entry["actor"], entry["approved"]) for entry in entries(desk, "ADJUST")] == [(finance, "acc_1")]
    assert desk.findings() == []


async def test_declined_or_taken_back_it_is_over(desk: Desk) -> None:
    admin, other = desk.member("admin"), desk.member("admin")
    async with desk.person(admin) as client, desk.person(other) as stranger, desk.owner() as owner:
        first, second = [(await client.post("/api/prices/overrides", json=TERMS)).json()["id"] for _ in range(2)]
        assert (await stranger.post(f"/api/proposals/{first}/decline")).status_code == 404
        assert (await client.post(f"/api/proposals/{first}/decline")).json()["decided_by"] == admin
        assert (await owner.post(f"/api/proposals/{second}/decline")).json()["state"] == "declined"
        for proposal in (first, second):
            assert (await owner.post(f"/api/proposals/{proposal}/approve")).json()["code"] == "decided"
    assert entries(desk, "PRICE") == []


async def test_what_cannot_be_done_is_refused_when_it_is_proposed(desk: Desk) -> None:
    async with desk.person(desk.member("admin")) as client:
        assert (await client.post("/api/prices/overrides", json={**TERMS, "value": "1e9"})).status_code == 400
        assert (await client.delete("/api/prices/overrides/ovr_none")).status_code == 404
        assert (await client.get("/api/proposals")).json()["items"] == []


async def test_what_cannot_be_done_any_more_stays_open(desk: Desk) -> None:
    finance = desk.member("finance")
    async with desk.person(finance) as client, desk.owner() as owner:
        made = (await client.post("/api/prices/overrides", json=TERMS)).json()["id"]
        assert (await owner.post(f"/api/proposals/{made}/approve")).status_code == 200
        (override,) = (await owner.get("/api/prices/overrides")).json()["items"]
        endings = [(await client.delete(f"/api/prices/overrides/{override['id']}")).json()["id"] for _ in range(2)]
        assert (await owner.post(f"/api/proposals/{endings[0]}/approve")).status_code == 200
        again = await owner.post(f"/api/proposals/{endings[1]}/approve")
        assert (again.status_code, again.json()["code"]) == (400, "not_active")
        assert [one["id"] for one in (await owner.get("/api/proposals", params={"state": "open"})).json()["items"]] == [endings[1]]
