"""Policies on several workers of one installation, on a file that they share and on PostgreSQL: in force on all of them
when the command returns, and rates that they never pass together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.build.gateway import PATIENCE_S
from tests.gateway.test_policies import ASK, CHAT, REPLY
from tests.gateway.test_workers import Workers, database, provider  # noqa: F401 - fixtures
from tests.mini_upstream import Gate, MiniUpstream, json_reply

LIMIT = 7
AT_ONCE = 4
SLOW = "/v1/responses"


@pytest.fixture
def workers(tmp_path: Path, provider: MiniUpstream, database: str) -> Iterator[Workers]:  # noqa: F811 - the fixtures
    provider.expect("POST", CHAT, json_reply(REPLY), times=500)
    with Workers(tmp_path, provider, database) as running:
        yield running


def ask_all(workers: Workers, key: str, times: int = 1) -> list[int]:
    return [httpx.post(f"http://127.0.0.1:{port}{CHAT}", json=ASK, timeout=PATIENCE_S, headers={
        "authorization": "Bearer sk-own", "x-tallystick-key": key}).status_code for _ in range(times) for port in workers.ports]


@pytest.mark.slow
def test_a_kill_switch_holds_on_every_worker_when_the_command_returns(workers: Workers) -> None:
    key = workers.key(team="web")
    assert ask_all(workers, key) == [200] * len(workers.ports)
    assert workers.json("policies", "kill", "--on", "team:web")["not_in_force_on"] == []
    assert ask_all(workers, key) == [403] * len(workers.ports)
    assert workers.json("policies", "unkill", "--on", "team:web")["not_in_force_on"] == []
    assert ask_all(workers, key) == [200] * len(workers.ports)
    workers.stop()
    assert workers.run("verify").returncode == 0


@pytest.mark.slow
def test_together_they_never_pass_a_rate(workers: Workers) -> None:
    key = workers.key(team="web")
    assert workers.json("policies", "set", "rates", "-p", f"requests={LIMIT}")["not_in_force_on"] == []
    began = time.time() // 60
    answers = ask_all(workers, key, 2 * LIMIT)
    windows = int(time.time() // 60 - began) + 1
    assert set(answers) == {200, 429}
    assert len(workers.ports) <= answers.count(200) <= LIMIT * windows
    if windows == 1:
        assert answers.count(200) == LIMIT, "the shares add up to the limit"


@pytest.mark.slow
def test_together_they_never_let_more_run_at_once(workers: Workers, provider: MiniUpstream) -> None:  # noqa: F811 - the fixtures
    key, gate, answers = workers.key(team="web"), Gate(), list[int]()
    provider.expect("POST", SLOW, json_reply(REPLY).before(gate), times=AT_ONCE)
    assert workers.json("policies", "set", "rates", "-p", f"concurrent={AT_ONCE}")["not_in_force_on"] == []

    def one(port: int) -> None:
        answers.append(httpx.post(f"http://127.0.0.1:{port}{SLOW}", json=ASK, timeout=PATIENCE_S, headers={
            "authorization": "Bearer sk-own", "x-tallystick-key": key}).status_code)

    calls = [Thread(target=one, args=(port,)) for port in workers.ports for _ in range(2 * AT_ONCE)]
    for call in calls:
        call.start()
    deadline = time.monotonic() + PATIENCE_S
    while len(answers) < len(calls) - AT_ONCE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answers == [429] * (len(calls) - AT_ONCE)
    gate.open()
    for call in calls:
        call.join(PATIENCE_S)
    assert answers.count(200) == AT_ONCE, "the shares add up to the limit"
