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


@both_engines
async def test_what_a_key_says_is_changed_and_its_text_stays(desk: Desk) -> None:
    key_id, key = desk.key(team="search", project="web", user="ann")
    async with desk.owner() as owner, desk.client(key) as itself:
        assert (await itself.get("/api/keys/self")).json()["user"] == "ann"
        changed = await owner.patch(f"/api/keys/{key_id}", json={"user": None, "project": "app", "expires_at": "2027-01-01T00:00:00Z"})
        assert changed.status_code == 200, changed.text
        seen = (await itself.get("/api/keys/self")).json()
        assert (seen["id"], seen["team"], seen["project"], seen["user"], seen["expires_at"]) == (
            key_id, "search", "app", None, "2027-01-01T00:00:00Z")
        for wrong in ({"format": "vk"}, {"expires_at": "2020-01-01T00:00:00Z"}, {"owner": "nobody"}, {"colour": "red"}):
            assert (await owner.patch(f"/api/keys/{key_id}", json=wrong)).status_code == 400
        assert (await owner.delete(f"/api/keys/{key_id}")).status_code == 200
        assert (await owner.patch(f"/api/keys/{key_id}", json={"name": "x"})).json()["code"] == "not_active"
    assert desk.findings() == []


@pytest.mark.parametrize(("role", "asked", "status"), [
    ("manager", {"name": "ours", "user": "bo"}, 200), ("manager", {"team": "ads"}, 403), ("manager", {"team": None}, 403),
    ("manager", {"credential": "x"}, 403), ("member", {"name": "mine"}, 404), ("auditor", {"name": "x"}, 403), ("finance", {"name": "x"}, 403)])
async def test_nobody_makes_a_key_say_what_they_could_not_have_made_it_say(desk: Desk, role: Role, asked: dict[str, Any], status: int) -> None:
    key_id, _ = desk.key(team="search")
    async with desk.person(desk.member(role, *(("search",) if role in ("manager", "member") else ()))) as client:
        assert (await client.patch(f"/api/keys/{key_id}", json=asked)).status_code == status


async def test_a_row_that_was_edited_behind_the_ledgers_back_is_found(desk: Desk) -> None:
    key_id, _ = desk.key(team="search")
    async with desk.owner() as owner:
        await owner.patch(f"/api/keys/{key_id}", json={"user": "bo"})
    with desk.database.write() as db:
        db.execute("UPDATE virtual_key SET user_name = 'ann'")
    assert [finding.message for finding in desk.findings()] == [f"key {key_id} stands otherwise than it was made, rotated or revoked: user"]
