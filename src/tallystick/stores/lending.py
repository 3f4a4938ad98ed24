"""Holds for calls: from memory as long as the leases last, else from the database, for all who wait at once.

`hold` takes what fits without waiting for anybody. What does not fit queues; one round at a time asks the
database for the sum of what the queue lacks, in its order. Only the database may say that a call does
not fit: for good (402 `budget_exceeded`), or only while others hold what they may not need; then the
call waits, at most `hold_wait_s`, and is told to come back (402 `budget_held`).

Who does not hear from the database cannot know that a cap fell, or that it was written off. So the lender tells for how long
it has not (`silent_us`), and once that passes `staleness_us`, or it was fenced, whoever asks is to let nothing through.

The database's word may be lost on its way. After any fault what is leased is read again before more is
asked for, so a lost grant strands nothing and a repeated return gives nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tallystick.core.broker import Attempt, Broker
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import StoreFault
from tallystick.ports import Clock
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.leases import Ask, Fenced, Short

ASKS_MAX: Final = 256
WAITING_MAX: Final = 10_000
AGAIN_AFTER_S: Final = 0.05

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Lacking:
    """A call that was not let through: which node, and how that stands. `held`: there is room once others settle."""

    short: Short
    held: bool


@dataclass(slots=True, eq=False)
class _Waiter:
    attempt: Attempt
    ask: Ask
    until_us: int
    answer: asyncio.Future[Lacking | None]
    short: Short | None = None


@dataclass(frozen=True, slots=True)
class Lending:
    """What the lender must know of its installation. `run_aside` runs database work beside the loop; `pause` waits
    some seconds."""

    database: Database
    instance: str
    clock: Clock
    run_aside: Callable[[Callable[[], object]], Awaitable[object]]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    hold_wait_us: int = 2_000_000
    staleness_us: int = leases.LIVE_WITHIN_US

    async def aside(self, work: Callable[[], _T]) -> _T:
        """What a piece of database work says, run beside the loop."""
        found: list[_T] = []
        await self.run_aside(lambda: found.append(work()))
        return found[0]


class Lender:
    """One instance's holds. All of it runs on the event loop; only the database's rounds run beside it."""

    def __init__(self, lending: Lending) -> None:
        self._lending = lending
        self._broker = Broker()
        self._ends: dict[NodeKey, int] = {}
        self._epoch = 0
        self._waiting: deque[_Waiter] = deque()
        self._exact: set[NodeKey] = set()                # nodes without a cap of their own: nothing is leased ahead
        self._queued: dict[NodeKey, int] = {}            # nodes that somebody waits for: who comes later queues behind
        self._barred: set[int] = set()
        self._beyond: set[NodeKey] = set()               # committed beyond their cap: what is idle of them is not ours to reuse
        self._doubted: set[int] = set()                  # budgets of which the database has not said whether that is so
        self._counted = (0, 0)                           # how far the ledger has counted, as we know
        self._round: asyncio.Task[None] | None = None
        self._unsure = False                             # a fault: what is leased must be read again
        self._busy = asyncio.Lock()                      # one piece of database work at a time
        self._heard = (0, 0)                             # when what was heard last was asked for, by both clocks
        self.fenced = False                              # started again elsewhere, or written off: this process is not the one

    @property
    def broker(self) -> Broker:
        return self._broker

    @property
    def silent_us(self) -> int:
        """For how long this instance has not followed the database. By whichever clock says more: one may be set back, the
        other stands still while a machine sleeps."""
        clock, (at_us, monotonic_us) = self._lending.clock, self._heard
        return max(clock.now_us() - at_us, clock.monotonic_us() - monotonic_us)

    @property
    def cut_off(self) -> bool:
        """Whether what this instance knows is too old to let anything through by it."""
        return self.fenced or self.silent_us > self._lending.staleness_us

    async def start(self, acknowledged: int) -> None:
        """Begin an incarnation, once the spool is shipped: whatever is leased is then idle. Raises StoreFault."""
        database, me, staleness_us = self._lending.database, self._lending.instance, self._lending.staleness_us
        now_us, monotonic_us = self._now()

        def begin() -> tuple[int, tuple[Draw, ...], dict[NodeKey, int]]:
            with database.write() as db:
                epoch = leases.begin(db, me, acknowledged, now_us, staleness_us)
                leases.make_good(db, me)
                mine = leases.leases_of(db, me)
                return epoch, mine, leases.ends_of(db, [draw.node for draw in mine])

        self._epoch, mine, ends = await self._lending.aside(begin)
        self._heard = now_us, monotonic_us
        self._ends |= ends
        self._broker.grant(mine)

    async def hold(self, attempt: Attempt, draws: Sequence[Draw], caps: Mapping[NodeKey, int] | None = None) -> Lacking | None:
        """Hold all of it, waiting if need be; None when it is held. `caps`: of nodes that have no cap of their own, what
        this call allows.

        Raises StoreFault when nobody can say whether it fits.
        """
        if not draws:
            return None
        asks = caps or ((self._queued or self._beyond or self._doubted) and any(self._must_ask(draw.node) for draw in draws))
        if not asks and self._broker.take(attempt, draws):
            return None
        if len(self._waiting) >= WAITING_MAX:
            raise StoreFault("too many calls wait for their budgets")
        self._exact.update(caps or ())
        until_us = self._lending.clock.monotonic_us() + self._lending.hold_wait_us
        waiter = _Waiter(attempt, Ask(tuple(draws), caps or {}), until_us, asyncio.get_running_loop().create_future())
        self._enqueue(waiter)
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def cancel(self, attempt: Attempt) -> None:
        """The admission could not be made durable: nothing went upstream."""
        self._broker.untake(attempt)

    def settled(self, attempt: Attempt, costs: Iterable[Draw], place: tuple[int, int], stated: int | None = None) -> None:
        """The attempt's settlement is durable, and its record ends at `place` of the spool; `costs` is what it drew.
        `stated`: how many of its holds that speaks of, if not of all."""
        self._broker.settle(attempt, costs, place, stated)
        self._wake()

    def shipped(self, upto: tuple[int, int]) -> None:
        """The database has counted every settlement before this place of the spool."""
        self._counted = max(self._counted, upto)
        self._broker.shipped(upto)

    async def tend(self, acknowledged: int, *, wanted_since_us: int) -> None:
        """Say that this instance lives, and give back what others want, what belongs to windows that are over, and what
        lies idle of nodes that are committed beyond their cap. Raises StoreFault."""
        lending, (now_us, monotonic_us) = self._lending, self._now()

        def look() -> tuple[tuple[NodeKey, ...], tuple[NodeKey, ...]]:
            with lending.database.write() as db:
                leases.seen(db, lending.instance, self._epoch, acknowledged, now_us)
                return leases.wanted_since(db, wanted_since_us), leases.beyond_cap(db, lending.instance, now_us)

        async with self._busy:
            await self._sure()
            known, doubted = set(self._beyond), set(self._doubted)
            called_back, beyond = await self._guarded(look)
            self._beyond = (self._beyond - known).union(beyond)
            self._doubted -= doubted
        self._heard = now_us, monotonic_us               # when it was asked: what came later is not in the answer
        over = {node for node, end_us in self._ends.items() if end_us <= now_us}
        wanted = self._beyond.union(called_back, self._exact) - self._queued.keys()
        await self.give_back([node for node in self._broker.nodes if node in over or node in wanted])
        self._sweep(over)

    async def give_back(self, nodes: Iterable[NodeKey]) -> None:
        """Return what is idle of these nodes. Raises StoreFault."""
        lending = self._lending
        async with self._busy:
            await self._sure()
            idle = [Draw(node, amount) for node in nodes if (amount := self._broker.idle(node))]
            if not idle:
                return
            self._broker.give_back(idle)                 # nobody's, until the database has it

            def back() -> None:
                with lending.database.write() as db:
                    leases.fence(db, lending.instance, self._epoch)
                    leases.give_back(db, lending.instance, idle)

            await self._guarded(back)

    def doubt(self, budgets: Iterable[int]) -> None:
        """The caps of these budgets moved: what is idle of them is not used again before the database has said that they
        are not committed beyond them. Its word on that may be lost after this instance has said that it follows the change."""
        self._doubted.update(budgets)

    def bar(self, budgets: Iterable[int]) -> None:
        """Ask for nothing of these budgets for now: the database does not know yet what was spent on them."""
        self._barred.update(budgets)

    def unbar(self) -> None:
        self._barred.clear()
        self._wake()

    async def cover(self) -> None:
        """Lease what adopted holds lack, whatever the cap: they are held already. Raises StoreFault."""
        lending = self._lending
        async with self._busy:
            await self._sure()
            lacking = self._broker.uncovered()
            if not lacking:
                return

            def lease() -> dict[NodeKey, int]:
                with lending.database.write() as db:
                    leases.fence(db, lending.instance, self._epoch)
                    for draw in lacking:
                        leases.open_node(db, draw.node)
                    leases.lease(db, lending.instance, lacking)
                    return leases.ends_of(db, [draw.node for draw in lacking])

            self._ends |= await self._guarded(lease)
            self._broker.grant(lacking)
            self._beyond.update(draw.node for draw in lacking)           # until the next look tells

    async def stop(self) -> None:
        """At a graceful stop: give everything back. Raises StoreFault."""
        await self.give_back(tuple(self._broker.nodes))

    # --- inside --------------------------------------------------------------------------------

    def _now(self) -> tuple[int, int]:
        return self._lending.clock.now_us(), self._lending.clock.monotonic_us()

    def _must_ask(self, node: NodeKey) -> bool:
        """Whether what is idle of a node may not be taken without the database."""
        return node in self._queued or node in self._beyond or node.budget in self._doubted

    def _enqueue(self, waiter: _Waiter) -> None:
        self._waiting.append(waiter)
        for draw in waiter.ask.draws:
            self._queued[draw.node] = self._queued.get(draw.node, 0) + 1
        self._wake()

    def _forget(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            self._unqueue(waiter)
        elif waiter.answer.done() and not waiter.answer.cancelled() and waiter.answer.result() is None:
            self._broker.untake(waiter.attempt)          # it was held in the moment its caller left

    def _unqueue(self, waiter: _Waiter) -> None:
        for draw in waiter.ask.draws:
            self._queued[draw.node] -= 1
            if not self._queued[draw.node]:
                del self._queued[draw.node]

    def _wake(self) -> None:
        if self._waiting and (self._round is None or self._round.done()):
            self._round = asyncio.ensure_future(self._rounds())

    async def _rounds(self) -> None:
        """Serve the queue until it is empty."""
        while self._waiting:
            self._fail(self._barred_too_long(), StoreFault("what was spent before a budget changed is not counted yet"))
            asked = [waiter for waiter in self._waiting if not self._is_barred(waiter)]
            del asked[ASKS_MAX:]
            if not asked:
                await self._lending.pause(AGAIN_AFTER_S)
                continue
            try:
                async with self._busy:
                    await self._sure()
                    short = await self._ask(asked)
            except StoreFault as fault:
                self._fail(asked, fault)
                continue
            if not self._answer(asked, short):
                await self._lending.pause(AGAIN_AFTER_S)

    def _barred_too_long(self) -> list[_Waiter]:
        now_us = self._lending.clock.monotonic_us()
        return [waiter for waiter in self._waiting if now_us >= waiter.until_us and self._is_barred(waiter)]

    def _is_barred(self, waiter: _Waiter) -> bool:
        return not self._barred.isdisjoint(node.budget for node, _ in waiter.ask.draws)

    async def _ask(self, asked: Sequence[_Waiter]) -> tuple[Short | None, ...]:
        lending, now_us = self._lending, self._lending.clock.now_us()
        asks = [waiter.ask for waiter in asked]
        nodes = {draw.node for ask in asks for draw in ask.draws if draw.node not in ask.caps}
        has = {node: self._broker.idle(node) for node in nodes}
        # Of a node whose cap a call brings along nothing idle may be used again, and it must not stand in the way.
        back = [Draw(node, idle) for node in {node for ask in asks for node in ask.caps} if (idle := self._broker.idle(node))]
        self._broker.give_back(back)

        def ask() -> leases.Granted:
            with lending.database.write() as db:
                leases.fence(db, lending.instance, self._epoch)
                leases.give_back(db, lending.instance, back)
                return leases.grant(db, lending.instance, asks, has, now_us)

        granted = await self._guarded(ask)
        self._broker.grant(granted.leased)
        self._ends.update(granted.ends)
        self._beyond = self._beyond.difference(granted.ends).union(granted.beyond)
        return granted.short

    def _answer(self, asked: Sequence[_Waiter], short: Sequence[Short | None]) -> bool:
        """Let go of every waiter that has its answer; whether anybody has."""
        now_us, any_answered = self._lending.clock.monotonic_us(), False
        for waiter, lacks in zip(asked, short, strict=True):
            if waiter.answer.done():
                continue
            waiter.short = lacks
            if lacks is None:
                answered = self._broker.take(waiter.attempt, waiter.ask.draws)
                lacking = None
            else:
                answered = lacks.for_good or now_us >= waiter.until_us
                lacking = Lacking(lacks, held=not lacks.for_good)
            if answered:
                self._waiting.remove(waiter)
                self._unqueue(waiter)
                waiter.answer.set_result(lacking)
                any_answered = True
        return any_answered

    def _fail(self, asked: Sequence[_Waiter], fault: StoreFault) -> None:
        for waiter in asked:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._unqueue(waiter)
            if not waiter.answer.done():
                waiter.answer.set_exception(fault)

    async def _sure(self) -> None:
        """After a fault: read what is really leased, and how far the ledger has counted. What was read before the ledger
        counted more, and told us so, is out of date. Read under the write lock, so that a transaction whose answer was
        lost has ended, one way or the other. Raises StoreFault."""
        if not self._unsure:
            return
        lending = self._lending

        def read() -> tuple[tuple[Draw, ...], tuple[int, int] | None]:
            with lending.database.write() as db:
                return leases.leases_of(db, lending.instance), leases.counted_upto(db, lending.instance)

        mine, upto = await self._lending.aside(read)
        while (upto or (0, 0)) < self._counted:
            mine, upto = await self._lending.aside(read)
        if upto is not None:
            self.shipped(upto)
        self._broker.lease_is(mine)
        self._unsure = False

    async def _guarded(self, work: Callable[[], _T]) -> _T:
        """Database work whose answer may be lost. Raises StoreFault."""
        try:
            return await self._lending.aside(work)
        except Fenced:
            self.fenced = True
            raise
        except StoreFault:
            self._unsure = True
            raise

    def _sweep(self, over: Iterable[NodeKey]) -> None:
        for node in over:
            if node not in self._queued and self._broker.drop(node):
                del self._ends[node]
                self._exact.discard(node)
                self._beyond.discard(node)
