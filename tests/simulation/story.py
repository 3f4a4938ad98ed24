"""One seed, told from its first call to rest: who calls, what breaks, what is changed meanwhile; then everything is mended,
and what must hold at rest is looked at.

    tell(Plan(seed=7), folder)                   # raises Failed, with the plan and its trace
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

from structlog.testing import capture_logs

from tallystick.core.budget import Amount, Mode, Scope, Unit
from tallystick.core.identity import Principal
from tallystick.stores.sql.adjusting import Correction, adjust_all
from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.budgets import BudgetSpec, Budgets
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT, FILE_NAME, month_sql, months, open_database
from tallystick.stores.sql.leases import DEFERRED
from tallystick.stores.sql.spending import spent
from tallystick.stores.sql.verify import verify
from tallystick.stores.sql.write_off import write_off
from tests.build.journal import KEY
from tests.simulation.loop import Process
from tests.simulation.truth import NEVER_US, Broken, Cap
from tests.simulation.world import BEGINS_US, DEFERRED_MAX_AGE_US, HELD_GRACE_US, WHO, Instance, Order, World, hold_nanos, labels_of, MODEL

USUAL: Final = hold_nanos(100, 100)
SCOPES: Final = (("org", ""), ("team", "search"), ("team", "*"), ("project", "search/web"), ("project", "ops/bot"), ("user", "ann"), ("user", "*"),
                 ("key", "k1"), ("key", "*"), ("provider", "openai"), ("model", "m-1"))
SPANS: Final = ("total", "month", "day", "hour", "minute")
UNITS: Final[tuple[Unit, ...]] = ("money", "money", "money", "tokens", "calls")
EACH_CALL: Final[dict[Unit, int]] = {"money": USUAL, "tokens": 2_248, "calls": 1}
TRACE_LINES: Final = 60

# What may happen, and how often of a thousand.
CHANCES: Final = {
    "call": 560, "burst": 35, "end_job": 40, "start": 90, "kill": 20, "power": 15, "kill_in_io": 30, "away": 15, "lossy": 20, "slow": 15,
    "full": 8, "sick": 8, "make": 20, "lower": 15, "lift": 15, "raise": 12, "remove": 6, "soften": 6, "adjust": 35, "jump": 20, "idle": 15,
    "cut": 8, "lose_disk": 3, "write_off": 6,
}
MOODS: Final[tuple[dict[str, int], ...]] = (
    {},
    {"make": 60, "lower": 70, "soften": 25, "lift": 30, "kill": 5, "kill_in_io": 5, "away": 4},      # people change their minds
    {"lossy": 90, "slow": 60, "away": 30},                                                         # the way to the database is bad
    {"kill": 60, "power": 60, "kill_in_io": 90, "sick": 60, "away": 30, "start": 200},             # machines die
    {"cut": 60, "lose_disk": 20, "write_off": 60, "lower": 50, "burst": 60, "start": 120, "jump": 10},         # or are out of reach
)
"""What happens more often, or less; a seed is of one mood."""
PACES: Final = (1, 4, 1, 1, 12)
"""How slowly it goes on in each mood: changes need time to come into force, and who is cut off notices it after a while."""


@dataclass(frozen=True)
class Plan:
    """What a seed tells. `without`: what may not happen in it."""

    seed: int
    steps: int = 120
    instances: int = 3
    without: frozenset[str] = frozenset()

    @property
    def mood(self) -> int:
        return self.seed % len(MOODS)

    def __str__(self) -> str:
        said = "".join(f" --without {kind}" for kind in sorted(self.without))
        return f"--seed {self.seed} --steps {self.steps} --instances {self.instances}{said}"


class Failed(AssertionError):
    """A plan whose promises did not hold."""

    def __init__(self, plan: Plan, reason: BaseException, trace: list[str]) -> None:
        super().__init__(f"python -m bench.simulate {plan}\n{type(reason).__name__}: {reason}\n" + "\n".join(trace[-TRACE_LINES:]))
        self.plan = plan
        self.reason = reason


@dataclass(frozen=True)
class Figures:
    """What a told plan came to."""

    calls: int
    sent: int
    crashes: int
    outcomes: Counter[str] = field(default_factory=Counter)


def tell(plan: Plan) -> Figures:
    """Run a plan. Raises Failed."""
    folder = memory_folder()
    try:
        (folder / FILE_NAME).write_bytes(empty_database())
        world = World(plan.seed, folder)
        try:
            with capture_logs():
                world.loop.run(Story(plan, world).told())
        except Exception as reason:
            raise Failed(plan, reason, world.trace) from reason
        finally:
            world.close()
        return Figures(world.calls, world.sent, world.crashes, Counter(world.outcomes))
    finally:
        rmtree(folder)


def smaller(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """The smallest plan found that still fails: fewer steps, fewer instances, fewer kinds of things that happen."""
    changed = True
    while changed:
        changed = False
        for less in (*(replace(plan, steps=plan.steps * share // 8) for share in (2, 4, 6, 7)), replace(plan, steps=plan.steps - 1),
                     replace(plan, instances=plan.instances - 1),
                     *(replace(plan, without=plan.without | {kind}) for kind in sorted(CHANCES.keys() - plan.without - {"call"}))):
            if less.steps > 0 and less.instances > 0 and less != plan and fails(less):
                plan, changed = less, True
                break
    return plan


def memory_folder() -> Path:
    """A folder in memory where the system has such a place: nothing here asks the disk for anything."""
    memory = Path("/dev/shm")
    return Path(mkdtemp(prefix="simulation-", dir=memory if memory.is_dir() else None))


@cache
def empty_database() -> bytes:
    """A database that was just made, so that it need not be made for each seed."""
    folder = Path(mkdtemp(prefix="simulation-"))
    try:
        database = open_database(folder, BEGINS_US)
        with database.read() as db:
            assert db.execute("SELECT count(*) FROM budget").fetchone()[0] == 0
        database.close()
        return (folder / FILE_NAME).read_bytes()
    finally:
        rmtree(folder)


class Story:
    def __init__(self, plan: Plan, world: World) -> None:
        self.plan = plan
        self.world = world
        self.dice = world.dice
        self.budgets = Budgets(world.cli)
        self.jobs_hold = False
        self.resting = False
        self.raised: set[int] = set()                # once each, so that what a cap is stays simple

    async def told(self) -> None:
        world, dice, plan = self.world, self.dice, self.plan
        for _ in range(dice.randint(1, 5)):
            self.make(first=True)
        for number in range(plan.instances):
            name = f"i{number}"
            world.instances[name] = Instance(world, name, strict=dice.random() < 0.6)
            world.instances[name].start()
        director = Process("-")
        world.loop.spawn(director, self.follow_changes())
        await asyncio.sleep(0.2)
        chances = CHANCES | MOODS[plan.mood]
        kinds = [kind for kind in chances if kind not in plan.without]
        pace = PACES[plan.mood]
        for _ in range(plan.steps):
            kind = dice.choices(kinds, [chances[kind] for kind in kinds])[0]
            getattr(self, f"do_{kind}")()
            await asyncio.sleep(pace * dice.choice((0, 0, 0.002, 0.01, 0.05, 0.2)))
        await self.come_to_rest()
        director.alive = False

    # --- what happens -----------------------------------------------------------------------------

    def somebody(self) -> Instance | None:
        live = self.world.live()
        return self.dice.choice(live) if live else None

    def anybody(self) -> Instance:
        return self.dice.choice(list(self.world.instances.values()))

    def order(self) -> Order:
        dice = self.dice
        ending = dice.choices(("usage", "gone", "error", "unreached", "silence", "cut", "job"), (60, 5, 10, 4, 8, 5, 8))[0]
        return Order(
            dice.choice(WHO), dice.choice((100, 100, 37, 1_000)), dice.choice((100, 100, 1, 500)), ending, dice.random() < 0.5,
            dice.choice((0, 0.01, 0.1, 0.1, 1, 5)), dice.choice((0, 0, 0, 0.05, 1)),
            dice.randint(1, 12) * USUAL if dice.random() < 0.08 else None, "m-?" if dice.random() < 0.02 else MODEL)

    def do_call(self) -> None:
        if instance := self.somebody():
            instance.call(self.order())

    def do_burst(self) -> None:
        for _ in range(self.dice.randint(4, 14)):
            self.do_call()

    def do_end_job(self) -> None:
        if self.world.jobs and (instance := self.somebody()):
            request_id = self.dice.choice(sorted(self.world.jobs))
            if instance.knows_job(request_id):
                who = [one for one in self.world.live() if one.knows_job(request_id)] if int(request_id[-4:], 16) % 3 == 0 else [instance]
                job = self.world.jobs.pop(request_id)
                for one in who:                          # several may poll at the same moment
                    self.world.loop.spawn(one.process, one.end_job(*job))

    def do_start(self) -> None:
        dead = [one for one in self.world.instances.values() if not one.process.alive]
        if dead:
            self.dice.choice(dead).start()

    def do_kill(self) -> None:
        self.anybody().crash()

    def do_power(self) -> None:
        instance = self.anybody()
        if instance.strict:
            instance.crash(power=True)

    def do_kill_in_io(self) -> None:
        instance = self.anybody()
        instance.disk.crash_in = self.dice.randint(1, 12)

    def do_away(self) -> None:
        self.world.weather.away = True
        self.world.say("the database goes away")
        self.world.loop.call_later(self.dice.choice((0.02, 0.3, 4)), self.database_comes_back)

    def database_comes_back(self) -> None:
        self.world.weather.away = False

    def do_cut(self) -> None:
        """With calls under way that free what they hold once nobody hears of it; and as likely as not caps fall meanwhile."""
        instance, cut, dice = self.anybody(), self.world.weather.cut, self.dice
        if instance.serving:
            for _ in range(dice.choice((0, 8))):
                instance.call(Order(dice.choice(WHO), ending="error", takes_s=1))

        def begin() -> None:
            if not self.resting:
                cut.add(instance.name)
                self.world.say(f"{instance.name} is cut off from the database")

        def lower() -> None:
            if not self.resting:
                self.do_lower()

        lasts_s = dice.choice((2, 17, 40))
        self.world.loop.call_later(0.5, begin)
        self.world.loop.call_later(0.5 + lasts_s, cut.discard, instance.name)
        for after_s in (1, 2) if "lower" not in self.plan.without and dice.random() < 0.5 else ():
            self.world.loop.call_later(after_s, lower)

    def do_lose_disk(self) -> None:
        self.anybody().lose_disk()

    def do_write_off(self) -> None:
        """Somebody takes a gateway for lost that nobody has heard of for a while; it may have lost its way only."""
        if gone := self.unheard():
            self.write_off(self.dice.choice(gone))

    def unheard(self) -> list[str]:
        with self.world.fair.read() as db:
            return [name for (name,) in db.execute(
                "SELECT id FROM instance WHERE stopped_us IS NULL AND written_off_us IS NULL AND seen_us + staleness_us <= ? ORDER BY id",
                (self.world.clock.now_us(),))]

    def write_off(self, spool: str) -> None:
        done = write_off(self.world.cli, spool, "its disk is lost", self.world.clock.now_us(), "cli")
        self.world.say(f"{spool} is written off: {done.settled} open calls, {[(tuple(one.node)[:2], one.amount) for one in done.kept]} kept")

    def do_lossy(self) -> None:
        weather = self.world.weather
        weather.refused, weather.lost = self.dice.choice(((0, 0), (50, 50), (0, 300), (300, 0)))

    def do_slow(self) -> None:
        self.anybody().paused_s = self.dice.choice((0, 0, 0.05, 0.5))

    def do_full(self) -> None:
        """No room for a new segment, and every second time none for what was allocated either (a file system that copies)."""
        disk = self.anybody().disk
        disk.full, disk.deaf = True, disk.calls % 2 == 0

        def roomy() -> None:
            disk.full = disk.deaf = False

        self.world.loop.call_later(self.dice.choice((0.1, 2)), roomy)

    def do_sick(self) -> None:
        instance = self.anybody()
        instance.disk.sick = instance.strict

    def do_jump(self) -> None:
        self.world.loop.us += self.dice.choice((1_000_000, 5_000_000, 20_000_000, 61_000_000))
        self.world.say("time passes")

    def do_idle(self) -> None:
        """A while in which nobody calls."""
        self.world.loop.us += 200_000

    # --- what people change -----------------------------------------------------------------------

    def make(self, *, first: bool = False) -> None:
        dice = self.dice
        kind, value = dice.choice(SCOPES)
        unit, span = dice.choice(UNITS), dice.choice(SPANS)
        scope = Scope(kind, value)  # type: ignore[arg-type]
        for cap in self.world.bill.caps.values():
            if (cap.scope, cap.unit, cap.span) == (scope, unit, span):
                return
        self.set(scope, unit, span, dice.randint(2, 25) * EACH_CALL[unit] + dice.randint(0, EACH_CALL[unit]), first=first)

    def set(self, scope: Scope, unit: Unit, span: str, limit: int, *, first: bool = False, mode: Mode = "hard") -> None:
        world = self.world
        row = self.budgets.set(DEFAULT, BudgetSpec(scope, Amount(limit, unit), span, "UTC", mode, limit=limit), world.clock.now_us(), "cli")
        world.say(f"budget {row.id} on {scope}: {limit} {unit} a {span}, {mode}")
        known = world.bill.caps.get(row.id)
        world.bill.forget(row.id) if mode != "hard" else world.bill.promise(
            Cap(row.id, scope, unit, span, limit, first, world.fair.change_count(), extra=known.extra if known else 0,
                fell=known is not None and known.bound, falls_us=known.falls_us if known else 0))

    def a_cap(self) -> Cap | None:
        caps = self.world.bill.caps
        return caps[self.dice.choice(sorted(caps))] if caps else None

    def do_make(self) -> None:
        self.make()

    def do_lower(self) -> None:
        if cap := self.a_cap():
            self.set(cap.scope, cap.unit, cap.span, cap.limit * self.dice.randint(1, 9) // 10)

    def do_lift(self) -> None:
        if cap := self.a_cap():
            limit = cap.limit + self.dice.randint(1, 5) * EACH_CALL[cap.unit]
            self.world.bill.promise(replace(cap, limit=limit))       # before it is done, for then it may be used
            self.set(cap.scope, cap.unit, cap.span, limit, first=cap.first)

    def do_raise(self) -> None:
        if (cap := self.a_cap()) and cap.budget not in self.raised:
            self.raised.add(cap.budget)
            extra, until_us = self.dice.randint(1, 5) * EACH_CALL[cap.unit], self.world.clock.now_us() + self.dice.randint(1, 20) * 1_000_000
            self.world.bill.promise(replace(cap, extra=extra))
            self.budgets.raise_for(DEFAULT, cap.budget, extra, until_us, "launch", self.world.clock.now_us(), "cli")
            self.world.say(f"budget {cap.budget} is raised by {extra} for {(until_us - self.world.clock.now_us()) // 1_000_000} s")
            self.world.loop.call_later((until_us - self.world.clock.now_us()) / 1e6, self.fall, cap.budget, extra)

    def fall(self, budget: int, extra: int) -> None:
        """A raise ends."""
        cap = self.world.bill.caps.get(budget)
        if cap is not None:
            self.world.bill.promise(replace(cap, extra=0, first=False, fell=cap.bound, binds_us=NEVER_US, falls_us=self.world.clock.now_us()))

    def do_remove(self) -> None:
        if cap := self.a_cap():
            self.budgets.remove(DEFAULT, cap.budget, self.world.clock.now_us(), "cli")
            self.world.bill.forget(cap.budget)
            self.world.say(f"budget {cap.budget} is removed")

    def do_soften(self) -> None:
        if cap := self.a_cap():
            if cap.extra:
                return
            self.set(cap.scope, cap.unit, cap.span, cap.limit, mode="soft")
            self.world.loop.call_later(self.dice.choice((0.1, 3)), self.harden, cap)

    def harden(self, cap: Cap) -> None:
        self.set(cap.scope, cap.unit, cap.span, cap.limit)

    def do_adjust(self) -> None:
        """Evidence comes of what was really billed."""
        world = self.world
        if not world.bill.lines:
            return
        billed = world.bill.lines[self.dice.choice(sorted(world.bill.lines))]
        fix = Correction(billed.request_id, 1, "evidence", billed.nanos, "cli", "invoice 7")
        try:
            adjust_all(world.cli, DEFAULT, [fix], lambda _: {}, world.clock.now_us)
        except Refused:
            return

    async def follow_changes(self) -> None:
        """When a change is in force everywhere: whoever serves has acknowledged it. A cap that was there before binds even those who
        are dead or cut off: what they have leased is counted, and they let nothing more through. One that is new does not:
        what their spools hold is known to nobody; and who holds on it already is known to the others a moment later."""
        world = self.world
        while True:
            await asyncio.sleep(0.05)
            waiting = [cap for cap in world.bill.caps.values() if not cap.first and cap.binds_us == NEVER_US and cap.change != NEVER_US]
            now_us = world.clock.now_us()
            with world.fair.read() as db:
                said = dict(db.execute("SELECT id, acknowledged FROM instance").fetchall())
                heard = [change for (change,) in db.execute(
                    "SELECT acknowledged FROM instance WHERE stopped_us IS NULL AND written_off_us IS NULL AND seen_us + staleness_us > ?", (now_us,))]
            all_serve = all(one.serving for one in world.instances.values())
            upto = min(said.get(one.id, -1) for one in world.instances.values())
            for cap in waiting:
                if cap.falls_us and not all(one.heard_since(cap.falls_us) for one in world.live()):
                    continue
                if cap.fell and all(change >= cap.change for change in heard):
                    cap.binds_us = now_us
                elif all_serve and upto >= cap.change:
                    cap.binds_us = now_us + HELD_GRACE_US

    # --- rest -------------------------------------------------------------------------------------

    async def come_to_rest(self) -> None:
        world, weather = self.world, self.world.weather
        weather.away, weather.refused, weather.lost = False, 0, 0
        weather.cut.clear()
        self.resting = True
        for instance in world.instances.values():
            instance.paused_s = 0
            instance.disk.full = instance.disk.deaf = instance.disk.sick = False
            instance.disk.crash_in = 0
        for instance in world.live():
            if instance.spool._fault is not None:
                instance.crash()                 # only a restart knows what its disk holds
        await self.see_to_the_lost()
        world.say("all is mended")
        if not world.live() or self.dice.random() < 0.5:
            await self.all_alive()
        for _ in range(400):
            if not world.open:
                break
            await asyncio.sleep(0.5)
        if world.open:
            raise Broken(f"{world.open} calls do not end")
        await asyncio.sleep(3)
        await self.nobody_is_turned_away_who_fits()
        await self.all_alive()
        for request_id in sorted(world.jobs):
            if self.dice.random() < 0.5 and world.live()[0].knows_job(request_id):       # none that was lost with its machine
                await world.live()[0].end_job(*world.jobs.pop(request_id))
        world.loop.us += DEFERRED_MAX_AGE_US + 11_000_000            # what jobs are left are settled at their hold
        await asyncio.sleep(1)
        for instance in world.instances.values():
            opened = instance.keeper.lender.broker._open
            if opened:
                raise Broken(f"{instance.name} still holds {opened}")
            await instance.stop()
        self.look_at_the_books()

    async def see_to_the_lost(self) -> None:
        """Machines that are gone are written off; whoever was written off and is there all the same is started anew."""
        world = self.world
        if world.lost:
            world.loop.us += 16_000_000
            await asyncio.sleep(2)
            for spool in self.unheard():
                if spool in world.lost:
                    self.write_off(spool)
        with world.fair.read() as db:
            written_off = {name for (name,) in db.execute("SELECT id FROM instance WHERE written_off_us IS NOT NULL")}
        for instance in world.live():
            if instance.id in written_off:
                instance.crash()

    async def all_alive(self) -> None:
        world = self.world
        for instance in world.instances.values():
            for _ in range(20):
                if instance.serving:
                    break
                if not instance.process.alive:
                    instance.start()
                await asyncio.sleep(1)
            else:
                raise Broken(f"{instance.name} does not start")

    async def nobody_is_turned_away_who_fits(self) -> None:
        """A call whose worst case fits into what is free, less what dead instances have, is let through; above it, not."""
        world = self.world
        for who in WHO:
            instance = self.dice.choice(world.live())
            free = self.free(who)
            limit = 100
            needs = {"money": hold_nanos(100, limit), "tokens": 2_148 + limit, "calls": 1}
            fits = all(needs[unit] <= amount for unit, amount in free)
            world.say(f"{who.key_id} asks: {'fits' if fits else 'does not fit'} into {free}")
            got = await instance.call(Order(who, 100, limit, "usage", takes_s=0))
            if got == "usage" and not fits and self.jobs_hold:
                continue                         # one of them was given up while the call waited
            if fits != (got == "usage"):
                with world.fair.read() as db:
                    for row in db.execute("SELECT * FROM budget_lease"):
                        world.say(f"{row}")
                for one in world.live():
                    world.say(f"{one.name} {one.keeper.lender.broker}")
                raise Broken(f"{who.key_id} needs {needs}, free is {free}, and the answer is {got}")
            await asyncio.sleep(1)

    def free(self, who: Principal) -> list[tuple[Unit, int]]:
        """What is left for a call of theirs, cap by cap."""
        world, found = self.world, list[tuple[Unit, int]]()
        alive = {one.id for one in world.live()}
        with world.fair.read() as db:
            self.jobs_hold = bool(db.execute("SELECT 1 FROM budget_lease WHERE holder = ?", (DEFERRED,)).fetchone())
            for cap in world.bill.caps.values():
                node = cap.node(labels_of(who, MODEL), world.clock.now_us())
                if node is None:
                    continue
                settled = db.execute("SELECT coalesce(sum(settled), 0) FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?",
                                     node).fetchone()[0]
                held = sum(amount for holder, amount in db.execute(
                    "SELECT holder, amount FROM budget_lease WHERE budget = ? AND subject = ? AND start_us = ?", node) if holder not in alive)
                found.append((cap.unit, cap.top - settled - held))
        return found

    def look_at_what_is_lost(self, unknown: set[str], kept: list[tuple[str, int, str, int, int]]) -> None:
        """What was billed and is in no book stays drawn, on every cap that was there from the start."""
        drawn = Counter[tuple[int, str, int]]()
        for _, budget, subject, start_us, amount in kept:
            drawn[budget, subject, start_us] += amount
        for cap in self.world.bill.caps.values():
            spent = Counter[tuple[int, str, int]]()
            for request in unknown if cap.first else ():
                line = self.world.bill.lines[request]
                if node := cap.node(line.labels, line.at_us):
                    spent[node] += line.amount(cap.unit)
            if short := {node: (amount, drawn[node]) for node, amount in spent.items() if amount > drawn[node]}:
                raise Broken(f"more was spent by the lost than stays drawn: {short}")

    def look_at_the_books(self) -> None:
        world = self.world
        with world.fair.read() as db:
            settled = Counter[str]()
            costs = {}
            for month in months(db):
                for request, cost in db.execute(month_sql(
                        "SELECT request_id, cost_nanos FROM call_fact_{month} WHERE kind = 1", month)):
                    settled["req_" + request.hex()] += 1
                    costs["req_" + request.hex()] = cost
            if double := [request for request, times in settled.items() if times != 1]:
                raise Broken(f"{double} are settled more than once")
            unknown = {request for request in world.bill.lines.keys() - settled.keys() if world.made_by.get(request) in world.lost}
            if lost := world.bill.lines.keys() - settled.keys() - unknown:
                raise Broken(f"{sorted(lost)} were billed and are in no book")
            if opened := db.execute("SELECT count(*) FROM open_attempt").fetchone()[0]:
                raise Broken(f"{opened} attempts are still open")
            for request, billed in world.bill.lines.items():
                if request not in unknown and billed.held and billed.labels["model"] == MODEL and costs[request] < billed.nanos:
                    raise Broken(f"{request} is booked at {costs[request]} and was billed {billed.nanos}")
            kept = db.execute("SELECT holder, budget, subject, start_us, amount FROM budget_lease").fetchall()
            if left := [row for row in kept if row[0] not in world.lost]:
                raise Broken(f"at rest somebody still has leases: {left}")
            self.look_at_what_is_lost(unknown, kept)
            counted = {row[:3]: row[3] for row in db.execute("SELECT budget, subject, start_us, settled FROM budget_node") if row[3]}
            booked: dict[tuple[int, str, int], int] = {}
            for row in budget_rows(db, DEFAULT):
                budget, at_us = row.budget(), BEGINS_US
                while at_us <= world.clock.now_us():
                    start_us, end_us = budget.span(at_us)
                    if row.starts_us <= start_us:
                        booked |= {(row.id, subject, start_us): amount
                                   for subject, amount in spent(db, DEFAULT, row.scope, row.unit, start_us, end_us).items() if amount}
                    at_us = end_us
            removed = {number for (number,) in db.execute("SELECT id FROM budget WHERE removed_us IS NOT NULL")}
        counted = {node: amount for node, amount in counted.items() if node[0] not in removed}
        if counted != booked:
            differ = {node: (counted.get(node, 0), booked.get(node, 0)) for node in counted.keys() | booked.keys()
                      if counted.get(node, 0) != booked.get(node, 0)}
            raise Broken(f"counters and ledger differ: {differ}")
        if findings := verify(world.fair, KEY.public_key).findings:
            raise Broken(f"the ledger does not verify: {findings}")

