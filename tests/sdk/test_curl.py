"""curl, as the documents of S1 and S2 and the quickstart show it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.mini_upstream import MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, PROVIDER_KEY, Gateway

MESSAGES = [{"role": "user", "content": "Say hello"}]


def curl(url: str, *words: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a reply, by curl."""
    run = subprocess.run(["curl", "-sS", "-D", "-", "--max-time", str(int(PATIENCE_S)), url, *words], capture_output=True, check=True)
    head, _, body = run.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")


@needs_curl
def test_s1_curl_without_a_content_type(gateway: Gateway, provider: MiniUpstream) -> None:
    """curl then says that the JSON is a form; the provider is told what it is."""
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4.1"))
    headers, body = curl(
        f"{gateway.url}/v1/openai/v1/chat/completions",
        "-H", f"X-ASO-API-Key: {gateway.key('aso')}",
        "-H", f"Authorization: Bearer {PROVIDER_KEY}",
        "-d", json.dumps({"model": "gpt-4.1", "messages": MESSAGES}),
    )
    assert json.loads(body)["choices"][0]["message"]["content"] == "Hello there"
    gateway.booked(headers, provider, cost_nanos=replies.COST_NANOS["gpt-4.1"])
    assert provider.bill[-1].request.header(b"content-type") == b"application/json"


@needs_curl
@pytest.mark.parametrize(("path", "answer", "cost_nanos", "body"), [
    ("openai/v1/chat/completions", replies.chat("gpt-4o-mini"), replies.COST_NANOS["gpt-4o-mini"],
     {"model": "gpt-4o-mini", "messages": MESSAGES}),
    ("anthropic/v1/messages", replies.message("claude-sonnet-4-20250514"), replies.COST_NANOS["claude-sonnet-4-20250514"],
     {"model": "claude-sonnet-4-20250514", "max_tokens": 100, "messages": MESSAGES}),
], ids=["openai", "anthropic"])
def test_s2_curl_with_a_virtual_key_and_nothing_else(
    gateway: Gateway, provider: MiniUpstream, path: str, answer: Any, cost_nanos: int, body: dict[str, Any],
) -> None:
    provider.expect("POST", "/" + path.partition("/")[2], answer)
    headers, _ = curl(
        f"{gateway.url}/proxy/{path}", "-H", f"X-Virtual-Key: {gateway.key('vk')}", "-H", "Content-Type: application/json", "-d", json.dumps(body),
    )
    gateway.booked(headers, provider, cost_nanos=cost_nanos)


@needs_curl
@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
def test_the_first_call_of_a_newcomer(gateway: Gateway, provider: MiniUpstream, streamed: bool) -> None:
    """The quickstart's line: no provider account, a simulated reply, a call in the books."""
    before = len(provider.bill)
    headers, body = curl(
        f"{gateway.url}/v1/chat/completions",
        "-H", f"Authorization: Bearer {gateway.key('tallystick')}", "-H", "X-Tallystick-Sandbox: true", "-H", "Content-Type: application/json",
        "-d", json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES, "stream": streamed}),
    )
    assert body.endswith(b"data: [DONE]\n\n") if streamed else json.loads(body)["object"] == "chat.completion"
    call = gateway.call(headers["x-tallystick-request-id"])
    assert (call["method"], call["cost_nanos"]) == ("sandbox", 0)
    assert call["would_be_cost_nanos"] > 0
    assert len(provider.bill) == before
