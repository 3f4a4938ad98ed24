"""Another password: one's own, by the old one, and a lost one, by the host; what the old one opened is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tallystick.control.passwords import hash_password
from tallystick.stores.sql.accounts import set_password
from tallystick.stores.sql.members import HOST
from tests.build.control import EMAIL, PASSWORD, Desk

NEW = "a horse of another colour"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def token(desk: Desk, password: str) -> httpx.Response:
    async with desk.client() as client:
        return await client.post("/api/auth/token", json={"email": EMAIL, "password": password})


async def opens(desk: Desk, bearer: str) -> bool:
    async with desk.client(bearer) as client:
        return (await client.get("/api/auth/me")).status_code == 200


async def test_a_new_password_opens_and_what_the_old_one_opened_is_over(desk: Desk) -> None:
    bearer = (await token(desk, PASSWORD)).json()["access_token"]
    async with desk.client(bearer) as client:
        for wrong, status in (({"password": "guess", "new_password": NEW}, 401), ({"password": PASSWORD, "new_password": "short"}, 400),
                              ({"new_password": NEW}, 400)):
            assert (await client.post("/api/auth/password", json=wrong)).status_code == status
        assert await opens(desk, bearer), "a guess changes nothing"
        assert (await client.post("/api/auth/password", json={"password": PASSWORD, "new_password": NEW})).json() == {"ended": 0}
    assert not await opens(desk, bearer)
    assert (await token(desk, PASSWORD)).status_code == 401
    assert await opens(desk, (await token(desk, NEW)).json()["access_token"])
    assert desk.findings() == []


async def test_the_session_that_asks_goes_on_and_the_others_end(desk: Desk) -> None:
    origin = {"origin": "http://tallystick"}
    async with desk.client() as here, desk.client() as elsewhere:
        for client in (here, elsewhere):
            signed = await client.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD}, headers=origin)
            assert signed.status_code == 200, signed.text
            client.headers.update({**origin, "x-csrf-token": signed.json()["csrf"]})
        changed = await here.post("/api/auth/password", json={"password": PASSWORD, "new_password": NEW})
        assert (changed.status_code, changed.json()) == (200, {"ended": 1}), changed.text
        assert [(await client.get("/api/auth/me")).status_code for client in (here, elsewhere)] == [200, 401]


async def test_the_host_resets_a_lost_one_and_the_ledger_says_so_wherever_they_belong(desk: Desk) -> None:
    bearer = (await token(desk, PASSWORD)).json()["access_token"]
    with desk.database.read() as db:
        before = db.execute("SELECT next_seq FROM chain WHERE organization = 1").fetchone()[0]
    set_password(desk.sequencer, "acc_1", hash_password(NEW), desk.clock.at_us, HOST)
    assert not await opens(desk, bearer)
    assert (await token(desk, NEW)).status_code == 200
    with desk.database.read() as db:
        assert db.execute("SELECT next_seq FROM chain WHERE organization = 1").fetchone()[0] == before + 2, "it was set, and somebody came in"
    assert desk.findings() == []


async def test_a_reset_ends_the_tokens_that_whoever_had_the_lost_one_may_have_made(desk: Desk) -> None:
    async with desk.owner() as owner:
        text = (await owner.post("/api/tokens", json={"scopes": ["read"]})).json()["token"]
        assert (await owner.post("/api/auth/password", json={"password": PASSWORD, "new_password": NEW})).status_code == 200
    assert await opens(desk, text), "who changes it themselves knows what they made"
    assert set_password(desk.sequencer, "acc_1", hash_password(PASSWORD), desk.clock.at_us, HOST, lost=True).tokens == 1
    assert not await opens(desk, text)
    assert desk.findings() == []


async def test_one_says_what_one_is_called(desk: Desk) -> None:
    async with desk.owner() as owner:
        assert (await owner.patch("/api/auth/me", json={"name": " Ada "})).json()["name"] == "Ada"
        assert (await owner.get("/api/auth/me")).json()["name"] == "Ada"
        for name in ("", "  ", "a\nb", "x" * 300):
            assert (await owner.patch("/api/auth/me", json={"name": name})).status_code == 400


async def test_members_are_seen_when_they_come_in(desk: Desk) -> None:
    async def seen(client: httpx.AsyncClient) -> str | None:
        return str((await client.get("/api/members")).json()["items"][0]["seen_at"])

    async with desk.owner() as owner, desk.client() as browser:
        assert await seen(owner) == "None"
        await browser.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD})
        assert await seen(owner) == "2026-11-20T12:00:00Z"
        desk.clock.at_us += 600 * 1_000_000
        assert await seen(browser) == "2026-11-20T12:10:00Z"


async def test_an_owner_says_what_the_organisation_is_called(desk: Desk) -> None:
    async with desk.owner() as owner:
        shown = (await owner.patch("/api/organization", json={"name": "Acme"})).json()
        assert shown == {"organization": "default", "name": "Acme", "zone": "UTC", "currency": "USD", "mails": False}
        assert (await owner.get("/api/auth/session")).json()["organizations"][0]["name"] == "Acme"
        assert (await owner.patch("/api/organization", json={"name": "a\nb"})).status_code == 400
