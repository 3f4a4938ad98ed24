"""An event loop that a seed decides: whichever handle is ready may run next, and time passes only when nothing is ready.

Every handle belongs to the process that made it (a context variable, inherited by tasks as asyncio inherits
contexts). A process that has died runs nothing more: no `except`, no `finally`, as with `kill -9`.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


class Crash(BaseException):
    """The process ends at this line."""


@dataclass(eq=False)
class Process:
    """What dies as one."""

    name: str
    alive: bool = True


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class SimLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures, locks and sleeping need. `us`: microseconds since its beginning."""

    def __init__(self, dice: random.Random) -> None:
        self.us = 0
        self.faults: list[BaseException] = []
        self._dice = dice
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._tasks: set[asyncio.Task[Any]] = set()      # kept, so that the collector closes none of a dead process

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Until `main` has its result; the first fault of any other task ends it too."""
        with self._running():
            task = self.create_task(main)
            while not task.done():
                self._turn()
                if self.faults:
                    raise self.faults[0]
            return task.result()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """The garbage collector waits meanwhile: it would run the finalizers of others' objects, such as clients that an
        earlier test left open, in the middle of the story and on this loop."""
        collects = gc.isenabled()
        gc.disable()
        events._set_running_loop(self)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            events._set_running_loop(None)  # type: ignore[attr-defined]
            if collects:
                gc.enable()

    def _turn(self) -> None:
        while self._timers and (self._timers[0][0] <= self.us or not self._ready):
            due_us, _, timer = heapq.heappop(self._timers)
            self.us = max(self.us, due_us)
            self._ready.append(timer)
        at = self._dice.randrange(len(self._ready))
        handle, self._ready[at] = self._ready[at], self._ready[-1]
        self._ready.pop()
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
        if not handle.cancelled() and (process is None or process.alive):
            handle._run()

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any], *, watched: bool = True) -> asyncio.Task[Any]:
        """A task of a process. `watched`: what it raises ends the run."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        task = self._keep(asyncio.Task(work, loop=self, context=context))
        if watched:
            task.add_done_callback(self._watch, context=contextvars.Context())
        return task

    def _keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        self._tasks.add(task)
        return task

    def close(self) -> None:
        """What dead processes left half-done ends here."""
        with self._running():
            for task in self._tasks:
                if not task.done():
                    work = task.get_coro()
                    assert work is not None
                    work.close()

    def _watch(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None and not isinstance(fault, Crash):
            self.faults.append(fault)

    # --- what asyncio asks of a loop --------------------------------------------------------------

    def time(self) -> float:
        return self.us / 1e6

    def call_soon(self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any,
                   context: contextvars.Context | None = None) -> asyncio.TimerHandle:
        self._number += 1
        due_us = self.us + max(0, round(delay * 1e6))
        timer = asyncio.TimerHandle(due_us / 1e6, callback, args, self, context)
        heapq.heappush(self._timers, (due_us, self._number, timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None) -> asyncio.Task[Any]:
        return self._keep(asyncio.Task(coro, loop=self, name=name, context=context))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if isinstance(fault, Crash) or "never retrieved" in context.get("message", "") or fault is None:
            return                               # of a process that died, or a task nobody waited for
        self.faults.append(fault)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when it is due."""
