"""A running gateway as a stranger meets it: the `tallystick` command in its own process, a settings
file, keys made by the CLI, calls read back over the API. Nothing in these tests reaches inside.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.build.gateway import RunningGateway
from tests.mini_upstream import MiniUpstream

PROVIDER_KEY = "sk-callers-own-key"
PATIENCE_S = 30.0
"""How long a test may be stuck before it fails; no test's result depends on it."""

STORED = {"OPENAI": "sk-stored-openai", "ANTHROPIC": "sk-stored-anthropic", "GOOGLE": "stored-google",
          "BEDROCK": "stored-bedrock", "VERTEX": "stored-vertex", "COHERE": "stored-cohere", "GROQ": "stored-groq",
          "MISTRAL": "stored-mistral"}
SETTINGS = "".join(f'[providers.{name.lower()}.credentials.default]\nenv = "STORED_{name}"\n' for name in STORED)


ATTRIBUTION = {"X-Tallystick-User": "ada", "X-Tallystick-Agent": "triage", "X-Tallystick-Tags": "nightly,tier=gold"}
"""What a client says about its calls, as headers."""


def booked_on(call: Mapping[str, Any], said: Mapping[str, str]) -> None:
    """The call stands in the books as its headers said, or as saying nothing."""
    booked = call["attribution"]
    assert (booked.get("user"), booked.get("agent")) == (said.get("X-Tallystick-User"), said.get("X-Tallystick-Agent"))
    assert booked["tags"] == ([["nightly", ""], ["tier", "gold"]] if "X-Tallystick-Tags" in said else [])


def sent_with(provider: MiniUpstream, credential: bytes, header: bytes = b"authorization") -> None:
    """The provider got this credential and nothing of ours."""
    sent = provider.bill[-1].request
    assert sent.header(header) == credential
    assert [name for name, value in sent.headers if b"tallystick" in name.lower() or b"litellm" in name.lower() or b"tsk_" in value] == []


class Gateway:
    """One gateway for a module's tests. Keys are made once per format: the tests are about calls."""

    def __init__(self, running: RunningGateway) -> None:
        self._running = running
        self._keys: dict[str, str] = {}
        self._looked_at: set[str] = set()
        self.url = running.url

    def key(self, form: str) -> str:
        """An organisation-wide key in the form of a source system."""
        if form not in self._keys:
            self._keys[form] = self._running.key(format=form)
        return self._keys[form]

    def revoked_key(self) -> str:
        """A key that was good until its owner ended it."""
        made = self._running.json("keys", "create")
        assert self._running.run("keys", "revoke", made["id"]).returncode == 0
        return str(made["key"])

    def call(self, request_id: str) -> dict[str, Any]:
        """The API's document of a call, once it is booked."""
        self._looked_at.add(request_id)
        return self._running.call(request_id)

    def fresh(self) -> str:
        """The id of the one call that no test has looked at yet, for clients that show no headers."""
        (new,) = self._not_looked_at(1)
        return new

    def all_fresh(self, count: int) -> list[dict[str, Any]]:
        """The documents of the calls that no test has looked at yet, which must be this many."""
        new = self._not_looked_at(count)
        assert len(new) == count
        return [self.call(request_id) for request_id in new]

    def _not_looked_at(self, count: int) -> set[str]:
        return {str(call["id"]) for call in self._running.calls(at_least=len(self._looked_at) + count)} - self._looked_at

    def booked(self, headers: Mapping[str, str], provider: MiniUpstream, *, cost_nanos: int) -> dict[str, Any]:
        """The call's document, after comparing it with the provider's own bill."""
        call = self.call(headers["x-tallystick-request-id"])
        assert (call["method"], call["basis"]) == ("priced", "usage")
        assert call["usage"] == provider.bill[-1].usage
        assert call["cost_nanos"] == cost_nanos
        assert provider.complaints == []
        return call


SIDE_INTERPRETER = Path(__file__).resolve().parents[2] / ".check" / "clients" / "bin" / "python"
"""Of LiteLLM and LangChain, whose pins are not ours (requirements/clients.in)."""

Ask = Callable[..., dict[str, Any]]


def needs_side_environment() -> None:
    if not SIDE_INTERPRETER.exists():
        pytest.skip("LiteLLM's and LangChain's environment is not made here; ./check makes it")


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """`ask("completion", model=…, …)`: what an application sees (side_calls.py)."""
    needs_side_environment()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "ANTHROPIC", "LANG", "PYTHON"))}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}      # or it fetches prices and tokenizers
    with subprocess.Popen(
        [SIDE_INTERPRETER, Path(__file__).with_name("side_calls.py")], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None

        def say(call: str, **arguments: Any) -> dict[str, Any]:
            worker.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            assert line, "the clients' process ended"
            seen: dict[str, Any] = json.loads(line)
            return seen

        yield say


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    env = {f"STORED_{name}": value for name, value in STORED.items()}
    with RunningGateway(folder, upstream=provider.url, config=SETTINGS, env=env) as running:
        yield Gateway(running)
