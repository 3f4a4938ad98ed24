"""The pages of docs/clients, run as they stand: only host and key are replaced.

A page is read from top to bottom. Its `sh` blocks run in a shell, and what they export holds for what
follows; its `python` blocks between two of them are one program, in a process of its own. The provider
behind the gateway answers whatever path is asked for, and bills it; afterwards every call must stand in
the books as it was billed, and the provider must have seen nothing of ours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.build.event_streams import stream as event_stream
from tests.build.replies import events
from tests.mini_upstream import Answer, MiniUpstream, chunked, json_reply, sse_reply
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, PROVIDER_KEY, SIDE_INTERPRETER, Gateway, needs_side_environment

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "clients"
HOSTS = ("http://127.0.0.1:8000", "https://tallystick.example")
KEY = "tsk_…"

# Page → what its programs import here.
PAGES = {
    "openai-python": "openai", "anthropic-python": "anthropic", "google-genai": "google.genai", "mistral": "mistralai", "groq": "groq",
    "cohere": "cohere", "langchain": "", "litellm": "", "bedrock-boto3": "boto3", "vertex": "google.genai", "curl": "",
}
SIDE_PAGES = {"langchain", "litellm"}
OTHER_PAGES = {"README", "openai-node", "anthropic-js", "vercel-ai", "langchain-js", "php-guzzle"}
"""The index, and what test_node_*.py and their like run."""

# What a machine has on which these clients are used, so that a page need not speak of it; and a proxy that is none, so that
# a program that forgets the gateway's address fails here and calls nobody.
MACHINE = {
    "OPENAI_API_KEY": PROVIDER_KEY, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_EC2_METADATA_DISABLED": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1",
}

BEDROCK_USAGE = {"inputTokens": 25, "outputTokens": 12, "totalTokens": 37}
COHERE_USAGE = {"billed_units": {"input_tokens": 25, "output_tokens": 12}, "tokens": {"input_tokens": 90, "output_tokens": 14}}
COST_NANOS = replies.COST_NANOS | {
    "command-a-03-2025": 25 * 2_500 + 12 * 10_000,                                # $2.50, $10
    "claude-sonnet-4-5@20250929": 25 * 3_000 + 12 * 15_000,                       # $3, $15 on the global endpoint
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": 25 * 3_300 + 12 * 16_500,     # a tenth more in a zone
}


def cohere(*, streamed: bool) -> Answer:
    if not streamed:
        message = {"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]}
        return json_reply({"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": COHERE_USAGE}, usage=replies.MESSAGE_USAGE)
    parts = events(
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hello there"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE_USAGE}})
    return sse_reply([parts], usage=replies.MESSAGE_USAGE)


def converse(*, streamed: bool) -> Answer:
    if not streamed:
        message = {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}}
        document = {"output": message, "stopReason": "end_turn", "usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}}
        return json_reply(document, usage=replies.MESSAGE_USAGE)
    body = event_stream(
        ("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello there"}}),
        ("messageStop", {"stopReason": "end_turn"}), ("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}}))
    return chunked(200, [(b"content-type", b"application/vnd.amazon.eventstream")], [body], usage=replies.MESSAGE_USAGE)


class Provider(MiniUpstream):
    """Every provider in one: it answers by the path, and by whether a stream is asked for."""

    def _take(self, method: str, path: str, body: bytes | None) -> Answer | None:
        return None if body is None else self.answer(path, body)

    def answer(self, path: str, body: bytes) -> Answer | None:
        streamed = b'"stream":true' in body.replace(b" ", b"") or "stream" in path.lower()
        model = re.search(rb'"model": ?"([^"]+)"', body)
        name = model[1].decode() if model else ""
        if streamed and (path.startswith("/openai/") or name.startswith("mistral")):
            usage = {"x_groq": {"usage": replies.CHAT_TOTAL}} if path.startswith("/openai/") else {"usage": replies.CHAT_TOTAL}
            return sse_reply(replies.data_events(replies.ending_chunks(name, **usage)), usage=replies.CHAT_USAGE)
        if path.endswith("/chat/completions"):
            return replies.chat_stream(name) if streamed else replies.chat(name)
        if path.endswith(("/messages", ":rawPredict")):
            return replies.message_stream(name) if streamed else replies.message(name or "claude-sonnet-4-5")
        if "gemini" in path:
            return replies.gemini_stream("gemini-2.5-flash") if streamed else replies.gemini("gemini-2.5-flash")
        if path == "/v2/chat":
            return cohere(streamed=streamed)
        return converse(streamed=streamed) if "/converse" in path else None


@dataclass(frozen=True)
class Block:
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Its fenced blocks that can be run."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", (FOLDER / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found if language in ("python", "sh")]


def programs(page: str) -> Iterator[Block]:
    """Its shell blocks one by one, its Python blocks between them as one."""
    for language, some in groupby(blocks(page), key=lambda block: block.language):
        group = list(some)
        yield from group if language == "sh" else [Block(language, "".join(block.text + "\n" for block in group))]


def run(words: Sequence[str | Path], program: str, env: dict[str, str]) -> str:
    """What the program prints. It must succeed."""
    done = subprocess.run([*words, program], env=env, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    assert done.returncode == 0, f"{program}\n{done.stderr}{done.stdout}"
    return done.stdout


def run_page(page: str, gateway: Gateway) -> str:
    """What its programs print, one after the other."""
    strange = ("OPENAI", "ANTHROPIC", "GROQ", "GOOGLE", "GEMINI", "MISTRAL", "CO_API", "LANG", "AWS", "PYTHON", "LITELLM")
    env = {name: value for name, value in os.environ.items() if not name.startswith(strange)} | MACHINE
    said = ""
    for block in programs(page):
        text = block.text.replace(KEY, gateway.key("tallystick"))
        for host in HOSTS:
            text = text.replace(host, gateway.url)
        if block.language == "python":
            said += run([SIDE_INTERPRETER if page in SIDE_PAGES else sys.executable, "-c"], text, env)
            continue
        printed, _, after = run(["sh", "-euc"], f"{text}\nprintf '\\n--environment--\\n'\nenv -0", env).partition("\n--environment--\n")
        env = dict(line.partition("=")[::2] for line in after.split("\0") if line)
        said += printed
    return said


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with Provider() as running:
        yield running


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(gateway: Gateway, provider: MiniUpstream, page: str) -> None:
    if page in SIDE_PAGES:
        needs_side_environment()
    if page == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    if PAGES[page]:
        pytest.importorskip(PAGES[page])
    before = len(provider.bill)
    assert "Hello" in run_page(page, gateway)
    billed = provider.bill[before:]
    calls = gateway.all_fresh(len(billed))

    assert provider.complaints == []
    assert {(call["method"], call["basis"]) for call in calls} == {("priced", "usage")}
    assert sorted(str(call["usage"]) for call in calls) == sorted(str(dict(line.usage or {})) for line in billed)
    assert [call["cost_nanos"] for call in calls] == [COST_NANOS[call["requested_model"]] for call in calls]
    assert {call["stream"] for call in calls} == {False, True}, "a page shows both"
    assert any(call["attribution"].get("user") == "ada" and ["tier", "gold"] in call["attribution"]["tags"] for call in calls)
    leaked: list[Any] = [header for line in billed for header in line.request.headers if b"tallystick" in header[0].lower() or b"tsk_" in header[1]]
    assert leaked == []


def test_every_page_is_in_the_index_and_is_run_by_somebody() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")}
    assert pages == set(PAGES) | OTHER_PAGES
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [page for page in sorted(pages - {"README"}) if f"({page}.md)" not in index] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_alike(page: str) -> None:
    """Who knows one page finds the same things on the next."""
    headings = re.findall(r"^## (.+)$", (FOLDER / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = ["Streaming", "What you see afterwards", "Pitfalls"]
    if page != "curl":
        wanted = ["In the code", "Streaming", "From the environment", "What you see afterwards", "Pitfalls"]
    assert [heading for heading in headings if heading in wanted] == wanted
