"""What each part of a call costs by itself, in µs: the least of many runs, which noise can only raise.

    python -m bench.micro.parts [--only exchange] [--instructions]

Each part is one row of a literal tuple: what it does, how many units one run does, and how to make the
run. `the whole line` is a call from the ASGI scope to the last byte with a spool on disk and a provider
that answers at once; what it costs beyond the parts is the edge. What shipping costs says
`bench.micro.ledger`. `--instructions` counts machine instructions under valgrind instead, which no
noise can touch; it takes half a minute a part.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from bench.load.measure import STREAM_EVENTS, chat_request
from bench.micro.hop import CALLS_AT_ONCE, CHAT, PRINCIPAL, Governed, OneId, OneKey, Run, whole_hop

from tallystick.core import exchange as line
from tallystick.core.broker import Broker
from tallystick.core.budget import Budget, Scope, Subject, budget_book
from tallystick.core.call import Call, Facts, ReplyHead
from tallystick.core.dialect import Provider
from tallystick.core.holding import draws_of, holds_of
from tallystick.core.identity import Attribution, Claims
from tallystick.core.settlement import Served
from tallystick.core.usage import Reading, usage_of
from tallystick.core.windows import parse_window
from tallystick.core.worst_case import WorstCase
from tallystick.edge import strict_json
from tallystick.edge.body import BodyLimits
from tallystick.edge.gateway import Gateway, Ports, Setup
from tallystick.providers.anthropic import ANTHROPIC
from tallystick.providers.google import GOOGLE
from tallystick.providers.openai import OPENAI
from tallystick.stores.memory import NoBudgets
from tallystick.stores.price_files import open_book
from tallystick.telemetry import Telemetry
from tallystick.transport.sandbox import SandboxReply, answer
from tests.build import journal
from tests.mini_upstream import bench_events, bench_reply

AT_US = journal.NOON_US
USAGE = usage_of(input_text=310, output_text=44)
RUN_S, RUNS = 0.05, 20


class Part(NamedTuple):
    name: str
    units: int
    make: Callable[[Path], Run]


def _done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waited")


def _route(provider: Provider, path: str) -> Any:
    route, _ = provider.route_for("POST", path)
    assert route.dialect is not None
    return route


def _metering(provider: Provider, path: str, pieces: list[bytes], *, stream: bool) -> Callable[[Path], Run]:
    dialect = _route(provider, path).dialect
    facts = Facts(model="m", stream=stream)
    head = ReplyHead(200, {"content-type": "text/event-stream" if stream else "application/json"}, stream, path)

    def make(_: Path) -> Run:
        def run() -> None:
            meter = dialect.meter(facts, head)
            for piece in pieces:
                meter.feed(piece)
            meter.finish()

        run()
        return run

    return make


def _simulated(provider: Provider, path: str, document: dict[str, Any]) -> tuple[list[bytes], int]:
    """The sandbox's stream for a request, in its events."""
    route = _route(provider, path)
    reply = answer(provider, route.operation, Facts(model="m", stream=True), json.dumps(document).encode(), path + "?alt=sse")
    pieces = []
    while (piece := _done(reply.next())) is not None:
        pieces.append(piece)
    return pieces, len(pieces)


def _parsing(_: Path) -> Run:
    body = chat_request(stream=False)
    return lambda: strict_json.parse(body) and None


def _facts(_: Path) -> Run:
    document = strict_json.parse(chat_request(stream=False))
    dialect = _route(OPENAI, CHAT).dialect
    return lambda: dialect.facts(document, None) and None


def _pricing(_: Path) -> Run:
    book = open_book()
    return lambda: book.price("openai", "gpt-4o-mini-2024-07-18", USAGE, AT_US, {}) and None


def _ceiling(_: Path) -> Run:
    book = open_book()
    return lambda: book.ceiling("openai", "gpt-4o-mini", AT_US, 2800, 512, 1) and None


def _exchange(_: Path) -> Run:
    rules = line.Rules(open_book())
    route = _route(OPENAI, CHAT)
    opening = line.Opening("req_1", AT_US, OPENAI, route)
    call = Call("req_1", "openai", "POST", CHAT, "chat", "openai_chat", Facts(model="gpt-4o-mini", output_limit=512), 1500, AT_US)
    reading = Reading(usage=USAGE, model="gpt-4o-mini-2024-07-18", ended=True)
    caller, asked = line.Caller(PRINCIPAL, "caller"), line.Asked(call, Claims())
    delivered = line.Delivered(Served(status=200, reading=reading), AT_US + 5)

    def run() -> None:
        script = line.exchange(opening, rules)
        script.send(None)
        script.send(caller)
        admit = script.send(asked)
        assert isinstance(admit, line.Admit)
        script.send(admit.admission)
        settle = script.send(delivered)
        assert isinstance(settle, line.Settle)

    return run


def _five_caps(_: Path) -> Run:
    """What hard caps on organisation, team, project, key and model add to a call: its path, its holds, what it drew."""
    scopes = (Scope("org"), Scope("team", "bench"), Scope("project", "bench/load"), Scope("key", "key_1"), Scope("model", "gpt-4o-mini"))
    month = parse_window("month")
    book = budget_book(Budget(number, scope, month, UTC, 10**12) for number, scope in enumerate(scopes, start=1))
    worst, broker = WorstCase(1_000_000, 3_300, 2_800, True), Broker()
    attribution = Attribution(PRINCIPAL.key_id, PRINCIPAL.organization, PRINCIPAL.labels)
    broker.grant(holds_of(book.path(Subject(attribution, "openai", "gpt-4o-mini"), AT_US), WorstCase(10**12, 0, 0, True)))
    admission, settlement = journal.admission(), journal.settlement(cost_nanos=90_000)

    def run() -> None:
        path = book.path(Subject(attribution, "openai", "gpt-4o-mini"), AT_US)
        assert {match.budget.unit for match in path if match.binding}
        holds = holds_of(path, worst)
        assert broker.take(("req_1", 1), holds)
        drawn = draws_of(broker.draws_of(("req_1", 1)), admission, settlement, lambda _: "money")
        broker.settle(("req_1", 1), drawn, (1, 1))
        broker.shipped((1, 1))
        broker.grant(drawn)

    return run


def _spooling(folder: Path) -> Run:
    spool = journal.open_journal(folder, bounds=journal.Bounds()).spool
    admission, settlement = journal.admission(), journal.settlement()

    def run() -> None:
        _done(spool.admit(admission))
        _done(spool.settle(settlement))

    return run


class _Upstreams:
    """A provider that has answered before it was asked."""

    def __init__(self, pieces: list[bytes], content_type: str) -> None:
        self._pieces, self._content_type = pieces, content_type

    async def send(self, request: Any) -> SandboxReply:
        return SandboxReply(200, self._content_type, self._pieces, streamed=len(self._pieces) > 1)


def _whole_line(*, stream: bool) -> Callable[[Path], Run]:
    def make(folder: Path) -> Run:
        spool = journal.open_journal(folder, bounds=journal.Bounds()).spool
        pieces = bench_events() if stream else [bench_reply()]
        upstreams = _Upstreams(pieces, "text/event-stream" if stream else "application/json")
        ports = Ports(OneKey(), spool, upstreams, answer, None, journal.HandClock(), OneId(), None, NoBudgets())  # type: ignore[arg-type]
        setup = Setup({"openai": OPENAI}, {"openai": "http://x"}, line.Rules(open_book()), BodyLimits())
        gateway = Gateway(ports, setup, Telemetry("bench"))
        body = chat_request(stream=stream)
        headers = [
            (b"host", b"127.0.0.1:8000"), (b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"),
            (b"x-tallystick-key", b"tsk_0123456789_abcdefghijklmnopqrstuvwxyz"), (b"authorization", b"Bearer sk-bench"),
        ]
        scope = {"type": "http", "method": "POST", "raw_path": f"/proxy/openai{CHAT}".encode(), "query_string": b"",
                 "path": f"/proxy/openai{CHAT}", "headers": headers, "http_version": "1.1", "extensions": {}}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        loop = uvloop.new_event_loop()

        async def calls() -> None:
            for _ in range(CALLS_AT_ONCE):
                sent.clear()
                await gateway(scope, receive, send)

        def run() -> None:
            loop.run_until_complete(calls())

        run()
        assert sent[0]["status"] == 200, sent
        return run

    return make


def _whole_hop(folder: Path) -> Run:
    spool = journal.open_journal(folder, bounds=journal.Bounds()).spool
    return whole_hop(uvloop.new_event_loop(), Governed(spool, line.Rules(open_book()), NoBudgets()))


RESPONSES, RESPONSE_EVENTS = _simulated(OPENAI, "/v1/responses", {"model": "m", "input": "x", "stream": True})
MESSAGES, MESSAGE_EVENTS = _simulated(ANTHROPIC, "/v1/messages", {"model": "m", "messages": [], "stream": True})
GEMINI_PATH = "/v1beta/models/m:streamGenerateContent"
GEMINI, GEMINI_EVENTS = _simulated(GOOGLE, GEMINI_PATH, {"contents": []})

PARTS: tuple[Part, ...] = (
    Part("strict JSON of a 1.5 KB request", 1, _parsing),
    Part("facts of a chat request", 1, _facts),
    Part("meter: chat reply of 700 bytes", 1, _metering(OPENAI, CHAT, [bench_reply()], stream=False)),
    Part("meter: chat stream, one piece per event (per event)", STREAM_EVENTS, _metering(OPENAI, CHAT, bench_events(), stream=True)),
    Part("meter: chat stream, all in one piece (per event)", STREAM_EVENTS,
         _metering(OPENAI, CHAT, [b"".join(bench_events())], stream=True)),
    Part("meter: Responses stream (per event)", RESPONSE_EVENTS, _metering(OPENAI, "/v1/responses", RESPONSES, stream=True)),
    Part("meter: Messages stream (per event)", MESSAGE_EVENTS, _metering(ANTHROPIC, "/v1/messages", MESSAGES, stream=True)),
    Part("meter: Gemini stream (per event)", GEMINI_EVENTS, _metering(GOOGLE, GEMINI_PATH, GEMINI, stream=True)),
    Part("price book: price of one usage", 1, _pricing),
    Part("price book: ceiling of one call", 1, _ceiling),
    Part("exchange: the whole script, prices included", 1, _exchange),
    Part("budgets: five hard caps on the path", 1, _five_caps),
    Part("spool: ADMIT and SETTLE, durability `process`", 1, _spooling),
    Part("the whole line, buffered", CALLS_AT_ONCE, _whole_line(stream=False)),
    Part("the whole hop, gate to client, no sockets", CALLS_AT_ONCE, _whole_hop),
    Part("the whole line, stream (per event)", STREAM_EVENTS * CALLS_AT_ONCE, _whole_line(stream=True)),
)


def least_us(run: Run) -> float:
    """The fastest of several batches, per run."""
    begun = time.perf_counter()
    run()
    count = max(1, int(RUN_S / max(time.perf_counter() - begun, 1e-7)))
    best = float("inf")
    for _ in range(RUNS):
        begun = time.perf_counter()
        for _ in range(count):
            run()
        best = min(best, (time.perf_counter() - begun) / count)
    return best * 1e6


def instructions(part: Part) -> float:
    """Instructions of one run: the difference between many and few, so that start-up drops out."""
    few, many = 20, 120
    counts = []
    for runs in (few, many):
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m", "bench.micro.parts",
             "--only", part.name, "--runs", str(runs)],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        found = re.search(r"Collected : (\d+)", done.stderr)
        assert found is not None, done.stderr
        counts.append(int(found.group(1)))
    return (counts[1] - counts[0]) / (many - few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="parts whose name holds this")
    parser.add_argument("--instructions", action="store_true", help="count instructions (valgrind)")
    parser.add_argument("--runs", type=int, help="run so often and say nothing")
    chosen = parser.parse_args()
    parts = [part for part in PARTS if chosen.only in part.name]
    if chosen.runs is None:
        print(f"| part | {'thousand instructions' if chosen.instructions else 'µs'} |\n|---|---:|")
    for part in parts:
        if chosen.instructions:
            print(f"| {part.name} | {instructions(part) / part.units / 1e3:.1f} |", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            run = part.make(Path(folder))
            if chosen.runs is None:
                print(f"| {part.name} | {least_us(run) / part.units:.1f} |", flush=True)
            else:
                gc.disable()                     # when it would run is no property of the part
                for _ in range(chosen.runs):
                    run()


if __name__ == "__main__":
    main()
