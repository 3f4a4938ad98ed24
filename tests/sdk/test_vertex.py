"""The Google GenAI SDK and the Anthropic SDK on Vertex: an OAuth token in `Authorization`, project and
location in the path. Their only change is the base URL. Claude costs a tenth more in a named region.
"""

from __future__ import annotations

import anthropic
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from tests.mini_upstream import MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import Gateway

MODEL = "gemini-2.5-flash"
COST_NANOS = replies.COST_NANOS[MODEL]
PATH = f"/v1beta1/projects/p/locations/europe-west4/publishers/google/models/{MODEL}"


def client_of(gateway: Gateway, token: str, headers: dict[str, str] | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=f"{gateway.url}/proxy/vertex", headers=headers)
    return genai.Client(vertexai=True, project="p", location="europe-west4", credentials=Credentials(token=token), http_options=options)


@pytest.mark.parametrize("own", [True, False], ids=["the caller's own token", "an issued key"])
def test_buffered(gateway: Gateway, provider: MiniUpstream, own: bool) -> None:
    provider.expect("POST", f"{PATH}:generateContent", replies.gemini(MODEL))
    key = gateway.key("tallystick")
    with client_of(gateway, "ya29.own", {"X-Tallystick-Key": key}) if own else client_of(gateway, key) as client:
        reply = client.models.generate_content(model=MODEL, contents="Say hello")
    assert reply.text == "Hello there"
    gateway.booked(reply.sdk_http_response.headers, provider, cost_nanos=COST_NANOS)
    assert provider.bill[-1].request.header(b"authorization") == (b"Bearer ya29.own" if own else b"Bearer stored-vertex")


def test_streamed(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", f"{PATH}:streamGenerateContent?alt=sse", replies.gemini_stream(MODEL))
    with client_of(gateway, gateway.key("tallystick")) as client:
        parts = list(client.models.generate_content_stream(model=MODEL, contents="Say hello"))
    assert "".join(part.text or "" for part in parts) == "Hello there"
    gateway.booked(parts[-1].sdk_http_response.headers, provider, cost_nanos=COST_NANOS)


CLAUDE = "claude-sonnet-4-5@20250929"
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "stop_reason": "end_turn",
           "content": [{"type": "text", "text": "Hello there"}], "usage": {"input_tokens": 1000, "output_tokens": 1000}}


@pytest.mark.parametrize(("region", "cost_nanos"), [("global", 18_000_000), ("us-east5", 19_800_000)])
def test_messages(gateway: Gateway, provider: MiniUpstream, region: str, cost_nanos: int) -> None:
    path = f"/v1/projects/p/locations/{region}/publishers/anthropic/models/{CLAUDE}:rawPredict"
    provider.expect("POST", path, json_reply(MESSAGE, usage={"input": 1000, "output": 1000}))
    with anthropic.AnthropicVertex(
        region=region, project_id="p", access_token=gateway.key("tallystick"), base_url=f"{gateway.url}/proxy/vertex/v1",
    ) as client:
        reply = client.messages.with_raw_response.create(model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "Say hello"}])
    gateway.booked(reply.headers, provider, cost_nanos=cost_nanos)
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer stored-vertex"
