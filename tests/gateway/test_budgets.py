"""Caps on a running gateway: in force when the command returns, never passed, and refused so that the loop ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Gate, MiniUpstream, json_reply, sse_reply

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o", "max_tokens": 100, "service_tier": "default", "messages": [{"role": "user", "content": "hello"}]}
USED = {"prompt_tokens": 8, "completion_tokens": 50, "total_tokens": 58}
COST_NANOS = 8 * 2_500 + 50 * 10_000
HOLD_NANOS = (len(json.dumps(ASK).replace(", ", ",").replace(": ", ":")) + 2_048) * 2_500 + 100 * 10_000
"""The body's bytes and the allowance as input tokens, and the output limit; at gpt-4o's rates of the tier asked for."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url)), provider


def chat(**more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06", "usage": USED, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], **more}


def ask(gateway: RunningGateway, key: str, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}{CHAT}", content=json.dumps(body or ASK, separators=(",", ":")), timeout=PATIENCE_S, headers={
        "authorization": "Bearer sk-own", "x-tallystick-key": key, "content-type": "application/json", **headers})


def show(gateway: RunningGateway, budget: int) -> dict[str, Any]:
    found: dict[str, Any] = gateway.json("budgets", "show", str(budget))["nodes"][0]
    return found


def test_a_cap_is_in_force_when_the_command_returns_and_names_itself(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key(team="web", project="search")
    provider.expect("POST", CHAT, json_reply(chat()), times=100)
    assert ask(gateway, key).status_code == 200
    budget = gateway.json("budgets", "set", "--team", "web", "--limit", "0.001", "--window", "day")
    assert budget["not_in_force_on"] == []
    refused = ask(gateway, key)
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert (error["type"], error["code"], refused.headers["x-should-retry"]) == ("insufficient_quota", "budget_exceeded", "false")
    said = error["tallystick"]
    assert (said["budget_id"], said["scope"], said["limit_usd"]) == (str(budget["id"]), "team web", "0.001000000")
    assert (said["spent_usd"], said["resets_at"]) == ("0.000520000", budget["resets_at"])
    assert len(provider.bill) == 1
    gateway.json("budgets", "set", "--team", "web", "--limit", "5", "--window", "day")
    assert ask(gateway, key).status_code == 200
    [row] = [row for row in gateway.calls(1, kind="refused") if row["code"] == "budget_exceeded"]
    assert row["status"] == 402


def test_what_was_spent_is_counted_to_the_nano_and_leases_come_back_at_rest(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key(team="web", project="search", user="ann")
    ids = [gateway.json("budgets", "set", *words)["id"] for words in (
        ("--org", "--limit", "9"), ("--team", "web", "--limit", "8/day"), ("--project", "web/search", "--limit", "7/week"),
        ("--user", "*", "--limit", "6/hour"), ("--model", "gpt-4o", "--limit", "5m tokens/day"), ("--key", "*", "--limit", "50 calls/day"))]
    provider.expect("POST", CHAT, json_reply(chat()), times=100)
    for _ in range(10):
        assert ask(gateway, key).status_code == 200
    gateway.calls(10)
    spent = {budget: show(gateway, budget) for budget in ids}
    assert [spent[budget]["spent_nanos"] for budget in ids[:4]] == [10 * COST_NANOS] * 4
    assert (spent[ids[4]]["spent_tokens"], spent[ids[5]]["spent_calls"]) == (580, 10)
    gateway.stop()
    assert all(show(gateway, budget)["held_nanos" if at < 4 else "held_tokens" if at == 4 else "held_calls"] == 0 for at, budget in enumerate(ids))
    assert gateway.run("verify").returncode == 0


def test_as_many_at_once_as_fit_and_the_bill_stays_below_the_cap(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    fits = 17
    cap_nanos = fits * HOLD_NANOS + HOLD_NANOS // 2
    budget = gateway.json("budgets", "set", "--org", "--limit", f"{cap_nanos / 1e9:.9f}")
    gate = Gate()
    provider.expect("POST", CHAT, json_reply(chat()).before(gate), times=200)

    async def storm() -> list[int]:
        async with httpx.AsyncClient(timeout=PATIENCE_S, limits=httpx.Limits(max_connections=200)) as client:
            async def one() -> int:
                answer = await client.post(f"{gateway.url}{CHAT}", content=json.dumps(ASK, separators=(",", ":")), headers={
                    "authorization": "Bearer sk-own", "x-tallystick-key": key, "content-type": "application/json"})
                return answer.status_code

            calls = [asyncio.create_task(one()) for _ in range(60)]
            while sum(call.done() for call in calls) < 60 - fits:      # the others wait their two seconds, and are told to come back
                await asyncio.sleep(0.02)
            gate.open()
            return await asyncio.gather(*calls)

    answers = asyncio.run(storm())
    assert (answers.count(200), answers.count(402)) == (fits, 60 - fits)
    assert len(provider.bill) == fits
    gateway.calls(fits)
    assert show(gateway, budget["id"])["spent_nanos"] == fits * COST_NANOS


def test_kill_9_with_calls_in_flight_books_their_worst_case_and_the_cap_still_holds(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    budget = gateway.json("budgets", "set", "--org", "--limit", f"{2.5 * HOLD_NANOS / 1e9:.9f}")
    gate = Gate()
    provider.expect("POST", CHAT, json_reply(chat()).before(gate), times=2)

    async def two() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            calls = [asyncio.create_task(client.post(f"{gateway.url}{CHAT}", content=json.dumps(ASK, separators=(",", ":")), headers={
                "authorization": "Bearer sk-own", "x-tallystick-key": key, "content-type": "application/json"})) for _ in range(2)]
            while len(provider.calls) < 2:
                await asyncio.sleep(0.02)
            gateway.kill()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(two())
    gate.open()
    gateway.start()
    gateway.calls(2)
    assert show(gateway, budget["id"])["spent_nanos"] == 2 * HOLD_NANOS
    assert ask(gateway, key).status_code == 402
    assert gateway.run("verify").returncode == 0


def test_a_header_bounds_its_own_call_whatever_is_configured(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key(team="web", project="search")
    provider.expect("POST", CHAT, json_reply(chat()), times=100)
    assert ask(gateway, key).status_code == 200
    gateway.calls(1)
    assert ask(gateway, key, **{"X-Tallystick-Budget": "500"}).status_code == 200
    refused = ask(gateway, key, **{"X-Cartie-Budget": "0.001"})
    assert refused.status_code == 402
    assert refused.json()["error"]["tallystick"]["limit_usd"] == "0.001000000"
    assert ask(gateway, key).status_code == 200, "it binds no other call"
    assert ask(gateway, key, **{"X-Tallystick-Budget": "0.009"}).status_code == 200


def test_an_unpriced_model_and_a_cost_without_a_bound_do_not_go_out_under_a_hard_cap(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    provider.expect("POST", CHAT, json_reply(chat()), times=1)
    assert ask(gateway, key, {**ASK, "model": "nobody-knows-it"}).status_code == 200
    gateway.json("budgets", "set", "--org", "--limit", "100")
    for body, code in (({**ASK, "model": "nobody-knows-it"}, "model_not_priced"),):
        refused = ask(gateway, key, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)
    assert len(provider.bill) == 1


def test_the_real_sdks_call_once_when_the_budget_is_spent(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    gateway.json("budgets", "set", "--org", "--limit", "0")
    with pytest.raises(openai.APIStatusError) as refused:
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-own", default_headers={"X-Tallystick-Key": key}).chat.completions.create(**ASK)  # type: ignore[call-overload]
    assert refused.value.status_code == 402
    with pytest.raises(anthropic.APIStatusError) as declined:
        anthropic.Anthropic(base_url=gateway.url, api_key="sk-ant-own", default_headers={"X-Tallystick-Key": key}).messages.create(
            model="claude-sonnet-4-6", max_tokens=10, messages=[{"role": "user", "content": "hi"}])
    assert declined.value.status_code == 402
    assert declined.value.body["error"]["type"] == "billing_error"  # type: ignore[index, call-overload]
    assert len(gateway.calls(2, kind="refused")) == 2, "neither tried again"
    assert provider.bill == []


def test_a_stream_settles_at_what_it_used(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    budget = gateway.json("budgets", "set", "--org", "--limit", "1")
    pieces = [b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n',
              b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[],"usage":' +
              json.dumps(USED).encode() + b"}\n\n", b"data: [DONE]\n\n"]
    provider.expect("POST", CHAT, sse_reply(pieces))
    assert ask(gateway, key, {**ASK, "stream": True, "stream_options": {"include_usage": True}}).status_code == 200
    gateway.calls(1)
    assert show(gateway, budget["id"])["spent_nanos"] == COST_NANOS
