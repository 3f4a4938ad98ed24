"""Calls over the API: the document of one, the pages of all, filters that are names and never SQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Line
from tallystick.core.identity import Attribution
from tallystick.core.usage import usage_of
from tests.build.control import Desk

DAY_US = 86_400_000_000
INJECTIONS = (
    "' OR 1=1 --", "'; DROP TABLE call_fact_202611; --", "\" OR \"\"=\"", "1 UNION SELECT password_hash FROM account", "%27%20OR%201=1",
    "{month}", "202611", "\\", "%", "_", "\u0000x", "é" * 50,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


async def test_the_document_of_a_call(desk: Desk) -> None:
    request_id = desk.book(
        210_000, labels={"team": "search", "project": "ranking", "user": "ana"},
        settled={
            "usage": usage_of(input_text=900, cached_text=100, output_text=80, output_reasoning=20),
            "computed_nanos": 210_000,
            "lines": (
                Line("input_text", 900, "openai:gpt-4o-mini:input_text", Decimal("0.15"), 1_000_000),
                Line("cached_text", 100, "openai:gpt-4o-mini:cached_text", Decimal("0.075"), 1_000_000),
                Line("output_text", 80, "openai:gpt-4o-mini:output_text", Decimal("0.60"), 1_000_000),
                Line("output_reasoning", 20, "openai:gpt-4o-mini:output_text", Decimal("0.60"), 1_000_000, Decimal("0.5"), "f"),
            ),
        },
    )
    async with desk.owner() as client:
        reply = await client.get(f"/api/requests/{request_id}")
    assert reply.status_code == 200
    call = reply.json()
    assert {name: call[name] for name in (
        "id", "at", "organization", "provider", "requested_model", "served_model", "status", "outcome", "method", "basis", "state",
    )} == {
        "id": request_id, "at": "2026-11-20T12:00:00Z", "organization": "default", "provider": "openai",
        "requested_model": "gpt-4o-mini", "served_model": "gpt-4o-mini-2024-07-18", "status": 200, "outcome": "completed",
        "method": "priced", "basis": "usage", "state": "settled",
    }
    assert call["attribution"] == {
        "key_id": "key1", "team": "search", "project": "ranking", "user": "ana", "tags": [], "dimensions": {}, "claimed": [],
    }
    assert call["usage"] == {"input": 1000, "output": 100, "cached_read": 100, "reasoning": 20}
    assert (call["cost_nanos"], call["cost_usd"], call["currency"], call["cost_in_currency_nanos"], call["fx_rate_id"]) == (
        210_000, "0.000210000", "USD", 210_000, None,
    )
    assert (call["latency_ms"], call["first_byte_ms"]) == (250, 90)
    assert call["lines"][0] == {
        "unit": "input_text", "quantity": 900, "part": 0, "price_row": "openai:gpt-4o-mini:input_text", "rate_usd": "0.15",
        "per": 1_000_000, "factor": "1", "factor_row": None, "amount_usd": "0.000135", "source": "a price list",
        "valid_from": "2026-01-01",
    }
    assert [line["amount_usd"] for line in call["lines"]] == ["0.000135", "0.0000075", "0.000048", "0.000006"]
    assert len(call["attempts"]) == 1


async def test_an_open_call_says_so_and_a_settlement_ends_the_wait(desk: Desk) -> None:
    admission = desk.admit(labels={"team": "search"})
    async with desk.owner() as client:
        waiting = asyncio.ensure_future(client.get(f"/api/requests/{admission.request_id}"))
        await asyncio.sleep(0.1)
        desk.settle(admission, 5_000)
        settled = (await waiting).json()
        assert (settled["state"], settled["cost_nanos"], settled["held_nanos"]) == ("settled", 5_000, 9_000_000)
        still_open = desk.admit()
        call = (await client.get(f"/api/requests/{still_open.request_id}")).json()
    assert (call["state"], call["outcome"], call["cost_nanos"], call["usage"]) == ("open", None, 0, None)


async def test_a_job_that_was_opened_is_deferred_until_it_is_settled(desk: Desk) -> None:
    request_id = desk.book(0, settled={"outcome": "deferred", "basis": "deferred", "usage": None, "lines": ()})
    async with desk.owner() as client:
        call = (await client.get(f"/api/requests/{request_id}")).json()
        assert (call["state"], call["outcome"], call["basis"], call["usage"]) == ("deferred", "deferred", "deferred", None)
        desk.settle(desk.admission(request_id=request_id), 5_000)
        call = (await client.get(f"/api/requests/{request_id}")).json()
    assert (call["state"], call["outcome"], call["basis"], call["cost_nanos"]) == ("settled", "completed", "usage", 5_000)


async def test_a_refusal_is_a_call_too(desk: Desk) -> None:
    request_id = desk.refuse(team="search")
    async with desk.owner() as client:
        call = (await client.get(f"/api/requests/{request_id}")).json()
        listed = (await client.get("/api/requests", params={"kind": "refused"})).json()["items"]
    assert (call["state"], call["code"], call["status"], call["cost_nanos"]) == ("refused", "outside_key_scope", 403, 0)
    assert [(item["id"], item["state"], item["outcome"]) for item in listed] == [(request_id, "refused", "refused")]


async def test_a_sandbox_call_costs_nothing_and_shows_what_it_would(desk: Desk) -> None:
    request_id = desk.book(0, sandbox=True, settled={"method": "sandbox", "would_be_nanos": 210_000})
    async with desk.owner() as client:
        call = (await client.get(f"/api/requests/{request_id}")).json()
    assert (call["cost_nanos"], call["would_be_cost_nanos"], call["method"], call["sandbox"]) == (0, 210_000, "sandbox", True)


@pytest.mark.parametrize(("path", "status"), [
    ("req_" + "f" * 32, 404), ("req_short", 400), ("' OR 1=1 --", 400), ("..%2f..%2fkeys", 404),
])
async def test_a_call_that_is_none(desk: Desk, path: str, status: int) -> None:
    async with desk.owner() as client:
        reply = await client.get(f"/api/requests/{path}")
    assert reply.status_code == status


async def test_pages_hold_every_call_once_in_order_across_months(desk: Desk) -> None:
    base = desk.clock.at_us
    ids = [desk.book(number, at_us=base - number // 2 * 9 * DAY_US) for number in range(1, 12)]     # pairs at one moment
    expected = [ids[number] for number in sorted(range(11), key=lambda number: (-((number + 1) // 2), number))]
    for sort, wanted in (("oldest", expected), ("newest", expected[::-1])):
        seen: list[str] = []
        cursor = None
        async with desk.owner() as client:
            for _ in range(20):
                params = {"limit": "2", "sort": sort, **({"cursor": cursor} if cursor else {})}
                page = (await client.get("/api/requests", params=params)).json()
                assert len(page["items"]) <= 2
                seen += [item["id"] for item in page["items"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
        assert seen == wanted


@pytest.mark.parametrize(("filters", "found"), [
    ({}, {"a", "b", "c"}), ({"team": "search"}, {"a", "b"}), ({"team": "search", "user": "ana"}, {"a"}), ({"user": "ana"}, {"a", "c"}),
    ({"provider": "anthropic"}, {"c"}), ({"requested_model": "claude"}, {"c"}), ({"outcome": "failed"}, {"b"}),
    ({"outcome": "cut"}, set()), ({"team": "nobody"}, set()), ({"start": "2026-11-20"}, {"a", "c"}), ({"end": "2026-11-19"}, {"b"}),
    ({"start": "2026-11-19", "end": "2026-11-20", "method": "priced"}, {"a", "b", "c"}),
])
async def test_filters(desk: Desk, filters: dict[str, str], found: set[str]) -> None:
    calls = {
        desk.book(labels={"team": "search", "user": "ana"}): "a",
        desk.book(labels={"team": "search", "user": "bob"}, at_us=desk.clock.at_us - DAY_US, settled={"outcome": "failed"}): "b",
        desk.book(labels={"team": "ads", "user": "ana"}, provider="anthropic", model="claude"): "c",
    }
    async with desk.owner() as client:
        items = (await client.get("/api/requests", params=filters)).json()["items"]
    assert {calls[item["id"]] for item in items} == found


@pytest.mark.parametrize(("dimension", "test", "values", "found"), [
    ("team", "is", ["search", "ads"], {"a", "b", "c"}), ("team", "is_not", ["search"], {"c", "d"}), ("team", "contains", ["EAR"], {"a", "b"}),
    ("team", "is", [None], {"d"}), ("team", "is", [None, "ads"], {"c", "d"}), ("team", "is_not", [None], {"a", "b", "c"}),
    ("team", "is", ["nobody"], set()), ("model", "is", ["gpt-4o-mini-2024-07-18"], {"a", "b", "c", "d"}), ("tag", "is", ["beta"], {"a", "b"}),
    ("tag", "is_not", ["beta"], {"c", "d"}), ("tag", "is", ["ring=2"], {"b"}), ("dimension.region", "is", ["eu"], {"c"}),
    ("dimension.region", "is", [None], {"a", "b", "d"}), ("outcome", "is_not", ["failed"], {"a", "c", "d"}),
])
async def test_the_cost_explorers_filters_find_the_rows_behind_its_sums(
    desk: Desk, dimension: str, test: str, values: list[str | None], found: set[str],
) -> None:
    calls = {
        desk.book(1, attribution=Attribution("key1", "default", {"team": "search"}, (("beta", ""),))): "a",
        desk.book(20, attribution=Attribution("key1", "default", {"team": "search"}, (("beta", ""), ("ring", "2"))), settled={"outcome": "failed"}): "b",
        desk.book(300, attribution=Attribution("key1", "default", {"team": "ads"}, dimensions={"region": "eu"})): "c",
        desk.book(4_000): "d",
    }
    asked = {"filters": json.dumps([{"dimension": dimension, "test": test, "values": values}])}
    async with desk.owner() as client:
        items = (await client.get("/api/requests", params=asked)).json()["items"]
        total = (await client.get("/api/explore", params=asked)).json()["total"]
        live = (await client.get("/api/live", params={**asked, "after": 0})).text
    assert {calls[item["id"]] for item in items} == found
    assert (sum(item["cost_nanos"] for item in items), len(items)) == (total["cost_nanos"], total["requests"])
    assert live.count("event: call") == len(found)


async def test_a_filter_by_something_else_is_refused(desk: Desk) -> None:
    async with desk.owner() as client:
        for wrong in ("x", "[1]", '[{"dimension": "weather", "test": "is", "values": ["sun"]}]', '[{"dimension": "team", "test": "is", "values": []}]'):
            assert (await client.get("/api/requests", params={"filters": wrong})).status_code == 400


@pytest.mark.parametrize("text", INJECTIONS)
async def test_text_in_a_filter_is_a_name_and_nothing_else(desk: Desk, text: str) -> None:
    desk.book(labels={"team": "search"})
    async with desk.owner() as client:
        for name in ("team", "user", "provider", "served_model", "key"):
            reply = await client.get("/api/requests", params={name: text})
            assert (reply.status_code, reply.json()["items"], reply.json()["next_cursor"]) == (200, [], None)
        for name in ("sort", "outcome", "kind", "limit", "start", "cursor"):
            reply = await client.get("/api/requests", params={name: text})
            assert reply.status_code == 400
            assert text not in reply.text or text in "\\%_"
        assert len((await client.get("/api/requests")).json()["items"]) == 1


async def test_an_unknown_filter_is_an_error_and_not_everything(desk: Desk) -> None:
    async with desk.owner() as client:
        reply = await client.get("/api/requests", params={"temas": "search"})
    assert reply.status_code == 400
    assert reply.json()["errors"] == [{"field": "query.temas", "fault": "extra_forbidden"}]


async def test_a_name_that_looks_like_sql_is_found_as_it_is(desk: Desk) -> None:
    request_id = desk.book(labels={"team": INJECTIONS[1]})
    async with desk.owner() as client:
        items = (await client.get("/api/requests", params={"team": INJECTIONS[1]})).json()["items"]
    assert [item["id"] for item in items] == [request_id]


async def test_one_organisation_never_sees_another(desk: Desk) -> None:
    other = desk.other_organization()
    ours = desk.book(1_000, labels={"team": "search"})
    theirs = desk.book(2_000, labels={"team": "search"}, organization="other")
    their_key, _ = desk.key(other, team="search")
    async with desk.owner() as client, desk.owner("other") as stranger:
        for path in (f"/api/requests/{theirs}", f"/api/keys/{their_key}"):
            assert (await client.get(path)).status_code == 404
            assert (await stranger.get(path)).status_code == 200
        assert (await client.delete(f"/api/keys/{their_key}")).status_code == 404
        assert (await stranger.get(f"/api/requests/{ours}")).status_code == 404
        for who, own in ((client, ours), (stranger, theirs)):
            assert [item["id"] for item in (await who.get("/api/requests", params={"team": "search"})).json()["items"]] == [own]
        assert (await client.get("/api/keys", params={})).json()["items"] == []
        assert [team["name"] for team in (await stranger.get("/api/teams")).json()["items"]] == ["search"]
        assert (await client.get("/api/aggregations/by-team")).json()["teams"] == [
            {"team_name": "search", "total_cost": 0.000001, "request_count": 1}]


async def test_what_the_caller_named_is_in_the_document_and_no_tag_is_lost(desk: Desk) -> None:
    first = desk.admit(attribution=Attribution("key1", "default", {}, (("a", "1"), ("a", "2"), ("b", "")), claimed=frozenset({"tags"})),
                       budget_nanos=500_000_000_000, route_name="cheap")
    desk.settle(first, 5_000)
    async with desk.owner() as client:
        call = (await client.get(f"/api/requests/{first.request_id}")).json()
    assert (call["budget_nanos"], call["route"]) == (500_000_000_000, "cheap")
    assert call["attribution"]["tags"] == [["a", "1"], ["a", "2"], ["b", ""]]
    assert call["attribution"]["claimed"] == ["tags"]


async def test_a_listed_call_leaves_zeros_out_of_its_usage(desk: Desk) -> None:
    desk.book(5_000, settled={"usage": usage_of(input_text=900, cached_text=100)})
    desk.book(0, settled={"usage": None, "lines": ()})
    async with desk.owner() as client:
        listed = (await client.get("/api/requests")).json()["items"]
    assert sorted((call["usage"] for call in listed), key=str) == [None, {"input": 1000, "cached_read": 100}]
