"""A pasted key is told apart: ours and working, ours and not, somebody else's, mistyped, a provider's. Its text is not repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.control.self_check import CHECKS_FREE
from tests.build.control import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def told(client: httpx.AsyncClient, text: str) -> dict[str, Any]:
    reply = await client.post("/api/help/key", json={"key": text})
    assert reply.status_code == 200, reply.text
    assert text.strip() not in reply.text
    return dict(reply.json())


async def test_a_key_is_told_by_how_it_stands(desk: Desk) -> None:
    key_id, key = desk.key(team="search")
    async with desk.owner() as owner:
        works = await told(owner, f" {key}\n")
        assert (works["verdict"], works["key"]["id"], works["key"]["team"]) == ("valid", key_id, "search")
        assert (await owner.delete(f"/api/keys/{key_id}")).status_code in (200, 204)
        ended = await told(owner, key)
        assert (ended["verdict"], ended["key"]["id"]) == ("revoked", key_id)
        assert ended["do"].startswith("Make another")
        made = await owner.post("/api/keys", json={"expires_at": "2030-01-01T00:00:00Z"})
    desk.clock.at_us += 10 * 366 * 86_400_000_000
    async with desk.owner() as later:
        assert (await told(later, made.json()["key"]))["verdict"] == "expired"


@pytest.mark.parametrize(("text", "verdict", "provider"), [
    ("tsk_abc", "mistyped", None), ("tsp_abc", "personal_token", None), ("sk-ant-api03-x", "provider_key", "Anthropic"),
    ("sk-proj-x", "provider_key", "OpenAI"), ("gsk_x", "provider_key", "Groq"), ("hello", "no_key", None),
])
async def test_what_is_no_key_of_ours_is_named(desk: Desk, text: str, verdict: str, provider: str | None) -> None:
    async with desk.owner() as owner:
        found = await told(owner, text)
    assert (found["verdict"], found["provider"], found["key"]) == (verdict, provider, None)


async def test_a_key_that_one_may_not_see_is_unknown(desk: Desk) -> None:
    _, theirs = desk.key(desk.other_organization())
    _, ours = desk.key(team="search")
    member = desk.member("member", "search")
    async with desk.owner() as owner, desk.person(member) as person:
        assert await told(owner, theirs) == await told(person, ours) == {**await told(person, theirs), "key": None}
        assert (await told(person, ours))["verdict"] == "unknown"


async def test_one_key_after_the_other_has_to_wait(desk: Desk) -> None:
    async with desk.owner() as owner:
        for _ in range(CHECKS_FREE):
            await told(owner, "hello")
        refused = await owner.post("/api/help/key", json={"key": "hello"})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert int(refused.headers["retry-after"]) >= 1
        too_long = await owner.post("/api/help/key", json={"key": "x" * 5000})
    assert too_long.status_code == 400
    assert "xxx" not in too_long.text
