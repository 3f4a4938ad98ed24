"""The test bench: what policies say of a request that nobody sends; and which of them refused something lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.admitting import Rules
from tallystick.edge.bench import try_out
from tallystick.edge.body import BodyLimits
from tallystick.edge.gateway import Setup
from tallystick.providers import PROVIDERS
from tallystick.stores.sql.live_policies import LivePolicies
from tests.build.control import Desk
from tests.build.prices import book_of

BODY = '{"model": "o3", "max_tokens": 9000, "messages": [{"role": "user", "content": "hi"}]}'
PRICES = book_of(openai={"o3": {"input_text": "2", "output_text": "10"}})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    policies = LivePolicies(made.database, made.clock)
    setup = Setup({one.id: one for one in PROVIDERS}, {}, Rules(PRICES, policies=policies), BodyLimits())

    async def bench(pasted: Any) -> Any:
        policies.poll()
        return await partial(try_out, setup, made.parts.keyring)(pasted)

    made.app.state.parts = replace(made.parts, bench=bench)
    yield made
    made.close()


async def tried(desk: Desk, key_id: str, body: str = BODY, **said: Any) -> dict[str, Any]:
    async with desk.owner() as client:
        reply = await client.post("/api/policies/bench", json={
            "key_id": key_id, "path": "/v1/chat/completions", "headers": {"Content-Type": "application/json"}, "body": body, **said})
        assert reply.status_code == 200, reply.text
        document: dict[str, Any] = reply.json()
        return document


async def test_every_policy_says_what_it_would_do_and_all_of_them_together(desk: Desk) -> None:
    key_id, _ = desk.key(team="search")
    assert (await tried(desk, key_id))["verdict"] == "passes"
    async with desk.owner() as client:
        for policy in (
            {"kind": "request_size", "on": "team:search", "parameters": {"output_tokens_max": 500, "clamp": True}},
            {"kind": "model_access", "on": "org", "mode": "observe", "parameters": {"deny_models": ["o3*"]}},
            {"kind": "required_dimensions", "on": "org", "parameters": {"require": ["user"]}},
            {"kind": "rates", "on": "team:*", "parameters": {"requests": 5}},
            {"kind": "hours", "on": "team:other", "parameters": {"closed": ["00:00-24:00"]}},
        ):
            assert (await client.post("/api/policies", json=policy)).status_code == 201
    found = await tried(desk, key_id)
    assert (found["verdict"], found["code"], found["by"]) == ("refused", "policy_denied", 3), "the one that only observes lets it pass"
    assert [(one["kind"], one["mode"], one["verdict"]) for one in found["policies"]] == [
        ("model_access", "observe", "refused"), ("required_dimensions", "enforce", "refused"), ("request_size", "enforce", "changed"),
        ("rates", "enforce", "passes")]
    named = await tried(desk, key_id, headers={"X-Tallystick-User": "ada"})
    assert (named["verdict"], named["output_limit"], named["counts"]) == ("changed", 500, ["5 requests in 60 s"])
    assert named["read"]["labels"] == {"team": "search", "user": "ada"}
    assert (named["read"]["model"], named["read"]["output_limit"]) == ("o3", 9000)
    assert desk.findings() == []
    with desk.database.read() as db:
        assert db.execute("SELECT count(*) FROM open_attempt").fetchone() == (0,)


async def test_broken_glass_and_what_never_comes_before_policies(desk: Desk) -> None:
    key_id, _ = desk.key(team="search")
    async with desk.owner() as client:
        await client.post("/api/policies", json={"kind": "model_access", "on": "org", "parameters": {"deny_models": ["o3"]}})
        await client.post("/api/policies/bypasses", json={"on": "team:search", "reason": "incident", "until": "2026-11-21T00:00:00Z"})
        found = await tried(desk, key_id)
        assert (found["verdict"], found["policies"][0]["bypassed"], found["policies"][0]["verdict"]) == ("passes", True, "refused")
        assert (await tried(desk, key_id, path="/nowhere"))["code"] == "unknown_route"
        assert (await tried(desk, key_id, '{"model": '))["code"] == "invalid_json"
        for wrong in ({"path": "x"}, {"headers": {"a b": "c"}}, {"headers": {"a": "b\r\nc"}}, {"method": "TRACE"}):
            reply = await client.post("/api/policies/bench", json={"key_id": key_id, "path": "/v1/models", **wrong})
            assert reply.status_code in (400, 422), wrong
        assert (await client.post("/api/policies/bench", json={"key_id": "key_none", "path": "/v1/models"})).status_code == 404


async def test_a_manager_tries_keys_of_their_teams_only(desk: Desk) -> None:
    own, _ = desk.key(team="search")
    others, _ = desk.key(team="sales")
    async with desk.person(desk.member("manager", "search")) as client:
        asked = {"path": "/v1/models", "method": "GET"}
        assert (await client.post("/api/policies/bench", json={"key_id": own, **asked})).status_code == 200
        assert (await client.post("/api/policies/bench", json={"key_id": others, **asked})).status_code == 404


async def test_what_policies_refused_lately_is_told_by_policy(desk: Desk) -> None:
    for place, (policy, team) in enumerate(((4, "search"), (4, "sales"), (9, "search"), (None, "search"))):
        desk.refuse("policy_denied", policy=policy, team=team, ago_s=place)
    desk.refuse("policy_denied", policy=4, team="search", ago_s=8 * 86_400)
    async with desk.owner() as client:
        found = (await client.get("/api/policies/activity")).json()
        assert ([(one["id"], one["refused"]) for one in found["items"]], found["whole"]) == ([(4, 2), (9, 1)], True)
        assert [one["team"] for one in found["items"][0]["last_refusals"]] == ["search", "sales"]
        assert (await client.get("/api/policies/activity?days=30")).json()["items"][0]["refused"] == 3
    async with desk.person(desk.member("manager", "search")) as client:
        mine = (await client.get("/api/policies/activity")).json()
        assert [(one["id"], one["refused"]) for one in mine["items"]] == [(4, 1), (9, 1)]
