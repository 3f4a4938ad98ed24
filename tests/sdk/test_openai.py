"""The OpenAI SDK as the source systems' documents use it: their own snippets, with only host and keys
changed (product.md §2). What the provider billed is what the ledger holds, to the nano-dollar.
"""

from __future__ import annotations

import json

import openai
import pytest

from tests.mini_upstream import MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import PROVIDER_KEY, Gateway

MESSAGES = [{"role": "user", "content": "Say hello"}]


def test_s0_cartie_buffered(gateway: Gateway, provider: MiniUpstream) -> None:
    key = gateway.key("cartie")
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-5.2"))
    client = openai.OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=PROVIDER_KEY,
        default_headers={
            "X-Cartie-Key": key,
            "X-Cartie-Tenant": "marketing-usa",
            "X-Cartie-Project": "social-media-bot",
            "X-Cartie-Budget": "500",
        },
    )
    reply = client.chat.completions.with_raw_response.create(model="gpt-5.2", messages=MESSAGES)

    assert reply.parse().choices[0].message.content == "Hello there"
    assert "x-tallystick-warning" not in reply.headers, "it is held against the budget"
    call = gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-5.2"])
    assert (call["attribution"]["team"], call["attribution"]["project"]) == ("marketing-usa", "social-media-bot")
    sent = provider.bill[-1].request
    assert sent.header(b"authorization") == f"Bearer {PROVIDER_KEY}".encode()
    assert not [name for name, _ in sent.headers if name.lower().startswith(b"x-cartie")]


def test_s0_cartie_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat_stream("gpt-5.2"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=PROVIDER_KEY, default_headers={"X-Cartie-Key": gateway.key("cartie")})
    reply = client.chat.completions.with_raw_response.create(
        model="gpt-5.2", messages=MESSAGES, stream=True, stream_options={"include_usage": True},
    )
    chunks = list(reply.parse())

    assert chunks[-1].usage is not None, "the caller asked for usage and gets it"
    assert chunks[-1].usage.total_tokens == 354
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-5.2"])


def test_s2_virtual_key_with_a_stored_credential(gateway: Gateway, provider: MiniUpstream) -> None:
    """The gateway holds the provider's key; what the SDK puts into Authorization is a placeholder of the caller."""
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4o-mini"))
    client = openai.OpenAI(base_url=f"{gateway.url}/proxy/openai/v1", api_key=gateway.key("vk"))
    reply = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES)

    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4o-mini"])
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer sk-stored-openai"


def test_s3_platform_key_in_authorization(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4o"))
    client = openai.OpenAI(
        base_url=f"{gateway.url}/api/proxy/v1/openai", api_key=gateway.key("apc"), default_headers={"X-Provider-Key": PROVIDER_KEY},
    )
    reply = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=MESSAGES,
        extra_body={"_aipromptcost": {"prompt_key": "welcome_email", "feature_tags": ["onboarding"], "version": 3}},
    )

    call = gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4o"])
    assert (call["attribution"]["prompt_key"], call["attribution"]["prompt_version"]) == ("welcome_email", "3")
    sent = provider.bill[-1].request
    assert sent.header(b"authorization") == f"Bearer {PROVIDER_KEY}".encode()
    assert sent.header(b"x-provider-key") is None
    assert "_aipromptcost" not in json.loads(sent.body)


def test_s3_sandbox_asks_no_provider(gateway: Gateway, provider: MiniUpstream) -> None:
    before = len(provider.bill)
    client = openai.OpenAI(base_url=f"{gateway.url}/api/proxy/v1/openai", api_key=gateway.key("apc"), default_headers={"X-Sandbox": "true"})
    reply = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)

    completion = reply.parse()
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content
    call = gateway.call(reply.headers["x-tallystick-request-id"])
    assert (call["method"], call["cost_nanos"]) == ("sandbox", 0)
    assert call["would_be_cost_nanos"] > 0
    assert len(provider.bill) == before


def test_s4_the_unguarded_loop_over_a_stream(gateway: Gateway, provider: MiniUpstream) -> None:
    """Its documents read `chunk.choices[0]` without looking: a usage-only chunk nobody asked for would break the loop."""
    provider.expect("POST", "/v1/chat/completions", replies.chat_stream("gpt-4o"))
    client = openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=PROVIDER_KEY, default_headers={"X-Project-Token": gateway.key("acm")},
    )
    reply = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES, stream=True)

    text = ""
    for chunk in reply.parse():
        if chunk.choices[0].delta.content is not None:
            text += chunk.choices[0].delta.content
    assert text == "Hello there"
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4o"])
    assert json.loads(provider.bill[-1].body)["stream_options"] == {"include_usage": True}


def test_own_form(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4o-mini"))
    client = openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=PROVIDER_KEY,
        default_headers={"X-Tallystick-Key": gateway.key("tallystick"), "X-Tallystick-User": "ada", "X-Tallystick-Tags": "nightly,tier=gold"},
    )
    reply = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES)

    call = gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4o-mini"])
    assert call["attribution"]["user"] == "ada"


def test_responses_buffered(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/responses", replies.response("gpt-4.1"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"))
    reply = client.responses.with_raw_response.create(model="gpt-4.1", input="Say hello")

    assert reply.parse().output_text == "Hello there"
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4.1"])


def test_responses_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/responses", replies.response_stream("gpt-4.1"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"))
    reply = client.responses.with_raw_response.create(model="gpt-4.1", input="Say hello", stream=True)

    events = list(reply.parse())
    assert [event.type for event in events][-2:] == ["response.output_text.delta", "response.completed"]
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4.1"])


def test_embeddings(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/embeddings", replies.embedding("text-embedding-3-small"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"))
    reply = client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="Hello", encoding_format="float")

    assert reply.parse().data[0].embedding == [0.5, -0.25, 0.125]
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["text-embedding-3-small"])


def test_a_list_of_models_is_free(gateway: Gateway, provider: MiniUpstream) -> None:
    listed = {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 1789000000, "owned_by": "system"}]}
    provider.expect("GET", "/v1/models", json_reply(listed))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"))
    reply = client.models.with_raw_response.list()

    assert [model.id for model in reply.parse()] == ["gpt-4o"]
    call = gateway.call(reply.headers["x-tallystick-request-id"])
    assert (call["operation"], call["basis"], call["cost_nanos"]) == ("models", "zero_proven", 0)


def test_the_providers_own_refusal_is_the_providers_own(gateway: Gateway, provider: MiniUpstream) -> None:
    """Body and status as it sent them, booked at zero because it proves that nothing was billed."""
    error = {"error": {"message": "You are too fast", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    provider.expect("POST", "/v1/chat/completions", json_reply(error, status=429, headers=[(b"retry-after", b"7")]))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick"), max_retries=0)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)

    reply = refused.value.response
    assert (reply.json(), reply.headers["retry-after"]) == (error, "7")
    call = gateway.call(reply.headers["x-tallystick-request-id"])
    assert (call["status"], call["outcome"], call["basis"], call["cost_nanos"]) == (429, "failed", "zero_proven", 0)


@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
async def test_the_async_client(gateway: Gateway, provider: MiniUpstream, streamed: bool) -> None:
    answer = replies.chat_stream if streamed else replies.chat
    provider.expect("POST", "/v1/chat/completions", answer("gpt-4o-mini"))
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key("tallystick")) as client:
        reply = await client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES, stream=streamed)
        if streamed:
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in reply.parse()]) == "Hello there"
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-4o-mini"])


def test_an_unknown_key_is_an_authentication_error(gateway: Gateway) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="tsk_never_issued")
    with pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert refused.value.code == "invalid_api_key"
    assert refused.value.response.headers["x-should-retry"] == "false"
