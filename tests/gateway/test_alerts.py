"""Alerts of a running gateway: from a call that crosses a threshold to the webhook, over a restart and a service that is
away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tallystick.channels.webhook import signature
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.gateway.test_budgets import CHAT, COST_NANOS, ask, chat
from tests.mini_upstream import MiniUpstream, json_reply

NETWORKS = '[alerts]\nnetworks = ["127.0.0.0/8"]\n'


class Hook:
    """A webhook of one's own; `status` is what it answers."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if hook.status < 300:
                    hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/in"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"only {len(self.got)} of {count} arrived"
            time.sleep(0.05)
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[RunningGateway, MiniUpstream, Hook]]:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream(strict=False))
        provider.expect("POST", CHAT, json_reply(chat()), times=100)
        hook = stack.enter_context(Hook())
        yield stack.enter_context(RunningGateway(tmp_path, upstream=provider.url, config=NETWORKS)), provider, hook


def add_hook(gateway: RunningGateway, url: str, *more: str) -> str:
    done = gateway.run("channels", "add", "ops", "webhook", "--kinds", "budget_threshold", "--json", *more, said=f"url={url}\n")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["secret"])


def test_a_call_that_crosses_a_threshold_is_told_once_and_signed(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    secret = add_hook(gateway, hook.url)
    key = gateway.key(team="web")
    gateway.json("budgets", "set", "--team", "web", "--limit", f"{COST_NANOS * 2 / 1e9:.9f}", "--window", "day", "--soft")
    for _ in range(3):
        assert ask(gateway, key).status_code == 200
    gateway.calls(3)
    said = hook.wait(4)
    assert sorted(one["data"]["facts"]["threshold_percent"] for one in said) == [50, 80, 90, 100]
    headers, body = hook.got[0]
    assert headers["webhook-signature"] == signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    gateway.stop()
    gateway.start()
    assert ask(gateway, key).status_code == 200
    gateway.calls(4)
    listed = gateway.json("alerts", "list")["alerts"]
    assert len([one for one in listed if one["kind"] == "budget_threshold"]) == 4
    one = gateway.api(f"/api/alerts/{listed[-1]['id']}")
    assert [delivery["state"] for delivery in one["deliveries"]] == ["sent"]
    assert len(hook.got) == 4


def test_a_hook_that_is_away_is_told_after_kill_and_recovery(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    add_hook(gateway, hook.url)
    hook.status = 503
    key = gateway.key(team="web")
    gateway.json("budgets", "set", "--team", "web", "--limit", f"{COST_NANOS * 1.9 / 1e9:.9f}", "--window", "day", "--soft")
    assert ask(gateway, key).status_code == 200
    deadline = time.monotonic() + PATIENCE_S
    while not (listed := gateway.api("/api/alerts")["items"]) or not gateway.api(f"/api/alerts/{listed[0]['id']}")["deliveries"][0]["attempts"]:
        assert time.monotonic() < deadline, "nobody tried the hook"
        time.sleep(0.05)
    gateway.kill()
    gateway.start()
    hook.status = 204
    [told] = hook.wait(1)
    assert told["data"]["title"] == "Budget of team web: 50% used"
    assert gateway.json("alerts", "replay", str(listed[0]["id"]))["replayed"] == 1
    assert hook.wait(2)[1]["data"]["id"] == listed[0]["id"]
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1


def test_the_first_refusal_says_exhausted(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    add_hook(gateway, hook.url)
    key = gateway.key(team="web")
    gateway.json("budgets", "set", "--team", "web", "--limit", "0.0001", "--window", "day")
    assert ask(gateway, key).status_code == 402
    assert ask(gateway, key).status_code == 402
    [told] = hook.wait(1)
    assert (told["data"]["title"], told["data"]["severity"]) == ("Budget of team web: exhausted, calls are refused", "critical")


def test_a_test_reaches_the_channel_and_a_wrong_one_says_so(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    add_hook(gateway, hook.url)
    assert gateway.json("channels", "test", "ops")["tests"][0]["state"] == "sent"
    hook.status = 401
    done = gateway.run("channels", "test", "ops", "--json")
    assert (done.returncode, json.loads(done.stdout)["tests"][0]["state"]) == (1, "failed")
    refused = gateway.run("channels", "add", "inside", "webhook", said="http://169.254.169.254/latest/meta-data")
    assert (refused.returncode, "169.254" in refused.stderr) == (2, False)


def test_a_command_that_sends_by_itself_logs_beside_its_answer(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    add_hook(gateway, hook.url)
    gateway.stop()
    hook.status = 401
    done = gateway.run("channels", "test", "ops", "--json")
    assert (done.returncode, json.loads(done.stdout)["tests"][0]["state"]) == (1, "failed")
    assert "could not be sent" in done.stderr


def test_a_team_s_channel_hears_what_is_not_muted(scene: tuple[RunningGateway, MiniUpstream, Hook]) -> None:
    gateway, _, hook = scene
    add_hook(gateway, hook.url, "--scope", "team:web")
    for team in ("web", "ops"):
        gateway.json("budgets", "set", "--team", team, "--limit", f"{COST_NANOS * 1.9 / 1e9:.9f}", "--window", "day", "--soft")
    mute = gateway.json("alerts", "mute", "--budget", "1", "--until", "8h", "--reason", "a load test")
    assert [one["id"] for one in gateway.json("alerts", "mutes")["mutes"]] == [mute["id"]]
    for team in ("web", "ops"):
        assert ask(gateway, gateway.key(team=team)).status_code == 200
    deadline = time.monotonic() + PATIENCE_S
    while len(listed := gateway.api("/api/alerts")["items"]) < 2:
        assert time.monotonic() < deadline, "nothing was raised"
        time.sleep(0.05)
    [of_web] = [one["id"] for one in listed if "team:web" in one["scopes"]]
    assert gateway.json("alerts", "acknowledge", str(of_web), "--note", "asked the team")["acknowledged"] == 1
    assert hook.got == []
    gateway.json("alerts", "unmute", str(mute["id"]))
    [told] = hook.wait(1)
    assert told["data"]["title"] == "Budget of team web: 50% used"
    assert [one["note"] for one in gateway.json("alerts", "list")["alerts"] if one["id"] == of_web] == ["asked the team"]
