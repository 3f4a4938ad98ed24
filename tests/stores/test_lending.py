"""Holds against a real database: what fits is let through, and no cap is passed whatever instances, faults and
restarts do. The ledger here is a list of durable settlements; the simulation proper runs the real spool."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import StoreFault
from tallystick.stores.lending import Lender, Lending
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.leases import Counting, Fenced
from tests.build.databases import both_engines, open_database

pytestmark = both_engines

NOW = 1_795_266_000_000_000
END = NOW + 3_600_000_000
ORG, TEAM = NodeKey(1, "", 0), NodeKey(2, "", 0)


class Hands:
    """A clock that only we move."""

    def __init__(self) -> None:
        self.us = NOW

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        return self.us


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = open_database(tmp_path, NOW)
    with made.write() as db:
        for number, amount in ((1, 1_000), (2, 300), (99, 0)):
            db.execute("INSERT INTO budget (id, organization, kind, span, zone, unit, amount, mode, starts_us, version, created_us, created_by)"
                       " VALUES (?, 1, 'org', 'month', 'UTC', 'money', ?, 'hard', 0, 1, 0, 'test')", (number, amount))
    return made


async def at_once(work: Callable[[], object]) -> object:
    return work()


def lender(database: Database, name: str, clock: Hands, *, aside: Callable[[Callable[[], object]], Awaitable[object]] = at_once,
           wait_us: int = 0) -> Lender:
    async def pause(_: float) -> None:
        clock.us += 50_000
        await asyncio.sleep(0)

    return Lender(Lending(database, name, clock, aside, pause, wait_us))


def count(database: Database, name: str, costs: list[Draw]) -> None:
    """What the shipper does: the settlement is counted, and comes out of the instance's lease."""
    with database.write() as db:
        counting = Counting()
        for cost in costs:
            counting.spend(cost.node, END, cost.amount)
        counting.release(name, costs)
        counting.write(db)


def figures(database: Database, node: NodeKey) -> tuple[int, int]:
    with database.read() as db:
        row = db.execute("SELECT settled, leased FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?", node).fetchone()
        held = db.execute("SELECT coalesce(sum(amount), 0) FROM budget_lease WHERE budget = ? AND subject = ? AND start_us = ?",
                          node).fetchone()[0]
    settled, leased = row or (0, 0)
    assert leased == held, "what a node has leased is what holders have of it"
    return settled, leased


async def test_what_fits_is_held_and_what_never_will_is_refused_with_the_tightest_node(database: Database) -> None:
    one = lender(database, "one", Hands())
    await one.start(0)
    assert await one.hold(("a", 1), [Draw(ORG, 200), Draw(TEAM, 200)]) is None
    lacking = await one.hold(("b", 1), [Draw(ORG, 400), Draw(TEAM, 400)])
    assert lacking is not None
    assert not lacking.held
    assert (lacking.short.node, lacking.short.cap, lacking.short.needed) == (TEAM, 300, 400)


async def test_what_only_needs_time_waits_and_is_let_through_when_another_settles(database: Database) -> None:
    one = lender(database, "one", Hands(), wait_us=10_000_000)
    await one.start(0)
    assert await one.hold(("a", 1), [Draw(TEAM, 300)]) is None
    waiting = asyncio.ensure_future(one.hold(("b", 1), [Draw(TEAM, 100)]))
    await asyncio.sleep(0)
    one.settled(("a", 1), [Draw(TEAM, 10)], (1, 1))
    assert await waiting is None


async def test_waiting_ends_with_budget_held(database: Database) -> None:
    one = lender(database, "one", Hands(), wait_us=1_000_000)
    await one.start(0)
    await one.hold(("a", 1), [Draw(TEAM, 300)])
    lacking = await one.hold(("b", 1), [Draw(TEAM, 1)])
    assert lacking is not None
    assert lacking.held


async def test_another_instances_idle_lease_is_called_back(database: Database) -> None:
    clock = Hands()
    one, two = lender(database, "one", clock), lender(database, "two", clock, wait_us=5_000_000)
    await one.start(0)
    await two.start(0)
    await one.hold(("a", 1), [Draw(ORG, 990)])
    one.settled(("a", 1), [Draw(ORG, 5)], (1, 1))
    waiting = asyncio.ensure_future(two.hold(("b", 1), [Draw(ORG, 900)]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    await one.tend(0, wanted_since_us=NOW)
    assert await waiting is None


async def test_many_at_once_and_exactly_those_that_fit_come_through(database: Database) -> None:
    one, two, three = (lender(database, name, Hands()) for name in ("one", "two", "three"))
    for instance in (one, two, three):
        await instance.start(0)
    answers = await asyncio.gather(*(
        (one, two, three)[number % 3].hold((f"call {number}", 1), [Draw(ORG, 27)]) for number in range(1_000)))
    admitted = sum(answer is None for answer in answers)
    stranded = 3 * 1_000 // 50
    assert (1_000 - stranded) // 27 - 3 <= admitted <= 1_000 // 27
    assert all(answer is None or answer.held for answer in answers), "nothing is settled yet: it may come back"


async def test_a_cap_that_the_call_brings_along_binds_it_alone(database: Database) -> None:
    header = NodeKey(99, "", 0)
    one = lender(database, "one", Hands())
    await one.start(0)
    assert await one.hold(("a", 1), [Draw(header, 40)], {header: 100}) is None
    assert figures(database, header) == (0, 40), "exactly one hold is leased"
    assert await one.hold(("b", 1), [Draw(header, 40)], {header: 60}) is not None
    assert await one.hold(("c", 1), [Draw(header, 40)], {header: 80}) is None
    one.settled(("a", 1), [Draw(header, 1)], (1, 1))
    assert await one.hold(("d", 1), [Draw(header, 30)], {header: 20}) is not None, "what is idle is not this call's to take"
    await one.tend(0, wanted_since_us=NOW + 1)
    assert figures(database, header) == (0, 41)


async def test_a_grant_whose_answer_is_lost_is_found_again(database: Database) -> None:
    lost: list[bool] = [False]

    async def aside(work: Callable[[], object]) -> object:
        done = work()
        if lost.pop() if lost else False:
            raise StoreFault("the answer was lost")
        return done

    one = lender(database, "one", Hands(), aside=aside)
    await one.start(0)
    lost.append(True)
    with pytest.raises(StoreFault):
        await one.hold(("a", 1), [Draw(ORG, 500)])
    assert figures(database, ORG)[1] >= 500
    assert await one.hold(("b", 1), [Draw(ORG, 990)]) is None, "the lost lease is ours to use"
    assert 990 <= figures(database, ORG)[1] <= 1_000


async def test_an_older_incarnation_gets_nothing(database: Database) -> None:
    old, new = lender(database, "one", Hands()), lender(database, "one", Hands())
    await old.start(0)
    await new.start(0)
    with pytest.raises(Fenced):
        await old.hold(("a", 1), [Draw(ORG, 10)])
    assert await new.hold(("a", 1), [Draw(ORG, 10)]) is None


async def test_a_caller_that_leaves_while_it_waits_leaves_nothing_held(database: Database) -> None:
    one = lender(database, "one", Hands(), wait_us=60_000_000)
    await one.start(0)
    await one.hold(("a", 1), [Draw(TEAM, 300)])
    waiting = asyncio.ensure_future(one.hold(("b", 1), [Draw(TEAM, 300)]))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    one.settled(("a", 1), [], (1, 1))
    assert await one.hold(("c", 1), [Draw(TEAM, 300)]) is None


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_the_bill_stays_below_every_cap(database: Database, seed: int) -> None:
    """Three instances with random calls, settlements, shipments, lost answers, returns and deaths."""
    dice, clock = random.Random(seed), Hands()

    async def aside(work: Callable[[], object]) -> object:
        luck = dice.random()
        if luck < 0.05:
            raise StoreFault("the database is away")
        done = work()
        if luck < 0.10:
            raise StoreFault("the answer was lost")
        return done

    async def living(name: str) -> Lender:
        while True:
            try:
                made = lender(database, name, clock, aside=aside)
                await made.start(0)
            except StoreFault:
                continue
            return made

    names = ("one", "two", "three")
    instances = {name: await living(name) for name in names}
    open_calls: dict[str, dict[tuple[str, int], list[Draw]]] = {name: {} for name in names}
    unshipped: dict[str, list[tuple[int, list[Draw]]]] = {name: [] for name in names}
    bill, number = {ORG: 0, TEAM: 0}, 0

    def ship(name: str) -> None:
        while unshipped[name]:
            place, costs = unshipped[name].pop(0)
            count(database, name, costs)
            with database.write() as db:
                db.execute("INSERT INTO spool_cursor VALUES (?, 0, 0, 0, ?, 0) ON CONFLICT (instance) DO UPDATE SET high_offset = ?",
                           (name, place, place))
            instances[name].shipped((0, place))

    def settle(name: str, attempt: tuple[str, int], *, worst: bool = False) -> None:
        nonlocal number
        number += 1
        held = open_calls[name].pop(attempt)
        costs = [Draw(draw.node, draw.amount if worst else dice.randint(0, draw.amount)) for draw in held]
        for cost in costs:
            bill[cost.node] += cost.amount
        unshipped[name].append((number, costs))
        instances[name].settled(attempt, costs, (0, number))

    for step in range(120):
        name, clock.us = dice.choice(names), clock.us + 20_000
        try:
            match dice.choices(("call", "settle", "ship", "tend", "die"), (50, 30, 15, 10, 3))[0]:
                case "call":
                    draws = [Draw(ORG, dice.randint(0, 120))] + ([Draw(TEAM, dice.randint(0, 90))] if dice.random() < 0.6 else [])
                    if await instances[name].hold((f"{step}", 1), draws) is None:
                        open_calls[name][f"{step}", 1] = draws
                case "settle" if open_calls[name]:
                    settle(name, dice.choice(sorted(open_calls[name])))
                case "ship":
                    ship(name)
                case "tend":
                    await instances[name].tend(0, wanted_since_us=0)
                case "die":                              # what it left open is settled at its hold, shipped, and only then it admits
                    for attempt in list(open_calls[name]):
                        settle(name, attempt, worst=True)
                    ship(name)
                    instances[name] = await living(name)
        except StoreFault:
            pass
        for node, cap in ((ORG, 1_000), (TEAM, 300)):
            promised = sum(draw.amount for calls in open_calls.values() for held in calls.values() for draw in held if draw.node == node)
            assert bill[node] + promised <= cap
            assert sum(figures(database, node)) <= cap
    for name in names:
        for attempt in list(open_calls[name]):
            settle(name, attempt)
        ship(name)
        instances[name] = await living(name)
        while True:
            try:
                await instances[name].stop()
            except StoreFault:
                continue
            break
    assert {node: figures(database, node) for node in bill} == {node: (spent, 0) for node, spent in bill.items()}


async def test_giving_back_more_than_is_leased_cannot_be_said(database: Database) -> None:
    one = lender(database, "one", Hands())
    await one.start(0)
    await one.hold(("a", 1), [Draw(ORG, 100)])
    before = figures(database, ORG)
    await one.give_back([TEAM])
    assert figures(database, ORG) == before
    with database.read() as db:
        assert leases.leases_of(db, "one") == (Draw(ORG, before[1]),)
