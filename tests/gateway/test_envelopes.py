"""Envelopes by the command, on a running gateway: every call draws on them, and none passes where one is needed and missing."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic, sleep

import httpx

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, MiniUpstream, json_reply

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: RunningGateway, key: str, **more: object) -> httpx.Response:
    return httpx.post(f"{gateway.url}{CHAT}", content=json.dumps({**ASK, **more}), timeout=PATIENCE_S, headers={
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


def answer_of(model: str, prompt_tokens: int) -> Answer:
    return json_reply({"id": "1", "object": "chat.completion", "created": 1, "model": model, "usage": {
        "prompt_tokens": prompt_tokens, "completion_tokens": 0, "total_tokens": prompt_tokens}, "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]})


def test_past_eighty_percent_calls_go_out_with_the_cheaper_model_and_at_all_of_it_none_does(tmp_path: Path) -> None:
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        key = gateway.key(team="web")
        asked = gateway.json("envelopes", "request", "team:web", "--amount", "0.5", "--until", "30d", "--purpose", "trial", "--sign")
        shown = gateway.json("envelopes", "fallback", str(asked["id"]), "gpt-4o=gpt-4o-mini")
        assert (shown["fallback"]["models"], shown["fallback"]["at_percent"]) == ({"gpt-4o": "gpt-4o-mini"}, 80)
        gateway.json("budgets", "set", "--team", "web", "--limit", "$0.01/day", "--soft")      # far over, and none of its business
        provider.expect("POST", CHAT, answer_of("gpt-4o", 80_000))                               # $0.20: 40% of it
        assert ask(gateway, key).status_code == 200
        gateway.calls(1)
        sleep(1.5)                                                                              # what is spent is looked at every second
        provider.expect("POST", CHAT, answer_of("gpt-4o", 88_000))                               # $0.22: 84%
        kept = ask(gateway, key)
        assert (kept.status_code, "x-tallystick-model" in kept.headers) == (200, False), kept.text
        provider.expect("POST", CHAT, answer_of("gpt-4o-mini", 1), times=100)
        answers, deadline = [kept], monotonic() + PATIENCE_S
        while "x-tallystick-model" not in answers[-1].headers and monotonic() < deadline:
            answers.append(ask(gateway, key))
            sleep(0.2)
        cheap = answers[-1]
        assert (cheap.status_code, cheap.headers["x-tallystick-model"]) == (200, "gpt-4o-mini")
        assert json.loads(provider.calls[-1].body) == {**ASK, "model": "gpt-4o-mini"}
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        gateway.calls(1 + len(answers))
        document = gateway.call(cheap.headers["x-tallystick-request-id"])
        assert (document["requested_model"], document["cost_nanos"], document["asked"]) == ("gpt-4o-mini", 150, {"model": "gpt-4o"})
        assert gateway.json("envelopes", "show", str(asked["id"]))["used_percent"] > 80
        assert ask(gateway, key, max_tokens=16_000, n=40).status_code == 402, "what is left does not hold that, not even of the cheaper model"
        assert gateway.run("verify").returncode == 0
