"""Personal access tokens: never more than their owner may do, nor than their scopes say, nor longer than they last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tallystick.control.roles import GRANTS
from tallystick.control.scopes import AREAS, SCOPES, area_of, fault_of, opens
from tallystick.core.keyformat import well_formed
from tallystick.core.membership import OF_TEAMS, ROLES, Membership, Role
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.members import HOST, note_member, put_membership
from tallystick.stores.sql.personal_tokens import TOKENS_MAX
from tests.build.control import Desk
from tests.control.test_access import SAMPLES

DAY_US = 86_400_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def token_of(client: httpx.AsyncClient, *scopes: str, **more: str) -> str:
    made = await client.post("/api/tokens", json={"scopes": list(scopes), **more})
    assert made.status_code == 201, made.text
    text: str = made.json()["token"]
    return text


async def test_made_shown_once_used_and_revoked(desk: Desk) -> None:
    async with desk.owner() as owner:
        made = (await owner.post("/api/tokens", json={"scopes": ["keys:read", "keys:read", "teams:write"], "name": "a script"})).json()
        text = made.pop("token")
        assert text.startswith("tsp_") and well_formed(text)
        assert made == {
            "id": made["id"], "account": "acc_1", "name": "a script", "preview": f"tsp_...{text[-4:]}", "scopes": ["keys:read", "teams:write"],
            "status": "active", "created_at": "2026-11-20T12:00:00Z", "expires_at": "2027-02-18T12:00:00Z", "revoked_at": None}
        page = (await owner.get("/api/tokens")).json()
        assert (page["items"], page["next_cursor"]) == ([made], None)
        assert {"read", "write", "keys:write"} <= set(page["scopes"])
        async with desk.client(text) as program:
            assert (await program.get("/api/keys")).status_code == 200
            assert (await program.get("/api/auth/me")).json()["id"] == "acc_1"
            assert (await program.post("/api/teams", json={"name": "new"})).status_code == 201
            for method, path in (("POST", "/api/keys"), ("GET", "/api/requests"), ("GET", "/api/members")):
                reply = await program.request(method, path, json={})
                assert (reply.status_code, reply.json()["code"]) == (403, "outside_token_scope")
            assert (await owner.delete(f"/api/tokens/{made['id']}")).json()["status"] == "revoked"
            assert (await program.get("/api/keys")).status_code == 401
    with desk.database.read() as db:
        assert text not in str(db.execute("SELECT * FROM personal_token").fetchall())
    assert desk.findings() == []


async def test_it_lasts_as_long_as_it_was_made_for(desk: Desk) -> None:
    async with desk.owner() as owner:
        text = await token_of(owner, "read", expires_at="2026-11-21T12:00:00Z")
        for ends in ("2026-11-20T12:00:00Z", "2027-11-22T12:00:00Z", "2026-11-21T12:00:00"):
            assert (await owner.post("/api/tokens", json={"scopes": ["read"], "expires_at": ends})).status_code == 400
        desk.clock.at_us += DAY_US - 1
        async with desk.client(text) as program:
            assert (await program.get("/api/keys")).status_code == 200
            desk.clock.at_us += 1
            assert (await program.get("/api/keys")).status_code == 401


@pytest.mark.parametrize("role", ROLES)
async def test_what_each_role_can_have_is_within_what_it_opens(desk: Desk, role: Role) -> None:
    for scope in SCOPES:
        held = [grant for grant in GRANTS if role in grant.cells and opens({scope}, grant.method, grant.path)
                and (grant.method != "GET" or scope.endswith("read"))]
        assert (fault_of([scope], role) is None) == bool(held), scope
    account = desk.member(role, *(("search",) if role in OF_TEAMS else ()))
    async with desk.person(account) as client:
        assert (await client.post("/api/tokens", json={"scopes": ["credentials:write"]})).status_code == (
            201 if role in ("owner", "admin") else 400)


def test_every_area_is_one_of_the_tables() -> None:
    assert set(AREAS) == {area_of(grant.path) for grant in GRANTS} - {"auth", "tokens", "setup", "openapi.json"}
    assert {"keys", "budgets", "members", "requests", "metrics"} <= set(AREAS)


async def test_on_every_route_a_token_opens_what_role_and_scope_do_and_no_more(desk: Desk) -> None:
    account = desk.member("admin")
    async with desk.person(account) as admin:
        texts = {scope: await token_of(admin, scope) for scope in ("read", "write", "budgets:read", "keys:write")}
    for scope, text in texts.items():
        async with desk.client(text) as program:
            for grant in GRANTS:
                if "anyone" in grant.cells:
                    continue
                reply = await program.request(grant.method, grant.path.format(**SAMPLES))
                within = "admin" in grant.cells and opens({scope}, grant.method, grant.path)
                assert (reply.status_code not in (401, 403)) == within, (scope, grant, reply.status_code)
                if not within:
                    assert reply.json()["code"] in ("forbidden", "outside_token_scope")


async def test_a_token_makes_no_token_and_proves_nobody(desk: Desk) -> None:
    async with desk.owner() as owner:
        text = await token_of(owner, "write")
    async with desk.client(text) as program:
        for method, path in (("POST", "/api/tokens"), ("GET", "/api/tokens"), ("GET", "/api/auth/session"), ("POST", "/api/auth/totp"),
                             ("POST", "/api/auth/session/organization"), ("DELETE", "/api/auth/sessions")):
            assert (await program.request(method, path, json={})).status_code == 403, path


async def test_after_a_demotion_a_token_opens_no_more_than_its_owner(desk: Desk) -> None:
    account = desk.member("admin")
    async with desk.person(account) as admin, desk.owner() as owner:
        text = await token_of(admin, "write", "credentials:write")
        async with desk.client(text) as program:
            assert (await program.get("/api/credentials")).status_code == 200
            await owner.patch(f"/api/members/{account}", json={"role": "auditor"})
            assert (await program.put("/api/credentials/openai/default", json={"value": "sk-x"})).json()["code"] == "forbidden"
            assert (await program.post("/api/members", json={"email": "a@b", "role": "admin"})).json()["code"] == "forbidden"
            await owner.patch(f"/api/members/{account}", json={"role": "finance"})
            assert (await program.get("/api/credentials")).status_code == 403


async def test_it_ends_with_the_membership_for_good(desk: Desk) -> None:
    account = desk.member("admin", email="ana@house")
    async with desk.person(account) as admin, desk.owner() as owner:
        text = await token_of(admin, "read")
        await owner.delete(f"/api/members/{account}")
        await owner.post("/api/members", json={"email": "ana@house", "role": "admin"})
    async with desk.client(text) as program:
        assert (await program.get("/api/keys")).status_code == 401


async def test_whose_tokens_are_seen_and_ended_by_whom(desk: Desk) -> None:
    people = {role: desk.member(role, *(("search",) if role in OF_TEAMS else ())) for role in ROLES}
    ids = {}
    for role, account in people.items():
        async with desk.person(account) as client:
            ids[role] = (await client.post("/api/tokens", json={"scopes": ["read"]})).json()["id"]
    for role, account in people.items():
        async with desk.person(account) as client:
            seen = {token["id"] for token in (await client.get("/api/tokens")).json()["items"]}
            assert seen == (set(ids.values()) if role in ("owner", "admin", "auditor") else {ids[role]})
            for other in ROLES:
                status = (await client.delete(f"/api/tokens/{ids[other]}")).status_code
                assert status == (200 if role in ("owner", "admin") or other == role else 404), (role, other)


async def test_it_is_for_the_organisation_it_was_made_in(desk: Desk) -> None:
    other = desk.other_organization()
    theirs = desk.owner_of("other")
    async with desk.owner("other") as owner:
        text = await token_of(owner, "write")
    with desk.sequencer.append(1) as pen:
        put_membership(pen, DEFAULT, theirs, Membership("owner"))
        note_member(pen, DEFAULT, "joined", theirs, Membership("owner"), HOST)
    ours, hidden = desk.key(team="search")[0], desk.key(other, team="ads")[0]
    async with desk.client(text) as program:
        assert [key["id"] for key in (await program.get("/api/keys")).json()["items"]] == [hidden]
        assert (await program.delete(f"/api/keys/{ours}")).status_code == 404


async def test_nobody_has_more_than_so_many(desk: Desk) -> None:
    async with desk.owner() as owner:
        for _ in range(TOKENS_MAX):
            await token_of(owner, "read")
        assert (await owner.post("/api/tokens", json={"scopes": ["read"]})).json()["code"] == "too_many"


@pytest.mark.parametrize("given", [{}, {"scopes": []}, {"scopes": ["everything"]}, {"scopes": ["keys:read"], "organization": "other"},
                                   {"scopes": ["auth:write"]}, {"scopes": ["keys:read"], "name": "x\ny"}])
async def test_a_token_that_cannot_be(desk: Desk, given: object) -> None:
    async with desk.owner() as owner:
        assert (await owner.post("/api/tokens", json=given)).status_code == 400


@pytest.mark.parametrize("role", ROLES)
async def test_every_scope_that_is_offered_can_be_had(desk: Desk, role: Role) -> None:
    teams = ("search",) if role in OF_TEAMS else ()
    async with desk.person(desk.member(role, *teams)) as client:
        offered = (await client.get("/api/tokens")).json()["scopes"]
        assert ("members:write" in offered) == (role in ("owner", "admin", "manager"))
        assert (await client.post("/api/tokens", json={"scopes": offered})).status_code == 201
