"""Keeps an instance's budgets in step with the database: ten times a second, on the event loop, because what calls
hold is only ever touched there. A fault is logged once and tried again; until then the instance spends what it has
leased, and what does not fit waits or is told to come back. After `database.max_staleness_s` of faults nothing is
spent any more: the instance may have missed that a cap fell, or that it was written off.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Literal

import structlog

from tallystick.core.errors import StoreFault
from tallystick.stores.budget_keeper import BudgetKeeper

log = structlog.get_logger(__name__)

PERIOD_S: Final = 0.1

_State = Literal["heard", "failing", "cut off"]


class Keeping:
    """The keeper's recurring step."""

    def __init__(self, keeper: BudgetKeeper, period_s: float = PERIOD_S) -> None:
        self._keeper = keeper
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None
        self._state: _State = "heard"

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
                self._note("failing" if self._keeper.fault() is None else "cut off", str(fault))
            else:
                self._note("heard", "")
            await asyncio.sleep(self._period_s)

    def _note(self, state: _State, reason: str) -> None:
        """Log each turn for the worse or the better once."""
        if state == self._state:
            return
        self._state = state
        if state == "heard":
            log.warning("budgets follow the database again")
        elif state == "failing":
            log.warning("budgets wait for the database", reason=reason)
        else:
            log.error("calls that a budget or a policy may forbid are refused", why=self._keeper.fault(), reason=reason)
