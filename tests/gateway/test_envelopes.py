"""Envelopes by the command, on a running gateway: every call draws on them, and none passes where one is needed and missing."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: RunningGateway, key: str) -> httpx.Response:
    return httpx.post(f"{gateway.url}{CHAT}", content=json.dumps(ASK), timeout=PATIENCE_S, headers={
        "authorization": "Bearer sk-own", "x-tallystick-key": key, "content-type": "application/json"})


def test_a_team_that_needs_an_envelope_calls_only_while_it_has_one(tmp_path: Path) -> None:
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        key = gateway.key(team="web")
        provider.expect("POST", CHAT, json_reply({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06", "usage": {
            "prompt_tokens": 8, "completion_tokens": 50, "total_tokens": 58}, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}), times=10)
        assert ask(gateway, key).status_code == 200
        gateway.calls(1)
        assert gateway.run("envelopes", "require", "team:web").returncode == 0
        assert ask(gateway, key).status_code == 402
        asked = gateway.json("envelopes", "request", "team:web", "--amount", "10", "--until", "30d", "--purpose", "trial")
        assert ask(gateway, key).status_code == 402, "asking opens nothing"
        signed = gateway.json("envelopes", "sign", str(asked["id"]))
        assert (signed["state"], signed["not_in_force_on"]) == ("active", [])
        assert ask(gateway, key).status_code == 200
        gateway.calls(2)
        assert gateway.json("envelopes", "show", str(asked["id"]))["spent_usd"] == "0.000520000"
        fits = gateway.json("envelopes", "headroom", "team:web", "--monthly-delta", "5")
        assert (fits["fits"], len(fits["envelopes"])) == (True, 1)
        assert gateway.run("envelopes", "headroom", "team:web", "--monthly-delta", "50").returncode == 1
        assert gateway.json("envelopes", "end", str(asked["id"]))["state"] == "ended"
        assert ask(gateway, key).status_code == 402
        assert gateway.run("verify").returncode == 0
