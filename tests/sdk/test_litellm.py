"""LiteLLM's SDK as a client of ours, in an environment of its own (its pins are not ours): it speaks
each provider's dialect itself, so its calls arrive as the providers' own SDKs would send them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.mini_upstream import Answer, MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PATIENCE_S, PROVIDER_KEY, Ask, Gateway, booked_on, sent_with

ONCE = {"messages": [{"role": "user", "content": "Say hello"}], "max_retries": 0, "timeout": PATIENCE_S}


def groq_reply(model: str) -> Answer:
    """Groq states the tier in every reply, and LiteLLM cannot do without."""
    return json_reply({**replies.chat_document(model), "service_tier": "on_demand"}, usage=replies.CHAT_USAGE)


# LiteLLM's name of a model, the base URL that it takes, the provider's path, its two kinds of reply, the header of a stored key.
ROUTES: dict[str, tuple[str, str, str, Callable[[str], Answer], Callable[[str], Answer], tuple[bytes, bytes]]] = {
    "openai": ("gpt-4o-mini", "/v1", "/v1/chat/completions", replies.chat, replies.chat_stream, (b"authorization", b"Bearer sk-stored-openai")),
    "anthropic": ("claude-sonnet-4-6", "", "/v1/messages", replies.message, replies.message_stream, (b"x-api-key", b"sk-stored-anthropic")),
    "groq": ("llama-3.3-70b-versatile", "/proxy/groq/openai/v1", "/openai/v1/chat/completions", groq_reply, replies.chat_stream,
             (b"authorization", b"Bearer stored-groq")),
    "mistral": ("mistral-small-2603", "/proxy/mistral/v1", "/v1/chat/completions", replies.chat, replies.chat_stream,
                (b"authorization", b"Bearer stored-mistral")),
}
TOKENS = {"openai": [310, 44, 354], "anthropic": [25, 12, 37], "groq": [310, 44, 354], "mistral": [310, 44, 354]}
every_route = pytest.mark.parametrize("route", ROUTES)
every_kind = pytest.mark.parametrize(("call", "streamed"), [
    ("completion", False), ("completion", True), ("acompletion", False), ("acompletion", True)], ids=["buffered", "streamed", "async", "async streamed"])


@every_kind
@every_route
def test_with_an_issued_key(ask: Ask, gateway: Gateway, provider: MiniUpstream, route: str, call: str, streamed: bool) -> None:
    model, base, path, buffered, stream, (header, credential) = ROUTES[route]
    provider.expect("POST", path, (stream if streamed else buffered)(model))
    options = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    seen = ask(call, **ONCE, model=f"{route}/{model}", api_base=gateway.url + base, api_key=gateway.key("tallystick"), **options)

    assert (seen.get("text"), seen.get("usage")) == ("Hello there", TOKENS[route]), seen
    booked = gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS[model])
    booked_on(booked, {})
    sent_with(provider, credential, header)


@every_route
def test_beside_the_callers_own_key_with_what_the_call_is_for(ask: Ask, gateway: Gateway, provider: MiniUpstream, route: str) -> None:
    model, base, path, buffered, _, (header, _) = ROUTES[route]
    provider.expect("POST", path, buffered(model))
    headers = {"X-Tallystick-Key": gateway.key("tallystick"), **ATTRIBUTION}
    seen = ask("completion", **ONCE, model=f"{route}/{model}", api_base=gateway.url + base, api_key=PROVIDER_KEY, extra_headers=headers)

    assert seen.get("text") == "Hello there", seen
    booked_on(gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS[model]), ATTRIBUTION)
    sent_with(provider, (b"" if header == b"x-api-key" else b"Bearer ") + PROVIDER_KEY.encode(), header)


def test_headers_meant_for_litellms_own_proxy_count(ask: Ask, gateway: Gateway, provider: MiniUpstream) -> None:
    """Who moves here from LiteLLM's proxy changes the base URL and the key, and nothing else."""
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4o-mini"))
    headers = {
        "x-litellm-tags": "nightly,tier=gold", "x-litellm-end-user-id": "ada", "x-litellm-agent-id": "triage", "x-litellm-trace-id": "t-1",
        "x-litellm-spend-logs-metadata": json.dumps({"feature": "search", "attempt": 3}),
    }
    seen = ask("completion", **ONCE, model="openai/gpt-4o-mini", api_base=f"{gateway.url}/v1", api_key=gateway.key("tallystick"), extra_headers=headers)
    assert seen.get("text") == "Hello there", seen

    call = gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS["gpt-4o-mini"])
    booked_on(call, ATTRIBUTION)
    assert call["attribution"]["session"] == "t-1"
    assert call["attribution"]["dimensions"] == {"feature": "search", "attempt": "3"}
    sent_with(provider, b"Bearer sk-stored-openai")


@every_route
def test_the_providers_own_refusal_is_litellms_own_error(ask: Ask, gateway: Gateway, provider: MiniUpstream, route: str) -> None:
    model, base, path, *_ = ROUTES[route]
    error = {"type": "error", "error": {"message": "You are too fast", "type": "rate_limit_error"}}
    provider.expect("POST", path, json_reply(error, status=429))
    seen = ask("completion", **ONCE, model=f"{route}/{model}", api_base=gateway.url + base, api_key=gateway.key("tallystick"))

    assert (seen["error"], seen["status"]) == ("RateLimitError", 429)
    assert "You are too fast" in seen["text"]
    call = gateway.call(gateway.fresh())
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


@every_route
def test_a_revoked_key_is_litellms_own_error(ask: Ask, gateway: Gateway, route: str) -> None:
    model, base, *_ = ROUTES[route]
    seen = ask("completion", **ONCE, model=f"{route}/{model}", api_base=gateway.url + base, api_key=gateway.revoked_key())
    assert (seen["error"], seen["status"]) == ("AuthenticationError", 401)
    assert "never issued, is revoked or has expired" in seen["text"]
