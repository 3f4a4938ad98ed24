"""Budgets by the API: set, changed, raised and removed, each with its entry, and how they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.control import build
from tallystick.core.draw import Draw, NodeKey
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.write_off import write_off
from tests.build.control import Desk
from tests.build.databases import both_engines


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.parts = replace(made.parts, currencies={"EUR": "1.08"})
    made.app = build(made.parts)
    yield made
    made.close()


def caps(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as db:
        return [fields for entry in exact_entries(db, DEFAULT) if (fields := json.loads(entry))["kind"] == "CAP"]


@both_engines
async def test_set_shown_changed_raised_and_removed(desk: Desk) -> None:
    desk.book(cost_nanos=1_500_000, labels={"team": "search"})
    async with desk.owner() as client:
        made = await client.post("/api/budgets", json={"scope": "team", "value": "search", "limit": "$500/month", "owner": "Finance"})
        assert made.status_code == 201, made.text
        budget = made.json()
        assert (budget["limit_usd"], budget["mode"], budget["on_exceed"]) == ("500.000000000", "hard", "reject")
        assert (budget["nodes"][0]["spent_nanos"], budget["not_in_force_on"]) == (1_500_000, [])
        place = f"/api/budgets/{budget['id']}"
        changed = (await client.put(place, json={"limit": "700", "mode": "soft", "note": "more"})).json()
        assert (changed["limit_usd"], changed["mode"], changed["owner"], changed["version"]) == ("700.000000000", "soft", "Finance", 2)
        raised = await client.post(f"{place}/raises", json={"by": "50", "until": "2026-11-22T00:00:00Z", "reason": "launch"})
        assert (raised.status_code, raised.json()["limit_usd"]) == (201, "750.000000000")
        assert (await client.get(place)).json()["raises"][0]["until"] == "2026-11-22T00:00:00Z"
        assert [item["id"] for item in (await client.get("/api/budgets")).json()["items"]] == [budget["id"]]
        assert (await client.delete(place)).status_code == 200
        assert (await client.get(place)).status_code == 404
        assert (await client.get("/api/budgets")).json()["items"] == []
    assert [(cap["event"], cap["actor"]) for cap in caps(desk)] == [(event, "acc_1") for event in ("made", "changed", "raised", "removed")]


async def test_what_a_budget_would_have_refused_is_said_before_it_is_set(desk: Desk) -> None:
    async with desk.owner() as client:
        desk.book(cost_nanos=1_500_000, labels={"team": "search"})
        desk.clock.at_us += 60_000_000
        body = {"scope": "team", "value": "*", "limit": "$0.001/month"}
        told = (await client.post("/api/budgets/dry-run?days=30", json=body)).json()
        assert (told["days"], told["until"]) == (30, None)
        assert (told["refused"]["calls"], told["refused"]["cost_nanos"]) == (told["calls"], sum(one["cost_nanos"] for one in told["subjects"]))
        assert [one["subject"] for one in told["subjects"]] == ["search"]
        assert (await client.post("/api/budgets/dry-run", json={**body, "limit": "$500"})).json()["refused"]["calls"] == 0
        wrong = await client.post("/api/budgets/dry-run", json={**body, "window": "fortnight"})
        assert (wrong.status_code, "is no window" in wrong.text) == (400, True)
        assert (await client.get("/api/budgets")).json()["items"] == []
    assert caps(desk) == []


async def test_setting_it_again_is_no_second_budget(desk: Desk) -> None:
    async with desk.owner() as client:
        body = {"scope": "org", "limit": "5m tokens/day"}
        assert (await client.post("/api/budgets", json=body)).status_code == 201
        desk.clock.at_us += 1
        assert (await client.post("/api/budgets", json=body)).status_code == 200
        assert len((await client.get("/api/budgets")).json()["items"]) == 1
    assert len(caps(desk)) == 1


async def test_a_budget_in_euros_names_amount_currency_and_rate(desk: Desk) -> None:
    async with desk.owner() as client:
        budget = (await client.post("/api/budgets", json={"scope": "org", "limit": "500 EUR/month"})).json()
        assert (budget["limit_usd"], budget["currency"], budget["limit_in_currency"], budget["rate"]) == (
            "540.000000000", "EUR", "500.000000000", "1.08")
        raised = await client.post(f"/api/budgets/{budget['id']}/raises", json={"by": "100 EUR", "until": "2027-01-01T00:00:00Z", "reason": "x"})
        assert raised.json()["limit_usd"] == "648.000000000"
        dollars = (await client.put(f"/api/budgets/{budget['id']}", json={"limit": "500"})).json()
        assert (dollars["limit_usd"], "rate" in dollars) == ("608.000000000", False)
    assert (caps(desk)[0]["currency"], caps(desk)[0]["currency_nanos"], caps(desk)[0]["rate"]) == ("EUR", "500000000000", "1.08")


@pytest.mark.parametrize("wrong", [
    {"limit": "5"}, {"scope": "org"}, {"scope": "planet", "limit": "5"}, {"scope": "org", "limit": "much"}, {"scope": "org", "limit": "5 CHF"},
    {"scope": "org", "limit": "5", "cap": 7}, {"scope": "team", "limit": "5"}, {"scope": "org", "limit": "5", "zone": "Mars"},
    {"scope": "org", "limit": "5", "ends_at": "2020-01-01T00:00:00Z"}, {"scope": "header", "value": "a/b", "limit": "5"},
])
async def test_what_cannot_be_set_is_refused_and_leaves_nothing(desk: Desk, wrong: dict[str, Any]) -> None:
    async with desk.owner() as client:
        reply = await client.post("/api/budgets", json=wrong)
        assert reply.status_code == 400
        assert reply.json()["code"] == "invalid_request"
    assert caps(desk) == []


async def test_a_change_keeps_scope_window_and_unit(desk: Desk) -> None:
    async with desk.owner() as client:
        place = f"/api/budgets/{(await client.post('/api/budgets', json={'scope': 'org', 'limit': '5/day'})).json()['id']}"
        for change in ({"limit": "7/week"}, {"limit": "7 calls"}, {"scope": "team"}):
            assert (await client.put(place, json=change)).status_code == 400
        assert (await client.put(place, json={"limit": "7/day"})).json()["limit_usd"] == "7.000000000"
        assert (await client.post(f"{place}/raises", json={"by": "2 calls", "until": "2027-01-01T00:00:00Z", "reason": "x"})).status_code == 400


async def test_a_gateway_that_does_not_follow_is_named(desk: Desk) -> None:
    with desk.database.write() as db:
        leases.begin(db, "slow-one", 0, desk.clock.now_us())
    async with desk.owner() as client:
        assert (await client.post("/api/budgets", json={"scope": "org", "limit": "5"})).json()["not_in_force_on"] == ["slow-one"]


async def test_one_organisation_does_not_see_anothers(desk: Desk) -> None:
    desk.other_organization()
    async with desk.owner() as mine, desk.owner("other") as theirs:
        place = f"/api/budgets/{(await mine.post('/api/budgets', json={'scope': 'org', 'limit': '5'})).json()['id']}"
        assert (await theirs.get("/api/budgets")).json()["items"] == []
        assert {(await theirs.get(place)).status_code, (await theirs.put(place, json={"limit": "6"})).status_code,
                (await theirs.delete(place)).status_code} == {404}


async def test_pages_follow_one_another(desk: Desk) -> None:
    async with desk.owner() as client:
        for team in ("a", "b", "c"):
            await client.post("/api/budgets", json={"scope": "team", "value": team, "limit": "5"})
        first = (await client.get("/api/budgets?limit=2")).json()
        rest = (await client.get(f"/api/budgets?limit=2&cursor={first['next_cursor']}")).json()
        assert [item["value"] for item in (*first["items"], *rest["items"])] == ["a", "b", "c"]
        assert rest["next_cursor"] is None


async def test_a_key_sees_how_its_own_budgets_stand_and_no_others(desk: Desk) -> None:
    key_id, key = desk.key(team="search", user="ann")
    async with desk.owner() as client:
        made = {scope: (await client.post("/api/budgets", json={"scope": scope, "value": value, "limit": limit})).json()
                for scope, value, limit in (("key", "*", "10/day"), ("team", "search", "200"), ("user", "bob", "5"), ("org", "", "1000"),
                                            ("model", "gpt-4o-mini", "9"))}
    desk.book(cost_nanos=2_500_000_000, key_id=key_id, labels={"team": "search", "user": "ann"})
    with desk.database.write() as db:
        node = NodeKey(made["key"]["id"], key_id, _day_start(desk))
        leases.lease(db, "one", [Draw(node, 500_000_000)])
    async with desk.client(key) as client:
        own = (await client.get("/api/keys/self")).json()
    by_scope = {budget["scope"]: budget for budget in own["budgets"]}
    assert by_scope.keys() == {"key", "team"}
    assert (by_scope["key"]["used_percent"], by_scope["key"]["held_usd"], by_scope["key"]["remaining_usd"]) == (25.0, "0.500000000", "7.000000000")
    assert (by_scope["team"]["spent_nanos"], by_scope["team"]["limit_usd"]) == (2_500_000_000, "200.000000000")


@both_engines
async def test_who_was_turned_away_and_whose_open_calls_hold(desk: Desk) -> None:
    stood = {"budget_id": "1", "limit_usd": "5.000000000", "spent_usd": "4.900000000", "held_usd": "0.000000000", "needed_usd": "0.200000000",
             "resets_at": "2026-12-01T00:00:00Z"}
    async with desk.owner() as client:
        await client.post("/api/budgets", json={"scope": "org", "limit": "5"})
        refused = desk.refuse("budget_exceeded", budget=stood, team="search")
        desk.refuse("budget_exceeded", budget={**stood, "budget_id": "2"})
        desk.refuse("outside_key_scope")
        for _ in range(2):
            desk.admit(labels={"team": "search"}, key_id="k7", hold_nanos=40_000_000)
        desk.admit(labels={"team": "ops"}, billable=False)
        shown = (await client.get("/api/budgets/1")).json()
        assert [(one["request_id"], one["team"], one["budget"]) for one in shown["last_refusals"]] == [(refused, "search", stood)]
        assert [(hold["key_id"], hold["team"], hold["calls"], hold["held_nanos"]) for hold in shown["open_calls"]] == [
            ("k7", "search", 2, 80_000_000)]
        call = (await client.get(f"/api/requests/{refused}")).json()
        assert (call["code"], call["budget"]) == ("budget_exceeded", stood)


@both_engines
async def test_what_a_gateway_that_is_gone_holds_is_shown_until_it_is_written_off(desk: Desk) -> None:
    async with desk.owner() as client:
        budget = (await client.post("/api/budgets", json={"scope": "org", "limit": "5/day"})).json()
        with desk.database.write() as db:
            leases.begin(db, "gone", desk.database.change_count(), desk.clock.now_us())
            leases.open_node(db, NodeKey(budget["id"], "", _day_start(desk)))
            leases.lease(db, "gone", [Draw(NodeKey(budget["id"], "", _day_start(desk)), 700_000_000)])
        desk.clock.at_us += 16_000_000
        assert (await client.get("/api/budgets/1")).json()["nodes"][0]["stranded_nanos"] == 700_000_000
        write_off(desk.directory.sequencer, "gone", "its disk is lost", desk.clock.now_us(), "cli")
        node = (await client.get("/api/budgets/1")).json()["nodes"][0]
        assert (node["stranded_nanos"], node["held_nanos"], node["holders"][0]["written_off"]) == (0, 700_000_000, True)
        assert (await client.post("/api/budgets/write-offs/gone", json={"reason": "x"})).status_code in (404, 405), "it is the host's"


def _day_start(desk: Desk) -> int:
    return desk.clock.now_us() // 86_400_000_000 * 86_400_000_000


async def test_what_was_done_to_a_budget_is_told_out_of_the_ledger(desk: Desk) -> None:
    async with desk.owner() as client:
        made = (await client.post("/api/budgets", json={"scope": "team", "value": "search", "limit": "5"})).json()
        await client.post("/api/budgets", json={"scope": "team", "value": "sales", "limit": "7"})
        place = f"/api/budgets/{made['id']}"
        assert (await client.get(place)).json()["alert_percents"] == [50, 80, 90, 100]
        await client.put(place, json={"limit": "9", "note": "October"})
        await client.post(f"{place}/raises", json={"by": "2", "until": "2026-12-24T00:00:00Z", "reason": "launch"})
        await client.put(f"/api/alerts/thresholds/{made['id']}", json={"percents": "70,95"})
        assert (await client.get(place)).json()["alert_percents"] == [70, 95]
        found = (await client.get(f"{place}/history")).json()
    steps = found["items"]
    assert (found["whole"], [one["event"] for one in steps]) == (True, ["thresholds", "raised", "changed", "made"])
    assert [one.get("limit_nanos") for one in steps] == [None, 9_000_000_000, 9_000_000_000, 5_000_000_000]
    assert (steps[0]["percents"], steps[1]["extra_nanos"], steps[1]["reason"], steps[2]["note"]) == ([70, 95], 2_000_000_000, "launch", "October")
    assert {one["by"] for one in steps} == {desk.owner_of("default")}
    assert len({one["entry"] for one in steps}) == 4
    async with desk.person(desk.member("manager", "sales")) as client:
        assert (await client.get(f"{place}/history")).status_code == 404
