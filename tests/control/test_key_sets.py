"""Many keys in one request: all or none, by the rules of making one, and once however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.membership import Role
from tests.build.control import Desk
from tests.build.databases import both_engines

PLACE = "/api/keys/bulk"
ASKED: dict[str, Any] = {"each": {"team": "search", "environment": "ci"}, "keys": [{"name": "one"}, {"name": "two", "project": "web"}]}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@both_engines
async def test_a_set_is_made_and_each_key_works_and_stands_in_the_ledger(desk: Desk) -> None:
    async with desk.owner() as client:
        reply = await client.post(PLACE, json=ASKED)
        assert reply.status_code == 201, reply.text
        made = reply.json()["items"]
        assert [(key["name"], key["team"], key["project"], key["environment"]) for key in made] == [
            ("one", "search", None, "ci"), ("two", "search", "web", "ci")]
        listed = (await client.get("/api/keys")).json()["items"]
        assert {key["id"] for key in listed} == {key["id"] for key in made}
    for key in made:
        async with desk.client(key["key"]) as itself:
            assert (await itself.get("/api/keys/self")).json()["id"] == key["id"]
    assert desk.findings() == []


@both_engines
async def test_one_that_cannot_be_leaves_none(desk: Desk) -> None:
    async with desk.owner() as client:
        refused = await client.post(PLACE, json={"keys": [{"name": "fine", "team": "new"}, {"name": "not", "owner": "nobody"}]})
        assert (refused.status_code, refused.json()["detail"][:6]) == (400, "Key 2:")
        for wrong in ({"keys": []}, {"keys": [{}] * 1_001}, {"keys": [{"colour": "red"}]}, {"keys": [{"expires_at": "2020-01-01T00:00:00Z"}]}):
            assert (await client.post(PLACE, json=wrong)).status_code == 400
        assert (await client.get("/api/keys")).json()["items"] == []
        assert "new" not in {team["name"] for team in (await client.get("/api/teams")).json()["items"]}
    assert desk.findings() == []


@both_engines
async def test_who_asks_again_with_the_same_mark_makes_no_second_set(desk: Desk) -> None:
    marked = {"idempotency-key": "deploy-7"}
    async with desk.owner() as client, desk.person(desk.member("admin")) as other:
        made = (await client.post(PLACE, json=ASKED, headers=marked)).json()["items"]
        again = await client.post(PLACE, json=ASKED, headers=marked)
        assert (again.status_code, again.json()["code"]) == (409, "made_before")
        assert again.json()["keys"] == [key["id"] for key in made]
        assert not any(key["key"] in again.text for key in made)
        else_ = await client.post(PLACE, json={"keys": [{"name": "three"}]}, headers=marked)
        assert (else_.status_code, else_.json()["code"]) == (409, "mark_used")
        assert len((await client.get("/api/keys")).json()["items"]) == 2
        assert (await other.post(PLACE, json=ASKED, headers=marked)).status_code == 201, "a mark is its sender's own"
        desk.clock.at_us += 31 * 86_400_000_000
    async with desk.owner() as client:
        assert (await client.post(PLACE, json=ASKED, headers=marked)).status_code == 201, "after a month it is forgotten"


@pytest.mark.parametrize(("role", "asked", "status"), [
    ("manager", {"team": "search", "user": "ann"}, 201), ("manager", {"team": "ads"}, 403), ("manager", {"team": "search", "credential": "x"}, 403),
    ("member", {"team": "search"}, 201), ("member", {"team": "search", "user": "ann"}, 403), ("member", {}, 403)])
async def test_nobody_makes_more_of_many_than_of_one(desk: Desk, role: Role, asked: dict[str, str], status: int) -> None:
    account = desk.member(role, "search")
    async with desk.person(account) as client:
        reply = await client.post(PLACE, json={"keys": [{"team": "search"}, asked]})
        assert reply.status_code == status, reply.text
        keys = (await client.get("/api/keys")).json()["items"]
        assert len(keys) == (2 if status == 201 else 0)
        assert all(key["owner"] == account for key in keys) or role != "member"
