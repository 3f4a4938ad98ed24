"""The Budget Negotiator: asked for, signed, edited, declined, topped up, moved; one at a time; and what is signed binds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.core.identity import Attribution
from tallystick.core.budget import Subject
from tallystick.stores.sql.budget_rows import books
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import stored_entries
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.verify import verify
from tests.build.control import Desk
from tests.build.databases import both_engines

DAY_US = 86_400_000_000
PLACE = "/api/envelopes"
TEAM = {"scope": "team", "value": "search", "amount": "5000", "ends_at": "2026-12-31T00:00:00Z", "purpose": "the launch"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def made(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    reply = await client.post(PLACE, json={**TEAM, "sign": True, **more})
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def entries(desk: Desk) -> dict[int, tuple[dict[str, Any], str]]:
    """Fields and hash of every CAP entry, by number."""
    packer = Packer()
    with desk.database.read() as db:
        found = [(entry.seq, json.loads(packer.unpack(entry.packed)), entry.leaf.hex()) for entry in stored_entries(db, DEFAULT)]
    return {seq: (fields, leaf) for seq, fields, leaf in found if fields["kind"] == "CAP"}


def wrong_in(desk: Desk) -> list[str]:
    """What `verify` finds; the desk signs no checkpoints."""
    return [finding.message for finding in verify(desk.database, None).findings if finding.check != "checkpoint"]


def limits_on(desk: Desk, team: str, at_us: int, project: str = "web") -> list[int]:
    """The hard limits that a call of a team falls under at a moment."""
    with desk.database.read() as db:
        found = books(db).get("default")
    labels = {"team": team, "project": project}
    return [] if found is None else [match.budget.cap(at_us) for match in found.path(
        Subject(Attribution("k", "default", labels), "openai", "gpt-4o"), at_us) if match.binding]


@both_engines
async def test_what_is_asked_for_binds_once_it_is_signed_and_the_ledger_says_who_signed(desk: Desk) -> None:
    async with desk.owner() as client:
        asked = (await client.post(PLACE, json={**TEAM, "evidence": "grew by half each month"})).json()
        assert (asked["state"], asked["budget"], limits_on(desk, "search", desk.clock.at_us)) == ("requested", None, [])
        signed = (await client.post(f"{PLACE}/{asked['id']}/sign", json={"amount": "4000", "comment": "less, for now"})).json()
        assert (signed["state"], signed["amount_usd"], signed["asked"], signed["comment"]) == ("active", "4000.000000000", "5000", "less, for now")
        assert limits_on(desk, "search", desk.clock.at_us) == [4_000 * 10**9]
        assert limits_on(desk, "ops", desk.clock.at_us) == []
        assert (await client.post(f"{PLACE}/{asked['id']}/sign", json={})).status_code == 409
        fields, leaf = entries(desk)[signed["signature"]["entry"]]
        assert (fields["envelope"], fields["actor"], leaf) == (asked["id"], "acc_1", signed["signature"]["hash"])
        assert signed["signature"]["approver"] == "acc_1"
    assert wrong_in(desk) == []


@pytest.mark.parametrize("edit", ["signed_hash = 'ab'", "decided_by = 'acc_9'", "signed_seq = 0", "budget = 2"])
async def test_an_envelope_that_somebody_edited_is_found(desk: Desk, edit: str) -> None:
    async with desk.owner() as client:
        await made(client)
        await made(client, value="ops")
    assert wrong_in(desk) == []
    with desk.database.write() as db:
        db.execute(f"UPDATE envelope SET {edit} WHERE id = 1")
    assert wrong_in(desk) == ["envelope 1 is not what was signed"]


async def test_what_is_declined_never_binds(desk: Desk) -> None:
    async with desk.owner() as client:
        asked = (await client.post(PLACE, json=TEAM)).json()
        assert (await client.post(f"{PLACE}/{asked['id']}/decline", json={"comment": "not this year"})).json()["state"] == "declined"
        assert (await client.post(f"{PLACE}/{asked['id']}/sign", json={})).status_code == 409
    assert limits_on(desk, "search", desk.clock.at_us) == []


async def test_who_asked_does_not_sign_while_somebody_else_could(desk: Desk) -> None:
    async with desk.owner() as client:
        asked = (await client.post(PLACE, json=TEAM)).json()
        with desk.database.write() as db:
            db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES ('acc_f', 'f@x', 'f', 'none', 1)")
            db.execute("INSERT INTO membership (account, organization, role, joined_us) VALUES ('acc_f', ?, 'finance', 1)", (DEFAULT,))
        refused = await client.post(f"{PLACE}/{asked['id']}/sign", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "own_proposal")
        finance = desk.client(desk.app.state.tokens.sign("acc_f", "default", desk.clock.at_us // 1_000_000))
        assert (await finance.post(f"{PLACE}/{asked['id']}/sign", json={})).json()["signature"]["approver"] == "acc_f"
        await finance.aclose()


async def test_one_envelope_at_a_time_and_a_top_up_extends_it(desk: Desk) -> None:
    async with desk.owner() as client:
        first = await made(client)
        overlap = await client.post(PLACE, json={**TEAM, "sign": True, "ends_at": "2027-03-31T00:00:00Z"})
        assert (overlap.status_code, overlap.json()["code"]) == (409, "overlap")
        following = await made(client, starts_at="2026-12-31T00:00:00Z", ends_at="2027-03-31T00:00:00Z")
        assert following["state"] == "to come"
        more = await client.post(f"{PLACE}/{first['id']}/top-ups", json={"by": "500", "reason": "a second region"})
        assert (more.status_code, more.json()["amount_usd"]) == (201, "5500.000000000")
        longer = {"ends_at": "2027-01-15T00:00:00Z", "reason": "late"}
        assert (await client.post(f"{PLACE}/{first['id']}/top-ups", json=longer)).json()["code"] == "overlap"
        assert limits_on(desk, "search", desk.clock.at_us) == [5_500 * 10**9]
        for wrong in ({"reason": "nothing"}, {"ends_at": "2026-12-01T00:00:00Z", "reason": "shorter"}):
            assert (await client.post(f"{PLACE}/{first['id']}/top-ups", json=wrong)).status_code == 400
        assert (await client.post(f"{PLACE}/{first['id']}/end")).json()["state"] == "ended"
        assert (await client.post(f"{PLACE}/{first['id']}/top-ups", json={"by": "1", "reason": "x"})).status_code == 409
    assert wrong_in(desk) == []


@both_engines
async def test_allocations_move_between_parent_and_children_and_balance_to_zero(desk: Desk) -> None:
    async with desk.owner() as client:
        team = await made(client, amount="1000")
        web = await made(client, scope="project", value="search/web", amount="600")
        app = await made(client, scope="project", value="search/app", amount="300")
        assert (web["parent"], (await client.get(f"{PLACE}/{team['id']}")).json()["allocated_usd"]) == (team["id"], "900.000000000")
        too_much = await client.post(PLACE, json={**TEAM, "scope": "project", "value": "search/x", "amount": "101", "sign": True})
        assert (too_much.status_code, too_much.json()["code"]) == (409, "above_the_parent")

        async def move(source: int, target: int, amount: str) -> httpx.Response:
            return await client.post(f"{PLACE}/transfers", json={"source": source, "target": target, "amount": amount, "reason": "need"})

        for source, target, amount in ((team["id"], web["id"], "100"), (web["id"], app["id"], "250"), (app["id"], team["id"], "50")):
            assert (await move(source, target, amount)).status_code == 201
        stand = {number: (await client.get(f"{PLACE}/{number}")).json() for number in (team["id"], web["id"], app["id"])}
        assert [one["amount_usd"] for one in stand.values()] == ["1000.000000000", "450.000000000", "500.000000000"]
        assert stand[team["id"]]["allocated_usd"] == "950.000000000"
        assert (await move(team["id"], web["id"], "51")).status_code == 409
        assert (await move(team["id"], team["id"], "1")).status_code == 400
        desk.book(cost_nanos=440 * 10**9, labels={"team": "search", "project": "web"})
        assert (await move(web["id"], app["id"], "11")).status_code == 409, "what is spent cannot be given away"
        desk.clock.at_us += 1
        assert (await client.post(f"{PLACE}/{web['id']}/end")).status_code == 200
        allocated = (await client.get(f"{PLACE}/{team['id']}")).json()["allocated_usd"]
        assert allocated == "940.000000000", "of what has ended only what it spent: $440, and $500 of the other"
    legs: dict[int, int] = {}
    for fields, _ in entries(desk).values():
        if "transfer" in fields:
            legs[fields["transfer"]] = legs.get(fields["transfer"], 0) + int(fields["delta"])
    assert legs == {1: 0, 2: 0, 3: 0}
    with desk.database.read() as db:
        assert db.execute("SELECT DISTINCT s FROM (SELECT sum(delta) AS s FROM envelope_leg GROUP BY transfer) t").fetchall() == [(0,)]
    assert wrong_in(desk) == []


@both_engines
async def test_a_scope_that_needs_an_envelope_is_blocked_without_one_and_after_it(desk: Desk) -> None:
    async with desk.owner() as client:
        required = {"scope": "team", "value": "search", "required": True}
        assert (await client.put(f"{PLACE}/requirements", json=required)).status_code == 200
        assert limits_on(desk, "search", desk.clock.at_us) == [0]
        envelope = await made(client, ends_at="2026-11-30T00:00:00Z")
        end_us = desk.clock.at_us + 10 * DAY_US
        assert limits_on(desk, "search", desk.clock.at_us) == [5_000 * 10**9]
        assert limits_on(desk, "search", end_us) == [0]
        desk.book(cost_nanos=7 * 10**9, labels={"team": "search", "project": "web"})
        assert (await client.get(f"{PLACE}/{envelope['id']}")).json()["spent_usd"] == "7.000000000"
        assert wrong_in(desk) == []
        assert (await client.put(f"{PLACE}/requirements", json={**required, "required": False})).status_code == 200
        assert limits_on(desk, "search", end_us) == []
        assert (await client.put(f"{PLACE}/requirements", json={**required, "required": False})).status_code == 404
    assert wrong_in(desk) == []


async def test_it_begins_with_what_was_spent_since_its_beginning(desk: Desk) -> None:
    desk.book(cost_nanos=3 * 10**9, at_us=desk.clock.at_us - DAY_US, labels={"team": "search"})
    desk.book(cost_nanos=5 * 10**9, at_us=desk.clock.at_us - 3 * DAY_US, labels={"team": "search"})
    async with desk.owner() as client:
        envelope = await made(client, starts_at="2026-11-18T12:00:00Z")
        assert envelope["spent_usd"] == "3.000000000"
    assert wrong_in(desk) == []


async def test_whether_a_plan_fits(desk: Desk) -> None:
    async with desk.owner() as client:
        await made(client, amount="1000")
        await made(client, scope="project", value="search/web", amount="200")

        async def fits(scope: str, value: str, delta: str) -> Any:
            reply = await client.get(f"{PLACE}/headroom", params={"scope": scope, "value": value, "monthly_delta_usd": delta})
            return reply.json()["fits"]

        assert [await fits("project", "search/web", delta) for delta in ("100", "200", "-50")] == [True, False, True]
        assert await fits("team", "search", "200")
        assert await fits("team", "ops", "1") is None
        await client.put(f"{PLACE}/requirements", json={"scope": "team", "value": "ops", "required": True})
        assert await fits("team", "ops", "1") is False


async def test_an_envelopes_budget_is_changed_by_nobody_else(desk: Desk) -> None:
    async with desk.owner() as client:
        envelope = await made(client)
        place = f"/api/budgets/{envelope['budget']}"
        assert (await client.put(place, json={"limit": "9999"})).status_code == 400
        assert (await client.delete(place)).status_code == 400
        plain = await client.post("/api/budgets", json={"scope": "team", "value": "search", "limit": "10", "window": "total"})
        assert (plain.status_code, plain.json()["id"] != envelope["budget"]) == (201, True)


@pytest.mark.parametrize("wrong", [
    {"amount": "5 tokens"}, {"amount": "5/month"}, {"amount": "0"}, {"ends_at": "2020-01-01T00:00:00Z"}, {"value": "*"}, {"scope": "planet"},
    {"purpose": ""}, {"starts_at": "2027-01-01T00:00:00Z"}, {"cap": 5}, {"amount": "5 CHF"}])
async def test_what_cannot_be_an_envelope_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    async with desk.owner() as client:
        assert (await client.post(PLACE, json={**TEAM, **wrong})).status_code == 400


@both_engines
async def test_an_envelope_that_is_ended_ends_its_fallback_too(desk: Desk) -> None:
    async with desk.owner() as client:
        envelope = await made(client)
        said = await client.put(f"{PLACE}/{envelope['id']}/fallback", json={"models": {"gpt-4o*": "gpt-4o-mini"}, "at_percent": 80})
        assert said.status_code == 200, said.text
        assert len((await client.get("/api/policies")).json()["items"]) == 1
        ended = (await client.post(f"{PLACE}/{envelope['id']}/end")).json()
        assert (ended["state"], ended["fallback"]) == ("ended", None)
        assert (await client.get("/api/policies")).json()["items"] == []
    assert wrong_in(desk) == []
