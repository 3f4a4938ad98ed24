"""Bedrock with a stored pair of keys: AWS's own SDK calls with a Tallystick key alone, the provider checks
the signature with the SDK's own signer, and the pair is found nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import httpx
import pytest

from tests.build.event_streams import chunks, stream
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, Received, chunked, json_reply

boto3 = pytest.importorskip("boto3", reason="the AWS SDK is not installed")
botocore = pytest.importorskip("botocore", reason="the AWS SDK is not installed")
auth = pytest.importorskip("botocore.auth")
Config = pytest.importorskip("botocore.config").Config

KEY_ID, SECRET, TOKEN = "AKIACANARYKEYID8wVf85", "canary/secret+8wVf85wJalrXUtnFEMIK7MDENG", "canarytoken8wVf85FwoGZXIvYXdzE"
PAIR = f"{KEY_ID}:{SECRET}:{TOKEN}"
REGION = "eu-central-1"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = f"arn:aws:bedrock:us-east-1:012345678901:inference-profile/{MODEL}"
USAGE = {"inputTokens": 3, "outputTokens": 121, "totalTokens": 124}
ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn", "usage": USAGE,
          "metrics": {"latencyMs": 1}}
BINARY = [(b"content-type", b"application/vnd.amazon.eventstream")]
ASKED = [{"role": "user", "content": [{"text": "Say hello"}]}]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, MiniUpstream, str]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream())
        gateway = RunningGateway(
            tmp_path_factory.mktemp("signing"), upstream=provider.url, env={"TALLYSTICK_PROVIDERS__BEDROCK__REGION": REGION})
        stack.enter_context(gateway)
        assert gateway.run("credentials", "set", "bedrock", said=PAIR).returncode == 0
        yield gateway, provider, gateway.key()


def client_of(gateway: RunningGateway, key: str) -> Any:
    client = boto3.Session().client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"{gateway.url}/proxy/bedrock",
        config=Config(retries={"max_attempts": 1}, signature_version=botocore.UNSIGNED))
    client.meta.events.register("before-send.bedrock-runtime.*", lambda request, **_: request.headers.update({"Authorization": f"Bearer {key}"}))
    return client


def is_signed(request: Received, url: str) -> bool:
    """Whether the signature is what AWS's signer makes of the request as it arrived."""
    headers = {name.decode(): value.decode() for name, value in request.headers if name not in (b"authorization", b"x-amz-date", b"x-amz-security-token")}
    covered = {name: value for name, value in headers.items() if name.lower() == "content-type" or name.lower().startswith("x-amz")}
    at = datetime.strptime((request.header(b"x-amz-date") or b"").decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    theirs: Any = pytest.importorskip("botocore.awsrequest").AWSRequest(
        method="POST", url=url + request.path, headers=covered, data=request.body)
    credentials = pytest.importorskip("botocore.credentials").Credentials(KEY_ID, SECRET, TOKEN)
    with patch.object(auth, "get_current_datetime", lambda: at):
        auth.SigV4Auth(credentials, "bedrock", REGION).add_auth(theirs)
    return request.header(b"authorization") == theirs.headers["Authorization"].encode() and request.header(b"x-amz-security-token") == TOKEN.encode()


def path_of(model: str, action: str) -> str:
    return f"/model/{quote(model, safe='')}/{action}"


def test_whole_replies_and_streams_are_asked_for_with_a_signature(
    scene: tuple[RunningGateway, MiniUpstream, str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway, provider, key = scene
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = client_of(gateway, key)
    provider.expect("POST", path_of(PROFILE, "converse"), json_reply(ANSWER))
    client.converse(modelId=PROFILE, messages=ASKED)
    events = stream(("messageStart", {"role": "assistant"}), ("messageStop", {"stopReason": "end_turn"}),
                    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}))
    provider.expect("POST", path_of(MODEL, "converse-stream"), chunked(200, BINARY, [events]))
    assert len(list(client.converse_stream(modelId=MODEL, messages=ASKED)["stream"])) == 3
    counted = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 121}}
    provider.expect("POST", path_of(MODEL, "invoke-with-response-stream"), chunked(200, BINARY, [chunks({"type": "completion", **counted})]))
    list(client.invoke_model_with_response_stream(modelId=MODEL, body=b'{"prompt":"hi"}')["body"])
    assert [is_signed(each.request, provider.url) for each in provider.bill] == [True] * 3
    assert [(call["method"], call["usage"]) for call in gateway.calls(at_least=3)] == [("priced", {"input": 3, "output": 121})] * 3


def test_a_region_in_the_path_does_not_take_it_past_the_configured_address(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, provider, key = scene
    before = len(provider.calls)
    refused = httpx.post(f"{gateway.url}/proxy/bedrock/eu-west-1{path_of(MODEL, 'converse')}", json={"messages": ASKED},
                         headers={"X-Tallystick-Key": key}, timeout=PATIENCE_S)
    assert (refused.status_code, refused.json()["tallystick"]["code"], len(provider.calls)) == (403, "route_not_open", before)


def test_a_pair_that_is_none_is_not_taken(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, _, _ = scene
    refused = gateway.run("credentials", "set", "bedrock", "other", said=f"{KEY_ID}:short")
    assert refused.returncode == 2
    assert "ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]" in refused.stderr
    assert KEY_ID not in refused.stderr


def test_the_pair_is_found_nowhere(scene: tuple[RunningGateway, MiniUpstream, str]) -> None:
    gateway, _, _ = scene
    assert gateway.json("verify")["ok"] is True
    kept = [gateway.log, *(path for path in gateway.data.rglob("*") if path.is_file())]
    assert len(kept) > 3
    for path in kept:
        content = path.read_bytes()
        assert not [part for part in (KEY_ID, SECRET, TOKEN) if part.encode() in content], path


def test_one_from_the_environment_signs_too(tmp_path: Path) -> None:
    said = '[providers.bedrock.credentials.{}]\nenv = "{}"\n'
    config = said.format("default", "AWS_PAIR") + said.format("broken", "AWS_BROKEN")
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config, env={
        "AWS_PAIR": PAIR, "AWS_BROKEN": "AKIA:x", "TALLYSTICK_PROVIDERS__BEDROCK__REGION": REGION,
    }) as gateway:
        provider.expect("POST", path_of(MODEL, "converse"), json_reply(ANSWER))
        url = f"{gateway.url}/proxy/bedrock{path_of(MODEL, 'converse')}"
        done = httpx.post(url, json={"messages": ASKED}, headers={"X-Tallystick-Key": gateway.key()}, timeout=PATIENCE_S)
        assert (done.status_code, is_signed(provider.bill[0].request, provider.url)) == (200, True)
        broken = httpx.post(url, json={"messages": ASKED}, headers={"X-Tallystick-Key": gateway.key(credential="broken")}, timeout=PATIENCE_S)
        assert (broken.status_code, broken.json()["tallystick"]["code"]) == (401, "provider_credential_unusable")
