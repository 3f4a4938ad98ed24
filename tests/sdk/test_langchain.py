"""LangChain's two chat models over the OpenAI and the Anthropic SDK."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mini_upstream import Answer, MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import ATTRIBUTION, PROVIDER_KEY, Gateway, booked_on, sent_with

langchain_openai = pytest.importorskip("langchain_openai", reason="LangChain is not installed")
langchain_anthropic = pytest.importorskip("langchain_anthropic", reason="LangChain is not installed")
exceptions = pytest.importorskip("langchain_core.exceptions", reason="LangChain is not installed")

GPT, CLAUDE = "gpt-4o-mini", "claude-sonnet-4-6"
PATHS = {GPT: "/v1/chat/completions", CLAUDE: "/v1/messages"}
STORED = {GPT: (b"authorization", b"Bearer sk-stored-openai"), CLAUDE: (b"x-api-key", b"sk-stored-anthropic")}
TOKENS = {GPT: (310, 44, 354), CLAUDE: (25, 12, 37)}

# LangChain keeps its asynchronous connections for the next model, in whatever loop that runs: theirs must be one.
one_loop = pytest.mark.asyncio(loop_scope="module")
both_models = pytest.mark.parametrize("model", [GPT, CLAUDE])
both_ways = pytest.mark.parametrize("own_key", [False, True], ids=["an issued key", "the caller's own key"])


def chat_model(gateway: Gateway, model: str, *, own_key: bool = False, key: str | None = None) -> Any:
    """The chat model as an application makes it."""
    ours = key or gateway.key("tallystick")
    headers = {"X-Tallystick-Key": ours, **ATTRIBUTION} if own_key else None
    options = {"model": model, "api_key": PROVIDER_KEY if own_key else ours, "default_headers": headers, "max_retries": 0}
    if model == GPT:
        return langchain_openai.ChatOpenAI(base_url=f"{gateway.url}/v1", stream_usage=True, **options)
    return langchain_anthropic.ChatAnthropic(base_url=gateway.url, max_tokens=100, **options)


def answer(model: str, *, streamed: bool) -> Answer:
    if model == GPT:
        return replies.chat_stream(model) if streamed else replies.chat(model)
    return replies.message_stream(model) if streamed else replies.message(model)


def check(reply: Any, gateway: Gateway, provider: MiniUpstream, model: str, own_key: bool) -> None:
    assert reply.text == "Hello there"
    assert reply.response_metadata["model_name"] == model
    usage = reply.usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == TOKENS[model]
    call = gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS[model])
    booked_on(call, ATTRIBUTION if own_key else {})
    header, credential = (b"authorization", f"Bearer {PROVIDER_KEY}".encode()) if own_key else STORED[model]
    sent_with(provider, credential, header)


@both_ways
@both_models
def test_buffered(gateway: Gateway, provider: MiniUpstream, model: str, own_key: bool) -> None:
    provider.expect("POST", PATHS[model], answer(model, streamed=False))
    check(chat_model(gateway, model, own_key=own_key).invoke("Say hello"), gateway, provider, model, own_key)


@both_ways
@both_models
def test_streamed(gateway: Gateway, provider: MiniUpstream, model: str, own_key: bool) -> None:
    provider.expect("POST", PATHS[model], answer(model, streamed=True))
    whole: Any = None
    for chunk in chat_model(gateway, model, own_key=own_key).stream("Say hello"):
        whole = chunk if whole is None else whole + chunk
    check(whole, gateway, provider, model, own_key)


@one_loop
@both_models
async def test_async(gateway: Gateway, provider: MiniUpstream, model: str) -> None:
    provider.expect("POST", PATHS[model], answer(model, streamed=False))
    check(await chat_model(gateway, model).ainvoke("Say hello"), gateway, provider, model, own_key=False)


@one_loop
async def test_async_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", PATHS[GPT], answer(GPT, streamed=True))
    assert "".join([chunk.text async for chunk in chat_model(gateway, GPT).astream("Say hello")]) == "Hello there"
    gateway.booked({"x-tallystick-request-id": gateway.fresh()}, provider, cost_nanos=replies.COST_NANOS[GPT])


def test_the_responses_api(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/responses", replies.response("gpt-4.1"))
    model = langchain_openai.ChatOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"), model="gpt-4.1", use_responses_api=True, include_response_headers=True)
    reply = model.invoke("Say hello")
    assert reply.text == "Hello there"
    gateway.booked(reply.response_metadata["headers"], provider, cost_nanos=replies.COST_NANOS["gpt-4.1"])


@both_models
def test_the_providers_own_refusal_is_langchains_own_error(gateway: Gateway, provider: MiniUpstream, model: str) -> None:
    error = {"type": "error", "error": {"message": "You are too fast", "type": "rate_limit_error"}}
    provider.expect("POST", PATHS[model], json_reply(error, status=429))
    with pytest.raises(exceptions.ModelRateLimitError, match="You are too fast"):
        chat_model(gateway, model).invoke("Say hello")
    call = gateway.call(gateway.fresh())
    assert (call["status"], call["basis"], call["cost_nanos"]) == (429, "zero_proven", 0)


@both_models
def test_a_revoked_key_is_langchains_own_error(gateway: Gateway, model: str) -> None:
    with pytest.raises(exceptions.ModelAuthenticationError, match="never issued, is revoked or has expired"):
        chat_model(gateway, model, key=gateway.revoked_key()).invoke("Say hello")
