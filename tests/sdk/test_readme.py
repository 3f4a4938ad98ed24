"""The README's own lines, run as they stand: only the address is another, and the keys are real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.mini_upstream import MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, PROVIDER_KEY, Gateway

README = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text(encoding="utf-8")
HOST = "http://127.0.0.1:8000"
MESSAGES = [{"role": "user", "content": "Hello"}]
SONNET = "claude-sonnet-4-20250514"

pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")


def python(holding: str) -> str:
    """The one Python block that holds these words."""
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if holding in block]
    return block


def shell(holding: str) -> str:
    """The one curl line that holds these words, with its continuations."""
    (line,) = [line for line in re.findall(r"^ {4}(curl (?:.*\\\n)*.*)$", README, re.MULTILINE) if holding in line]
    return line


def run_python(block: str, gateway: Gateway, form: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a block; the names it leaves behind."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, PROVIDER_KEY)
    names: dict[str, Any] = {"os": os, "OpenAI": OpenAI, "Anthropic": Anthropic, "KEY": gateway.key(form), "messages": MESSAGES}
    exec(block.replace(HOST, gateway.url), names)
    return names


def run_shell(line: str, gateway: Gateway, form: str) -> dict[str, Any]:
    """Run a line; the JSON of its reply."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "KEY": gateway.key(form), "OPENAI_API_KEY": PROVIDER_KEY}
    run = subprocess.run(["sh", "-c", line.replace(HOST, gateway.url)], env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    document: dict[str, Any] = json.loads(run.stdout[run.stdout.index("{"):])
    return document


def test_the_first_call(gateway: Gateway) -> None:
    assert run_shell(shell("X-Tallystick-Sandbox"), gateway, "tallystick")["object"] == "chat.completion"


def test_a_key_beside_the_providers(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    client = run_python(python("X-Cartie-Key"), gateway, "cartie", monkeypatch)["client"]
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-5.2"))
    reply = client.chat.completions.with_raw_response.create(model="gpt-5.2", messages=MESSAGES)
    call = gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS["gpt-5.2"])
    assert call["attribution"]["team"] == "marketing-usa"


def test_curl_to_a_providers_own_path(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat("gpt-4.1"))
    assert run_shell(shell("X-ASO-API-Key"), gateway, "aso")["model"] == "gpt-4.1"


def test_a_virtual_key_and_nothing_else(gateway: Gateway, provider: MiniUpstream) -> None:
    provider.expect("POST", "/v1/messages", replies.message(SONNET))
    assert run_shell(shell("X-Virtual-Key"), gateway, "vk")["model"] == SONNET


def test_the_platform_key_in_authorization(gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    client = run_python(python("X-Provider-Key"), gateway, "apc", monkeypatch)["client"]
    provider.expect("POST", "/v1/messages", replies.message(SONNET))
    reply = client.messages.with_raw_response.create(model=SONNET, max_tokens=100, messages=MESSAGES)
    gateway.booked(reply.headers, provider, cost_nanos=replies.COST_NANOS[SONNET])


def test_a_project_token(
    gateway: Gateway, provider: MiniUpstream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat_stream("gpt-4o"))
    run_python(python("X-Project-Token"), gateway, "acm", monkeypatch)
    assert capsys.readouterr().out == "Hello there"
