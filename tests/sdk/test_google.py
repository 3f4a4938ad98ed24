"""The Google GenAI SDK: its key in `x-goog-api-key`, its version in the path."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors, types

from tests.mini_upstream import MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PROVIDER_KEY, Gateway

MODEL = "gemini-2.5-flash"
COST_NANOS = replies.COST_NANOS[MODEL]


def client_of(gateway: Gateway, api_key: str, headers: dict[str, str] | None = None, version: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=gateway.url, headers=headers, api_version=version)
    return genai.Client(api_key=api_key, http_options=options)


def test_buffered_with_the_callers_own_key(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", f"/v1/models/{MODEL}:generateContent", replies.gemini(MODEL))
    with client_of(gateway, PROVIDER_KEY, {"X-Tallystick-Key": gateway.key("tallystick")}) as client:
        reply = client.models.generate_content(model=MODEL, contents="Say hello")
    assert reply.text == "Hello there"
    gateway.booked(reply.sdk_http_response.headers, provider, cost_nanos=COST_NANOS)
    assert provider.bill[-1].request.header(b"x-goog-api-key") == PROVIDER_KEY.encode()


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_buffered_with_an_issued_key(gateway: Gateway, provider: MiniUpstream, version: str) -> None:
    provider.expect("POST", f"/{version}/models/{MODEL}:generateContent", replies.gemini(MODEL))
    with client_of(gateway, gateway.key("tallystick"), version=version) as client:
        reply = client.models.generate_content(model=MODEL, contents="Say hello")
    gateway.booked(reply.sdk_http_response.headers, provider, cost_nanos=COST_NANOS)
    assert provider.bill[-1].request.header(b"x-goog-api-key") == b"stored-google"


def test_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", f"/v1/models/{MODEL}:streamGenerateContent?alt=sse", replies.gemini_stream(MODEL))
    with client_of(gateway, gateway.key("tallystick")) as client:
        chunks = list(client.models.generate_content_stream(model=MODEL, contents="Say hello"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello there"
    gateway.booked(chunks[-1].sdk_http_response.headers, provider, cost_nanos=COST_NANOS)


def test_a_refusal_is_the_sdks_own_error(gateway: Gateway) -> None:
    with client_of(gateway, "tsk_never_issued") as client, pytest.raises(errors.ClientError) as refused:
        client.models.generate_content(model=MODEL, contents="Say hello")
    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")
