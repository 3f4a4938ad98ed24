"""Cohere's SDK: a bearer token, both versions of its API below one base URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.build.replies import events
from tests.mini_upstream import MiniUpstream, json_reply, sse_reply
from tests.sdk.conftest import Gateway

cohere = pytest.importorskip("cohere", reason="Cohere's SDK is not installed")

USAGE = {"billed_units": {"input_tokens": 431, "output_tokens": 661}, "tokens": {"input_tokens": 2190, "output_tokens": 1257}}
BILLED = {"input": 431, "output": 661}
COST_NANOS = 7_687_500
ASKED = [{"role": "user", "content": "Say hello"}]


@contextmanager
def client_of(gateway: Gateway, key: str) -> Iterator[Any]:
    with httpx.Client() as connections:
        yield cohere.ClientV2(api_key=key, base_url=f"{gateway.url}/proxy/cohere", httpx_client=connections)


def test_buffered(gateway: Gateway, provider: MiniUpstream) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]}
    provider.expect("POST", "/v2/chat", json_reply({"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": USAGE}, usage=BILLED))
    with client_of(gateway, gateway.key("tallystick")) as client:
        reply = client.with_raw_response.chat(model="command-a-03-2025", messages=ASKED)
    assert reply.data.message.content[0].text == "Hello there"
    gateway.booked(reply.headers, provider, cost_nanos=COST_NANOS)
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer stored-cohere"


def test_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    body = events(
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hello there"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}}) + b"data: [DONE]\n\n"
    provider.expect("POST", "/v2/chat", sse_reply([body], usage=BILLED))
    with (
        client_of(gateway, gateway.key("tallystick")) as client,
        client.with_raw_response.chat_stream(model="command-a-03-2025", messages=ASKED) as reply,
    ):
        parts = list(reply.data)
    assert [part.type for part in parts] == ["message-start", "content-delta", "message-end"]
    gateway.booked(reply.headers, provider, cost_nanos=COST_NANOS)


def test_a_search_is_a_unit(gateway: Gateway, provider: MiniUpstream) -> None:
    answer = {"id": "r1", "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}
    provider.expect("POST", "/v2/rerank", json_reply(answer, usage={"rerank_units": 1}))
    with client_of(gateway, gateway.key("tallystick")) as client:
        reply = client.with_raw_response.rerank(model="rerank-v3.5", query="q", documents=["a"])
    gateway.booked(reply.headers, provider, cost_nanos=2_000_000)


def test_a_refusal_is_the_sdks_own_error(gateway: Gateway) -> None:
    with client_of(gateway, "tsk_never_issued") as client, pytest.raises(cohere.UnauthorizedError) as refused:
        client.chat(model="command-a-03-2025", messages=ASKED)
    assert "Tallystick key" in str(refused.value.body)
