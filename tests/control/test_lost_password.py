"""A lost password: a link by mail, once and for half an hour; what was opened with the old one ends, its tokens too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest

from tallystick.control import build, lost_password
from tallystick.core.errors import UpstreamFault
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.transport.mail import MailServer
from tests.build.control import EMAIL, PASSWORD, Desk

NEW = "a horse of another colour"
SECOND_US = 1_000_000


class Post:
    """What was mailed, in the order it was sent. `fault`: the server is away."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.fault = False

    def send(self, server: MailServer, message: object, to: list[str]) -> tuple[int, bytes]:
        if self.fault:
            raise UpstreamFault("connect", "nobody listens", written=False)
        self.sent.append(bytes(message))  # type: ignore[call-overload]
        return 250, b"taken"

    def link(self) -> str:
        """What the newest mail's link ends with."""
        body = message_from_bytes(self.sent[-1]).get_payload()
        (line,) = [line for line in str(body).splitlines() if line.startswith("https://")]
        assert line.startswith("https://costs.example/reset/")
        return line.rpartition("/")[2]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def post(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Post:
    """The installation can send mail."""
    made = Post()
    monkeypatch.setattr(lost_password, "send", made.send)
    parts = replace(desk.parts, mail=MailServer("127.0.0.1", 1, "t@x", "none"), public_url="https://costs.example")
    desk.app = build(parts)
    return made


async def forgot(desk: Desk, email: str = EMAIL, peer: str = "127.0.0.1", **headers: str) -> httpx.Response:
    async with desk.client(peer=peer) as client:
        return await client.post("/api/auth/forgot", json={"email": email}, headers=headers)


async def reset(desk: Desk, token: str, **more: str) -> httpx.Response:
    async with desk.client() as client:
        return await client.post("/api/auth/reset", json={"token": token, **more})


async def signs_in(desk: Desk, password: str) -> int:
    async with desk.client() as client:
        return (await client.post("/api/auth/session", json={"email": EMAIL, "password": password})).status_code


async def test_a_link_sets_another_password_once(desk: Desk, post: Post) -> None:
    async with desk.owner() as owner:
        token = (await owner.post("/api/tokens", json={"scopes": ["read"]})).json()["token"]
        asked = await forgot(desk, " Admin@LOCAL ")
        assert (asked.status_code, asked.json()) == (202, {"by_mail": True})
        link = post.link()
        assert (await reset(desk, link)).json() == {"sessions_ended": 0, "tokens_revoked": 0}, "a look changes nothing"
        assert (await reset(desk, link, new_password="short")).status_code == 400
        assert await signs_in(desk, PASSWORD) == 200
        assert (await reset(desk, link, new_password=NEW)).json() == {"sessions_ended": 1, "tokens_revoked": 1}
        assert (await owner.get("/api/auth/me")).status_code == 401
    async with desk.client(token) as program:
        assert (await program.get("/api/auth/me")).status_code == 401
    assert (await signs_in(desk, PASSWORD), await signs_in(desk, NEW)) == (401, 200)
    again = await reset(desk, link, new_password=PASSWORD)
    assert (again.status_code, again.json()["code"]) == (404, "reset_gone")
    with desk.database.read() as db:
        chained = [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "ACCESS"]
        assert link not in str(db.execute("SELECT * FROM password_reset").fetchall())
    assert [entry["event"] for entry in chained][-3:] == ["password_set", "token_revoked", "signed_in"]
    assert next(entry for entry in chained if entry["event"] == "password_set")["lost"] == 1
    assert desk.findings() == []


async def test_nobody_learns_who_has_an_account(desk: Desk, post: Post) -> None:
    answers = [await forgot(desk, email) for email in (EMAIL, "nobody@house", "no address")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"by_mail":true}')}
    assert len(post.sent) == 1


async def test_a_link_has_its_time_and_only_the_newest_counts(desk: Desk, post: Post) -> None:
    await forgot(desk)
    first = post.link()
    await forgot(desk)
    assert len(post.sent) == 1, "a minute ago there was one"
    desk.clock.at_us += 121 * SECOND_US
    await forgot(desk)
    second = post.link()
    assert (await reset(desk, first, new_password=NEW)).status_code == 404
    desk.clock.at_us += 1_800 * SECOND_US
    assert (await reset(desk, second, new_password=NEW)).status_code == 404
    assert await signs_in(desk, PASSWORD) == 200


async def test_a_link_does_not_replace_the_second_factor_and_ends_the_wait(desk: Desk, post: Post) -> None:
    for _ in range(5):
        assert await signs_in(desk, "a guess") == 401
    assert await signs_in(desk, PASSWORD) == 429
    desk.second_factor("acc_1")
    await forgot(desk)
    assert (await reset(desk, post.link(), new_password=NEW)).status_code == 200
    async with desk.client() as client:
        reply = await client.post("/api/auth/session", json={"email": EMAIL, "password": NEW})
    assert reply.json()["code"] == "totp_required"


async def test_asking_has_its_measure_and_no_other_page_asks(desk: Desk, post: Post) -> None:
    assert (await forgot(desk, origin="https://elsewhere.example")).status_code == 403
    replies = [await forgot(desk, f"p{number}@house", peer="192.0.2.1") for number in range(12)]
    assert (replies[0].status_code, replies[-1].status_code) == (202, 429)
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert (await forgot(desk, peer="192.0.2.99")).status_code == 202


async def test_who_is_shut_out_gets_nothing_and_a_server_that_is_away_says_nothing(desk: Desk, post: Post) -> None:
    shut_out = desk.member("member", "search", email="ana@house")
    desk.app.state.members.set_disabled(shut_out, disabled=True, now_us=desk.clock.at_us)
    assert (await forgot(desk, "ana@house")).status_code == 202
    post.fault = True
    assert (await forgot(desk)).status_code == 202
    assert post.sent == []


async def test_without_mail_the_answer_says_so(desk: Desk) -> None:
    assert (await forgot(desk)).json() == {"by_mail": False}
