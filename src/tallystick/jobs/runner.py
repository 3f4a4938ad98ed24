"""Runs the process's few recurring steps: shipping the spool, watching the change counter. A job is
a plain blocking function with a period; it runs in the one worker thread given to it, never beside
itself, and a failure is logged, counted and tried again at the next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

log = structlog.get_logger(__name__)

CATCH_UP_TURNS_MAX: Final = 100              # with the shipper's 1,000 records a turn: some seconds
LAST_TURNS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """`step` does a bounded amount of work and returns whether there is more to do at once. `at_end` is called once
    when the runner stops, after the last step. `only_running`: it waits for others, so that no start and no stop waits for
    it."""

    name: str
    step: Callable[[], bool]
    period_s: float
    at_end: Callable[[], None] | None = None
    only_running: bool = False


class Runner:
    """Each job has a thread of its own: a slow database must not stop the key watch."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(jobs)), thread_name_prefix="job")
        self._stop = asyncio.Event()
        self._failures: dict[str, int] = {job.name: 0 for job in jobs}

    async def catch_up(self) -> None:
        """Before `start`: a first turn of every job and those it asks for, so that what an earlier process left
        undone is known before the first call."""
        await self._turns(CATCH_UP_TURNS_MAX)

    def start(self) -> None:
        self._tasks = [asyncio.get_running_loop().create_task(self._loop(job), name=job.name) for job in self._jobs]

    def failing(self) -> dict[str, int]:
        """Jobs whose last turns failed, and how many of them in a row."""
        return {name: count for name, count in self._failures.items() if count}

    async def _loop(self, job: Job) -> None:
        while not self._stop.is_set():
            more = await self._turn(job)
            if more:
                continue
            try:
                await asyncio.wait_for(self._stop.wait(), job.period_s)
            except TimeoutError:
                continue

    async def _turn(self, job: Job) -> bool:
        return await self._run(job, job.step)

    async def _run(self, job: Job, step: Callable[[], bool]) -> bool:
        try:
            more = await asyncio.get_running_loop().run_in_executor(self._pool, step)
        except Exception:
            self._failures[job.name] += 1
            log.exception("job failed", job=job.name)
            return False
        self._failures[job.name] = 0
        return more

    async def _turns(self, most: int) -> None:
        for job in self._jobs:
            for _ in range(0 if job.only_running else most):
                if not await self._turn(job):
                    break

    async def stop(self) -> None:
        """Let running steps end, then give every job its last turns, so that nothing waits in the spool, and let it
        close what it keeps."""
        self._stop.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._turns(LAST_TURNS_MAX)
        for job in self._jobs:
            if job.at_end is not None:
                await self._run(job, partial(_closed, job.at_end))
        self._pool.shutdown(wait=True)


def _closed(at_end: Callable[[], None]) -> bool:
    at_end()
    return False
