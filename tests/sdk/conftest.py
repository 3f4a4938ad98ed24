"""A running gateway as a stranger meets it: the `tallystick` command in its own process, a settings
file, keys made by the CLI, calls read back over the API. Nothing in these tests reaches inside.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mini_upstream import MiniUpstream

PROVIDER_KEY = "sk-callers-own-key"
PATIENCE_S = 30.0
"""How long a test may be stuck before it fails; no test's result depends on it."""

SETTINGS = """
[providers.openai]
base_url = "{url}"
credentials.default.env = "STORED_OPENAI"

[providers.anthropic]
base_url = "{url}"
credentials.default.env = "STORED_ANTHROPIC"

[providers.google]
base_url = "{url}"
credentials.default.env = "STORED_GOOGLE"
"""
ADMIN = {"username": "owner@example.com", "password": "correct horse battery staple"}


class Call(dict[str, Any]):
    """The API's document of one call."""

    def label(self, name: str) -> str | None:
        """What it is booked on, whoever said so."""
        value = self["attribution"].get(name)
        return value["value"] if isinstance(value, dict) else value


@dataclass
class Gateway:
    """One gateway for a module's tests. Keys are made once per format: the tests are about calls."""

    url: str
    data: Path
    env: Mapping[str, str]
    keys: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def key(self, form: str) -> str:
        if form not in self.keys:
            self.keys[form] = self.command("keys", "create", "--format", form)["key"]
        return self.keys[form]

    def command(self, *words: str) -> Any:
        """Run a command of the CLI with `--json` and read its document."""
        run = subprocess.run(
            [sys.executable, "-m", "tallystick", *words, "--data", str(self.data), "--json"],
            env=dict(self.env), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    def call(self, request_id: str) -> Call:
        """The call's document, once it is settled."""
        if not self.token:
            self.token = httpx.post(f"{self.url}/api/auth/token", data=ADMIN, timeout=PATIENCE_S).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {self.token}"}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            reply = httpx.get(f"{self.url}/api/requests/{request_id}", headers=headers, timeout=PATIENCE_S)
            if reply.status_code == 200 and reply.json()["state"] != "open":
                return Call(reply.json())
            assert time.monotonic() < deadline, f"{request_id} is not in the books: {reply.status_code} {reply.text}"
            time.sleep(0.05)

    def booked(self, headers: Mapping[str, str], provider: MiniUpstream, *, cost_nanos: int) -> Call:
        """The call's document, after comparing it with the provider's own bill."""
        call = self.call(headers["x-tallystick-request-id"])
        assert (call["method"], call["basis"]) == ("priced", "usage")
        assert call["usage"] == provider.bill[-1].usage
        assert call["cost_nanos"] == cost_nanos
        assert provider.complaints == []
        return call


@pytest.fixture(scope="module")
def provider() -> Iterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("data")
    (data / "tallystick.toml").write_text(SETTINGS.format(url=provider.url))
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")},
        "STORED_OPENAI": "sk-stored-openai", "STORED_ANTHROPIC": "sk-stored-anthropic", "STORED_GOOGLE": "stored-google",
        "TALLYSTICK_ADMIN_EMAIL": ADMIN["username"], "TALLYSTICK_ADMIN_PASSWORD": ADMIN["password"],
    }
    port = free_port()
    with (data / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tallystick", "serve", "--port", str(port), "--data", str(data)],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        running = Gateway(f"http://127.0.0.1:{port}", data, env)
        wait_ready(running.url, server, data / "log")
        yield running
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=PATIENCE_S).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"not ready: {log.read_text()}"
        time.sleep(0.05)
