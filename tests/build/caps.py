"""Callers of every kind at once against caps that fit only some of them, on a gateway that is killed under them; and what
must hold between the provider's bill, the caps, the counters and the ledger (books.md §5, M1, F1).

    figures = asyncio.run(Caps(gateway, calls=1_000, kills=3).run())         # raises AssertionError where a promise is broken
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.engine import DEFAULT, open_database
from tallystick.stores.sql.spending import spent
from tests.build.gateway import RunningGateway

PATH: Final = "/v1/chat/completions"
INPUT_NANOS, OUTPUT_NANOS = 150, 600                 # gpt-4o-mini: $0.15 and $0.60 a million
KINDS: Final = ("whole",) * 10 + ("stream",) * 4 + ("error",) * 2 + ("gone",) * 2 + ("reset",)
CALLERS: Final = (("a", "x", "ann"), ("a", "x", "bob"), ("a", "y", "ann"), ("b", "z", "bob"), ("b", "z", "cas"), ("b", "w", "cas"))
"""Team, project and user of each key."""
PATIENCE_S: Final = 60.0


def body_of(caller: int, kind: str, number: int) -> bytes:
    """A request; all have the same length, so all hold the same."""
    said = {"model": "gpt-4o-mini", "max_tokens": 100, "service_tier": "default", "user": f"{caller}:{kind:>6}:{number:08}",
            "messages": [{"role": "user", "content": "Say hello"}], "stream": kind in ("stream", "gone"),
            "stream_options": {"include_usage": True} if kind in ("stream", "gone") else None}
    return json.dumps({name: value for name, value in said.items() if value is not None}).ljust(320).encode()


HOLD_NANOS: Final = (320 + 2_048) * INPUT_NANOS + 100 * OUTPUT_NANOS


def used(kind: str, number: int) -> tuple[int, int]:
    """Input and output tokens that the provider bills."""
    return (0, 0) if kind == "error" else (600 + number * 7 % 1_600, number * 13 % 101)


@dataclass
class Provider:
    """The provider's side: it bills what reaches it, at once, and answers some time later."""

    bill: list[tuple[int, int, int]] = field(default_factory=list)       # caller, number, nanos

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=2_048)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                caller, kind, number = json.loads(await reader.readexactly(length))["user"].split(":")
                if not await self._answer(writer, int(caller), kind.strip(), int(number)):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, writer: asyncio.StreamWriter, caller: int, kind: str, number: int) -> bool:
        into, out = used(kind, number)
        self.bill.append((caller, number, into * INPUT_NANOS + out * OUTPUT_NANOS))
        usage = {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}
        await asyncio.sleep(0.05 + number % 10 / 20)
        if kind == "reset":
            return False
        if kind == "error":
            writer.write(_reply(500, {"error": {"message": "Not now.", "type": "server_error", "param": None, "code": None}}))
        elif kind == "whole":
            writer.write(_reply(200, {**_frame("chat.completion"), "usage": usage, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for document in (_frame("chat.completion.chunk") | {"choices": [{"index": 0, "delta": {"content": "Hello"}}]},
                             _frame("chat.completion.chunk") | {"choices": [], "usage": usage}):
                event = b"data: " + json.dumps(document).encode() + b"\n\n"
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(0.1)
            writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()
        return True


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out. `answers`: by status and code; `cut`: calls that a kill ended."""

    calls: int
    answers: dict[str, int]
    cut: int
    kills: int
    billed: int
    bill_nanos: int
    booked_nanos: int
    tightest: str                                    # the cap that came nearest to its limit, and how near
    seconds: float


@dataclass(slots=True)
class Caps:
    """One run: budgets on five levels, `calls` calls at once, then whoever still fits, one after the other."""

    gateway: RunningGateway
    provider: Provider
    calls: int
    kills: int = 0
    seed: int = 1
    answers: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    made: int = 0
    _keys: list[str] = field(default_factory=list)
    _caps: dict[int, tuple[str, int]] = field(default_factory=dict)      # budget → scope, limit
    _down: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> Figures:
        await asyncio.to_thread(self._prepare)
        begun = time.monotonic()
        dice = random.Random(self.seed)
        storm = [asyncio.create_task(self._caller(number, dice.choice(KINDS))) for number in range(self.calls)]
        for kill in range(self.kills):
            goal = self.calls * (kill + 1) // (self.kills + 2)
            while self.made < goal and not all(task.done() for task in storm):
                await asyncio.sleep(0.02)
            await self._kill(dice)
        await asyncio.gather(*storm)
        await asyncio.sleep(1)                       # the last settlements are counted, idle leases can be called back
        await self._whoever_still_fits()
        seconds = time.monotonic() - begun
        await asyncio.to_thread(self.gateway.stop)
        return self._reckon(seconds)

    def _prepare(self) -> None:
        self._keys = [self.gateway.key(team=team, project=project, user=user) for team, project, user in CALLERS]
        share = self.calls * HOLD_NANOS
        for words, scope, parts in ((("--org",), "org", 3), (("--team", "a"), "team a", 7), (("--project", "a/x"), "project a/x", 15),
                                    (("--key", "*"), "key", 13), (("--user", "*"), "user", 8)):
            limit = share // parts + 1
            made = self.gateway.json("budgets", "set", *words, "--limit", f"{limit / 1e9:.9f}", "--window", "month")
            self._caps[int(made["id"])] = scope, limit

    async def _caller(self, number: int, kind: str) -> None:
        """One call; told to come back (`budget_held`, 503), or cut off, its caller makes another, a few times."""
        for again in range(5):
            answer = await self._call(number % len(CALLERS), kind, number + again * 1_000_000)
            self.answers[answer] += 1
            if answer not in ("402 budget_held", "503 budget_unavailable", "503 journal_unavailable", "cut", "not there"):
                break
            await asyncio.sleep(0.5)
        self.made += 1

    async def _call(self, caller: int, kind: str, number: int) -> str:
        async with self._down:
            address = urlsplit(self.gateway.url)
        body = body_of(caller, kind, number)
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            return "not there"
        try:
            writer.write(
                f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nX-Tallystick-Key: {self._keys[caller]}\r\nAuthorization: Bearer sk-own\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            status = int(head.split(b" ", 2)[1])
            if kind == "gone" and status == 200:
                return "200 gone"
            said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        except (OSError, asyncio.IncompleteReadError):
            self.cut += 1
            return "cut"
        finally:
            writer.transport.abort()
        return f"{status} {_code(said)}" if status in (402, 403, 503) else str(status)

    async def _kill(self, dice: random.Random) -> None:
        """`kill -9` of the gateway, or of one of its workers, and what a supervisor does."""
        async with self._down:
            workers = _children(self.gateway.pid)
            if workers:
                os.kill(dice.choice(workers), signal.SIGKILL)
                return
            await asyncio.to_thread(self.gateway.kill)
            await asyncio.to_thread(self.gateway.start)

    async def _whoever_still_fits(self) -> None:
        """Nobody is turned away for good while the caps have room, and each is let in that fits."""
        for caller in range(len(CALLERS)):
            for number in range(self.calls, self.calls + 10 * self.calls):
                answer = await self._call(caller, "whole", number)
                self.answers[answer] += 1
                if answer == "402 budget_exceeded":
                    break
                assert answer in ("200", "402 budget_held", "503 budget_unavailable"), answer
                if answer != "200":
                    await asyncio.sleep(0.5)
            else:
                raise AssertionError(f"caller {caller} never filled its budgets")

    def _reckon(self, seconds: float) -> Figures:
        billed, caps = self._billed(), self._caps
        for (budget, subject), nanos in billed.items():
            assert nanos <= caps[budget][1], f"the bill of {caps[budget][0]} {subject} is {nanos}, its cap {caps[budget][1]}"
        database = open_database(self.gateway.data, time.time_ns() // 1_000)
        with database.read() as db:
            left = db.execute("SELECT holder, budget, subject, amount FROM budget_lease").fetchall()
            assert not left, f"at rest somebody still has leases: {left}"
            counted = {(row[0], row[1]): row[2] for row in db.execute("SELECT budget, subject, settled FROM budget_node WHERE settled <> 0")}
            booked = {(row.id, subject): amount for row in budget_rows(db, DEFAULT)
                      for subject, amount in spent(db, DEFAULT, row.scope, row.unit, *row.budget().span(time.time_ns() // 1_000)).items()
                      if amount}
        database.close()
        assert counted == booked, "counters and ledger differ"
        for place, nanos in billed.items():
            assert counted.get(place, 0) >= nanos, f"{place} was billed {nanos} and is counted at {counted.get(place, 0)}"
        self._all_who_fit(counted)
        done = self.gateway.run("verify")
        assert done.returncode == 0, done.stdout + done.stderr
        org = next(budget for budget, (scope, _) in caps.items() if scope == "org")
        near = max(counted, key=lambda place: counted[place] / caps[place[0]][1])
        tightest = f"{caps[near[0]][0]} {near[1] and 'of one'} {counted[near] / caps[near[0]][1]:.1%}".replace("  ", " ")
        return Figures(sum(self.answers.values()), dict(sorted(self.answers.items())), self.cut, self.kills, len(self.provider.bill),
                       billed[org, ""], counted[org, ""], tightest, seconds)

    def _billed(self) -> dict[tuple[int, str], int]:
        """The provider's bill, laid on the budgets by hand."""
        found: defaultdict[tuple[int, str], int] = defaultdict(int)
        for caller, _, nanos in self.provider.bill:
            for place in self._places(caller):
                found[place] += nanos
        return found

    def _places(self, caller: int) -> list[tuple[int, str]]:
        team, project, user = CALLERS[caller]
        key = self._keys[caller].split("_")[1]
        where = {"org": "", "team a": "" if team == "a" else None, "project a/x": "" if project == "x" else None, "key": key, "user": user}
        return [(budget, subject) for budget, (scope, _) in self._caps.items() if (subject := where[scope]) is not None]

    def _all_who_fit(self, counted: dict[tuple[int, str], int]) -> None:
        for caller in range(len(CALLERS)):
            room = min(self._caps[budget][1] - counted.get((budget, subject), 0) for budget, subject in self._places(caller))
            assert room < HOLD_NANOS, f"caller {caller} was refused although {room} were free"


def _children(pid: int) -> list[int]:
    """The worker processes of a gateway that has several."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _code(said: bytes) -> str:
    try:
        start = said.index(b"{")
        return str(json.loads(said[start:said.rindex(b"}") + 1])["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "gpt-4o-mini"}


def _reply(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d Because\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
