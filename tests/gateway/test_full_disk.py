"""A disk that fills up under load, and a database that is locked for a while (F5): new calls are refused in
the caller's own dialect before anything is sent, running ones settle, and afterwards the books are exact.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.storm import every_call
from tests.mini_upstream import Gate, MiniUpstream, sse_reply

SMALL = "[journal]\nsegment_bytes = 262144\n"
STREAM = json.dumps(chat.asked(stream=True)).encode()
LIVE = 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a few mebibytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk of its own needs root to be mounted")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tallystick-test", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Take every byte that is left."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"\0" * 4096):
            pass


def test_a_full_disk_stops_new_calls_and_harms_none(small_disk: Path) -> None:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream())
        gateway = stack.enter_context(RunningGateway(small_disk, upstream=provider.url, config=SMALL))
        key, gate = gateway.key(), Gate()
        stack.callback(gate.open)
        for number in range(LIVE):
            first, *rest = chat.events(number)
            provider.expect("POST", chat.PATH, sse_reply([first, gate, *rest]))
        streams = [stack.enter_context(chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM)) for _ in range(LIVE)]
        seen = {chat.id_in(chat.read_until(stream, b"word 0")) for stream in streams}

        fill(small_disk / "ballast")
        client = stack.enter_context(httpx.Client(base_url=gateway.url, timeout=PATIENCE_S))
        refused = None
        for number in range(LIVE, 4_000):        # until both segments of the spool are full
            provider.expect("POST", chat.PATH, chat.answers(number)[0])
            answer = client.post(chat.PATH, json=chat.asked(), headers=chat.headers(key))
            if answer.status_code != 200:
                refused = answer
                break
            seen.add(answer.headers["x-tallystick-request-id"])
        assert refused is not None, "the disk was never full"
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "journal_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        messages = client.post("/v1/messages", json={"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": []}, headers=chat.headers(key))
        assert (messages.status_code, messages.json()["type"]) == (503, "error")
        ready = client.get("/readyz")
        assert (ready.status_code, "no room" in ready.json()["reasons"]["journal"]) == (503, True)
        assert client.get("/healthz").status_code == 200

        gate.open()
        assert all(chat.DONE in chat.read_stream(stream) for stream in streams)
        (small_disk / "ballast").unlink()
        wait_ready(client)
        last = client.post(chat.PATH, json=chat.asked(), headers=chat.headers(key))      # the answer that was refused is still there
        assert last.status_code == 200
        seen.add(last.headers["x-tallystick-request-id"])

        calls = every_call(gateway, at_least=len(seen))
        assert {call["id"] for call in calls} == seen
        assert sorted(chat.number_of(call["usage"]) for call in calls) == list(range(len(seen)))
        assert sum(call["cost_nanos"] for call in calls) == sum(map(chat.cost_nanos, range(len(seen))))
        assert {call["basis"] for call in calls} == {"usage"}
        assert gateway.run("verify").returncode == 0


def wait_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, client.get("/readyz").text
        time.sleep(0.05)


def test_a_locked_database_holds_up_no_call(tmp_path: Path) -> None:
    """Somebody keeps the ledger's write lock: calls go on, and are shipped when it is free again."""
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        key = gateway.key()
        with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
            other = sqlite3.connect(gateway.data / "tallystick.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            for number in range(200):
                provider.expect("POST", chat.PATH, chat.answers(number)[0])
                assert client.post(chat.PATH, json=chat.asked(), headers=chat.headers(key)).status_code == 200
            assert other.execute("SELECT count(*) FROM spool_cursor").fetchone()[0] <= 1
            backlog = client.get("/metrics").text.rpartition("tallystick_journal_backlog_bytes ")[2].split()[0]
            assert float(backlog) > 0
            deadline = time.monotonic() + PATIENCE_S
            while client.get("/readyz").json()["status"] != "degraded":      # once the shipper has waited for it in vain
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert client.get("/readyz").status_code == 200
            other.execute("ROLLBACK")
            other.close()
        calls = every_call(gateway, at_least=200)
        assert sorted(chat.number_of(call["usage"]) for call in calls) == list(range(200))
        assert gateway.run("verify").returncode == 0


def test_a_log_that_cannot_be_written_fails_nothing() -> None:
    program = "import structlog; from tallystick import logs; logs.configure(); structlog.get_logger().error('x'); print('went on')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.stdout == "went on\n"
