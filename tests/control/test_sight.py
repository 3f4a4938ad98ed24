"""Inside one organisation: whoever has teams or keys of their own finds nothing of another team's, wherever they look. Every
route that reads is walked, and every route that takes an id is given the ids of what is another team's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tallystick.control.roles import GRANTS, Cell, Grant
from tallystick.core.membership import OF_TEAMS, Role
from tests.control.test_tenants import BODIES, CANARY, QUERIES, WITH_IDS, Two

NARROW: tuple[Cell, ...] = ("own_teams", "own")
ROLES_OF_A_PART: tuple[Role, ...] = ("manager", "member")
# What is everybody's on purpose: the names of registered prompts, which of them are approved, and the views that somebody shared.
EVERYBODYS = {"/api/prompts", "/api/prompts/one", "/api/library", "/api/views"}
READS = [grant for grant in GRANTS if grant.method == "GET" and "anyone" not in grant.cells and grant.path not in EVERYBODYS]
NAMED = {"/api/spenders/one": {"kind": "team", "name": CANARY}}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.desk.close()


async def stranger(two: Two, role: Role, *, filled: bool = True) -> httpx.AsyncClient:
    """Somebody of the same organisation, in this role in another team, with a key of their own."""
    if filled:
        await two.fill()
    account = two.desk.member(role, *(("search",) if role in OF_TEAMS else ()), organization=two.other)
    two.desk.second_factor(account)
    two.desk.key(two.other, owner=account, team="search")
    return two.desk.person(account, "other")


@pytest.mark.parametrize("role", ROLES_OF_A_PART)
async def test_nothing_that_is_read_shows_another_teams(two: Two, role: Role) -> None:
    found = {}
    async with await stranger(two, role) as client:
        for grant in (grant for grant in READS if role in grant.cells):
            asked = {**QUERIES.get(grant.path, {}), **NAMED.get(grant.path, {})}
            reply = await client.get(grant.path.format(**two.ids), params=asked)
            assert reply.status_code < 500, grant.path
            if CANARY in reply.text:
                found[grant.path] = reply.text
    assert found == {}


@pytest.mark.parametrize("role", ROLES_OF_A_PART)
async def test_what_is_anothers_is_moved_by_nobody_else(two: Two, role: Role) -> None:
    def is_narrow(grant: Grant) -> bool:
        return grant.cells.get(role) in NARROW

    answered = {}
    async with await stranger(two, role) as client:
        for grant in filter(is_narrow, WITH_IDS):
            if not {"/api/library", "/api/providers"} & {grant.path.partition("/{")[0]}:
                reply = await client.request(grant.method, grant.path.format(**two.ids), json=BODIES.get(f"{grant.method} {grant.path}"))
                answered[grant.method, grant.path] = reply.status_code
    assert len(answered) > 8 and {place: status for place, status in answered.items() if status not in (403, 404)} == {}


@pytest.mark.parametrize("role", ROLES_OF_A_PART)
async def test_why_there_is_a_legal_hold_is_told_to_those_who_see_everything(two: Two, role: Role) -> None:
    async with await stranger(two, role) as client:
        hold = (await client.get("/api/retention")).json()["hold"]
    assert hold["since"] and (hold["reason"], hold["by"]) == (None, None)
    async with two.desk.owner("other") as owner:
        assert (await owner.get("/api/retention")).json()["hold"]["reason"] == CANARY


@pytest.mark.parametrize("role", ROLES_OF_A_PART)
async def test_a_prompt_is_known_by_its_registration_and_never_by_another_teams_calls(two: Two, role: Role) -> None:
    async with await stranger(two, role, filled=False) as client, two.desk.owner("other") as owner:
        for path, asked in (("/api/prompts", {}), ("/api/prompts/one", {"prompt_key": CANARY})):
            assert CANARY not in (await client.get(path, params=asked)).text, path
            assert CANARY in (await owner.get(path, params=asked)).text, path
        assert (await owner.post("/api/prompts/versions", json={"prompt_key": CANARY, "version": "1"})).status_code == 201
        shown = (await client.get("/api/prompts")).json()["items"]
    assert [(item["prompt_key"], item["requests"], item["cost_nanos"]) for item in shown] == [(CANARY, 0, 0)]
