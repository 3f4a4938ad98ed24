"""Mistral's SDK: a bearer token, `server_url` without `/v1`, headers through the connection or the call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.mini_upstream import MiniUpstream, json_reply, sse_reply
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PROVIDER_KEY, Gateway, booked_on, sent_with

Mistral = pytest.importorskip("mistralai.client", reason="Mistral's SDK is not installed").Mistral
errors = pytest.importorskip("mistralai.client.errors", reason="Mistral's SDK is not installed")

MODEL = "mistral-small-2603"
PATH = "/v1/chat/completions"
COST_NANOS = replies.COST_NANOS[MODEL]
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]}
CHUNKS = replies.ending_chunks(MODEL, usage=replies.CHAT_TOTAL)
STREAM = sse_reply(replies.data_events(CHUNKS), usage=replies.CHAT_USAGE)
both_ways = pytest.mark.parametrize("own_key", [False, True], ids=["an issued key", "the caller's own key"])


class Heads:
    """The headers of replies, which the SDK keeps to itself: an httpx client of the application's own sees them."""

    def __init__(self) -> None:
        self.seen: list[httpx.Headers] = []
        self.client = httpx.Client(event_hooks={"response": [self._keep]})
        self.async_client = httpx.AsyncClient(event_hooks={"response": [self._keep_async]})

    def _keep(self, response: httpx.Response) -> None:
        self.seen.append(response.headers)

    async def _keep_async(self, response: httpx.Response) -> None:
        self._keep(response)


def options(gateway: Gateway, own_key: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The client's arguments and the call's."""
    if own_key:
        headers = {"X-Tallystick-Key": gateway.key("tallystick"), **ATTRIBUTION}
        return {"server_url": f"{gateway.url}/proxy/mistral", "api_key": PROVIDER_KEY}, {"http_headers": headers}
    return {"server_url": f"{gateway.url}/proxy/mistral", "api_key": gateway.key("tallystick")}, {}


def check(heads: Heads, gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    call = gateway.booked(heads.seen[-1], provider, cost_nanos=COST_NANOS)
    booked_on(call, ATTRIBUTION if own_key else {})
    sent_with(provider, b"Bearer " + (PROVIDER_KEY.encode() if own_key else b"stored-mistral"))


@both_ways
def test_buffered(gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, replies.chat(MODEL))
    made, asked = options(gateway, own_key)
    heads = Heads()
    with heads.client, Mistral(**made, client=heads.client) as client:
        reply = client.chat.complete(**ASKED, **asked)
    assert reply.choices[0].message.content == "Hello there"
    assert (reply.id, reply.model, reply.created) == ("chatcmpl-1", MODEL, 1789000000)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (310, 44, 354)
    check(heads, gateway, provider, own_key)


@both_ways
def test_streamed(gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, STREAM)
    made, asked = options(gateway, own_key)
    heads = Heads()
    with heads.client, Mistral(**made, client=heads.client) as client, client.chat.stream(**ASKED, **asked) as stream:
        chunks = [event.data for event in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
    assert len(chunks) == len(CHUNKS)
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [354]
    check(heads, gateway, provider, own_key)


@both_ways
async def test_async(gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, STREAM)
    made, asked = options(gateway, own_key)
    heads = Heads()
    async with heads.async_client, Mistral(**made, async_client=heads.async_client) as client:
        chunks = [event.data async for event in await client.chat.stream_async(**ASKED, **asked)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
    check(heads, gateway, provider, own_key)


def test_the_providers_own_refusal_is_the_sdks_own_error(gateway: Gateway, provider: MiniUpstream) -> None:
    error = {"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300"}
    provider.expect("POST", PATH, json_reply(error, status=429))
    made, _ = options(gateway, own_key=False)
    with Mistral(**made) as client, pytest.raises(errors.SDKError) as refused:
        client.chat.complete(**ASKED)
    assert refused.value.status_code == 429
    assert refused.value.raw_response.json() == error
    call = gateway.call(refused.value.headers["x-tallystick-request-id"])
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


def test_a_revoked_key_is_the_sdks_own_error(gateway: Gateway) -> None:
    with Mistral(server_url=f"{gateway.url}/proxy/mistral", api_key=gateway.revoked_key()) as client, pytest.raises(errors.SDKError) as refused:
        client.chat.complete(**ASKED)
    assert refused.value.status_code == 401
    assert refused.value.raw_response.json()["error"]["code"] == "invalid_api_key"
