"""Several instances of the real line from the exchange down (budgets, spool, recovery, shipper, SQL) on simulated disks,
one simulated clock and one real database, with a provider that keeps its own bill.

Only what touches the outside is made up: callers, the network, the provider, the disks, and when things happen. All of
that is a function of the seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tallystick.core import exchange as line
from tallystick.core.attempt import Admission
from tallystick.core.call import Call, Facts
from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.core.errors import Denied, MayStand, StoreFault
from tallystick.core.identity import Claims, Principal
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.edge.settling import Settling
from tallystick.jobs.keeping import Keeping
from tallystick.jobs.shipper import Shipper, cursor_segment
from tallystick.stores.budget_keeper import BudgetKeeper
from tallystick.stores.lending import Lending
from tallystick.stores.recovery import open_spool
from tallystick.stores.spool import Bounds, Spool
from tallystick.stores.sql.budgets import Budgets
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database, open_database
from tallystick.stores.sql.journal import Sequencer
from tests.build.journal import KEY
from tests.build.prices import book_of
from tests.simulation.disk import MachineDisk
from tests.simulation.ledger import SimDatabase, Weather
from tests.simulation.loop import PROCESS, Process, SimLoop
from tests.simulation.truth import Bill, Billed, Broken

NANOS_PER_INPUT: Final = 2_123
NANOS_PER_OUTPUT: Final = 10_007
BOOK: Final = book_of(openai={"m-1": {"input_text": "2.123", "output_text": "10.007"}})
CHAT: Final = Route("POST", "/v1/chat/completions", "chat", dialect=None)
HOST: Final = Provider("openai", "Acme", "https://acme.example", (CHAT,), (CredentialPlace("authorization", "Bearer "),))
SEGMENTS: Final = Bounds(segment_bytes=32_768, settle_reserve_bytes=1_200)
DEFERRED_MAX_AGE_US: Final = 25_000_000
BEGINS_US: Final = 1_796_083_180_000_000         # 2026-11-30 23:59:40 UTC: minute, hour, day and month end in twenty seconds
WHO: Final = (
    Principal("k1", "default", {"team": "search", "project": "web", "user": "ann"}),
    Principal("k2", "default", {"team": "search", "project": "web", "user": "bob"}),
    Principal("k3", "default", {"team": "ops", "project": "bot", "user": "ann"}),
)
MODEL: Final = "m-1"
HELD_GRACE_US: Final = 2_500_000                 # every instance has looked at the database since (jobs/keeping.py, once a second)


def labels_of(who: Principal, model: str) -> dict[str, str]:
    """What budgets may watch of a caller, by kind of scope."""
    labels = who.labels
    return {"team": labels["team"], "project": f"{labels['team']}/{labels['project']}", "user": labels["user"], "key": who.key_id,
            "provider": HOST.id, "model": model}


def hold_nanos(body_bytes: int, output_limit: int) -> int:
    """The worst case of a call under a hard cap, worked out by hand."""
    return (body_bytes + 2_048) * NANOS_PER_INPUT + output_limit * NANOS_PER_OUTPUT


@dataclass(frozen=True)
class Order:
    """A call that somebody makes. `ending`: how the provider treats it; `fills`: it bills the whole hold."""

    who: Principal
    body_bytes: int = 100
    output_limit: int = 100
    ending: str = "usage"
    fills: bool = False
    takes_s: float = 0.1
    leaves_s: float = 0.0                        # the caller gives up while it waits to be admitted
    bound_nanos: int | None = None
    model: str = MODEL


class Clock:
    """The loop's time."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def now_us(self) -> int:
        return BEGINS_US + self._loop.us

    def monotonic_us(self) -> int:
        return self._loop.us


@dataclass
class World:
    """Everything that outlives a process."""

    seed: int
    folder: Path
    dice: random.Random = field(init=False)
    bill: Bill = field(default_factory=Bill)
    jobs: dict[str, tuple[str, Admission]] = field(default_factory=dict)     # whose, and what was admitted
    fetched: set[str] = field(default_factory=set)       # jobs whose end somebody saw
    made_by: dict[str, str] = field(default_factory=dict)        # call → the spool it was admitted in
    lost: set[str] = field(default_factory=set)          # spools whose disk is gone
    trace: list[str] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    calls: int = 0                               # made
    open: int = 0                                # not ended yet
    sent: int = 0
    crashes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.loop = SimLoop(random.Random(self.seed + 1))
        self.clock = Clock(self.loop)
        self.weather = Weather(random.Random(self.seed + 2))
        inner = open_database(self.folder, BEGINS_US)
        self.database: Database = SimDatabase(inner, self.weather, self.check)
        self.fair: Database = SimDatabase(inner, Weather(random.Random(0)), self.check)      # the command line's
        self.cli = Sequencer(self.fair, KEY)

    def say(self, what: str) -> None:
        process = PROCESS.get()
        self.trace.append(f"{self.loop.us / 1e6:10.4f} {process.name if process else '-':>8} {what}")

    def close(self) -> None:
        self.loop.close()
        self.database.close()

    def live(self) -> list[Instance]:
        return [one for one in self.instances.values() if one.serving]

    def check(self, db: Connection) -> None:
        """What holds after every commit."""
        rows = db.execute(
            "SELECT n.budget, n.subject, n.start_us, n.settled, n.leased, coalesce((SELECT sum(amount) FROM budget_lease l WHERE"
            " l.budget = n.budget AND l.subject = n.subject AND l.start_us = n.start_us), 0) FROM budget_node n").fetchall()
        for budget, subject, start_us, settled, leased, held in rows:
            if leased != held:
                raise Broken(f"node {budget, subject, start_us} has {leased} leased, its holders {held}")
            cap = self.bill.caps.get(budget)
            if cap is not None and cap.first and settled + leased > cap.top:
                raise Broken(f"node {budget, subject, start_us}: {settled} settled and {leased} leased pass the cap {cap.top}")

    def counted(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Instance:
    """One gateway: a disk that outlives its processes, and the process of the moment."""

    def __init__(self, world: World, name: str, *, strict: bool) -> None:
        self.world = world
        self.name = name
        self._calls = 0
        self._waiting: set[asyncio.Task[Any]] = set()        # to be admitted
        self._last: dict[str, Admission] = {}
        self.strict = strict
        self.id = name                           # its spool's; a new disk has a new one
        self.disk = MachineDisk(dice=random.Random(f"{world.seed} {name}"))
        self.process = Process(name, alive=False)
        self.serving = False
        self.paused_s = 0.0
        self.spool: Spool
        self.settling: Settling
        self.keeper: BudgetKeeper
        self.keeping: Keeping
        self.shipper: Shipper
        self._starts = 0

    # --- life and death ---------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a process; it serves once it has recovered and shipped."""
        self._starts += 1
        self.process = Process(f"{self.name}.{self._starts}")
        self.disk.die = self.crash
        self.world.loop.spawn(self.process, self._start())

    def crash(self, *, power: bool = False) -> None:
        """`kill -9`; `power`: the machine goes with it."""
        if not self.process.alive:
            return
        self.world.say(f"{self.name} {'loses its power' if power else 'is killed'}")
        self.process.alive = self.serving = False
        self.world.crashes += 1
        self.world.open -= self._calls
        self._calls = 0
        self.disk = self.disk.restarted(power_lost=power)

    def lose_disk(self) -> None:
        """The machine is gone, with all that no shipment has reached. Another one takes its place."""
        self.crash()
        world = self.world
        world.lost.add(self.id)
        world.bill.lose({request for request, spool in world.made_by.items() if spool == self.id})
        world.say(f"{self.name} loses its disk, with the spool {self.id}")
        self.id = f"{len(world.lost)}-{self.name}"           # also where its writing is torn it is none that was there before
        self.disk = MachineDisk(dice=random.Random(f"{world.seed} {self.id}"))

    async def _start(self) -> None:
        world, disk = self.world, self.disk
        try:
            self.spool = open_spool(
                Path("/spool"), lambda: self.id, disk, world.clock, durability="strict" if self.strict else "process", bounds=SEGMENTS,
                ledger_segment=partial(cursor_segment, world.database))
            self.shipper = Shipper(self.spool, Sequencer(world.database, KEY), world.clock, world.folder / "quarantine",
                                   alarm=self._alarmed, rows_max=world.dice.choice((3, 100)), deferred_max_age_us=DEFERRED_MAX_AGE_US)
            await self._catch_up()
            lending = Lending(world.database, self.spool.instance, world.clock, self._aside)
            self.keeper = BudgetKeeper(lending, lambda: self.spool.durable, Budgets(Sequencer(world.database)).open_header,
                                       behind=self.spool.behind)
            self.settling = Settling(self.spool, self.keeper)
            self.keeping = Keeping(self.keeper)
            await self.keeping.start()
        except StoreFault as fault:
            world.say(f"cannot start: {fault}")
            self.process.alive = False
            self.disk = disk.restarted(power_lost=False)
            return
        self.serving = True
        world.say("serves")
        world.loop.spawn(self.process, self._ship())

    async def _catch_up(self) -> None:
        """As jobs/runner.py does before the first call."""
        for _ in range(100):
            try:
                if not await self._aside(self.shipper.step):
                    return
            except StoreFault:
                return

    async def _ship(self) -> None:
        while True:
            try:
                more = await self._aside(self.shipper.step)
            except StoreFault:
                more = False
            await asyncio.sleep(0 if more else 0.05)

    async def stop(self) -> None:
        """A graceful stop, after the last call: ship, give everything back, go."""
        self.serving = False
        await self.settling.finish()
        for _ in range(1_000):
            if not await self._aside(self.shipper.step):
                break
        await self.keeping.stop()
        self.spool.close()
        self.process.alive = False
        self.disk = self.disk.restarted(power_lost=False)

    def heard_since(self, at_us: int) -> bool:
        """Whether it has looked at the database since then, or lets nothing through because it has not."""
        lender = self.keeper.lender
        return lender.cut_off or lender._heard[0] > at_us

    def _alarmed(self, what: str) -> None:
        """Nothing may be put aside."""
        raise Broken(what)

    async def _aside(self, work: Callable[[], object]) -> Any:
        """Work beside the loop: it begins some time after it was asked for, and its answer comes some time after it was done."""
        return await asyncio.shield(asyncio.ensure_future(self._aside_(work)))

    async def _aside_(self, work: Callable[[], object]) -> object:
        dice = self.world.dice
        await asyncio.sleep(dice.choice((0, 0, 0, 0.001, 0.02)) + self.paused_s)
        found, fault = None, None
        try:
            found = work()
        except Exception as raised:              # noqa: BLE001 - told to whoever asked, when the answer comes
            fault = raised
        await asyncio.sleep(dice.choice((0, 0, 0, 0.001, 0.02)) + self.paused_s)
        if fault is not None:
            raise fault
        return found

    # --- calls ------------------------------------------------------------------------------------

    def call(self, order: Order) -> asyncio.Task[str]:
        """Make a call here. Its result: how it ended."""
        world = self.world
        keeping = self.keeping._task
        if keeping is not None and keeping.done():
            raise Broken(f"{self.name} keeps its budgets no more: {keeping.exception()!r}") from keeping.exception()
        world.calls += 1
        world.open += 1
        self._calls += 1
        process = self.process
        task = world.loop.spawn(process, self._call(order, f"req_{world.calls:032x}"))

        def ended(_: object) -> None:
            if process.alive:
                world.open -= 1
                self._calls -= 1

        task.add_done_callback(ended)
        if order.leaves_s:
            world.loop.call_later(order.leaves_s, self._leave, task)
        return task

    def _leave(self, task: asyncio.Task[str]) -> None:
        if task in self._waiting:
            task.cancel()

    async def _call(self, order: Order, request_id: str) -> str:
        """The gateway's part of the line (edge/gateway.py), without its bytes."""
        world, at_us = self.world, self.world.clock.now_us()
        script = line.exchange(line.Opening(request_id, at_us, HOST, CHAT), line.Rules(BOOK, self.keeper.books))  # type: ignore[arg-type]
        answer: Any = None
        while True:
            try:
                command = script.send(answer)
            except StopIteration:
                raise AssertionError("a line ends in Settle or Refuse") from None
            match command:
                case line.Authenticate():
                    answer = line.Caller(order.who, "caller")
                case line.Read():
                    await asyncio.sleep(world.dice.choice((0, 0, 0.01)))
                    facts = Facts(model=order.model, output_limit=order.output_limit)
                    call = Call(request_id, HOST.id, "POST", "/v1/chat/completions", "chat", "openai_chat", facts, order.body_bytes, at_us)
                    answer = line.Asked(call, Claims(budget_nanos=order.bound_nanos))
                case line.Admit():
                    answer = await self._admit(command.admission)
                case line.Forward():
                    answer = await self._forward(command.admission, order)
                case line.Settle():
                    await self._book(command.settlement)
                    if command.settlement.outcome == "deferred":
                        world.jobs[request_id] = self.id, self._last[request_id]
                    world.say(f"{request_id[-4:]} settled at {command.settlement.cost_nanos}, {command.settlement.basis}")
                    world.counted(command.settlement.basis)
                    return str(command.settlement.basis)
                case line.Refuse():
                    world.say(f"{request_id[-4:]} refused: {command.denied.code} {dict(command.denied.details)}")
                    try:
                        await self.spool.refuse(replace(command.refusal, status=402))
                    except StoreFault:
                        pass
                    world.counted(command.denied.code)
                    return command.denied.code

    async def _admit(self, asked: Admission) -> Admission | Denied:
        me = asyncio.current_task()
        assert me is not None
        self._waiting.add(me)
        try:
            admission = await self.keeper.hold(asked)
        except asyncio.CancelledError:
            self.world.say(f"{asked.request_id[-4:]} left while it waited")
            raise
        finally:
            self._waiting.discard(me)
        if isinstance(admission, Denied):
            return admission
        try:
            await self.spool.admit(admission)
        except StoreFault as fault:
            if not isinstance(fault, MayStand):
                self.keeper.cancel(admission)
            return Denied("journal_unavailable", "")
        self._last[admission.request_id] = admission
        self.world.made_by[admission.request_id] = self.id
        return admission

    async def _forward(self, admission: Admission, order: Order) -> line.Delivered:
        """The provider bills when the request reaches it, whatever becomes of the reply."""
        world, dice = self.world, self.world.dice
        served = Served(fault="connect", written=False)
        if order.ending != "unreached":
            usage = _usage(admission, order, dice)
            into, out = usage.counts.get("input_text", 0), usage.counts.get("output_text", 0)
            world.sent += 1
            world.say(f"{admission.request_id[-4:]} sent, bills {into * NANOS_PER_INPUT + out * NANOS_PER_OUTPUT} of {admission.hold_nanos}, "
                      f"holds {[tuple(draw.node)[:2] for draw in admission.holds]}")
            world.bill.add(Billed(
                admission.request_id, admission.at_us, labels_of(order.who, order.model), int(into * NANOS_PER_INPUT + out * NANOS_PER_OUTPUT),
                int(into + out), bool(admission.holds), order.bound_nanos))
            served = _SERVED[order.ending](usage)
        await asyncio.sleep(order.takes_s)
        return line.Delivered(served, world.clock.now_us())

    async def _book(self, settlement: Any) -> None:
        await self.settling.book(settlement)
        if self.settling.waiting:
            self.world.say(f"{settlement.request_id[-4:]} waits to be settled")
        elif settlement.basis == "usage" and settlement.request_id not in self.world.fetched:        # a job may have been given up
            self.world.bill.state(settlement.request_id)

    def knows_job(self, request_id: str) -> bool:
        """Its maker knows a job at once, the others from the database (ports.Custody)."""
        if self.world.jobs[request_id][0] == self.id:
            return True
        with self.world.fair.read() as db:
            return db.execute("SELECT 1 FROM open_attempt WHERE request_id = ? AND deferred = 1",
                              (bytes.fromhex(request_id[4:]),)).fetchone() is not None

    async def end_job(self, _maker: str, admission: Admission) -> None:
        """A poll shows what a job cost."""
        self.world.fetched.add(admission.request_id)
        billed = self.world.bill.lines[admission.request_id]
        out = (billed.nanos - billed.tokens * NANOS_PER_INPUT) // (NANOS_PER_OUTPUT - NANOS_PER_INPUT)
        served = Served(status=200, reading=Reading(usage=usage_of(input_text=billed.tokens - out, output_text=out), model=MODEL, ended=True))
        await self._book(settle(admission, served, BOOK, HOST, self.world.clock.now_us()))


def _usage(admission: Admission, order: Order, dice: random.Random) -> Usage:
    """What the provider counts: never above the bound (assumption A1)."""
    if order.ending == "error":
        return usage_of()
    if order.fills:
        return usage_of(input_text=admission.input_bound, output_text=order.output_limit)
    return usage_of(input_text=dice.randint(1, admission.input_bound), output_text=dice.randint(0, order.output_limit))


def _stated(usage: Usage) -> Served:
    return Served(status=200, reading=Reading(usage=usage, model=MODEL, ended=True))


_SERVED: Final[dict[str, Callable[[Usage], Served]]] = {
    "usage": _stated,
    "gone": lambda usage: replace(_stated(usage), client_gone=True),
    "error": lambda _: Served(status=500, own_error=True),
    "silence": lambda _: Served(fault="timeout", written=True),
    "cut": lambda _: Served(status=200, fault="reset", reading=Reading(model=MODEL, output_bytes=10)),
    "job": lambda _: Served(status=200, reading=Reading(deferred=True, model=MODEL, response_id="resp_1")),
}
