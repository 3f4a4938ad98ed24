"""SIGTERM: no new calls, running ones to their end, everything settled and shipped, exit code 0 (F12)."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.storm import Storm, every_call
from tests.mini_upstream import Gate, MiniUpstream, sse_reply

LIVE = 25
STREAM = json.dumps(chat.asked(stream=True)).encode()


class Stopping(threading.Thread):
    """`gateway.stop()`, beside the test; `code` is the exit code."""

    def __init__(self, gateway: RunningGateway) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self.code: int | None = None
        self.start()

    def run(self) -> None:
        self.code = self._gateway.stop()

    def wait_closed(self, url: str) -> None:
        """Return once nobody listens any more."""
        address = urlsplit(url)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((address.hostname or "", address.port or 0), PATIENCE_S).close()
            except ConnectionRefusedError:
                return
            time.sleep(0.02)
        raise AssertionError("the listener stays open")

    def ended(self) -> int | None:
        self.join(2 * PATIENCE_S)
        return self.code


def test_live_streams_reach_their_end_and_the_next_start_is_clean(tmp_path: Path) -> None:
    with ExitStack() as stack:
        provider = stack.enter_context(MiniUpstream())
        gateway = stack.enter_context(RunningGateway(tmp_path, upstream=provider.url))
        key, gate = gateway.key(), Gate()
        for number in range(LIVE):
            first, *rest = chat.events(number)
            provider.expect("POST", chat.PATH, sse_reply([first, gate, *rest]))
        clients = [stack.enter_context(chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM)) for _ in range(LIVE)]
        begun = [chat.read_until(client, b"word 0") for client in clients]
        clients[0].close()                       # one leaves: it is drained like any other
        stopping = Stopping(gateway)
        stopping.wait_closed(gateway.url)
        gate.open()
        assert all(chat.read_all(client).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for client in clients[1:])
        assert stopping.ended() == 0
        gateway.start()
        booked = {call["id"]: call for call in every_call(gateway)}
        assert set(booked) == {chat.id_in(seen) for seen in begun}
        assert sorted(chat.number_of(call["usage"]) for call in booked.values()) == list(range(LIVE))
        assert all(call["basis"] == "usage" for call in booked.values())
        assert gateway.run("verify").returncode == 0


def test_restarts_under_load_leave_nothing_to_recover(tmp_path: Path) -> None:
    with MiniUpstream(strict=False) as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        storm = Storm(gateway, provider, gateway.key(), calls=200)
        storm.run([40, 90, 150], gently=True)
        figures = storm.reckon()
    assert (figures.seen_complete, figures.worst_case) == (200, 0)


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with RunningGateway(tmp_path) as gateway:
        done = gateway.run("serve", "--port", "0")
        assert done.returncode == 73
        assert "in use by another process" in done.stderr


def test_a_provider_that_never_ends_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """After `[gateway.drain] timeout_s` running calls are cut, and settled as what they are."""
    config = "[gateway.drain]\ntimeout_s = 1\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        gate, silent = Gate(), Gate()
        provider.expect("POST", chat.PATH, sse_reply([chat.delta("word 0"), gate]))
        provider.expect("POST", chat.PATH, sse_reply([]).before(silent))
        key = gateway.key()
        with chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM) as talking:
            seen = chat.read_until(talking, b"word 0")
            with chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM) as waiting:
                silent.wait_reached()
                assert gateway.stop() == 0
                assert b"[DONE]" not in chat.read_all(talking)
                chat.read_all(waiting)
        gate.open()
        silent.open()
        gateway.start()
        calls = {call["id"]: call for call in every_call(gateway)}
        cut = calls.pop(chat.id_in(seen))
        [mute] = calls.values()
        assert (cut["outcome"], cut["basis"]) == ("cut", "counted")
        assert (mute["outcome"], mute["basis"]) == ("cut", "worst_case")
        assert gateway.run("verify").returncode == 0


def test_an_idle_connection_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url) as gateway:
        provider.expect("POST", chat.PATH, chat.answers(1)[0])
        body = json.dumps(chat.asked()).encode()
        with chat.raw_call(gateway, chat.head(gateway.key(), len(body)) + body) as client:
            chat.read_until(client, b"chatcmpl-1")
            assert gateway.stop() == 0
            assert chat.read_all(client) == b""
