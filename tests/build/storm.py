"""Callers in threads, whole replies and streams mixed, against a gateway that is killed under them; and
what must hold between their notes, the provider's bill and the ledger, whatever happened (books.md §5,
F1).

    with MiniUpstream(strict=False) as provider, RunningGateway(folder, upstream=provider.url) as gateway:
        storm = Storm(gateway, provider, key, calls=600)
        storm.run(kill_after=[37, 120, 250])
        figures = storm.reckon()                 # raises AssertionError where a promise is broken
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out."""

    seen_complete: int
    billed: int
    attempts: int
    exact: int
    worst_case: int                              # attempts that nobody could settle, booked at their hold
    kills: int
    recovered_nanos: int
    billed_of_recovered_nanos: int


@dataclass(slots=True)
class Storm:
    """One run. `seen`: request id → number of the call that a caller saw complete."""

    gateway: RunningGateway
    provider: MiniUpstream
    key: str
    calls: int
    callers: int = 6
    seen: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    _left: int = 0
    _change: threading.Condition = field(default_factory=threading.Condition)
    _strange: list[str] = field(default_factory=list)

    def run(self, kill_after: Sequence[int], *, gently: bool = False) -> None:
        """Make the calls; kill (`gently`: ask it to stop) and restart the gateway whenever so many replies
        were seen complete."""
        self._left = self.calls
        for number in range(2 * self.calls):     # a call that the kill cut off is made again, as another call
            whole, stream = chat.answers(number)
            self.provider.expect("POST", chat.PATH, stream if number % 2 else whole, body=_streams if number % 2 else _whole)
        threads = [threading.Thread(target=self._caller, args=(at,), daemon=True) for at in range(self.callers)]
        for thread in threads:
            thread.start()
        for count in sorted(kill_after):
            with self._change:
                assert self._change.wait_for(lambda goal=count: len(self.seen) >= goal, PATIENCE_S), "the calls stopped"
            if gently:
                assert self.gateway.stop() == 0
            else:
                self.gateway.kill()
                self.kills += 1
            self.gateway.start()
            with self._change:
                self._change.notify_all()
            done = self.gateway.run("verify")
            assert done.returncode == 0, done.stdout + done.stderr
        for thread in threads:
            thread.join(4 * PATIENCE_S)
            assert not thread.is_alive(), "a caller hangs"
        assert self._strange == []
        assert not [line for line in self.provider.complaints if line.startswith("nobody")]

    def reckon(self) -> Figures:
        """Lay the books beside the callers' notes and the bill."""
        self.gateway.stop()                      # ships what is left
        self.gateway.start()
        calls = every_call(self.gateway)
        assert max(Counter(call["id"] for call in calls).values()) == 1, "a call is booked twice"
        exact = {chat.number_of(call["usage"]): call for call in calls if call["basis"] == "usage"}
        rest = [call for call in calls if call["basis"] != "usage"]
        assert len(exact) + len(rest) == len(calls), "one bill is booked on two calls"
        by_id = {call["id"]: call for call in calls}
        for request_id, number in self.seen.items():
            call = by_id[request_id]             # KeyError: a caller saw what the ledger lacks
            assert (call["usage"]["input"], call["usage"]["output"]) == tuple(chat.usage(number).values())
            assert (call["cost_nanos"], call["state"]) == (chat.cost_nanos(number), "settled")
        billed = [chat.number_of(line.usage) for line in self.provider.bill if line.usage]
        for number, call in exact.items():
            assert call["cost_nanos"] == chat.cost_nanos(number)
        unsettled = [number for number in billed if number not in exact]
        assert {call["basis"] for call in rest} <= {"worst_case"}
        assert len(unsettled) <= len(rest), "a billed call is in no book"
        assert set(exact) <= set(billed), "a call is booked that was never made"
        assert len(rest) <= self.callers * self.kills, "more calls were cut off than were on their way"
        recovered, owed = sum(call["cost_nanos"] for call in rest), sum(map(chat.cost_nanos, unsettled))
        assert recovered >= owed, "the worst case was less than the bill"
        return Figures(len(self.seen), len(billed), len(calls), len(exact), len(rest), self.kills, recovered, owed)

    def _caller(self, at: int) -> None:
        turn = at
        client = httpx.Client(timeout=PATIENCE_S)
        while self._take():
            turn += 1
            url = self.gateway.url
            try:
                request_id, number = _call(client, url, self.key, stream=bool(turn % 2))
            except httpx.TransportError:
                client.close()
                client = httpx.Client(timeout=PATIENCE_S)
                with self._change:
                    self._left += 1
                    self._change.wait_for(lambda old=url: self.gateway.url != old, 1)
                continue
            except AssertionError as strange:
                self._strange.append(str(strange))
                return
            with self._change:
                self.seen[request_id] = number
                self._change.notify_all()
        client.close()

    def _take(self) -> bool:
        with self._change:
            self._left -= 1
            return self._left >= 0


def every_call(gateway: RunningGateway, at_least: int = 0) -> list[dict[str, Any]]:
    """All calls of the ledger, newest first, once there are that many."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := _listed(gateway)) < at_least:
        assert time.monotonic() < deadline, f"only {len(found)} calls of {at_least} were booked"
        time.sleep(0.1)
    return found


def _listed(gateway: RunningGateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = gateway.api(f"/api/requests?limit=200{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _call(client: httpx.Client, url: str, key: str, *, stream: bool) -> tuple[str, int]:
    """Request id and number of a reply that came complete. Raises httpx.TransportError for any other."""
    with client.stream("POST", f"{url}{chat.PATH}", json=chat.asked(stream=stream), headers=chat.headers(key)) as got:
        body = got.read()
    assert got.status_code == 200, f"{got.status_code} {body!r}"
    if not stream:
        return got.headers["x-tallystick-request-id"], int(json.loads(body)["id"].rpartition("-")[2])
    assert body.endswith(chat.DONE), body
    return got.headers["x-tallystick-request-id"], int(json.loads(body.split(b"\n", 1)[0].removeprefix(b"data: "))["id"].rpartition("-")[2])


def _streams(body: bytes) -> bool:
    return b'"stream"' in body


def _whole(body: bytes) -> bool:
    return b'"stream"' not in body


def printed(figures: Figures) -> str:
    """One line for people."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asdict(figures).items())
