"""The Anthropic SDK against the gateway: the bare path, the proxy path and S3's path, with their keys."""

from __future__ import annotations

import anthropic
import pytest

from tests.mini_upstream import MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import PROVIDER_KEY, Gateway

# The source system's own model; the SDK knows the day it retires.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

MODEL = "claude-sonnet-4-20250514"
COST_NANOS = replies.COST_NANOS[MODEL]
ASKED = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello"}]}


def client_of(gateway: Gateway, form: str) -> anthropic.Anthropic:
    """The client as each system's document makes it."""
    if form == "s0":
        return anthropic.Anthropic(base_url=gateway.url, api_key=PROVIDER_KEY, default_headers={"X-Cartie-Key": gateway.key("cartie")})
    if form == "s2":
        return anthropic.Anthropic(base_url=f"{gateway.url}/proxy/anthropic", api_key=gateway.key("vk"))
    if form == "s3":
        return anthropic.Anthropic(
            base_url=f"{gateway.url}/api/proxy/v1/anthropic", api_key=PROVIDER_KEY,
            default_headers={"Authorization": f"Bearer {gateway.key('apc')}", "X-Provider-Key": PROVIDER_KEY},
        )
    return anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key("tallystick"))


FORMS = ("s0", "s2", "s3", "own")
STORED = {"s2", "own"}


@pytest.mark.parametrize("form", FORMS)
def test_buffered(gateway: Gateway, provider: MiniUpstream, form: str) -> None:
    provider.expect("POST", "/v1/messages", replies.message(MODEL))
    reply = client_of(gateway, form).messages.with_raw_response.create(**ASKED)

    assert reply.parse().content[0].text == "Hello there"
    gateway.booked(reply.headers, provider, cost_nanos=COST_NANOS)
    sent = provider.bill[-1].request
    key = "sk-stored-anthropic" if form in STORED else PROVIDER_KEY
    assert key.encode() in (sent.header(b"x-api-key") or sent.header(b"authorization") or b"")


@pytest.mark.parametrize("form", FORMS)
def test_streamed(gateway: Gateway, provider: MiniUpstream, form: str) -> None:
    provider.expect("POST", "/v1/messages", replies.message_stream(MODEL))
    with client_of(gateway, form).messages.stream(**ASKED) as stream:
        text = "".join(stream.text_stream)
        headers = stream.response.headers
    assert text == "Hello there"
    gateway.booked(headers, provider, cost_nanos=COST_NANOS)


def test_counting_tokens_is_free(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/messages/count_tokens", json_reply({"input_tokens": 25}))
    reply = client_of(gateway, "own").messages.with_raw_response.count_tokens(model=MODEL, messages=ASKED["messages"])

    assert reply.parse().input_tokens == 25
    call = gateway.call(reply.headers["x-tallystick-request-id"])
    assert (call["basis"], call["cost_nanos"]) == ("zero_proven", 0)


def test_a_refusal_is_the_sdks_own_error(gateway: Gateway) -> None:
    client = anthropic.Anthropic(base_url=gateway.url, api_key="vk_never_issued")
    with pytest.raises(anthropic.AuthenticationError) as refused:
        client.messages.create(**ASKED)
    assert refused.value.body["error"]["type"] == "authentication_error"
    assert refused.value.body["error"]["tallystick"]["code"] == "invalid_api_key"
