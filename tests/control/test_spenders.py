"""Who spends: teams, projects, users and agents with money, keys, people and limits; each role sees its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.core.budget import Amount, Scope
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tests.build.control import Desk

DAY_US = 86_400_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def called(desk: Desk, cost_nanos: int, days_ago: int = 0, **labels: str) -> str:
    """A call with a key that is bound to all that it names; the key's id."""
    key_id, _ = desk.key(**labels)
    desk.book(cost_nanos, desk.clock.at_us - days_ago * DAY_US, key_id=key_id, labels=labels)
    return key_id


def limit(desk: Desk, kind: str, value: str, nanos: int) -> int:
    spec = BudgetSpec(Scope(kind, value), Amount(nanos, "money"), limit=nanos)  # type: ignore[arg-type]
    return Budgets(desk.sequencer).set(DEFAULT, spec, desk.clock.at_us, "cli").id


async def listed(client: httpx.AsyncClient, kind: str, **asked: Any) -> dict[str, Any]:
    reply = await client.get("/api/spenders", params={"kind": kind, **asked})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_teams_are_told_dearest_first_with_what_they_have(desk: Desk) -> None:
    called(desk, 100, team="hr", project="bot")
    called(desk, 40, 35, team="hr")          # before the last 30 days
    called(desk, 300, team="ops")
    desk.book(7, labels={})
    desk.member("manager", "hr")
    every, own = limit(desk, "team", "*", 1_000), limit(desk, "team", "ops", 400)
    async with desk.owner() as client:
        found = await listed(client, "team")
        assert [(one["name"], one["cost_nanos"], one["before_cost_nanos"], one["keys"], one["members"]) for one in found["items"]] == [
            ("ops", 300, 0, 1, 0), ("hr", 100, 40, 2, 1), ("default", 0, 0, 0, 0)]
        assert [(one["budget"] or {}).get("id") for one in found["items"]] == [own, every, None]
        assert (found["items"][0]["budget"]["used_percent"], found["items"][1]["budget"]["used_percent"]) == (75, 10)
        assert (found["total"]["cost_nanos"], found["unattributed"]["cost_nanos"], found["count"]) == (407, 7, 3)
        page = await listed(client, "team", limit=2)
        rest = await listed(client, "team", limit=2, cursor=page["next_cursor"])
        assert page["items"] + rest["items"] == found["items"] and rest["next_cursor"] is None
        assert [one["name"] for one in (await listed(client, "team", contains="H"))["items"]] == ["hr"]


async def test_projects_are_their_teams(desk: Desk) -> None:
    called(desk, 100, team="hr", project="bot")
    called(desk, 30, team="ops", project="bot")
    budget = limit(desk, "project", "ops/bot", 60)
    async with desk.owner() as client:
        found = await listed(client, "project", team="ops")
        assert [(one["team"], one["name"], one["cost_nanos"], one["budget"]["id"]) for one in found["items"]] == [("ops", "bot", 30, budget)]
        assert found["total"]["cost_nanos"] == 30
        one = (await client.get("/api/spenders/one", params={"kind": "project", "name": "bot", "team": "hr"})).json()
        assert (one["cost_nanos"], one["budgets"], one["people"]) == (100, [], None)


async def test_one_team_says_whose_it_was_and_what_it_was_called(desk: Desk) -> None:
    key_id = called(desk, 100, team="hr", user="ann")
    other, _ = desk.key()
    desk.book(20, key_id=other, labels={"team": "hr"})
    person = desk.member("manager", "hr")
    async with desk.owner() as client:
        await client.patch("/api/teams", json={"team": "hr", "name": "people"})
        for name in ("people", "hr"):
            one = (await client.get("/api/spenders/one", params={"kind": "team", "name": name})).json()
            assert (one["name"], one["former_names"], one["cost_nanos"]) == ("people", ["hr"], 120)
        assert [(key["id"], key["bound"], key["cost_nanos"]) for key in one["keys_listed"]] == [(key_id, True, 100), (other, False, 20)]
        assert [somebody["id"] for somebody in one["people"]] == [person]
        assert (await client.get("/api/spenders/one", params={"kind": "user", "name": "nobody"})).status_code == 404
        assert (await client.get("/api/spenders/one", params={"kind": "user", "name": "ann"})).json()["keys"] == 1
        assert (await client.get("/api/spenders", params={"kind": "planet"})).status_code == 400


async def test_each_role_sees_its_own(desk: Desk) -> None:
    member = desk.member("member", "hr")
    own, _ = desk.key(owner=member, team="hr", user="ann", agent="bot")
    desk.book(100, key_id=own, labels={"team": "hr", "user": "ann", "agent": "bot"})
    called(desk, 20, team="hr", user="bob")
    called(desk, 3, team="ops", user="eve")
    seen = {}
    for account in (member, desk.member("manager", "hr"), desk.member("finance")):
        async with desk.person(account) as client:
            found = await listed(client, "user")
            seen[account.split("_")[1]] = {one["name"]: one["cost_nanos"] for one in found["items"]}
            one = (await client.get("/api/spenders/one", params={"kind": "user", "name": "ann"})).json()
            assert one["cost_nanos"] == 100
            if account.startswith("acc_finance"):
                assert one["keys_listed"] is None
            assert (await client.get("/api/spenders/one", params={"kind": "user", "name": "eve"})).status_code == (
                200 if account.startswith("acc_finance") else 404)
    assert seen == {"member": {"ann": 100}, "manager": {"ann": 100, "bob": 20}, "finance": {"ann": 100, "bob": 20, "eve": 3}}


async def test_dimensions_say_what_they_cover_and_whose_calls_lack_them(desk: Desk) -> None:
    fixing, _ = desk.key(team="hr")
    async with desk.owner() as client:
        assert (await client.patch(f"/api/keys/{fixing}", json={"dimensions": {"region": "eu"}})).status_code == 200
        bare, _ = desk.key(team="ops", project="web")
        attribution = desk.admission(key_id=fixing, labels={"team": "hr"}).attribution
        desk.book(75, attribution=replace(attribution, dimensions={"region": "eu"}))
        desk.book(25, key_id=bare, labels={"team": "ops", "project": "web"})
        rule = {"kind": "required_dimensions", "on": "org", "mode": "observe",
                "parameters": {"require": ["dimension:region"], "allowed": {"dimension:region": ["us"]}}}
        policy = (await client.post("/api/policies", json=rule)).json()["id"]
        assert (await client.put("/api/dimensions", json={"name": "dimension:ship", "description": "Which ship"})).status_code == 200
        found = {one["name"]: one for one in (await client.get("/api/dimensions")).json()["items"]}
        assert {name for name in found if name.startswith("dimension:")} == {"dimension:region", "dimension:ship"}
        region = found["dimension:region"]
        assert (region["covered"]["cost_nanos"], region["cost_share"], region["request_share"], region["keys"]) == (75, 0.75, 0.5, 1)
        assert [(rule["policy"], rule["required"], rule["allowed"]) for rule in region["rules"]] == [(policy, True, ["us"])]
        assert found["dimension:ship"]["description"] == "Which ship" and found["dimension:ship"]["cost_share"] == 0
        assert (found["team"]["cost_share"], found["user"]["cost_share"]) == (1, 0)
        one = (await client.get("/api/dimensions/one", params={"name": "dimension:region"})).json()
        assert [(value["value"], value["cost_nanos"], value["allowed"]) for value in one["top_values"]] == [("eu", 75, False)]
        assert [(key["key_id"], key["cost_nanos"], key["fixes"], key["dimensions"]) for key in one["lacking_keys"]] == [(bare, 25, False, {})]
        assert [(lack["project"], lack["cost_nanos"]) for lack in one["lacking_projects"]] == [("web", 25)]
        assert one["unattributed"]["cost_nanos"] == 25
        for name, status in (("dimension:none", 404), ("session", 400), ("dimension:", 400)):
            assert (await client.get("/api/dimensions/one", params={"name": name})).status_code == status
        assert (await client.delete("/api/dimensions", params={"name": "dimension:ship"})).status_code == 204
        assert "dimension:ship" not in {one["name"] for one in (await client.get("/api/dimensions")).json()["items"]}
    async with desk.person(desk.member("manager", "hr")) as client:
        one = (await client.get("/api/dimensions/one", params={"name": "dimension:region"})).json()
        assert (one["cost_share"], one["lacking_keys"], one["rules"]) == (1, [], [])
