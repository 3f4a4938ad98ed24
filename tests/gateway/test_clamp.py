"""A budget that clamps lowers how long an answer may be, in each dialect's own spelling and nothing else of the request;
the answer and the ledger say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

Call = tuple[str, str, dict[str, str], str]
# Path here and upstream, credential, and the body as text with the limit's place open.
CALLS: dict[str, Call] = {
    "chat": ("/v1/chat/completions", "/v1/chat/completions", {"authorization": "Bearer sk"},
             '{"model": "gpt-4o",  "max_tokens": %d, "messages": [{"role":"user","content":"hello"}]}'),
    "chat completion": ("/v1/chat/completions", "/v1/chat/completions", {"authorization": "Bearer sk"},
                        '{"model":"gpt-4o","max_completion_tokens":%d,"messages":[{"role":"user","content":"hello"}]}'),
    "responses": ("/v1/responses", "/v1/responses", {"authorization": "Bearer sk"},
                  '{"model":"gpt-4o","input":"hello", "max_output_tokens":%d}'),
    "messages": ("/v1/messages", "/v1/messages", {"x-api-key": "sk-ant", "anthropic-version": "2023-06-01"},
                 '{"max_tokens":%d,"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"hello"}]}'),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", "/v1beta/models/gemini-2.5-flash:generateContent", {"x-goog-api-key": "k"},
               '{"contents":[{"parts":[{"text":"hello"}]}],"generationConfig":{"temperature":0,"maxOutputTokens":%d}}'),
    "cohere": ("/v2/chat", "/v2/chat", {"authorization": "Bearer co"},
               '{"model":"command-r-08-2024","max_tokens":%d,"messages":[{"role":"user","content":"hello"}]}'),
    "bedrock": ("/proxy/bedrock/model/anthropic.claude-3-haiku-20240307-v1:0/converse",
                "/model/anthropic.claude-3-haiku-20240307-v1:0/converse", {"authorization": "Bearer aws"},
                '{"messages":[{"role":"user","content":[{"text":"hello"}]}],"inferenceConfig":{"maxTokens":%d}}'),
}
ASKED = 200_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url)), provider


def ask(gateway: RunningGateway, key: str, name: str, limit: int) -> httpx.Response:
    path, _, headers, body = CALLS[name]
    return httpx.post(f"{gateway.url}{path}", content=body % limit, timeout=PATIENCE_S,
                      headers={**headers, "x-tallystick-key": key, "content-type": "application/json"})


def test_every_dialects_limit_is_lowered_to_what_fits_and_nothing_else_changes(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    budget = gateway.json("budgets", "set", "--org", "--limit", "20k tokens/month", "--clamp")
    assert budget["on_exceed"] == "clamp"
    for name, (_, upstream_path, _, body) in CALLS.items():
        provider.expect("POST", upstream_path, json_reply({"error": {"message": "no"}}, status=400))
        answer = ask(gateway, key, name, ASKED)
        assert answer.status_code == 400, (name, answer.text)
        sent = provider.bill[-1].body.decode()
        limit = int(answer.headers["x-tallystick-warning"].split("output_limit=")[1].split(",")[0])
        assert 64 <= limit < 20_000, name
        assert sent == body % limit, name
        assert f"clamped_by_budget={budget['id']}" in answer.headers["x-tallystick-warning"]
        call = gateway.call(answer.headers["x-tallystick-request-id"])
        assert call["cost_nanos"] == 0


def test_the_clamped_call_holds_no_more_than_fits_and_settles(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key()
    budget = gateway.json("budgets", "set", "--org", "--limit", "0.05", "--clamp")
    used = {"prompt_tokens": 8, "completion_tokens": 50, "total_tokens": 58}
    provider.expect("POST", "/v1/chat/completions", json_reply({
        "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06", "usage": used,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}))
    answer = ask(gateway, key, "chat", ASKED)
    assert answer.status_code == 200
    assert answer.headers["x-tallystick-model"] == "gpt-4o"
    gateway.calls(1)
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert 0 < call["held_nanos"] <= 50_000_000
    assert json.loads(provider.bill[-1].body)["max_tokens"] * 10_000 <= 50_000_000
    assert gateway.json("budgets", "show", str(budget["id"]))["nodes"][0]["spent_nanos"] == call["cost_nanos"] > 0
    assert gateway.run("verify").returncode == 0


@pytest.mark.parametrize("limit", ["0", "0.0001"])
def test_what_would_not_even_fit_with_a_short_answer_is_refused(scene: tuple[RunningGateway, MiniUpstream], limit: str) -> None:
    gateway, provider = scene
    key = gateway.key()
    gateway.json("budgets", "set", "--org", "--limit", limit, "--clamp")
    assert ask(gateway, key, "chat", ASKED).status_code == 402
    assert provider.bill == []


def test_the_tightest_of_two_clamps_and_one_that_rejects_is_not_bent(scene: tuple[RunningGateway, MiniUpstream]) -> None:
    gateway, provider = scene
    key = gateway.key(team="web")
    gateway.json("budgets", "set", "--org", "--limit", "0.1", "--clamp")
    team = gateway.json("budgets", "set", "--team", "web", "--limit", "0.05", "--clamp")
    provider.expect("POST", "/v1/chat/completions", json_reply({"error": {"message": "no"}}, status=400), times=2)
    answer = ask(gateway, key, "chat", ASKED)
    assert f"clamped_by_budget={team['id']}" in answer.headers["x-tallystick-warning"]
    gateway.json("budgets", "set", "--team", "web", "--limit", "0.05")
    assert ask(gateway, key, "chat", ASKED).status_code == 402


