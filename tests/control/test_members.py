"""Who belongs to an organisation: nobody gives more than they have, the last owner stays, changes hold at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.core.membership import GRANTABLE, OF_TEAMS, ROLES, Membership, Role, fault_of, may_set
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.members import Members, note_member, put_membership
from tests.build.control import EMAIL, PASSWORD, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def entries(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "MEMBER"]


async def log_in(desk: Desk, email: str, password: str, **more: str) -> httpx.Response:
    async with desk.client() as client:
        return await client.post("/api/auth/token", json={"username": email, "password": password, **more})


def of(role: Role) -> Membership:
    return Membership(role, frozenset({"search"}) if role in OF_TEAMS else frozenset())


# --- the rules ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("grantor", "given"), list(product(ROLES, ROLES)))
def test_who_may_give_which_role(grantor: Role, given: Role) -> None:
    decided = {"owner": ROLES, "admin": [role for role in ROLES if role != "owner"], "manager": ["manager", "member"]}
    assert may_set(of(grantor), of(given)) == (given in decided.get(grantor, []))
    assert (given in GRANTABLE.get(grantor, ())) == (given in decided.get(grantor, []))


@pytest.mark.parametrize("teams", [set(), {"ads"}, {"search", "ads"}])
def test_a_manager_gives_their_own_teams_only(teams: set[str]) -> None:
    assert not may_set(of("manager"), Membership("member", frozenset(teams)))
    assert may_set(Membership("manager", frozenset({"search", "ads"})), Membership("member", frozenset(teams))) == bool(teams)


@pytest.mark.parametrize(("membership", "holds"), [
    (Membership("manager"), False), (Membership("member"), True), (Membership("owner", frozenset({"search"})), False),
    (Membership("finance"), True), (Membership("member", frozenset({" "})), False), (Membership("member", frozenset({"a\nb"})), False),
    (Membership("manager", frozenset(f"t{number}" for number in range(101))), False),
])
def test_what_can_be_held(membership: Membership, *, holds: bool) -> None:
    assert (fault_of(membership) is None) == holds


# --- over the API -------------------------------------------------------------------------------

async def test_taken_in_changed_and_let_go(desk: Desk) -> None:
    desk.key(team="search")
    async with desk.owner() as owner:
        made = await owner.post("/api/members", json={"email": " Ana@House ", "role": "manager", "teams": ["search"], "name": "Ana"})
        assert made.status_code == 201, made.text
        ana = made.json()
        password = ana.pop("password")
        assert {**ana, "id": ""} == {"id": "", "email": "ana@house", "name": "Ana", "role": "manager", "teams": ["search"],
                                     "status": "active", "joined_at": "2026-11-20T12:00:00Z", "seen_at": None}
        assert ana in (await owner.get("/api/members")).json()["items"]
        token = (await log_in(desk, "ana@house", password)).json()["access_token"]
        async with desk.client(token) as client:
            assert (await client.get("/api/auth/me")).json()["role"] == "manager"
            assert (await client.get("/api/keys")).status_code == 200
            changed = (await owner.patch(f"/api/members/{ana['id']}", json={"role": "finance"})).json()
            assert (changed["role"], changed["teams"]) == ("finance", [])
            assert (await client.get("/api/auth/me")).json()["role"] == "finance"            # the same token, at once
            assert (await client.get("/api/keys")).status_code == 403
            assert (await owner.delete(f"/api/members/{ana['id']}")).status_code == 200
            assert (await client.get("/api/auth/me")).status_code == 401
        assert (await owner.delete(f"/api/members/{ana['id']}")).status_code == 404
        assert (await log_in(desk, "ana@house", password)).status_code == 401
        assert (await owner.post("/api/members", json={"email": "ana@house", "role": "member"})).json().get("password") is None
        assert (await log_in(desk, "ana@house", password)).status_code == 200                # her own password stayed
    assert [(entry["event"], entry.get("role"), "teams" in entry) for entry in entries(desk)] == [
        ("joined", "owner", False), ("joined", "manager", True), ("changed", "finance", False), ("left", None, False),
        ("joined", "member", False)]
    assert "ana@house" not in str(entries(desk))
    assert desk.findings() == []


@pytest.mark.parametrize("given", [
    {"email": "nowhere", "role": "member"}, {"email": "a@b", "role": "king"}, {"email": "a@b", "role": "manager"},
    {"email": "a@b", "role": "manager", "teams": ["ghosts"]}, {"email": "a@b", "role": "owner", "teams": ["default"]},
    {"email": "a@b", "role": "member", "password": "short"}, {"email": "a@b", "role": "member", "organization": "other"},
    {"email": "a@b", "role": "member", "id": "acc_1"}, {"email": "a@b"}, [],
])
async def test_a_member_who_cannot_be(desk: Desk, given: object) -> None:
    async with desk.owner() as owner:
        reply = await owner.post("/api/members", json=given)
        assert reply.status_code == 400, reply.text
        assert [member["email"] for member in (await owner.get("/api/members")).json()["items"]] == [EMAIL]
    assert "short" not in reply.text


@pytest.mark.parametrize("role", ["admin", "manager"])
async def test_nobody_gives_or_takes_more_than_they_have(desk: Desk, role: Role) -> None:
    teams = ["search"] if role == "manager" else []
    people = {other: desk.member(other, *(("search",) if other in OF_TEAMS else ())) for other in ROLES}
    async with desk.person(desk.member(role, *teams)) as client:
        for number, given in enumerate(ROLES):
            asked = {"email": f"new{number}@house", "role": given, "teams": ["search"] if given in OF_TEAMS else []}
            allowed = given in GRANTABLE[role]
            assert (await client.post("/api/members", json=asked)).status_code == (201 if allowed else 403), given
            made_into = await client.patch(f"/api/members/{people['member']}", json={"role": given, "teams": asked["teams"]})
            assert made_into.status_code == (200 if allowed else 403), given
            back = await client.patch(f"/api/members/{people['member']}", json={"role": "member", "teams": ["search"]})
            assert back.status_code == (200 if allowed or given not in GRANTABLE[role] else 404)
        seen = [403, 404] if role == "manager" else [403]              # a manager does not even see who is in no team of theirs
        for taken in ROLES:
            reply = await client.delete(f"/api/members/{people[taken]}")
            assert (reply.status_code == 200) if taken in GRANTABLE[role] else (reply.status_code in seen), taken
    assert desk.findings() == []


async def test_a_manager_sees_who_shares_a_team_and_touches_who_has_no_other(desk: Desk) -> None:
    both, search, ads = desk.member("member", "search", "ads"), desk.member("member", "search"), desk.member("member", "ads")
    manager = desk.member("manager", "search")
    async with desk.person(manager) as client:
        listed = {member["id"]: member["teams"] for member in (await client.get("/api/members")).json()["items"]}
        assert listed == {both: ["search"], search: ["search"], manager: ["search"]}
        assert (await client.delete(f"/api/members/{both}")).status_code == 403
        assert (await client.delete(f"/api/members/{ads}")).status_code == 404
        assert (await client.patch(f"/api/members/{search}", json={"teams": ["search", "ads"]})).status_code == 403
        assert (await client.patch(f"/api/members/{search}", json={"teams": []})).status_code == 403
        assert (await client.patch(f"/api/members/{manager}", json={"teams": ["search", "ads"]})).status_code == 403
        assert (await client.delete(f"/api/members/{search}")).status_code == 200


async def test_the_last_owner_stays(desk: Desk) -> None:
    async with desk.owner() as owner:
        for change in (owner.delete("/api/members/acc_1"), owner.patch("/api/members/acc_1", json={"role": "admin"})):
            reply = await change
            assert (reply.status_code, reply.json()["code"]) == (409, "last_owner")
        second = desk.member("owner")
        Members(desk.sequencer, lambda: "").set_disabled(second, disabled=True, now_us=5)
        assert (await owner.delete("/api/members/acc_1")).status_code == 409          # the other one cannot log in
        Members(desk.sequencer, lambda: "").set_disabled(second, disabled=False, now_us=6)
        assert (await owner.patch("/api/members/acc_1", json={"role": "admin"})).status_code == 200
        assert (await owner.patch("/api/members/acc_1", json={"role": "owner"})).status_code == 403
    assert [entry["event"] for entry in entries(desk)] == ["joined", "joined", "disabled", "enabled", "changed"]
    assert desk.findings() == []


async def test_a_disabled_account_opens_nothing_anywhere(desk: Desk) -> None:
    account = desk.member("admin", email="ana@house")
    async with desk.person(account) as client:
        assert (await client.get("/api/keys")).status_code == 200
        Members(desk.sequencer, lambda: "").set_disabled(account, disabled=True, now_us=5)
        assert (await client.get("/api/keys")).status_code == 401
    assert (await log_in(desk, "ana@house", PASSWORD)).status_code == 401
    async with desk.owner() as owner:
        (shown,) = [member for member in (await owner.get("/api/members")).json()["items"] if member["id"] == account]
    assert shown["status"] == "disabled"
    assert desk.findings() == []


# --- several organisations ----------------------------------------------------------------------

async def test_a_token_is_for_one_organisation(desk: Desk) -> None:
    other = desk.other_organization()
    account = desk.member("admin", email="ana@house")
    with desk.sequencer.append(1) as pen:                              # as the host takes somebody in
        put_membership(pen, other, account, Membership("auditor"))
        note_member(pen, other, "joined", account, Membership("auditor"), "cli")
    asked = await log_in(desk, "ana@house", PASSWORD)
    assert (asked.status_code, asked.json()["code"]) == (400, "organization_required")
    assert "default, other" in asked.json()["detail"]
    for organization, role in (("default", "admin"), ("other", "auditor")):
        token = (await log_in(desk, "ana@house", PASSWORD, organization=organization)).json()["access_token"]
        async with desk.client(token) as client:
            me = (await client.get("/api/auth/me")).json()
            assert (me["organization"], me["role"]) == (organization, role)
            assert (await client.post("/api/teams", json={"name": "x"})).status_code == (201 if role == "admin" else 403)
    assert (await log_in(desk, EMAIL, PASSWORD, organization="other")).json()["code"] == "not_a_member"
    assert (await log_in(desk, EMAIL, PASSWORD, organization="nowhere")).json()["code"] == "not_a_member"
    assert (await log_in(desk, EMAIL, "wrong", organization="other")).json()["code"] == "invalid_credentials"
    assert desk.findings() == []


async def test_who_belongs_elsewhere_is_the_hosts_to_take_in(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner() as ours:
        for more in ({}, {"password": "a password of mine"}):
            reply = await ours.post("/api/members", json={"email": "owner@other", "role": "member", **more})
            assert (reply.status_code, reply.json()["code"]) == (409, "account_exists")
        again = await ours.post("/api/members", json={"email": EMAIL, "role": "member"})
        assert (again.status_code, again.json()["code"]) == (409, "exists")
