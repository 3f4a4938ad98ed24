"""Policies by the API: set in versions, tried on past calls, linted, removed; and glass that is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.policies.book import judge
from tallystick.core.policies.dry_run import past_admission
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.policy_rows import policy_books
from tallystick.stores.sql.verify import verify
from tests.build.control import Desk
from tests.build.journal import KEY, admission

SMALL = {"kind": "model_access", "on": "team:search", "parameters": {"allow_models": ["gpt-4o-mini*"]}, "owner": "platform"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def chained(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "POLICY"]


async def test_set_in_versions_shown_and_removed(desk: Desk) -> None:
    async with desk.owner() as client:
        made = await client.post("/api/policies", json=SMALL)
        assert made.status_code == 201, made.text
        policy = made.json()
        assert (policy["on"], policy["mode"], policy["status"], policy["not_in_force_on"]) == ("team:search", "enforce", "active", [])
        assert (await client.post("/api/policies", json=SMALL)).json()["version"] == 1, "the same again is no new version"
        changed = await client.post("/api/policies", json={**SMALL, "mode": "observe"})
        assert (changed.status_code, changed.json()["version"], changed.json()["owner"]) == (200, 2, "platform")
        place = f"/api/policies/{policy['id']}"
        assert [version["mode"] for version in (await client.get(place)).json()["versions"]] == ["enforce", "observe"]
        assert [item["id"] for item in (await client.get("/api/policies")).json()["items"]] == [policy["id"]]
        assert (await client.delete(place)).json()["status"] == "removed"
        assert (await client.delete(place)).status_code == 404
        assert (await client.get("/api/policies")).json()["items"] == []
    assert [(entry["event"], entry["version"]) for entry in chained(desk)] == [("made", 1), ("changed", 2), ("removed", 2)]
    assert verify(desk.database, KEY.public_key).findings == ()


@pytest.mark.parametrize("wrong", [
    {"kind": "planets"}, {"parameters": {"allow_model": "x"}}, {"on": "team"}, {"mode": "ponder"}, {"colour": "red"},
    {"ends_at": "2020-01-01T00:00:00Z", "starts_at": "2021-01-01T00:00:00Z"}, {"note": "two\nlines"},
])
async def test_what_cannot_stand_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    async with desk.owner() as client:
        assert (await client.post("/api/policies", json={**SMALL, **wrong})).status_code in (400, 422)
    assert chained(desk) == []


async def test_a_policy_is_tried_before_it_is_set(desk: Desk) -> None:
    desk.book(cost_nanos=1_500_000, labels={"team": "search"})
    desk.book(cost_nanos=700, labels={"team": "ops"})
    async with desk.owner() as client:
        larger = {**SMALL, "parameters": {"deny_models": "gpt-4o-mini*"}}
        run = (await client.post("/api/policies/dry-run?days=7", json=larger)).json()
        assert (run["calls"], run["would_stop"], run["saved_nanos"]) == (2, 1, 1_500_000)
        assert [(one["team"], one["would_stop"]) for one in run["who"]] == [("search", 1)]
    assert chained(desk) == []


async def test_glass_is_broken_for_a_while_with_a_reason(desk: Desk) -> None:
    async with desk.owner() as client:
        policy = (await client.post("/api/policies", json=SMALL)).json()
        body = {"on": "key:k1", "reason": "incident 12", "until": "2026-11-22T00:00:00Z", "policy": policy["id"]}
        assert (await client.post("/api/policies/bypasses", json=body)).status_code == 201
        [bypass] = (await client.get("/api/policies")).json()["bypasses"]
        assert (bypass["policy"], bypass["reason"], bypass["active"]) == (policy["id"], "incident 12", True)
        for wrong in ({"until": "2027-11-22T00:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}, {"reason": ""}, {"policy": 99}, {"on": "planet:mars"}):
            assert (await client.post("/api/policies/bypasses", json={**body, **wrong})).status_code in (400, 404, 422)
        past = past_admission(admission(at_us=desk.clock.now_us()))
        with desk.database.read() as db:
            assert judge(policy_books(db, desk.clock.now_us())["default"], past.case).judged == ((policy["id"], "bypassed"),)
        assert chained(desk)[-1]["reason"] == "incident 12"
        ended = await client.delete(f"/api/policies/bypasses/{bypass['id']}")
        assert (ended.status_code, ended.json()["active"], (await client.get("/api/policies")).json()["bypasses"]) == (200, False, [])
        assert (await client.delete(f"/api/policies/bypasses/{bypass['id']}")).status_code == 404
    with desk.database.read() as db:
        assert judge(policy_books(db, desk.clock.now_us())["default"], past.case).denied is not None
    assert verify(desk.database, KEY.public_key).findings == ()


async def test_a_scope_that_nobody_can_be_in_is_said_when_it_is_set(desk: Desk) -> None:
    desk.key(team="search")
    async with desk.owner() as client:
        for scope, warnings in (("team:search", []), ("team:serach", ["no live key can be in team:serach"]), ("key:k9", ["no live key can be in key:k9"]),
                                ("provider:opnai", ["no provider opnai can be called"]), ("org", []), ("user:ann", [])):
            assert (await client.post("/api/policies", json={"kind": "kill", "on": scope})).json()["warnings"] == warnings


@pytest.mark.parametrize("statement", [
    "UPDATE policy_version SET mode = 'observe' WHERE version = 2", "UPDATE policy_version SET parameters = '{}' WHERE version = 1",
    "UPDATE policy_version SET until_us = NULL WHERE version = 1", "UPDATE policy_version SET until_us = 5 WHERE version = 2",
    "UPDATE policy_version SET on_value = 'ops'", "DELETE FROM policy_version WHERE version = 2", "DELETE FROM policy_bypass",
    "UPDATE policy_bypass SET until_us = until_us + 1",
    "INSERT INTO policy_bypass VALUES (9, 1, 0, 'org', '', 'because', 99, 1, 'x')",
])
async def test_a_table_that_somebody_edited_is_found(desk: Desk, statement: str) -> None:
    async with desk.owner() as client:
        await client.post("/api/policies", json=SMALL)
        await client.post("/api/policies", json={**SMALL, "parameters": {"allow_models": ["gpt-4o*"]}})
        body = {"on": "user:ann@example.com", "reason": "incident 12", "until": "2026-11-22T00:00:00Z"}
        await client.post("/api/policies/bypasses", json=body)
    assert verify(desk.database, KEY.public_key).findings == ()
    assert "ann@example.com" not in str(chained(desk)), "persons stand by number"
    with desk.database.write() as db:
        db.execute(statement)
    assert {finding.check for finding in verify(desk.database, KEY.public_key).findings} == {"policies"}


async def test_lint_says_what_reaches_nothing(desk: Desk) -> None:
    async with desk.owner() as client:
        await client.post("/api/policies", json=SMALL)
        [found] = (await client.get("/api/policies/lint")).json()["items"]
        assert found["findings"] == ["no live key can be in team:search", "no call of the last 30 days was in team:search"]
        await client.post("/api/keys", json={"team": "search"})
        desk.book(cost_nanos=5, labels={"team": "search"})
        [found] = (await client.get("/api/policies/lint")).json()["items"]
        assert (found["findings"], found["last_matched_at"] is not None) == ([], True)
