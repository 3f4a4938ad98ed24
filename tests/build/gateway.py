"""A running gateway: the real process, on a free port, on a data directory of its own, with every
provider's address pointed to a loopback provider.

    with RunningGateway(tmp_path, upstream=provider.url) as gateway:
        key = gateway.key(team="hr", project="bot")
        ...                                   # call gateway.url
        call = gateway.call(request_id)       # the API's document, once it is booked
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tallystick import providers

PATIENCE_S = 30.0
"""How long a start or a booking may take before the test fails; no test's result depends on it."""

ADMIN = ("admin@example.test", "a long enough password")
SMALL_SPOOL = "[journal]\nsegment_bytes = 4194304\n"
"""A gateway takes two segments at its start. Hundreds of them at 64 MiB each would fill a disk."""
AT_TIME = Path(__file__).with_name("at_time.py")
PROVIDERS = tuple(known.id for known in providers.PROVIDERS)


class RunningGateway:
    """`tallystick serve` as a child process. `config` is more TOML; `env` more environment; `at` the
    moment at which it starts, if not now."""

    def __init__(self, folder: Path, *, upstream: str = "http://127.0.0.1:9", config: str = "", env: Mapping[str, str] | None = None,
                 at: str | None = None) -> None:
        self.data = folder / "data"
        self.config = folder / "tallystick.toml"
        self.log = folder / "log"
        self._settings = "".join(f'[providers.{name}]\nbase_url = "{upstream}"\n' for name in PROVIDERS) + config
        if "[journal]" not in config:
            self._settings += SMALL_SPOOL
        machine = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        self._env = {**machine, "TALLYSTICK_ADMIN_EMAIL": ADMIN[0], "TALLYSTICK_ADMIN_PASSWORD": ADMIN[1], **(env or {})}
        self._program = ("-m", "tallystick") if at is None else (str(AT_TIME), at)
        self._process: subprocess.Popen[str] | None = None
        self._token: str | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(self._settings)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it says where it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("serve", "--port", "0"), env=self._env, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("Tallystick "):
            raise AssertionError(f"the gateway did not start: {line}{self.log.read_text()}")
        self.url = line.split(" at ", 1)[1].split(",", 1)[0]
        self._token = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "the gateway is not running"
        return self._process.pid

    def stop(self) -> int:
        """Ask it to stop and wait. Returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        self._process = None
        process.send_signal(how)
        process.communicate(timeout=PATIENCE_S)
        return process.returncode

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """One command of the CLI on this data directory. `said`: its standard input."""
        return subprocess.run(
            self._command(*words), env=self._env, input=said, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)

    def json(self, *words: str) -> Any:
        """The document of a command with `--json`, which must succeed."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def key(self, **fields: str) -> str:
        """A new key's text: `key(team="hr", project="bot", cost_center="7")`."""
        words = [word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)]
        return str(self.json("keys", "create", *words)["key"])

    def call(self, request_id: str) -> dict[str, Any]:
        """The API's document of a call."""
        return dict(self.api(f"/api/requests/{request_id}"))

    def calls(self, at_least: int = 0, kind: str = "calls") -> list[dict[str, Any]]:
        """The newest calls (`kind`: as in the API), once there are that many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found: Sequence[dict[str, Any]] = self.api(f"/api/requests?limit=200&kind={kind}")["items"]
            if len(found) >= at_least:
                return list(found)
            assert time.monotonic() < deadline, f"only {len(found)} calls of {at_least} were booked"
            time.sleep(0.05)

    def api(self, path: str) -> Any:
        """GET a JSON document as the first admin."""
        if self._token is None:
            answer = httpx.post(f"{self.url}/api/auth/token", data={"username": ADMIN[0], "password": ADMIN[1]}, timeout=PATIENCE_S)
            self._token = answer.raise_for_status().json()["access_token"]
        answer = httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {self._token}"}, timeout=PATIENCE_S)
        return answer.raise_for_status().json()

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, *self._program, *words, "--data", str(self.data), "--config", str(self.config)]
