"""Invitations: one address, one use, one time, and never to more than whoever invited has when it is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.control import build
from tallystick.core.membership import GRANTABLE, OF_TEAMS, ROLES, Role
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.transport.mail import MailServer
from tests.build.control import EMAIL, PASSWORD, Desk

DAY_US = 86_400_000_000
NEW = "a password of mine"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def invited(client: httpx.AsyncClient, email: str = "ana@house", role: str = "member", **more: Any) -> str:
    """What the link ends with."""
    made = await client.post("/api/invitations", json={"email": email, "role": role, **more})
    assert made.status_code == 201, made.text
    link: str = made.json()["link"]
    assert link.startswith("http://tallystick/invite/")
    return link.rpartition("/")[2]


async def accept(desk: Desk, token: str, password: str = NEW, **more: str) -> httpx.Response:
    async with desk.client() as client:
        return await client.post("/api/auth/invitation/accept", json={"token": token, "password": password, **more})


async def test_invited_accepted_and_signed_in(desk: Desk) -> None:
    desk.key(team="search")
    async with desk.owner() as owner:
        made = (await owner.post("/api/invitations", json={"email": " Ana@House ", "role": "manager", "teams": ["search"]})).json()
        token = made["link"].rpartition("/")[2]
        shown = {name: made[name] for name in ("id", "email", "role", "teams", "status", "invited_by", "created_at", "expires_at")}
        assert {**shown, "id": ""} == {
            "id": "", "email": "ana@house", "role": "manager", "teams": ["search"], "status": "pending", "invited_by": "acc_1",
            "created_at": "2026-11-20T12:00:00Z", "expires_at": "2026-11-27T12:00:00Z"}
        assert (made["mailed"], made["mail_fault"]) == (False, None)
        assert (await owner.get("/api/invitations")).json() == {"items": [shown], "next_cursor": None}
        async with desk.client() as stranger:
            assert (await stranger.post("/api/auth/invitation", json={"token": token})).json() == {
                "organization": "default", "name": "Default", "email": "ana@house", "role": "manager", "teams": ["search"],
                "expires_at": "2026-11-27T12:00:00Z", "has_account": False}
            done = await stranger.post("/api/auth/invitation/accept", json={"token": token, "password": NEW, "name": "Ana"})
            assert done.status_code == 200, done.text
            assert (done.json()["account"]["name"], done.json()["role"], done.json()["teams"]) == ("Ana", "manager", ["search"])
            assert (await stranger.get("/api/auth/me")).json()["email"] == "ana@house"
        assert (await owner.get("/api/invitations")).json()["items"][0]["status"] == "accepted"
    with desk.database.read() as db:
        chained = [json.loads(entry) for entry in exact_entries(db, DEFAULT)]
        stored = str(db.execute("SELECT * FROM invitation").fetchall())
    assert [entry["event"] for entry in chained if entry["kind"] == "ACCESS"] == ["invited", "invitation_accepted", "signed_in"]
    assert "ana@house" not in str(chained) and token not in stored
    assert desk.findings() == []


async def test_a_link_opens_once_and_only_in_its_time(desk: Desk) -> None:
    async with desk.owner() as owner:
        used, late = await invited(owner), await invited(owner, "bea@house", days=1)
    assert (await accept(desk, used)).status_code == 200
    desk.clock.at_us += DAY_US
    for token in (used, late, "x", used[:-1]):
        async with desk.client() as client:
            looked = await client.post("/api/auth/invitation", json={"token": token})
        for reply in (looked, await accept(desk, token)):
            assert (reply.status_code, reply.json()["code"]) == (404, "invitation_gone")
    async with desk.owner() as owner:
        assert [row["status"] for row in (await owner.get("/api/invitations")).json()["items"]] .count("expired") == 1
        assert (await owner.post("/api/invitations", json={"email": "ana@house", "role": "member"})).json()["code"] == "exists"


async def test_of_two_who_accept_at_once_one_is_let_in(desk: Desk) -> None:
    async with desk.owner() as owner:
        token = await invited(owner)
    replies = await asyncio.gather(accept(desk, token), accept(desk, token, password="another password"))
    assert sorted(reply.status_code for reply in replies) in ([200, 404], [200, 409])
    with desk.database.read() as db:
        assert db.execute("SELECT count(*) FROM account WHERE email = 'ana@house'").fetchone()[0] == 1
    assert desk.findings() == []


async def test_who_has_an_account_proves_it(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner() as owner:
        token = await invited(owner, "owner@other", "auditor")
        async with desk.client() as client:
            assert (await client.post("/api/auth/invitation", json={"token": token})).json()["has_account"] is True
        assert (await accept(desk, token, "not theirs")).json()["code"] == "invalid_credentials"
        done = await accept(desk, token, PASSWORD)
        assert (done.status_code, done.json()["organization"], done.json()["role"]) == (200, "default", "auditor")
        assert [place["organization"] for place in done.json()["organizations"]] == ["default", "other"]


async def test_accepting_ends_the_session_the_browser_had(desk: Desk) -> None:
    async with desk.owner() as owner, desk.client() as browser:
        token = await invited(owner)
        await browser.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD})
        before = browser.cookies["tallystick_session"]
        assert (await browser.post("/api/auth/invitation/accept", json={"token": token, "password": NEW})).status_code == 200
        assert (await browser.get("/api/auth/me")).json()["email"] == "ana@house"
    async with desk.client() as late:
        late.cookies["tallystick_session"] = before
        assert (await late.get("/api/auth/me")).status_code == 401


async def test_who_has_a_second_factor_shows_it(desk: Desk) -> None:
    desk.other_organization()
    desk.second_factor(desk.owner_of("other"))
    async with desk.owner() as owner:
        token = await invited(owner, "owner@other")
    assert (await accept(desk, token, PASSWORD)).json()["code"] == "totp_required"
    assert (await accept(desk, token, PASSWORD, code="000000")).json()["code"] == "totp_wrong"


async def test_who_was_let_go_everywhere_comes_back_with_their_own_password(desk: Desk) -> None:
    account = desk.member("member", email="ana@house")
    async with desk.owner() as owner:
        await owner.delete(f"/api/members/{account}")
        token = await invited(owner)
    async with desk.client() as client:
        signing_in = await client.post("/api/auth/session", json={"email": "ana@house", "password": PASSWORD})
    assert signing_in.json()["code"] == "invalid_credentials"
    assert (await accept(desk, token)).json()["code"] == "invalid_credentials"
    assert (await accept(desk, token, PASSWORD)).json()["account"]["id"] == account


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_invites_to_more_than_they_have(desk: Desk, role: Role) -> None:
    teams = ["search"]
    desk.key(team="search")
    async with desk.person(desk.member(role, *(teams if role in OF_TEAMS else ()))) as client:
        for number, given in enumerate(ROLES):
            asked = {"email": f"new{number}@house", "role": given, "teams": teams if given in OF_TEAMS else []}
            reply = await client.post("/api/invitations", json=asked)
            assert reply.status_code == (201 if given in GRANTABLE.get(role, ()) else 403), given


@pytest.mark.parametrize("becomes", ["auditor", "manager", None])
async def test_who_was_demoted_or_let_go_invites_nobody_any_more(desk: Desk, becomes: str | None) -> None:
    desk.key(team="search")
    admin = desk.member("admin")
    async with desk.person(admin) as client:
        token = await invited(client, role="admin")
    async with desk.owner() as owner:
        if becomes is None:
            await owner.delete(f"/api/members/{admin}")
        else:
            await owner.patch(f"/api/members/{admin}", json={"role": becomes, "teams": ["search"] if becomes == "manager" else []})
    refused = await accept(desk, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    with desk.database.read() as db:
        assert db.execute("SELECT 1 FROM account WHERE email = 'ana@house'").fetchone() is None


async def test_taken_back_and_replaced(desk: Desk) -> None:
    async with desk.owner() as owner:
        first = await invited(owner)
        second = await invited(owner, role="auditor")
        assert (await accept(desk, first)).status_code == 404
        (pending,) = [row for row in (await owner.get("/api/invitations")).json()["items"] if row["status"] == "pending"]
        assert (await owner.delete(f"/api/invitations/{pending['id']}")).json()["status"] == "revoked"
        assert (await accept(desk, second)).status_code == 404
        assert (await owner.delete(f"/api/invitations/{pending['id']}")).json()["status"] == "revoked"


async def test_a_manager_sees_and_takes_back_those_to_their_teams(desk: Desk) -> None:
    manager = desk.member("manager", "search")
    desk.member("member", "ads")
    async with desk.owner() as owner, desk.person(manager) as client:
        for email, teams in (("a@x", ["search"]), ("b@x", ["ads"]), ("c@x", ["search", "ads"])):
            await invited(owner, email, teams=teams)
        seen = {row["email"]: (row["id"], row["teams"]) for row in (await client.get("/api/invitations")).json()["items"]}
        assert {email: teams for email, (_, teams) in seen.items()} == {"a@x": ["search"], "c@x": ["search"]}
        hidden = next(row["id"] for row in (await owner.get("/api/invitations")).json()["items"] if row["email"] == "b@x")
        assert (await client.delete(f"/api/invitations/{hidden}")).status_code == 404
        assert (await client.delete(f"/api/invitations/{seen['c@x'][0]}")).status_code == 403
        assert (await client.delete(f"/api/invitations/{seen['a@x'][0]}")).status_code == 200


@pytest.mark.parametrize("given", [
    {"email": "nowhere", "role": "member"}, {"email": "a@b", "role": "king"}, {"email": "a@b", "role": "manager"},
    {"email": "a@b", "role": "member", "teams": ["ghosts"]}, {"email": "a@b", "role": "member", "days": 31}, {"email": "a@b"},
])
async def test_an_invitation_that_cannot_be(desk: Desk, given: object) -> None:
    async with desk.owner() as owner:
        assert (await owner.post("/api/invitations", json=given)).status_code == 400


async def test_a_password_that_cannot_be_uses_nothing_up(desk: Desk) -> None:
    async with desk.owner() as owner:
        token = await invited(owner)
    assert (await accept(desk, token, "short")).status_code == 400
    assert (await accept(desk, token)).status_code == 200


async def test_by_mail(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much SMTP (RFC 5321) as one message takes."""
        writer.write(b"220 here\r\n")
        inside = False
        while line := await reader.readline():
            if inside:
                received.append(line)
                inside = line != b".\r\n"
                writer.write(b"" if inside else b"250 taken\r\n")
                continue
            inside = line.upper().startswith(b"DATA")
            writer.write(b"354 go on\r\n" if inside else b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    desk = Desk(tmp_path)
    for parts, fault in (
        (desk.parts, "There is no mail server (alerts.smtp.host)."),
        (replace(desk.parts, mail=MailServer("127.0.0.1", port, "us@house", "none")), "The link needs an address of this installation"),
        (replace(desk.parts, mail=MailServer("127.0.0.1", 1, "us@house", "none"), public_url="https://costs.example"), "did not take it"),
        (replace(desk.parts, mail=MailServer("127.0.0.1", port, "us@house", "none"), public_url="https://costs.example/"), None),
    ):
        desk.app = build(parts, scope="all")
        async with desk.owner() as owner:
            made = (await owner.post("/api/invitations", json={"email": "ana@house", "role": "admin", "mail": True})).json()
        assert made["mailed"] == (fault is None)
        assert fault is None or fault in made["mail_fault"]
    server.close()
    message = message_from_bytes(b"".join(received))
    assert (message["To"], message["From"], message["Subject"]) == ("ana@house", "us@house", "Invitation to Default on Tallystick")
    text = message.get_payload()
    assert made["link"].startswith("https://costs.example/invite/") and made["link"] in text
    assert "admin invites you to Default as admin." in text
    desk.close()
