"""Programs that call a provider directly, rewritten by the Prompt Builder's import and then run: by the real SDKs, against a running
gateway, with a key of it in the environment and no way to anybody else. A text that merely looks right is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.rewriting.rewriting import rewritten
from tallystick.rewriting.sheet import Target
from tests.mini_upstream import Answer, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, Gateway
from tests.sdk.node import programs
from tests.sdk.test_client_pages import MACHINE, Provider

HEADERS = {"X-Tallystick-Prompt-Key": "support/summary", "X-Tallystick-Prompt-Version": "7", "X-Tallystick-Tags": "beta"}
KEY = "sk-proj-" + "A1b2" * 8
HELLO = 'messages=[{"role": "user", "content": "Say hello"}]'

PYTHON = {
    "openai": f"""from openai import OpenAI

client = OpenAI(api_key="{KEY}", max_retries=0)  # ours
reply = client.chat.completions.create(model="gpt-4o-mini", {HELLO})
print(reply.choices[0].message.content)
""",
    "openai, asynchronously": """import asyncio
import openai


async def main() -> None:
    async with openai.AsyncOpenAI() as client:
        reply = await client.responses.create(model="gpt-4o-mini", input="Say hello")
        print(reply.output_text)

asyncio.run(main())
""",
    "openai, its module": f"""import openai as ai
ai.api_key = "{KEY}"
print(ai.chat.completions.create(model="gpt-4o-mini", {HELLO}).choices[0].message.content)
""",
    "anthropic": f"""import os
from anthropic import Anthropic

client = Anthropic(
    # the key of the whole house
    api_key=os.environ.get("ANTHROPIC_API_KEY"),
)
print(client.messages.create(model="claude-haiku-4-5", max_tokens=64, {HELLO}).content[0].text)
""",
    "httpx": f"""import httpx

reply = httpx.post(
    "https://api.openai.com/v1/chat/completions",
    headers={{"Authorization": "Bearer {KEY}"}},
    json={{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Say hello"}}]}},
)
print(reply.json()["choices"][0]["message"]["content"])
""",
}
CURL = f"""curl -sS https://api.anthropic.com/v1/messages \\
  -H "x-api-key: {KEY}" \\
  -H 'anthropic-version: 2023-06-01' -H 'Content-Type: application/json' \\
  -d '{{"model": "claude-haiku-4-5", "max_tokens": 64, "messages": [{{"role": "user", "content": "Say hello"}}]}}'
"""
JAVASCRIPT = {
    "openai": f"""import OpenAI from "openai";
const client = new OpenAI({{ apiKey: "{KEY}" }});
const reply = await client.chat.completions.create({{ model: "gpt-4o-mini", messages: [{{ role: "user", content: "Say hello" }}] }});
console.log(reply.choices[0].message.content);
""",
    "anthropic": """import Anthropic from "@anthropic-ai/sdk";
const client = new Anthropic();
const reply = await client.messages.create({ model: "claude-haiku-4-5", max_tokens: 64, messages: [{ role: "user", content: "Say hello" }] });
console.log(reply.content[0].text);
""",
    "fetch": """const reply = await fetch("https://api.openai.com/v1/chat/completions", {
  method: "POST",
  headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "Content-Type": "application/json" },
  body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Say hello" }] }),
});
console.log((await reply.json()).choices[0].message.content);
""",
}


class Everyone(Provider):
    def answer(self, path: str, body: bytes) -> Answer | None:
        return replies.response("gpt-4o-mini") if path.endswith("/responses") else super().answer(path, body)


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with Everyone() as running:
        yield running


def through(gateway: Gateway, code: str) -> str:
    found = rewritten(code, Target(gateway.url, HEADERS))
    assert found.changed
    assert [note.text for note in found.notes if note.kind == "unclear"] == []
    assert KEY not in found.code
    return found.code


def came_through(gateway: Gateway, provider: MiniUpstream, count: int = 1) -> None:
    """So many calls in the books, each saying what it is for, and nothing of ours at the provider."""
    for call in gateway.all_fresh(count):
        assert (call["method"], call["basis"]) == ("priced", "usage")
        booked = call["attribution"]
        assert (booked["prompt_key"], booked["prompt_version"], booked["tags"]) == ("support/summary", "7", [["beta", ""]])
    sent = provider.bill[-1].request
    assert b"tallystick" not in sent.head.lower()
    assert b"tsk_" not in sent.head
    assert KEY.encode() not in sent.head


def ran(gateway: Gateway, folder: Path, words: list[str], code: str) -> str:
    (folder / "call").write_text(code, encoding="utf-8")
    env = MACHINE | {"PATH": os.environ["PATH"], "HOME": str(folder), "TALLYSTICK_KEY": gateway.key("tallystick")}
    done = subprocess.run([*words, "call"], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("code", PYTHON.values(), ids=PYTHON)
def test_python(gateway: Gateway, provider: MiniUpstream, tmp_path: Path, code: str) -> None:
    assert "Hello there" in ran(gateway, tmp_path, [sys.executable], through(gateway, code))
    came_through(gateway, provider)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_curl(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    assert "Hello there" in ran(gateway, tmp_path, ["sh", "-eu"], through(gateway, CURL))
    came_through(gateway, provider)


@programs.needs_node
def test_javascript(gateway: Gateway, provider: MiniUpstream, tmp_path: Path) -> None:
    code = {name: through(gateway, text) for name, text in JAVASCRIPT.items()}
    seen = programs.run(tmp_path / "code", gateway, code, f"export TALLYSTICK_KEY='{gateway.key('tallystick')}'\n")
    assert {name: (saw.printed, saw.error) for name, saw in seen.items()} == dict.fromkeys(JAVASCRIPT, ("Hello there\n", None))
    came_through(gateway, provider, len(JAVASCRIPT))
