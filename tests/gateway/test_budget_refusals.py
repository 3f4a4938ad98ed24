"""A spent budget ends the loop: in every dialect's own shape, with every figure, on every route that bills, and the real
SDKs ask once (product.md P18, P23, P24; books.md M11)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tallystick.core.errors import Denied
from tallystick.edge.replies import refuse
from tallystick.providers import PROVIDERS
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

HELLO = [{"role": "user", "content": "hello"}]
FIGURES = {"budget_id", "scope", "limit_usd", "spent_usd", "held_usd", "needed_usd", "resets_at", "code", "request_id"}

Ours = Callable[[Any], Any]
# A call of each dialect, and where its error says what we have to say.
DIALECTS: dict[str, tuple[str, dict[str, str], dict[str, Any], Ours]] = {
    "chat": ("/v1/chat/completions", {"authorization": "Bearer sk"}, {"model": "gpt-4o", "max_tokens": 9, "messages": HELLO},
             lambda body: body["error"]["tallystick"]),
    "responses": ("/v1/responses", {"authorization": "Bearer sk"}, {"model": "gpt-4o", "max_output_tokens": 16, "input": "hello"},
                  lambda body: body["error"]["tallystick"]),
    "embeddings": ("/v1/embeddings", {"authorization": "Bearer sk"}, {"model": "text-embedding-3-small", "input": "hello"},
                   lambda body: body["error"]["tallystick"]),
    "messages": ("/v1/messages", {"x-api-key": "sk-ant", "anthropic-version": "2023-06-01"},
                 {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": HELLO}, lambda body: body["error"]["tallystick"]),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", {"x-goog-api-key": "k"},
               {"contents": [{"parts": [{"text": "hello"}]}], "generationConfig": {"maxOutputTokens": 9}},
               lambda body: body["error"]["details"][0]["metadata"]),
    "cohere": ("/v2/chat", {"authorization": "Bearer co"}, {"model": "command-r-08-2024", "max_tokens": 9, "messages": HELLO},
               lambda body: body["tallystick"]),
    "bedrock": ("/proxy/bedrock/model/anthropic.claude-3-haiku-20240307-v1:0/converse", {"authorization": "Bearer aws"},
                {"messages": [{"role": "user", "content": [{"text": "hello"}]}], "inferenceConfig": {"maxTokens": 9}},
                lambda body: body["tallystick"]),
}
SHAPES: dict[str, dict[str, Any]] = {
    "chat": {"type": "insufficient_quota", "code": "budget_exceeded", "param": None},
    "responses": {"type": "insufficient_quota", "code": "budget_exceeded"},
    "embeddings": {"type": "insufficient_quota", "code": "budget_exceeded"},
    "messages": {"type": "billing_error"},
    "gemini": {"code": 402, "status": "RESOURCE_EXHAUSTED"},
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, MiniUpstream, str]]:
    """A gateway whose organisation may spend nothing, and a key of it."""
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        gateway = stack.enter_context(RunningGateway(tmp_path_factory.mktemp("refusals"), upstream=provider.url))
        gateway.json("budgets", "set", "--org", "--limit", "0")
        yield gateway, provider, gateway.key()


@pytest.mark.parametrize("name", DIALECTS)
def test_a_spent_budget_is_said_in_the_dialects_own_words(scene: tuple[RunningGateway, MiniUpstream, str], name: str) -> None:
    gateway, provider, key = scene
    path, headers, body, ours = DIALECTS[name]
    refused = httpx.post(f"{gateway.url}{path}", json=body, headers={**headers, "x-tallystick-key": key}, timeout=PATIENCE_S)
    assert (refused.status_code, refused.headers["x-should-retry"], "retry-after" in refused.headers) == (402, "false", False), refused.text
    said = ours(refused.json())
    assert said.keys() >= FIGURES
    assert (said["scope"], said["limit_usd"], said["code"]) == ("the organisation", "0.000000000", "budget_exceeded")
    assert float(said["needed_usd"]) > 0
    assert SHAPES.get(name, {}).items() <= (refused.json().get("error") or {}).items()
    assert said["request_id"] == refused.headers["x-tallystick-request-id"]
    assert provider.bill == []


@pytest.mark.parametrize("shape", ["openai", "anthropic", "gemini", "cohere", "bedrock"])
def test_where_only_time_is_missing_the_answer_says_when_to_come_back(shape: Any) -> None:
    reply = refuse(Denied("budget_held", "There is room once other calls end.", 5, {"budget_id": "1", "held_usd": "1"}), shape, "req_1")
    headers = dict(reply.headers)
    assert (reply.status, headers[b"x-should-retry"], headers[b"retry-after"]) == (402, b"true", b"5")
    assert b'"held_usd":"1"' in reply.body


def test_the_refusal_is_kept_with_its_figures_and_explained(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, _, key = scene
    path, headers, body, ours = DIALECTS["chat"]
    refused = httpx.post(f"{gateway.url}{path}", json=body, headers={**headers, "x-tallystick-key": key}, timeout=PATIENCE_S)
    said = ours(refused.json())
    gateway.calls(1, kind="refused")
    call = gateway.call(said["request_id"])
    assert call["budget"] == {name: said[name] for name in FIGURES - {"code", "request_id", "scope"}}
    assert f"needed {said['needed_usd']}" in gateway.run("explain", said["request_id"]).stdout.replace("could need", "needed")
    shown = gateway.json("budgets", "show", said["budget_id"])
    assert said["request_id"] in [one["request_id"] for one in shown["last_refusals"]]


def _sync_openai(url: str, key: str, *, stream: bool) -> None:
    openai.OpenAI(base_url=f"{url}/v1", api_key="sk", default_headers={"X-Tallystick-Key": key}).chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=stream)  # type: ignore[call-overload]


def _async_openai(url: str, key: str, *, stream: bool) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk", default_headers={"X-Tallystick-Key": key}) as client:
            await client.responses.create(model="gpt-4o", input="hello", stream=stream)  # type: ignore[call-overload]
    asyncio.run(ask())


def _sync_anthropic(url: str, key: str, *, stream: bool) -> None:
    anthropic.Anthropic(base_url=url, api_key="sk-ant", default_headers={"X-Tallystick-Key": key}).messages.create(
        model="claude-sonnet-4-6", max_tokens=9, messages=HELLO, stream=stream)  # type: ignore[call-overload]


def _async_anthropic(url: str, key: str, *, stream: bool) -> None:
    async def ask() -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant", default_headers={"X-Tallystick-Key": key}) as client:
            await client.messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=HELLO, stream=stream)  # type: ignore[call-overload]
    asyncio.run(ask())


@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])
@pytest.mark.parametrize("ask", [_sync_openai, _async_openai, _sync_anthropic, _async_anthropic])
def test_the_real_sdks_ask_once(scene: tuple[RunningGateway, MiniUpstream, str], ask: Callable[..., None], stream: bool) -> None:
    gateway, _, _ = scene
    key = gateway.json("keys", "create")
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as refused:
        ask(gateway.url, key["key"], stream=stream)
    assert refused.value.status_code == 402
    last = httpx.post(f"{gateway.url}/v1/embeddings", json={"model": "text-embedding-3-small", "input": "x"}, timeout=PATIENCE_S,
                      headers={"authorization": "Bearer sk", "x-tallystick-key": key["key"]}).headers["x-tallystick-request-id"]
    gateway.call(last)                       # journaled after all others of this key
    assert len(gateway.api(f"/api/requests?kind=refused&key={key['id']}&limit=10")["items"]) == 2


def test_every_route_that_bills_is_refused_and_the_others_pass(tmp_path: Path) -> None:
    routes = [(provider, route) for provider in PROVIDERS for route in provider.routes]
    billed = [(provider, route) for provider, route in routes if not route.free]
    free = {provider.id: route for provider, route in reversed(routes) if route.free and route.method == "GET" and "{" not in route.path}
    assert len(billed) > 300
    with MiniUpstream(strict=False) as upstream, RunningGateway(tmp_path, upstream=upstream.url) as gateway:
        key = gateway.key()
        gateway.json("budgets", "set", "--org", "--limit", "0 calls/month")
        with httpx.Client(base_url=gateway.url, headers={"x-tallystick-key": key}, timeout=PATIENCE_S) as client:
            passed = [f"{provider.id} {route.method} {route.path}: {answer.status_code} {answer.text[:90]}" for provider, route in billed
                      if (answer := _call(client, provider, route)).status_code != 402]
            for provider in PROVIDERS:
                if (route := free.get(provider.id)) is not None:
                    upstream.expect("GET", route.path, json_reply({"data": []}))
                    assert _call(client, provider, route).status_code == 200, (provider.id, route.path)
            unlisted = client.post("/proxy/openai/v1/nobody/knows", json={"model": "gpt-4o"}, headers={"authorization": "Bearer sk"})
        assert passed == []
        assert unlisted.status_code == 402, "what no list names bills too"
        assert all(billed_call.request.method == "GET" for billed_call in upstream.bill)


def _call(client: httpx.Client, provider: Any, route: Any) -> httpx.Response:
    """One call of a route with a credential of its provider."""
    path = re.sub(r"\{[a-z_]+\}", "x", route.path)
    place = provider.credentials[0] if provider.credentials else None
    headers = {place.header: f"{place.scheme}own-key"} if place is not None else {}
    body = None if route.method == "GET" else json.dumps({"model": "gpt-4o", "messages": HELLO, "input": "hello"})
    if body is not None:
        headers["content-type"] = "application/json"
    return client.request(route.method, f"/proxy/{provider.id}{path}", content=body, headers=headers)
