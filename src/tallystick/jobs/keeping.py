"""Keeps an instance's budgets in step with the database: ten times a second, on the event loop, because what calls
hold is only ever touched there. A fault is logged and tried again; until then the instance spends what it has
leased, and what does not fit waits or is told to come back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from tallystick.core.errors import StoreFault
from tallystick.stores.budget_keeper import BudgetKeeper

log = structlog.get_logger(__name__)

PERIOD_S: Final = 0.1


class Keeping:
    """The keeper's recurring step."""

    def __init__(self, keeper: BudgetKeeper, period_s: float = PERIOD_S) -> None:
        self._keeper = keeper
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the budgets, and go on. Call it once the spool is shipped. Raises StoreFault."""
        await self._keeper.start()
        self._task = asyncio.create_task(self._loop(), name="budgets")

    async def stop(self) -> None:
        """Call it after the last shipment: what was leased goes back."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        try:
            await self._keeper.stop()
        except StoreFault as fault:
            log.warning("leases could not be given back; the next start takes them up", reason=str(fault))

    async def _loop(self) -> None:
        while True:
            try:
                await self._keeper.step()
            except StoreFault as fault:
                log.warning("budgets wait for the database", reason=str(fault))
            await asyncio.sleep(self._period_s)
