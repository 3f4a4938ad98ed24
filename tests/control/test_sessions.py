"""Signing in with a browser: what a session is bound to, when it ends, and what a page of somebody else's can do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.control import build
from tallystick.control.sessions import agent_of
from tallystick.core.membership import Membership
from tallystick.stores.sql.members import HOST, Members, note_member, put_membership
from tallystick.stores.sql.sessions import SESSIONS_MAX
from tallystick.stores.sql.signing_out import end_sessions_of
from tests.build.control import EMAIL, PASSWORD, Desk

OURS = "http://tallystick"
SECOND_US = 1_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


class Browser:
    """A client that keeps cookies and sends what a page of ours sends."""

    def __init__(self, desk: Desk) -> None:
        self.client = desk.client()
        self.client.headers.update({"origin": OURS, "user-agent": FIREFOX})

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD, **more: str) -> httpx.Response:
        reply = await self.client.post("/api/auth/session", json={"email": email, "password": password, **more})
        if reply.status_code == 200:
            self.client.headers["x-csrf-token"] = reply.json()["csrf"]
        return reply

    @property
    def cookie(self) -> str:
        value: str = self.client.cookies["tallystick_session"]
        return value

    async def status(self) -> int:
        return (await self.client.get("/api/auth/session")).status_code


async def signed_in(desk: Desk, email: str = EMAIL, **more: str) -> Browser:
    browser = Browser(desk)
    reply = await browser.sign_in(email, **more)
    assert reply.status_code == 200, reply.text
    return browser


def person_in_two(desk: Desk) -> str:
    """An admin of `default` who audits `other` too."""
    other = desk.other_organization()
    account = desk.member("admin", email="ana@house")
    with desk.sequencer.append(1) as pen:
        put_membership(pen, other, account, Membership("auditor"))
        note_member(pen, other, "joined", account, Membership("auditor"), HOST)
    return account


# --- what one gets ------------------------------------------------------------------------------

async def test_signed_in_with_a_cookie_that_no_script_reads(desk: Desk) -> None:
    browser = Browser(desk)
    reply = await browser.sign_in()
    assert reply.status_code == 200
    csrf = reply.json().pop("csrf")
    assert reply.json() == {
        "account": {"id": "acc_1", "email": EMAIL, "name": "admin"}, "organization": "default", "role": "owner", "teams": [],
        "organizations": [{"organization": "default", "name": "Default", "role": "owner"}], "csrf": csrf,
        "expires_at": "2026-11-21T00:00:00Z", "second_factor_missing": False}
    name, *attributes = reply.headers["set-cookie"].split("; ")
    assert name == f"tallystick_session={browser.cookie}"
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Lax"}
    assert (await browser.client.get("/api/auth/session")).json() == reply.json()
    assert (await browser.client.get("/api/keys")).status_code == 200
    ended = await browser.client.delete("/api/auth/session")
    assert "Max-Age=0" in ended.headers["set-cookie"]
    assert await browser.status() == 401


async def test_no_cookie_lies_in_the_database(desk: Desk) -> None:
    browser = await signed_in(desk)
    with desk.database.read() as db:
        row = db.execute("SELECT * FROM session").fetchone()
    assert browser.cookie not in str(row) and browser.cookie.encode() not in row


@pytest.mark.parametrize(("email", "password"), [(EMAIL, "wrong"), ("nobody@local", PASSWORD)])
async def test_who_is_unknown_and_who_is_wrong_get_one_answer(desk: Desk, email: str, password: str) -> None:
    reply = await Browser(desk).sign_in(email, password)
    assert (reply.status_code, reply.json()["code"]) == (401, "invalid_credentials")
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("over", ["tls", "proxy"])
async def test_where_tls_ends_the_cookie_is_secure_and_the_hosts_own(tmp_path: Path, over: str) -> None:
    desk = Desk(tmp_path)
    desk.app = build(replace(desk.parts, trusted_proxies=(ip_network("10.0.0.0/8"),)))
    peer = "10.0.0.1" if over == "proxy" else "192.0.2.1"
    transport = httpx.ASGITransport(app=desk.app, client=(peer, 5))
    base = "http://tallystick" if over == "proxy" else "https://tallystick"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"origin": "https://tallystick"}) as client:
        reply = await client.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD})
        name, *attributes = reply.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-tallystick_session=")
        assert "Secure" in attributes
        cookie = name.partition("=")[2]
        client.cookies.clear()
        for as_what, status in (("tallystick_session", 401), ("__Host-tallystick_session", 200)):
            assert (await client.get("/api/auth/session", headers={"cookie": f"{as_what}={cookie}"})).status_code == status
    desk.close()


# --- when it ends -------------------------------------------------------------------------------

async def test_it_ends_when_nobody_asks_and_after_its_time(desk: Desk) -> None:
    browser = await signed_in(desk)
    desk.clock.at_us += 1_799 * SECOND_US
    assert await browser.status() == 200
    desk.clock.at_us += 1_799 * SECOND_US                     # counted from the last request
    assert await browser.status() == 200
    desk.clock.at_us += 1_800 * SECOND_US
    assert await browser.status() == 401

    browser = await signed_in(desk)
    for _ in range(23):
        desk.clock.at_us += 1_800 * SECOND_US - 1
        assert await browser.status() == 200
    desk.clock.at_us += 1_000 * SECOND_US
    assert await browser.status() == 200
    desk.clock.at_us += 800 * SECOND_US + 23
    assert await browser.status() == 401                      # twelve hours


async def test_it_ends_with_the_membership_and_does_not_come_back_with_it(desk: Desk) -> None:
    account = desk.member("admin", email="ana@house")
    browser, token = await signed_in(desk, "ana@house"), desk.person(account)
    async with desk.owner() as owner:
        assert (await owner.delete(f"/api/members/{account}")).status_code == 200
        assert await browser.status() == 401
        assert (await owner.post("/api/members", json={"email": "ana@house", "role": "admin"})).status_code == 201
    assert await browser.status() == 401
    assert (await token.get("/api/auth/me")).status_code == 401
    assert (await signed_in(desk, "ana@house")) is not None


async def test_it_ends_with_the_account(desk: Desk) -> None:
    account = desk.member("admin", email="ana@house")
    browser = await signed_in(desk, "ana@house")
    members = Members(desk.sequencer, lambda: "")
    members.set_disabled(account, disabled=True, now_us=5)
    assert await browser.status() == 401
    members.set_disabled(account, disabled=False, now_us=6)
    assert await browser.status() == 401


async def test_what_a_password_opened_ends_when_the_password_changes(desk: Desk) -> None:
    async with desk.client() as client:
        opened = await client.post("/api/auth/token", json={"email": EMAIL, "password": PASSWORD})
    browser = await signed_in(desk)
    with desk.database.write() as db:
        assert end_sessions_of(db, "acc_1") == 1
    assert await browser.status() == 401
    async with desk.client(opened.json()["access_token"]) as client:
        assert (await client.get("/api/auth/me")).status_code == 401
    async with desk.client() as client:
        again = await client.post("/api/auth/token", json={"email": EMAIL, "password": PASSWORD})
    async with desk.client(again.json()["access_token"]) as client:
        assert (await client.get("/api/auth/me")).status_code == 200


async def test_another_role_another_cookie(desk: Desk) -> None:
    account = desk.member("admin", email="ana@house")
    browser = await signed_in(desk, "ana@house")
    old, csrf = browser.cookie, browser.client.headers["x-csrf-token"]
    async with desk.owner() as owner:
        await owner.patch(f"/api/members/{account}", json={"role": "auditor"})
    assert (await browser.client.post("/api/teams", json={"name": "x"})).status_code == 403
    assert browser.cookie != old
    assert (await browser.client.get("/api/auth/session")).json()["role"] == "auditor"
    assert (await browser.client.get("/api/auth/session")).json()["csrf"] == csrf
    late = desk.client()
    late.cookies["tallystick_session"] = old
    assert (await late.get("/api/auth/session")).status_code == 200           # a question that was under way
    desk.clock.at_us += 10 * SECOND_US
    assert (await late.get("/api/auth/session")).status_code == 401
    assert await browser.status() == 200


async def test_ones_own_sessions_are_seen_and_ended(desk: Desk) -> None:
    desk.other_organization()
    first, second, third = [await signed_in(desk) for _ in range(3)]
    theirs = desk.session_of("other")
    listed = (await third.client.get("/api/auth/sessions")).json()["items"]
    assert [(session["agent"], session["organization"]) for session in listed] == [("Firefox on Linux", "default")] * 3
    (current,) = [session["id"] for session in listed if session["current"]]
    (own,) = [session["id"] for session in (await first.client.get("/api/auth/sessions")).json()["items"] if session["current"]]
    assert (await third.client.delete(f"/api/auth/sessions/{theirs}")).status_code == 404
    assert (await third.client.delete(f"/api/auth/sessions/{own}")).status_code == 200
    assert [await browser.status() for browser in (first, second, third)] == [401, 200, 200]
    assert (await third.client.delete("/api/auth/sessions")).json() == {"ended": 1}
    assert [await browser.status() for browser in (second, third)] == [401, 200]
    (left,) = (await third.client.get("/api/auth/sessions")).json()["items"]
    assert left["id"] == current


async def test_there_are_only_so_many(desk: Desk) -> None:
    browsers = []
    for _ in range(SESSIONS_MAX + 1):
        browsers.append(await signed_in(desk))
        desk.clock.at_us += 1
    assert [await browser.status() for browser in (browsers[0], browsers[1], browsers[-1])] == [401, 200, 200]


@pytest.mark.parametrize(("text", "kind"), [
    (FIREFOX, "Firefox on Linux"), ("", "another program"), ("curl/8.0", "another program"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/604.1",
     "Safari on iOS"),
])
def test_what_is_kept_of_a_browser(text: str, kind: str) -> None:
    assert agent_of(text) == kind


# --- several organisations ----------------------------------------------------------------------

async def test_a_session_is_for_one_organisation_and_another_is_another(desk: Desk) -> None:
    person_in_two(desk)
    browser = await signed_in(desk, "ana@house", organization="other")
    shown = (await browser.client.get("/api/auth/session")).json()
    assert (shown["organization"], shown["role"]) == ("other", "auditor")
    assert [place["organization"] for place in shown["organizations"]] == ["default", "other"]
    before = browser.cookie
    changed = await browser.client.post("/api/auth/session/organization", json={"organization": "default"})
    assert (changed.json()["organization"], changed.json()["role"]) == ("default", "admin")
    assert changed.json()["csrf"] != shown["csrf"]
    assert browser.cookie != before
    late = desk.client()
    late.cookies["tallystick_session"] = before
    assert (await late.get("/api/auth/session")).status_code == 401
    browser.client.headers["x-csrf-token"] = changed.json()["csrf"]
    assert (await browser.client.post("/api/auth/session/organization", json={"organization": "nowhere"})).status_code == 403
    assert (await Browser(desk).sign_in(organization="other")).json()["code"] == "not_a_member"


async def test_a_cookie_of_another_organisation_shows_nothing_of_ours(desk: Desk) -> None:
    desk.other_organization()
    ours = desk.key(team="search")[0]
    browser = await signed_in(desk, "owner@other")
    assert (await browser.client.get("/api/keys")).json()["items"] == []
    assert (await browser.client.delete(f"/api/keys/{ours}")).status_code == 404


# --- attacks ------------------------------------------------------------------------------------

async def test_a_cookie_that_somebody_fixed_beforehand_is_not_taken(desk: Desk) -> None:
    browser = Browser(desk)
    browser.client.cookies["tallystick_session"] = fixed = "x" * 43
    reply = await browser.sign_in()
    assert fixed not in reply.headers["set-cookie"]
    attacker = desk.client()
    attacker.cookies["tallystick_session"] = fixed
    assert (await attacker.get("/api/auth/session")).status_code == 401


async def test_signing_in_ends_the_session_the_browser_had(desk: Desk) -> None:
    browser = await signed_in(desk)
    before = browser.cookie
    await browser.sign_in()
    late = desk.client()
    late.cookies["tallystick_session"] = before
    assert (await late.get("/api/auth/session")).status_code == 401


FORGED: list[dict[str, str | None]] = [
    {"origin": None}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "https://tallystick"},
    {"origin": "http://tallystick.evil.example"}, {"origin": "http://tallystick:8000"}, {"origin": ""},
    {"x-csrf-token": None}, {"x-csrf-token": ""}, {"x-csrf-token": "x" * 43},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_a_page_of_somebody_elses_changes_nothing(desk: Desk, headers: dict[str, str | None]) -> None:
    browser = await signed_in(desk)
    for name, value in headers.items():
        browser.client.headers.pop(name, None)
        if value is not None:
            browser.client.headers[name] = value
    for method, path, body in (("POST", "/api/teams", {"name": "x"}), ("DELETE", "/api/auth/session", None), ("PUT", "/api/channels/x", {})):
        reply = await browser.client.request(method, path, json=body)
        assert (reply.status_code, reply.json()["code"] in ("foreign_origin", "csrf_token_wrong")) == (403, True)
    assert await browser.status() == 200                     # to read, neither is asked for
    assert [team["name"] for team in (await browser.client.get("/api/teams")).json()["items"]] == ["default"]


async def test_anothers_csrf_token_is_wrong(desk: Desk) -> None:
    mine, other = await signed_in(desk), await signed_in(desk)
    mine.client.headers["x-csrf-token"] = other.client.headers["x-csrf-token"]
    assert (await mine.client.post("/api/teams", json={"name": "x"})).json()["code"] == "csrf_token_wrong"


async def test_a_page_of_somebody_elses_signs_nobody_in(desk: Desk) -> None:
    browser = Browser(desk)
    for origin in ("http://evil.example", "null"):
        browser.client.headers["origin"] = origin
        assert (await browser.sign_in()).json()["code"] == "foreign_origin"
    del browser.client.headers["origin"]                     # a program, which is nobody's page
    assert (await browser.sign_in()).status_code == 200


async def test_the_public_address_is_ours_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.app = build(replace(desk.parts, public_url="https://Costs.example/"))
    browser = Browser(desk)
    browser.client.headers["origin"] = "https://costs.example"
    assert (await browser.sign_in()).status_code == 200
    assert (await browser.client.post("/api/teams", json={"name": "x"})).status_code == 201
    desk.close()


@pytest.mark.parametrize("cookie", ["", "x", "x" * 10_000, "a; b", "%00"])
async def test_a_cookie_that_nobody_was_given(desk: Desk, cookie: str) -> None:
    async with desk.client() as client:
        assert (await client.get("/api/keys", headers={"cookie": f"tallystick_session={cookie}"})).status_code == 401


async def test_a_wrong_token_is_not_saved_by_a_cookie(desk: Desk) -> None:
    browser = await signed_in(desk)
    assert (await browser.client.get("/api/keys", headers={"authorization": "Bearer wrong"})).status_code == 401


async def test_what_comes_with_a_token_is_no_session(desk: Desk) -> None:
    async with desk.owner() as client:
        shown: dict[str, Any] = (await client.get("/api/auth/session")).json()
        assert (shown["csrf"], shown["expires_at"], shown["role"]) == (None, None, "owner")
        assert (await client.delete("/api/auth/session")).json()["code"] == "no_session"
