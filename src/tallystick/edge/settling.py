"""Settlements on their way to the journal. One that meets a full or failing spool is kept in memory and written as soon as
the spool takes writes again, in the order in which calls ended: a job's end never before its beginning. Until then its
attempt stays open and holds what it held; a process that ends before that leaves it to recovery, which books the hold.

A caller does not wait for any of this: the provider has answered, and the bill is known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from tallystick.core.attempt import Settlement
from tallystick.core.errors import StoreFault, Unwritable
from tallystick.ports import Budgets, Journal

log = structlog.get_logger(__name__)

WAITING_MAX: Final = 10_000
"""More than calls can be open (the spool keeps room for their settlements): nothing new is admitted meanwhile."""
AGAIN_AFTER_S: Final = 0.25


class Settling:
    """One process's. All of it runs on the event loop."""

    def __init__(self, journal: Journal, budgets: Budgets, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._journal = journal
        self._budgets = budgets
        self._pause = pause
        self._waiting: deque[Settlement] = deque()
        self._writing = asyncio.Lock()                   # one at a time, or a record might be written twice
        self._again: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many settlements the spool has not taken yet."""
        return len(self._waiting)

    async def book(self, settlement: Settlement) -> None:
        """Make a settlement durable and count it, now or as soon as that can be done."""
        if not self._waiting and await self._written(settlement):
            return
        if len(self._waiting) >= WAITING_MAX:
            log.error("too many settlements wait for the spool", request_id=settlement.request_id)
            return
        self._waiting.append(settlement)
        if self._again is None or self._again.done():
            self._again = asyncio.ensure_future(self._try_again())

    async def finish(self) -> None:
        """At a graceful stop, after the last call: a last try. What is left then is booked at its hold by the next start."""
        await self._write_waiting()
        if self._again is not None:
            self._again.cancel()                         # it pauses: nothing is half written
        if self._waiting:
            log.error("settlements could not be journaled", settlements=len(self._waiting))

    async def _try_again(self) -> None:
        while self._waiting:
            await self._pause(AGAIN_AFTER_S)
            await self._write_waiting()

    async def _write_waiting(self) -> None:
        async with self._writing:
            while self._waiting and await self._written(self._waiting[0]):
                self._waiting.popleft()

    async def _written(self, settlement: Settlement) -> bool:
        """Whether no more is to be done about it."""
        drawn = self._budgets.drawn(settlement)          # anew each time: budgets may have come meanwhile
        try:
            place = await self._journal.settle(drawn)
        except Unwritable:
            log.exception("a settlement cannot be written; the next start books its hold", request_id=settlement.request_id)
            return True
        except StoreFault as fault:
            if not self._waiting:
                log.warning("a settlement could not be journaled; it is tried again", request_id=settlement.request_id, reason=str(fault))
            return False
        self._budgets.settled(drawn, place)
        return True
