"""A stored credential is tested through the API: who may, how often, whose, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.control import build
from tallystick.control.credential_check import TESTS_FREE
from tallystick.core.errors import UpstreamFault
from tallystick.ports import UpstreamReply, UpstreamRequest
from tallystick.providers import OPENAI
from tests.build.control import Desk

CANARY = "sk-canary-check-8uWf95"


class Provider:
    """Stands for the network: answers each request with the next status."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.asked: list[UpstreamRequest] = []

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        self.asked.append(request)
        if not self.statuses:
            raise UpstreamFault("connect", "cannot connect", written=False)
        return Said(self.statuses.pop(0))


class Said:
    """What it says: that the key is wrong, and the key."""

    headers: list[tuple[bytes, bytes]]
    at_end = True

    def __init__(self, status: int) -> None:
        self.status, self.headers = status, []
        self._pieces = [f'{{"error": {{"message": "Incorrect API key provided: {CANARY}"}}}}'.encode()]

    async def next(self) -> bytes | None:
        return self._pieces.pop() if self._pieces else None

    async def close(self) -> None:
        return None


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def desk(tmp_path: Path, provider: Provider) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.parts = replace(made.parts, asking=provider, providers={"openai": OPENAI})
    made.app = build(made.parts)
    yield made
    made.close()


@pytest.mark.parametrize(("statuses", "outcome", "status", "words", "do"), [
    ([200, 401], "works", 200, None, "Calls with keys of this gateway can use it now"),
    ([200, 200], "open", 200, None, "Send one small call"),
    ([401], "refused", 401, "Incorrect API key provided: ***", "store it again"),
    ([402], "refused", 402, "Incorrect API key provided: ***", "cannot pay"),
    ([403], "refused", 403, "Incorrect API key provided: ***", "may lack a right"),
    ([429], "limited", 429, "Incorrect API key provided: ***", "Try again"),
    ([302], "answered", 302, "Incorrect API key provided: ***", "Redirects are not followed"),
    ([], "unreachable", None, "No connection came about: the network, a firewall or a proxy may be in the way.", "Check base_url"),
])
async def test_it_says_what_came_of_it_and_what_to_do(
    desk: Desk, provider: Provider, statuses: list[int], outcome: str, status: int | None, words: str | None, do: str,
) -> None:
    async with desk.owner() as client:
        await client.put("/api/credentials/openai/default", json={"value": CANARY})
        provider.statuses = list(statuses)
        reply = await client.post("/api/credentials/openai/default/test")
    said = reply.json()
    assert (said["outcome"], said["status"], said["words"]) == (outcome, status, words)
    assert do in said["do"]
    assert said["says"].startswith("OpenAI ")
    assert said["asked"] == "GET https://api.openai.com/v1/models"
    assert CANARY not in reply.text
    assert (b"authorization", f"Bearer {CANARY}".encode()) in provider.asked[0].headers


async def test_it_changes_nothing(desk: Desk, provider: Provider) -> None:
    async with desk.owner() as client:
        await client.put("/api/credentials/openai/default", json={"value": CANARY})
        before = (await client.get("/api/ledger/entries")).json()["entries"]
        provider.statuses = [401]
        await client.post("/api/credentials/openai/default/test")
        assert (await client.get("/api/ledger/entries")).json()["entries"] == before
        (listed,) = (await client.get("/api/credentials")).json()["items"]
        assert listed["health"]["failures"] == 0


async def test_what_is_not_held_is_not_asked_for(desk: Desk, provider: Provider) -> None:
    desk.other_organization()
    async with desk.owner() as ours, desk.owner("other") as theirs:
        await ours.put("/api/credentials/openai/default", json={"value": CANARY})
        for place in ("openai/default", "openai/batch", "nobody/default"):
            assert (await theirs.post(f"/api/credentials/{place}/test")).status_code == 404, place
    assert provider.asked == []


async def test_one_that_is_not_used_says_why_and_is_not_sent(desk: Desk, provider: Provider) -> None:
    async with desk.owner() as client:
        await client.put("/api/credentials/openai/default", json={"value": CANARY})
        with desk.database.write() as db:
            db.execute("UPDATE credential SET origin = ?", ("https://elsewhere.example",))
            db.execute("UPDATE change_counter SET value = value + 1")
        desk.credentials.poll()
        said = (await client.post("/api/credentials/openai/default/test")).json()
    assert (said["outcome"], said["asked"]) == ("unusable", None)
    assert "another address" in said["words"]
    assert provider.asked == []


async def test_one_account_has_so_many_tests(desk: Desk, provider: Provider) -> None:
    admin = desk.member("admin")
    async with desk.owner() as owner, desk.person(admin) as other:
        await owner.put("/api/credentials/openai/default", json={"value": CANARY})
        provider.statuses = [401] * (TESTS_FREE + 1)
        for _ in range(TESTS_FREE):
            assert (await owner.post("/api/credentials/openai/default/test")).status_code == 200
        refused = await owner.post("/api/credentials/openai/default/test")
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "too_many_attempts", "1")
        assert (await other.post("/api/credentials/openai/default/test")).status_code == 200


async def test_a_process_that_asks_nobody_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.parts = replace(desk.parts, providers={"openai": OPENAI})
    desk.app = build(desk.parts)
    async with desk.owner() as client:
        await client.put("/api/credentials/openai/default", json={"value": CANARY})
        assert (await client.post("/api/credentials/openai/default/test")).status_code == 503
    desk.close()
