"""A cheaper model where the path names it: Gemini, Azure's deployments, Bedrock with a signature of ours, and what its caller signed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_policies import ASK, CHAT, REPLY, Scene, ask
from tests.gateway.test_signing import ANSWER, PAIR, REGION, is_signed
from tests.mini_upstream import MiniUpstream, json_reply

DEPLOYMENTS = """[providers.azure.models]
"prod-large" = "gpt-4o"
"prod-small" = "gpt-4o-mini"
"""
CHEAPER = {"gpt-4o": "gpt-4o-mini", "gemini-2.5-pro": "gemini-2.5-flash", "anthropic.claude-sonnet*": "anthropic.claude-haiku-4-5-20251001-v1:0"}
SONNET, HAIKU = "anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-haiku-4-5-20251001-v1%3A0"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        gateway = RunningGateway(tmp_path, upstream=provider.url, env={"TALLYSTICK_PROVIDERS__BEDROCK__REGION": REGION},
                                 config=DEPLOYMENTS)
        yield stack.enter_context(gateway), provider


def spend(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Call until the budget is seen to be spent."""
    provider.expect("POST", CHAT, json_reply(REPLY), times=200)
    gateway.json("budgets", "set", "--team", "web", "--limit", "0.0001", "--soft")
    gateway.json("policies", "set", "downgrade", "-p", "at_percent=80", "-p", f"models={json.dumps(CHEAPER)}")
    deadline = time.monotonic() + PATIENCE_S
    while "x-tallystick-model" not in ask(gateway, key).headers:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_cheaper_model_goes_into_the_path(scene: Scene) -> None:
    gateway, provider = scene
    key = gateway.key(team="web")
    assert gateway.run("credentials", "set", "bedrock", said=PAIR).returncode == 0
    spend(gateway, provider, key)
    booked = len(provider.bill)
    said = {"x-tallystick-key": key, "content-type": "application/json"}

    def post(path: str, body: Any, **headers: str) -> httpx.Response:
        return httpx.post(f"{gateway.url}{path}", json=body, timeout=PATIENCE_S, headers={**said, **headers})

    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    provider.expect("POST", "/v1beta/models/gemini-2.5-flash:generateContent", json_reply({"candidates": [], "usageMetadata": usage}))
    gemini = post("/v1beta/models/gemini-2.5-pro:generateContent", {"contents": []}, **{"x-goog-api-key": "own"})
    provider.expect("POST", "/openai/deployments/prod-small/chat/completions?api-version=2024-10-21", json_reply({**REPLY, "model": "gpt-4o-mini"}))
    azure = post("/proxy/azure/openai/deployments/prod-large/chat/completions?api-version=2024-10-21", {**ASK, "model": "prod-large"},
                 **{"api-key": "own"})
    provider.expect("POST", f"/model/{HAIKU}/converse", json_reply(ANSWER))
    bedrock = post(f"/proxy/bedrock/model/{SONNET}/converse", {"messages": []})
    assert [(reply.status_code, reply.headers.get("x-tallystick-model")) for reply in (gemini, azure, bedrock)] == [
        (200, "gemini-2.5-flash"), (200, "gpt-4o-mini"), (200, "anthropic.claude-haiku-4-5-20251001-v1:0")]
    requests = [each.request for each in provider.bill[booked:]]
    assert json.loads(requests[1].body)["model"] == "prod-small"
    assert is_signed(requests[2], provider.url), "what is signed is what goes out"
    newest = gateway.calls(booked + 3)[:3]
    assert [(call["method"], call["requested_model"]) for call in newest] == [
        ("priced", "anthropic.claude-haiku-4-5-20251001-v1:0"), ("priced", "gpt-4o-mini"), ("priced", "gemini-2.5-flash")]


def test_what_its_caller_signed_is_refused_rather_than_broken(scene: Scene) -> None:
    gateway, provider = scene
    key = gateway.key(team="web")
    gateway.json("policies", "set", "default_output", "-p", "output_tokens=300")
    signed = {"x-tallystick-key": key, "authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-central-1/bedrock/aws4_request, "
                                                        "SignedHeaders=host, Signature=00"}
    place = f"{gateway.url}/proxy/bedrock/model/{SONNET}/converse"
    refused = httpx.post(place, json={"messages": []}, timeout=PATIENCE_S, headers=signed)
    assert refused.status_code == 403
    assert "an output limit of at most 300" in refused.text
    provider.expect("POST", f"/model/{SONNET}/converse", json_reply(ANSWER))
    stated = httpx.post(place, json={"messages": [], "inferenceConfig": {"maxTokens": 9}}, timeout=PATIENCE_S, headers=signed)
    assert stated.status_code == 200
