"""Groq's SDK: its own prefix in every path, and a stream whose usage stands in `x_groq`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.mini_upstream import MiniUpstream, json_reply, sse_reply
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PROVIDER_KEY, Gateway, booked_on, sent_with

groq = pytest.importorskip("groq", reason="Groq's SDK is not installed")

MODEL = "llama-3.3-70b-versatile"
PATH = "/openai/v1/chat/completions"
COST_NANOS = replies.COST_NANOS[MODEL]
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}]}
CHUNKS = replies.ending_chunks(MODEL, x_groq={"id": "req_1", "usage": replies.CHAT_TOTAL})
STREAM = sse_reply(replies.data_events(CHUNKS), usage=replies.CHAT_USAGE)


def options(gateway: Gateway, own_key: bool) -> dict[str, Any]:
    """A key of ours where the provider's would be, or beside it with what the call is for."""
    if own_key:
        headers = {"X-Tallystick-Key": gateway.key("tallystick"), **ATTRIBUTION}
        return {"base_url": f"{gateway.url}/proxy/groq", "api_key": PROVIDER_KEY, "default_headers": headers}
    return {"base_url": f"{gateway.url}/v1/groq", "api_key": gateway.key("tallystick")}


both_ways = pytest.mark.parametrize("own_key", [False, True], ids=["an issued key", "the caller's own key"])


@pytest.fixture
def client(gateway: Gateway, own_key: bool) -> Iterator[Any]:
    with groq.Groq(**options(gateway, own_key)) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Gateway, own_key: bool) -> AsyncIterator[Any]:
    async with groq.AsyncGroq(**options(gateway, own_key)) as client:
        yield client


def check(headers: Any, gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    call = gateway.booked(headers, provider, cost_nanos=COST_NANOS)
    booked_on(call, ATTRIBUTION if own_key else {})
    sent_with(provider, b"Bearer " + (PROVIDER_KEY.encode() if own_key else b"stored-groq"))


@both_ways
def test_buffered(client: Any, gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, replies.chat(MODEL))
    reply = client.chat.completions.with_raw_response.create(**ASKED)
    assert reply.parse().model_dump(exclude_unset=True) == replies.chat_document(MODEL)
    check(reply.headers, gateway, provider, own_key)


@both_ways
def test_streamed(client: Any, gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, STREAM)
    reply = client.chat.completions.with_raw_response.create(**ASKED, stream=True)
    assert [chunk.model_dump(exclude_unset=True) for chunk in reply.parse()] == CHUNKS
    check(reply.headers, gateway, provider, own_key)


@both_ways
async def test_async(async_client: Any, gateway: Gateway, provider: MiniUpstream, own_key: bool) -> None:
    provider.expect("POST", PATH, STREAM)
    reply = await async_client.chat.completions.with_raw_response.create(**ASKED, stream=True)
    assert [chunk.model_dump(exclude_unset=True) async for chunk in await reply.parse()] == CHUNKS
    check(reply.headers, gateway, provider, own_key)


def test_the_providers_own_refusal_is_the_sdks_own_error(gateway: Gateway, provider: MiniUpstream) -> None:
    error = {"error": {"message": "You are too fast", "type": "tokens", "code": "rate_limit_exceeded"}}
    provider.expect("POST", PATH, json_reply(error, status=429))
    with groq.Groq(**options(gateway, own_key=False), max_retries=0) as client, pytest.raises(groq.RateLimitError) as refused:
        client.chat.completions.create(**ASKED)
    assert refused.value.body == error
    call = gateway.call(refused.value.response.headers["x-tallystick-request-id"])
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


def test_a_revoked_key_is_an_authentication_error(gateway: Gateway) -> None:
    with groq.Groq(base_url=f"{gateway.url}/v1/groq", api_key=gateway.revoked_key()) as client, pytest.raises(groq.AuthenticationError) as refused:
        client.chat.completions.create(**ASKED)
    assert refused.value.body["error"]["code"] == "invalid_api_key"
