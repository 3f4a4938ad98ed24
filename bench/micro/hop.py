"""The whole way of a buffered call in one process: the gate's bytes in, the real client's bytes out, a spool on disk, and a
provider that answers in the next turn of the loop. No sockets, so that what is counted is ours. Who holds and who judges
the calls comes from outside (`Governed`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop
from bench.load.measure import chat_request
from uvicorn.server import ServerState

from tallystick.core import exchange as line
from tallystick.core.identity import Principal
from tallystick.edge.app import Edge, Health
from tallystick.edge.body import BodyLimits
from tallystick.edge.gate import Gate, GateHooks, GateLimits, server_config
from tallystick.edge.gateway import Gateway, Ports, Setup
from tallystick.ports import Budgets
from tallystick.providers.openai import OPENAI
from tallystick.stores.spool import Spool
from tallystick.telemetry import Telemetry
from tallystick.transport.http1 import Limits, Link
from tallystick.transport.pool import Http1Upstreams
from tallystick.transport.sandbox import answer
from tests.build import journal
from tests.mini_upstream import bench_reply

CHAT = "/v1/chat/completions"
CALLS_AT_ONCE = 20                               # in one run of the loop, whose start is not part of a call
PRINCIPAL = Principal("key_1", "default", {"team": "bench", "project": "load", "user": "ann"})

Run = Callable[[], None]


class OneKey:
    """Whoever comes has the same key."""

    def recognises(self, text: str) -> bool:
        return text.startswith("tsk_")

    async def find(self, presented: str) -> Principal | None:
        return PRINCIPAL


class OneId:
    def request_id(self) -> str:
        return "req_" + "0" * 32


@dataclass(frozen=True)
class Governed:
    """What a hop's calls are held and judged by, and what runs beside them after every `CALLS_AT_ONCE`."""

    spool: Spool
    rules: line.Rules
    budgets: Budgets
    beside: Callable[[], None] = lambda: None


class _Wire:
    """A transport without a socket: what is written goes to `written`."""

    def __init__(self, written: Callable[[bytes], None]) -> None:
        self.write = written
        self._pair = socket.socketpair()         # the pool asks the socket of an idle connection whether it is still good

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._pair[0] if name == "socket" else ("127.0.0.1", 40_000) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


class _WiredUpstreams(Http1Upstreams):
    """The real client, to a provider that answers in the next turn of the loop."""

    async def _connect(self, origin: Any) -> Link:
        reply = b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n" \
                b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (len(bench_reply()), bench_reply())
        link = Link(Limits(), lambda freed: self._freed(origin, freed), lambda lost: self._lost(origin, lost))
        loop = asyncio.get_running_loop()
        link.connection_made(_Wire(lambda _: loop.call_soon(link.data_received, reply)))  # type: ignore[arg-type]
        origin.open += 1
        self._links.add(link)
        return link


def whole_hop(loop: uvloop.Loop, by: Governed) -> Run:
    """`CALLS_AT_ONCE` calls, one after the other on a kept-alive connection."""
    ports = Ports(OneKey(), by.spool, _WiredUpstreams(), answer, None, journal.HandClock(), OneId(), None, by.budgets)  # type: ignore[arg-type]
    setup = Setup({"openai": OPENAI}, {"openai": "http://x"}, by.rules, BodyLimits())
    telemetry = Telemetry("bench")
    gateway = Gateway(ports, setup, telemetry)
    edge = Edge(gateway, None, Health(dict, None, True), telemetry, "all", (None, None))  # type: ignore[arg-type]
    hooks = GateHooks(lambda: "req_")
    config = server_config(edge, hooks, GateLimits(), interface="asgi3", lifespan="off")
    body = chat_request(stream=False)
    request = (
        b"POST /proxy/openai%b HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
        b"X-Tallystick-Key: tsk_0123456789_abcdefghijklmnopqrstuvwxyz\r\nAuthorization: Bearer sk-bench\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
    answers: list[bytes] = []
    calls_left = 0

    def answered(data: bytes) -> None:
        nonlocal calls_left
        answers[:] = [data]
        calls_left -= 1
        if calls_left:
            loop.call_soon(gate.data_received, request)
        else:
            loop.stop()

    gate = Gate(config, ServerState(), {}, loop, limits=GateLimits(), hooks=hooks)
    gate.connection_made(_Wire(answered))

    def run() -> None:
        nonlocal calls_left
        calls_left = CALLS_AT_ONCE
        loop.call_soon(gate.data_received, request)
        loop.run_forever()
        by.beside()

    run()
    assert answers[0].startswith(b"HTTP/1.1 200 "), answers
    return run
