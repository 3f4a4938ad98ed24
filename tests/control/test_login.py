"""Logging in, the first account, and what failures cost who makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from tallystick.config import FirstAdmin
from tallystick.config_sources import BadSettings
from tallystick.control import build
from tallystick.control.first_start import setup_path
from tallystick.core.peers import network_of, peer_address
from tallystick.control.throttle import Throttle
from tallystick.control.tokens import LIFETIME_S, Tokens
from tallystick.stores.sql.members import Members
from tests.build.control import EMAIL, PASSWORD, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, admin=False)
    yield made
    made.close()


async def log_in(desk: Desk, email: str = EMAIL, password: str = PASSWORD, peer: str = "127.0.0.1") -> httpx.Response:
    async with desk.client(peer=peer) as client:
        return await client.post("/api/auth/token", data={"username": email, "password": password})


@pytest.mark.parametrize("how", [
    {"data": {"grant_type": "password", "username": EMAIL, "password": PASSWORD}},
    {"data": {"username": EMAIL, "password": PASSWORD}},
    {"json": {"username": EMAIL, "password": PASSWORD}},
    {"json": {"email": " Admin@Local ", "password": PASSWORD}},
])
async def test_a_token_for_address_and_password(desk: Desk, how: dict[str, dict[str, str]]) -> None:
    async with desk.client() as client:
        reply = await client.post("/api/auth/token", **how)
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    token = reply.json()
    assert (token["token_type"], token["expires_in"]) == ("bearer", LIFETIME_S)
    async with desk.client(token["access_token"]) as client:
        me = await client.get("/api/auth/me")
    assert me.json() == {"id": "acc_1", "email": EMAIL, "name": "admin", "role": "owner", "organization": "default"}


@pytest.mark.parametrize(("email", "password"), [(EMAIL, "wrong"), ("nobody@local", PASSWORD), ("no address", "x"), (EMAIL, PASSWORD + " ")])
async def test_who_is_unknown_and_who_is_wrong_get_one_answer(desk: Desk, email: str, password: str) -> None:
    reply = await log_in(desk, email, password)
    assert reply.status_code == 401
    assert reply.json() == {
        "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "invalid_credentials",
        "detail": "Address or password is wrong.",
    }


@pytest.mark.parametrize("how", [
    {"data": {}}, {"json": {"username": EMAIL}}, {"json": [1]}, {"json": {"username": 1, "password": "x"}},
    {"data": {"grant_type": "client_credentials", "username": EMAIL, "password": PASSWORD}},
])
async def test_a_login_without_what_it_needs(desk: Desk, how: dict[str, object]) -> None:
    async with desk.client() as client:
        reply = await client.post("/api/auth/token", **how)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")


async def test_a_login_is_small(desk: Desk) -> None:
    reply = await log_in(desk, password="x" * 70_000)
    assert reply.status_code == 413


async def test_failures_slow_an_account_down_known_or_not(desk: Desk) -> None:
    for email in (EMAIL, "nobody@local"):
        answers = [(await log_in(desk, email, "wrong")).status_code for _ in range(6)]
        assert answers == [401] * 5 + [429]
    blocked = await log_in(desk)
    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "1")
    desk.clock.at_us += 1_000_000
    assert (await log_in(desk)).status_code == 200
    assert (await log_in(desk, password="wrong")).status_code == 401


async def test_failures_on_another_worker_count_too(desk: Desk) -> None:
    workers = (desk.app, build(desk.parts, scope="all"))
    answers = []
    for number in range(6):
        desk.app = workers[number % 2]
        answers.append((await log_in(desk, password="wrong")).status_code)
    assert answers == [401] * 5 + [429]
    for desk.app in workers:
        assert (await log_in(desk)).status_code == 429
    desk.clock.at_us += 1_000_000
    assert (await log_in(desk)).status_code == 200
    desk.app = workers[0]
    assert (await log_in(desk, password="wrong")).status_code == 401                # forgiven there as well


async def test_workers_share_an_addresss_free_attempts(desk: Desk) -> None:
    desk.app = build(replace(desk.parts, workers=4), scope="all")
    answers = [(await log_in(desk, f"user{number}@local", "x", peer="10.0.0.9")).status_code for number in range(6)]
    assert answers == [401] * 5 + [429]


async def test_every_answer_costs_one_password(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.member("member", email="gone@house")
    Members(desk.sequencer, lambda: "").set_disabled("acc_member_1", disabled=True, now_us=5)
    checked: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        checked.append(stored.rpartition("$")[0].rpartition("$")[0])
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for email in (EMAIL, "nobody@local", "gone@house", "no address", ""):
        async with desk.client() as client:
            reply = await client.post("/api/auth/session", json={"email": email, "password": "wrong"})
        assert reply.json()["code"] == "invalid_credentials", email
    assert checked == ["$argon2id$v=19$m=65536,t=3,p=4"] * 5                        # the same costs for whoever it is


async def test_failures_slow_an_address_down_whatever_the_account(desk: Desk) -> None:
    answers = [(await log_in(desk, f"user{number}@local", "x", peer="10.0.0.9")).status_code for number in range(21)]
    assert answers == [401] * 20 + [429]
    assert (await log_in(desk, peer="10.0.0.8")).status_code == 200
    assert (await log_in(desk, peer="10.0.0.9")).status_code == 429


@pytest.mark.parametrize(("connected", "forwarded", "address"), [
    ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),                             # not from a proxy: not believed
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),                      # what the client wrote stands further left
    ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("10.0.0.1", ["rubbish"], "rubbish"),
    ("", ["198.51.100.1"], ""),
])
def test_whose_address_it_is_behind_proxies(connected: str, forwarded: list[str], address: str) -> None:
    assert peer_address(connected, forwarded, (ip_network("10.0.0.0/8"),)) == address


def test_addresses_are_counted_by_what_one_person_has() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert (network_of("10.0.0.1"), network_of("rubbish")) == ("10.0.0.1", "unknown")


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    throttle = Throttle(free=2)
    waits = []
    now_us = 0
    for _ in range(14):
        throttle.failed("x", now_us)
        waits.append(throttle.wait_s("x", now_us))
    assert waits == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert throttle.wait_s("x", 899_000_001) == 1
    assert throttle.wait_s("x", 900_000_000) == 0


def test_a_token_says_who_and_until_when_and_is_ours_alone() -> None:
    tokens, strangers = Tokens.of(b"a" * 32), Tokens.of(b"b" * 32)
    token = tokens.sign("acc", "default", 1_000)
    assert tokens.read(token, 1_000 + LIFETIME_S - 1) == ("acc", "default", 0)
    assert tokens.read(token, 1_000 + LIFETIME_S) is None
    assert strangers.read(token, 1_001) is None
    header, claims, signature = token.split(".")
    unsigned = "eyJhbGciOiJub25lIn0"                     # {"alg":"none"}
    for forged in (f"{unsigned}.{claims}.", f"{unsigned}.{claims}.{signature}", f"{header}.{claims}.", "", "a.b.c", "é.é.é"):
        assert tokens.read(forged, 1_001) is None


async def test_a_token_ends_with_its_account(desk: Desk) -> None:
    async with desk.owner() as client:
        assert (await client.get("/api/auth/me")).status_code == 200
        with desk.database.write() as db:
            db.execute("UPDATE account SET disabled_us = 1")
        assert (await client.get("/api/auth/me")).status_code == 401


async def test_the_setup_link_makes_the_first_account_once(new_house: Desk) -> None:
    assert new_house.setup is not None
    async with new_house.client() as client:
        page = await client.get(new_house.setup)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        found = re.search("name=code value='([^']+)'", page.text)
        assert found is not None
        fields = {"code": found[1], "email": "me@house", "password": "long enough"}
        assert (await client.post("/api/setup", data={**fields, "password": "short"})).status_code == 400
        assert (await client.post("/api/setup", data={**fields, "email": "nowhere"})).status_code == 400
        assert (await client.post("/api/setup", data={**fields, "code": "guess"})).status_code == 403
        done = await client.post("/api/setup", data=fields, headers={"accept": "text/html"})
        assert done.status_code == 201
        assert (await client.post("/api/setup", json=fields)).status_code == 403
        assert (await client.get(new_house.setup)).status_code == 403
    assert (await log_in(new_house, "me@house", "long enough")).status_code == 200
    assert setup_path(new_house.parts, None) is None


async def test_a_wrong_setup_code_shows_no_form(new_house: Desk) -> None:
    async with new_house.client() as client:
        for code in ("", "x", "'><script>alert(1)</script>", "é"):
            page = await client.get("/setup", params={"code": code})
            assert page.status_code == 403
            assert "<form" not in page.text
            assert "alert" not in page.text


@pytest.mark.parametrize("admin", [FirstAdmin("nowhere", "long enough"), FirstAdmin("me@house", "short")])
def test_the_environment_cannot_name_an_admin_that_cannot_be(new_house: Desk, admin: FirstAdmin) -> None:
    with pytest.raises(BadSettings):
        setup_path(new_house.parts, admin)


def test_no_password_is_kept_as_it_is(desk: Desk) -> None:
    with desk.database.read() as db:
        stored = db.execute("SELECT password_hash FROM account").fetchone()[0]
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
