"""`tallystick demo`: something to look at in one command, and nothing of it left behind. The calls of its ninety days go
through the real line and the real ledger, so the ledger verifies, and every one of them says that it is a sample."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tallystick.config import ProviderSettings
from tests.build.commands import SOURCE, document


class Demo:
    """The running command and what it printed."""

    def __init__(self, folder: Path) -> None:
        environment = {
            "PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCE), "TMPDIR": str(folder),
            "TALLYSTICK_PROVIDERS__OPENAI__BASE_URL": "http://127.0.0.1:1", "TALLYSTICK_SERVER__HOST": "0.0.0.0",     # not heeded
        }
        self.process = subprocess.Popen([sys.executable, "-m", "tallystick", "demo", "--port", "0"], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if " at http" in line:
                break
        self.said = said
        self.url = re.search(r"Address +(\S+)", said).group(1)       # type: ignore[union-attr]
        self.password = re.search(r"Password +(\S+)", said).group(1)     # type: ignore[union-attr]
        self.data = Path(re.search(r"Data +(\S+)", said).group(1))       # type: ignore[union-attr]
        self.key = re.search(r"X-Tallystick-Key: (\S+)'", said).group(1)     # type: ignore[union-attr]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.process.kill()
    running.process.communicate()


def test_its_calls_are_marked_and_its_ledger_verifies(demo: Demo) -> None:
    assert document("verify", data=demo.data)["ok"] is True
    out = demo.data / "calls.jsonl"
    document("export", "calls-jsonl", "--out", str(out), data=demo.data)
    calls = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(calls) > 5_000
    assert all(call["dimensions"] == {"sample": "true"} for call in calls)
    assert all(call["tags"] == [["sample", ""]] for call in calls if call["state"] != "refused")
    assert {"completed", "failed", "cut", "refused"} <= {call["outcome"] for call in calls}
    assert len({call["at"][:10] for call in calls}) >= 90
    assert not (demo.data / "quarantine").exists()


def test_its_login_and_its_key_work(demo: Demo) -> None:
    assert f"{demo.url}/login?email=admin@local" in demo.said
    form = {"username": "admin@local", "password": demo.password}
    assert httpx.post(f"{demo.url}/api/auth/token", data=form, timeout=30).status_code == 200
    assert httpx.post(f"{demo.url}/api/auth/token", data={**form, "password": "admin123"}, timeout=30).status_code == 401
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"X-Tallystick-Key": demo.key, "X-Tallystick-Sandbox": "true"}
    assert httpx.post(f"{demo.url}/v1/chat/completions", json=body, headers=headers, timeout=30).status_code == 200


def test_it_listens_on_loopback_and_reaches_no_provider(demo: Demo) -> None:
    assert demo.url.startswith("http://127.0.0.1:")
    body = {"model": "gpt-4o-mini", "messages": []}
    headers = {"X-Tallystick-Key": demo.key, "Authorization": "Bearer sk-own"}
    answer = httpx.post(f"{demo.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    assert answer.status_code == 502


def test_every_provider_is_a_closed_door() -> None:
    from tallystick.cli.demo import _settings
    from tallystick.providers import PROVIDERS

    settings = _settings(Path("nowhere"), 0)
    assert settings.providers == {provider.id: ProviderSettings(base_url="http://127.0.0.1:9") for provider in PROVIDERS}


def test_the_directory_is_gone_when_it_stops(demo: Demo) -> None:
    assert demo.data.exists()
    demo.process.send_signal(signal.SIGTERM)
    demo.process.wait(timeout=30)
    assert not demo.data.exists()
