"""LangChain's two chat models over the OpenAI and the Anthropic SDK, in an environment of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mini_upstream import Answer, MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PATIENCE_S, PROVIDER_KEY, Ask, Gateway, booked_on, sent_with

GPT, CLAUDE = "gpt-4o-mini", "claude-sonnet-4-6"
PATHS = {GPT: "/v1/chat/completions", CLAUDE: "/v1/messages"}
STORED = {GPT: (b"authorization", b"Bearer sk-stored-openai"), CLAUDE: (b"x-api-key", b"sk-stored-anthropic")}
TOKENS = {GPT: [310, 44, 354], CLAUDE: [25, 12, 37]}

both_models = pytest.mark.parametrize("model", [GPT, CLAUDE])
both_ways = pytest.mark.parametrize("own_key", [False, True], ids=["an issued key", "the caller's own key"])
every_call = pytest.mark.parametrize("call", ["invoke", "stream", "ainvoke", "astream"])


def options(gateway: Gateway, model: str, *, own_key: bool = False, key: str | None = None) -> dict[str, Any]:
    """What an application says when it makes the chat model."""
    ours = key or gateway.key("tallystick")
    headers = {"X-Tallystick-Key": ours, **ATTRIBUTION} if own_key else None
    common = {"model": model, "api_key": PROVIDER_KEY if own_key else ours, "default_headers": headers, "max_retries": 0, "timeout": PATIENCE_S}
    if model == GPT:
        return {"provider": "openai", "base_url": f"{gateway.url}/v1", "stream_usage": True, **common}
    return {"provider": "anthropic", "base_url": gateway.url, "max_tokens": 100, **common}


def answer(model: str, *, streamed: bool) -> Answer:
    if model == GPT:
        return replies.chat_stream(model) if streamed else replies.chat(model)
    return replies.message_stream(model) if streamed else replies.message(model)


@both_ways
@every_call
@both_models
def test_a_call(ask: Ask, gateway: Gateway, provider: MiniUpstream, model: str, call: str, own_key: bool) -> None:
    provider.expect("POST", PATHS[model], answer(model, streamed=call.endswith("stream")))
    seen = ask(call, **options(gateway, model, own_key=own_key))

    assert seen == {"model": model, "text": "Hello there", "usage": TOKENS[model]}
    booked = gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS[model])
    booked_on(booked, ATTRIBUTION if own_key else {})
    header, credential = (b"authorization", f"Bearer {PROVIDER_KEY}".encode()) if own_key else STORED[model]
    sent_with(provider, credential, header)


def test_the_responses_api(ask: Ask, gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/responses", replies.response("gpt-4.1"))
    seen = ask("invoke", **{**options(gateway, GPT), "model": "gpt-4.1", "use_responses_api": True})
    assert (seen.get("text"), seen.get("usage")) == ("Hello there", [310, 44, 354]), seen
    gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS["gpt-4.1"])


@both_models
def test_the_providers_own_refusal_is_langchains_own_error(ask: Ask, gateway: Gateway, provider: MiniUpstream, model: str) -> None:
    error = {"type": "error", "error": {"message": "You are too fast", "type": "rate_limit_error"}}
    provider.expect("POST", PATHS[model], json_reply(error, status=429))
    seen = ask("invoke", **options(gateway, model))
    assert {"ModelRateLimitError", "RateLimitError"} <= set(seen["kinds"])
    assert "You are too fast" in seen["text"]
    call = gateway.call(gateway.fresh())
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


@both_models
def test_a_revoked_key_is_langchains_own_error(ask: Ask, gateway: Gateway, model: str) -> None:
    seen = ask("invoke", **options(gateway, model, key=gateway.revoked_key()))
    assert {"ModelAuthenticationError", "AuthenticationError"} <= set(seen["kinds"])
    assert "never issued, is revoked or has expired" in seen["text"]
