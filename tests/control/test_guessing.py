"""Wrong keys and tokens at the API: an address that sends many waits, what is in use from it goes on working, and nobody else
waits (books.md §4, threat 13; S16).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.control import build
from tests.build.control import Desk

FREE = 5


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.app = build(replace(made.parts, wrong_keys_per_minute_max=FREE))
    yield made
    made.close()


async def statuses(desk: Desk, *presented: str, peer: str = "192.0.2.1", path: str = "/api/keys/self") -> list[int]:
    found = []
    for one in presented:
        async with desk.client(one, peer) as client:
            found.append((await client.get(path)).status_code)
    return found


@pytest.mark.parametrize("prefix", ["tsk_", "tsp_", "vk_", ""])
async def test_after_some_wrong_ones_an_address_waits_and_another_does_not(desk: Desk, prefix: str) -> None:
    guesses = [f"{prefix}wrong{number}" for number in range(FREE + 2)]
    assert await statuses(desk, *guesses) == [401] * FREE + [429] * 2
    async with desk.client(guesses[-1], "192.0.2.1") as client:
        refused = await client.get("/api/keys/self")
    assert (refused.json()["code"], 0 < int(refused.headers["retry-after"]) <= 61) == ("too_many_attempts", True)
    assert await statuses(desk, guesses[-1], peer="192.0.2.2") == [401]
    desk.clock.at_us += int(refused.headers["retry-after"]) * 1_000_000
    assert await statuses(desk, guesses[-1]) == [401]


async def test_what_is_in_use_goes_on_working_beside_a_broken_program(desk: Desk) -> None:
    _, key = desk.key(team="search")
    _, unseen = desk.key(team="search")
    async with desk.owner() as owner:
        token = (await owner.post("/api/tokens", json={"scopes": ["read"]})).json()["token"]
    assert await statuses(desk, key) == [200]
    assert await statuses(desk, token, path="/api/keys") == [200]
    await statuses(desk, *(f"tsk_{number}" for number in range(FREE)))
    assert await statuses(desk, key) == [200]
    assert await statuses(desk, token, path="/api/keys") == [200]
    assert await statuses(desk, unseen, "tsk_9") == [429, 429], "the right guess looks like a wrong one"


async def test_a_login_and_whoever_shows_nothing_are_no_guesses(desk: Desk) -> None:
    login = desk.login(desk.owner_of("default"), "default")
    async with desk.client(peer="192.0.2.1") as nobody:
        assert {(await nobody.get("/api/keys")).status_code for _ in range(FREE + 2)} == {401}
    assert await statuses(desk, "tsk_first") == [401]
    await statuses(desk, *(f"tsk_{number}" for number in range(FREE)))
    assert await statuses(desk, login, path="/api/keys") == [200]
