"""A provider's reply as its reader sees it: the head, then the pieces of the body as they came.

The connection (http1.py) fills it from the parser's callbacks: it sets the head and appends what one read of
the socket brought, so that no call stands between them on the hot path; the reader takes from the other end,
and once little is queued the connection reads on. The two part when the reply ends: what is still queued is
the reader's own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from tallystick.core.errors import FaultKind, UpstreamFault

QUEUED_BYTES_LOW = 64 * 1024


class Source(Protocol):
    """What a reply asks of the connection that fills it."""

    def fail(self, kind: FaultKind, message: str) -> None: ...

    def resume_reading(self) -> None: ...


class Http1Reply:
    """A reply whose head has arrived: `ports.UpstreamReply`."""

    __slots__ = ("_ended", "_fault", "_link", "_paused", "_pieces", "_queued_bytes", "_waiter", "headers", "status")

    def __init__(self, link: Source) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._link: Source | None = link
        self._pieces: deque[bytes] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._ended = False
        self._fault: UpstreamFault | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Return once the head is here. Raises UpstreamFault. A caller that gives up cuts the call."""
        while not self.status:
            if self._fault is not None:
                raise self._fault
            try:
                await self._signal()
            except asyncio.CancelledError:
                self.cut()
                raise

    async def next(self) -> bytes | None:
        """The next piece as soon as it is there, None at the proper end. Pieces that came before a
        fault are handed over first. A cancelled wait loses nothing."""
        while not self._pieces:
            if self._ended:
                return None
            if self._fault is not None:
                raise self._fault
            await self._signal()
        piece = self._pieces.popleft()
        self._queued_bytes -= len(piece)
        if self._paused and self._queued_bytes < QUEUED_BYTES_LOW:
            self._paused = False
            if self._link is not None:
                self._link.resume_reading()
        return piece

    @property
    def at_end(self) -> bool:
        return self._ended and not self._pieces

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """Let go: of a reply that has ended nothing is left to do, any other loses its connection."""
        if self._link is not None:
            self._link.fail("cancelled", "given up by the gateway")
        self._pieces.clear()
        self._queued_bytes = 0

    def _signal(self) -> asyncio.Future[None]:
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
