"""Who may open what: the table of roles against the application's real routes, cell by cell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from tallystick.core.errors import Defect, StoreFault
from tallystick.control.roles import GRANTS, Grant, RoleName, cell_of
from tallystick.core.membership import ROLES
from tests.build.control import Desk

EVERYBODY: tuple[RoleName, ...] = ("anyone", "key", *ROLES)
SAMPLES = {"request_id": "req_" + "0" * 32, "key_id": "nobody", "provider": "openai", "name": "default", "override_id": "ovr_none",
           "budget_id": "999", "policy_id": "999", "bypass_id": "999", "envelope_id": "999", "instance": "none", "account_id": "acc_none", "proposal_id": "prp_none", "approval_id": "prp_none",
           "alert_id": "999", "mute_id": "999", "session_id": "ses_none", "view_id": "none", "token_id": "none", "invitation_id": "none",
           "seq": "999999", "run_id": "none"}
STREAMED = {"/api/explore/rows.csv", "/api/live", "/api/exports/calls.csv", "/api/exports/calls.jsonl", "/api/exports/ledger.jsonl",
            "/api/ledger/entries/{seq}/proof"}   # files, and text line by line


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def routes_of(desk: Desk) -> set[tuple[str, str]]:
    """Every method and path the application answers."""
    found: set[tuple[str, str]] = set()
    pending = list(desk.app.routes)
    while pending:
        route = pending.pop()
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods}
        elif inner is not None:
            pending += inner
        else:
            raise AssertionError(f"a route of an unknown kind: {route!r}")
    return found


def test_the_table_names_every_route_and_nothing_else(desk: Desk) -> None:
    assert routes_of(desk) == {(grant.method, grant.path) for grant in GRANTS}


@pytest.mark.parametrize("role", EVERYBODY)
def test_a_route_that_is_not_in_the_table_is_closed(role: RoleName) -> None:
    assert cell_of("GET", "/api/everything", role) is None


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: f"{grant.method} {grant.path}")
async def test_each_role_on_each_route(desk: Desk, grant: Grant) -> None:
    method, path = grant.method, grant.path.format(**SAMPLES)
    for role in EVERYBODY:
        bearer = desk.bearer_of(role)
        async with desk.client(bearer) as client:
            reply = await client.request(method, path)
        opened = reply.status_code not in {401, 403}
        setup = path in {"/setup", "/api/setup"}                         # closed by their own rule: somebody has an account
        assert opened == (cell_of(method, grant.path, role) is not None and not setup), (role, reply.status_code)
        if not opened and not setup:
            assert reply.status_code == (401 if role == "anyone" else 403)
            assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("credential", ["tsk_forged", "vk_x", "eyJhbGciOiJub25lIn0.e30.", "' OR 1=1 --", "sk-live"])
async def test_a_forged_credential_is_nobodys(desk: Desk, credential: str) -> None:
    async with desk.client(credential) as client:
        assert (await client.get("/api/requests")).status_code == 401
        assert (await client.get("/api/keys/self")).status_code == 401


async def test_a_revoked_key_opens_nothing(desk: Desk) -> None:
    key_id, key = desk.key(team="search")
    async with desk.client(key) as client, desk.owner() as owner:
        assert (await client.get("/api/keys/self")).json()["id"] == key_id
        assert (await owner.delete(f"/api/keys/{key_id}")).json()["status"] == "revoked"
        assert (await client.get("/api/keys/self")).status_code == 401


async def test_a_key_may_come_in_our_own_header(desk: Desk) -> None:
    key_id, key = desk.key()
    async with desk.client() as client:
        assert (await client.get("/api/keys/self", headers={"x-tallystick-key": key})).json()["id"] == key_id


async def test_the_gateway_role_serves_aggregations_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path, scope="aggregations")
    assert routes_of(desk) == {(grant.method, grant.path) for grant in GRANTS if "/aggregations/" in grant.path}
    desk.close()


async def test_unknown_paths_and_methods_are_problems_too(desk: Desk) -> None:
    async with desk.owner() as client:
        for method, path, status in (("GET", "/api/nothing", 404), ("PUT", "/api/keys", 405), ("GET", "/api/keys/", 404)):
            reply = await client.request(method, path)
            assert (reply.status_code, reply.json()["status"]) == (status, status)
            assert reply.headers["content-type"] == "application/problem+json"


async def test_the_description_is_openapi_and_hides_nothing_but_setup(desk: Desk) -> None:
    async with desk.client() as client:
        document = (await client.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == routes_of(desk) - {("GET", "/setup"), ("POST", "/api/setup"), ("GET", "/api/openapi.json")}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path in STREAMED or "204" in operation["responses"]:
                continue
            success = next(reply for status, reply in operation["responses"].items() if status.startswith("2"))
            assert success["content"]["application/json"]["schema"], operation["operationId"]


async def test_no_answer_is_kept_by_a_cache(desk: Desk) -> None:
    async with desk.owner() as client:
        for path in ("/api/auth/me", "/api/keys", "/api/nothing", "/setup", "/api/openapi.json"):
            headers = (await client.get(path)).headers
            assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff"), path


@pytest.mark.parametrize("length", ["65537", "-1", "+5", "1e3", "9" * 40])
async def test_a_body_that_says_it_is_too_large_is_refused_unread(desk: Desk, length: str) -> None:
    async with desk.client() as client:
        reply = await client.post("/api/keys", content=b"{}", headers={"content-length": length})
    assert reply.status_code == 413


async def test_a_body_without_end_is_cut_off(desk: Desk) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 8192

    async with desk.owner() as client:
        reply = await client.post("/api/keys", content=pieces())
    assert reply.status_code == 400
    assert sent < 12


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 10_000, b"\xff\xfe", b"NaN", b"", b'{"name": "\\ud800"}'])
async def test_json_that_is_none_is_400(desk: Desk, body: bytes) -> None:
    async with desk.owner() as client:
        reply = await client.post("/api/keys", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


async def test_a_store_that_is_away_is_503_and_a_mistake_of_ours_500(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk.owner() as client:
        for error, status in ((StoreFault("disk"), 503), (Defect("oops"), 500)):
            def fails(*_: object, error: Exception = error, **__: object) -> None:
                raise error

            monkeypatch.setattr("tallystick.control.keys.store.list_keys", fails)
            transport = httpx.ASGITransport(app=desk.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://tallystick", headers=client.headers) as patient:
                reply = await patient.get("/api/keys")
            assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
            assert "oops" not in reply.text
