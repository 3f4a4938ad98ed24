"""The AWS SDK: a signature or a key in `Authorization`, model ids with escapes in the path, and
binary event streams.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import anthropic
import pytest

from tests.build.event_streams import chunks, stream
from tests.mini_upstream import MiniUpstream, chunked, json_reply
from tests.sdk.conftest import Gateway

boto3 = pytest.importorskip("boto3", reason="the AWS SDK is not installed")
botocore = pytest.importorskip("botocore", reason="the AWS SDK is not installed")
Config = pytest.importorskip("botocore.config").Config

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"arn:aws:bedrock:us-east-1:012345678901:inference-profile/{MODEL}"
USAGE = {"inputTokens": 3, "outputTokens": 121, "totalTokens": 2072, "cacheReadInputTokens": 1712, "cacheWriteInputTokens": 236}
BILLED = {"input": 1951, "cached_read": 1712, "cache_write_5m": 236, "output": 121}
COST_NANOS = 3_544_860
ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}}, "stopReason": "end_turn", "usage": USAGE,
          "metrics": {"latencyMs": 1}}
ASKED = [{"role": "user", "content": [{"text": "Say hello"}]}]


def client_of(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], *, signed: bool = False) -> Any:
    """A client whose changes are its endpoint and headers set after signing. The SDK refuses bearer tokens
    over plain HTTP, so on loopback the key is set as a header of an unsigned call."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    own = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "example", "aws_session_token": "session"} if signed else {}
    config = Config(retries={"max_attempts": 1}, signature_version=None if signed else botocore.UNSIGNED)
    client = boto3.Session().client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"{gateway.url}/proxy/bedrock", config=config, **own)
    client.meta.events.register("before-send.bedrock-runtime.*", lambda request, **_: request.headers.update(headers))
    return client


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def path_of(model: str, action: str) -> str:
    return f"/model/{quote(model, safe='')}/{action}"


def booked(reply: Any, gateway: Gateway, provider: MiniUpstream) -> dict[str, Any]:
    call = gateway.call(reply["ResponseMetadata"]["HTTPHeaders"]["x-tallystick-request-id"])
    assert (call["method"], call["usage"], call["cost_nanos"]) == ("priced", BILLED, COST_NANOS)
    assert provider.complaints == []
    return call


def test_a_call_signed_for_the_providers_host(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/clouds.md: a signature covers the host, so the call is signed for the provider and then sent here."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    provider.expect("POST", path_of(MODEL, "converse"), json_reply(ANSWER))
    client = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="example").client("bedrock-runtime", region_name="eu-west-1")

    def through_the_gateway(request: Any, **_: Any) -> None:
        request.url = request.url.replace("https://bedrock-runtime.eu-west-1.amazonaws.com", f"{gateway.url}/proxy/bedrock")
        request.headers["X-Tallystick-Key"] = gateway.key("tallystick")

    client.meta.events.register("before-send.bedrock-runtime.*", through_the_gateway)
    reply = client.converse(modelId=MODEL, messages=ASKED)
    booked(reply, gateway, provider)
    assert b"/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;" in provider.bill[-1].request.header(b"authorization")


def test_a_signed_call_arrives_signed(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.expect("POST", path_of(MODEL, "converse"), json_reply(ANSWER))
    client = client_of(gateway, monkeypatch, {"X-Tallystick-Key": gateway.key("tallystick")}, signed=True)
    reply = client.converse(modelId=MODEL, messages=ASKED)
    assert reply["output"]["message"]["content"] == [{"text": "Hello there"}]
    assert booked(reply, gateway, provider)["requested_model"] == MODEL
    sent = provider.bill[-1].request
    assert sent.header(b"authorization").startswith(b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert sent.header(b"x-amz-security-token") == b"session"
    assert sent.header(b"x-amz-date")
    assert sent.header(b"x-tallystick-key") is None


def test_an_issued_key_in_place_of_the_bearer_token(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.expect("POST", path_of(PROFILE, "converse"), json_reply(ANSWER))
    reply = client_of(gateway, monkeypatch, bearing(gateway.key("tallystick"))).converse(modelId=PROFILE, messages=ASKED)
    assert booked(reply, gateway, provider)["requested_model"] == MODEL
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer stored-bedrock"


def test_streamed(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    body = stream(
        ("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello there"}}),
        ("messageStop", {"stopReason": "end_turn"}), ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}))
    pieces = [body[at:at + 50] for at in range(0, len(body), 50)]
    provider.expect("POST", path_of(MODEL, "converse-stream"), chunked(200, [(b"content-type", b"application/vnd.amazon.eventstream")], pieces))
    reply = client_of(gateway, monkeypatch, bearing(gateway.key("tallystick"))).converse_stream(modelId=MODEL, messages=ASKED)
    events = list(reply["stream"])
    assert events[1]["contentBlockDelta"]["delta"] == {"text": "Hello there"}
    booked(reply, gateway, provider)


def test_a_models_own_stream(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {"amazon-bedrock-invocationMetrics": {
        "inputTokenCount": 3, "outputTokenCount": 121, "cacheReadInputTokenCount": 1712, "cacheWriteInputTokenCount": 236}}
    body = chunks({"type": "completion", "completion": "Hello there"}, {"type": "completion", "completion": "", "stop_reason": "stop", **metrics})
    kind = [(b"content-type", b"application/vnd.amazon.eventstream")]
    provider.expect("POST", path_of(MODEL, "invoke-with-response-stream"), chunked(200, kind, [body]))
    client = client_of(gateway, monkeypatch, bearing(gateway.key("tallystick")))
    reply = client.invoke_model_with_response_stream(modelId=MODEL, body=b'{"prompt":"Say hello"}')
    assert b"Hello there" in next(iter(reply["body"]))["chunk"]["bytes"]
    list(reply["body"])
    booked(reply, gateway, provider)


def test_a_refusal_is_the_sdks_own_error(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(gateway, monkeypatch, bearing("tsk_never_issued"))
    with pytest.raises(client.exceptions.ClientError) as refused:
        client.converse(modelId=MODEL, messages=ASKED)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    assert "Tallystick key" in refused.value.response["Error"]["Message"]


def test_the_anthropic_sdk_on_the_same_path(gateway: Gateway, provider: MiniUpstream) -> None:
    usage = {"input_tokens": 3, "output_tokens": 121, "cache_read_input_tokens": 1712, "cache_creation_input_tokens": 236}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
               "content": [{"type": "text", "text": "Hello there"}], "usage": usage}
    provider.expect("POST", f"/model/{MODEL}/invoke", json_reply(message, usage=BILLED))
    with anthropic.AnthropicBedrock(aws_region="us-east-1", api_key=gateway.key("tallystick"), base_url=f"{gateway.url}/proxy/bedrock") as client:
        reply = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Say hello"}])
    gateway.booked(reply.headers, provider, cost_nanos=COST_NANOS)
    assert provider.bill[-1].request.header(b"authorization") == b"Bearer stored-bedrock"


def test_the_sandbox_answers_as_the_sdk_expects_it(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(gateway, monkeypatch, {**bearing(gateway.key("tallystick")), "X-Tallystick-Sandbox": "true"})
    whole = client.converse(modelId=MODEL, messages=ASKED)
    streamed = client.converse_stream(modelId=MODEL, messages=ASKED)
    events = list(streamed["stream"])
    said = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert said == whole["output"]["message"]["content"][0]["text"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    for reply in (whole, streamed):
        call = gateway.call(reply["ResponseMetadata"]["HTTPHeaders"]["x-tallystick-request-id"])
        assert (call["method"], call["cost_nanos"], call["would_be_cost_nanos"] > 0) == ("sandbox", 0, True)
