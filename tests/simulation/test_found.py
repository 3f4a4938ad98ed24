"""What the simulation found in the code it runs, each as the shortest story that shows it. (Those that need the whole world
stand among the mutants.)"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tallystick.core.broker import Broker
from tallystick.core.budget import Scope
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import MayStand, StoreFault
from tallystick.stores import records
from tallystick.stores.lending import Lender, Lending
from tallystick.stores.recovery import open_spool
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import FILE_NAME, Database, open_database
from tests.build.journal import NOON_US, HandClock, SimDisk, admission, refusal, run, settlement
from tests.simulation.story import USUAL, Plan, Story, empty_database
from tests.simulation.world import WHO, Instance, Order, World

NODE = NodeKey(1, "", 0)
OTHER = NodeKey(2, "", 0)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = open_database(tmp_path, NOON_US)
    with made.write() as db:
        for number in (1, 2):
            db.execute("INSERT INTO budget (id, organization, kind, span, zone, unit, amount, mode, starts_us, version, created_us, created_by)"
                       " VALUES (?, 1, 'org', 'total', 'UTC', 'money', 1000, 'hard', 0, 1, 0, 'test')", (number,))
    return made


async def at_once(work: Callable[[], object]) -> object:
    return work()


def lender(database: Database, clock: HandClock | None = None, aside: Callable[[Callable[[], object]], Awaitable[object]] = at_once,
           wait_us: int = 0) -> Lender:
    clock = clock or HandClock()

    async def pause(_: float) -> None:
        clock.us += 50_000
        await asyncio.sleep(0)

    return Lender(Lending(database, "one", clock, aside, pause, wait_us))


def cap(database: Database, amount: int) -> None:
    with database.write() as db:
        db.execute("UPDATE budget SET amount = ? WHERE id = 1", (amount,))


def test_a_hold_that_was_adopted_while_the_settlement_was_on_its_way_stands_until_it_is_counted() -> None:
    broker = Broker()
    broker.grant([Draw(NODE, 100)])
    assert broker.take(("a", 1), [Draw(NODE, 100)])
    broker.adopt(("a", 1), Draw(OTHER, 100))             # the record to be written speaks of the first hold only
    broker.grant(broker.uncovered())
    broker.settle(("a", 1), [Draw(NODE, 30)], (1, 500), stated=1)
    assert (broker.idle(NODE), broker.idle(OTHER)) == (70, 0)
    broker.shipped((1, 500))
    assert (broker.idle(NODE), broker.idle(OTHER)) == (70, 100)


async def test_after_its_cap_fell_what_calls_free_is_not_used_again(database: Database) -> None:
    one = lender(database)
    await one.start(0)
    assert await one.hold(("a", 1), [Draw(NODE, 900)]) is None
    cap(database, 100)
    await one.tend(0, wanted_since_us=NOON_US)
    one.settled(("a", 1), [Draw(NODE, 400)], (1, 1))
    lacking = await one.hold(("b", 1), [Draw(NODE, 50)])
    assert lacking is not None, "400 are spent, and 100 allowed"
    await one.tend(0, wanted_since_us=NOON_US)
    with database.read() as db:
        assert leases.leases_of(db, "one") == (Draw(NODE, 400),), "and the rest went back"
    cap(database, 1_000)
    assert await one.hold(("c", 1), [Draw(NODE, 50)]) is None


async def test_housekeeping_goes_on_when_a_node_comes_up_while_it_waits(database: Database) -> None:
    """Nodes were walked through while others were added to them; the keeper of the instance then ended."""
    gate = asyncio.Event()

    async def slowly(work: Callable[[], object]) -> object:
        await gate.wait()
        return work()

    one = lender(database, aside=at_once)
    await one.start(0)
    await one.hold(("a", 1), [Draw(NODE, 10)])
    one = Lender(Lending(database, "one", HandClock(), slowly))
    gate.set()
    await one.start(0)
    gate.clear()
    tending = asyncio.ensure_future(one.tend(0, wanted_since_us=0))
    asking = asyncio.ensure_future(one.hold(("b", 1), [Draw(OTHER, 10)]))
    await asyncio.sleep(0)
    gate.set()
    assert await asking is None
    await tending


async def test_who_waits_for_a_budget_that_cannot_be_counted_is_told_so_in_time(database: Database) -> None:
    clock = HandClock()
    one = lender(database, clock, wait_us=1_000_000)
    await one.start(0)
    one.bar([1])
    with pytest.raises(StoreFault):
        await one.hold(("a", 1), [Draw(NODE, 10)])
    assert clock.us <= NOON_US + 1_100_000


async def test_what_a_settlement_took_out_of_a_lease_that_never_came_is_made_good_at_the_start(database: Database) -> None:
    with database.write() as db:
        leases.open_node(db, NODE)
        leases.lease(db, "one", [Draw(NODE, -70)])
    one = lender(database)
    await one.start(0)
    with database.read() as db:
        assert leases.leases_of(db, "one") == ()
        assert db.execute("SELECT leased FROM budget_node WHERE budget = 1").fetchone()[0] == 0


def test_a_release_on_a_node_that_never_was_opens_it(database: Database) -> None:
    """A budget that came and went while a call ran: its node has no row, and its lease would have had no node."""
    counting = leases.Counting()
    counting.release("one", [Draw(NODE, 5)])
    with database.write() as db:
        counting.write(db)
        assert db.execute("SELECT leased FROM budget_node WHERE budget = 1").fetchone()[0] == -5


async def test_an_admission_whose_sync_failed_may_stand(tmp_path: Path) -> None:
    disk = SimDisk()
    spool = open_spool(tmp_path, lambda: "0123456789ab", disk, HandClock(), durability="strict")
    disk.fail_at, disk.fault = disk.calls + 2, "EIO"     # its write, then its sync
    with pytest.raises(MayStand):
        await spool.admit(admission(1))
    later = open_spool(tmp_path, lambda: "0123456789ab", disk.restarted(power_lost=False), HandClock())
    assert later.recovered == 1, "it is found, and booked at its hold: what it held must not have gone back"


def test_a_spool_says_whether_a_shipment_has_reached_all_of_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, lambda: "0123456789ab", SimDisk(), HandClock())
    assert not spool.behind()
    run(spool.admit(admission(1)))
    assert spool.behind()
    run(spool.settle(settlement(1)))                     # type: ignore[arg-type]  # where it ended does not matter
    spool.shipped(spool.durable, spool.durable)
    assert not spool.behind()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One instance, and one wide budget, so that every call holds its worst case."""
    (tmp_path / FILE_NAME).write_bytes(empty_database())
    made = World(1, tmp_path)
    Story(Plan(1), made).set(Scope("org"), "money", "total", 10 * USUAL, first=True)
    one = made.instances["i0"] = Instance(made, "i0", strict=False)
    one.start()
    made.loop.run(asyncio.sleep(0.3))
    yield made
    made.close()


def test_a_call_that_waited_holds_on_the_budgets_that_came_meanwhile(world: World) -> None:
    story, one = Story(Plan(1), world), world.instances["i0"]
    story.set(Scope("user", "ann"), "money", "total", USUAL)
    world.loop.run(asyncio.sleep(0.5))
    first = one.call(Order(WHO[0], ending="error", takes_s=1.0))
    world.loop.run(asyncio.sleep(0.1))
    second = one.call(Order(WHO[0]))                     # it fits once the first is over
    world.loop.run(asyncio.sleep(0.1))
    story.set(Scope("team", "search"), "money", "total", 1)
    world.loop.run(asyncio.sleep(2.5))
    assert (first.result(), second.result(), world.sent) == ("zero_proven", "budget_exceeded", 1)


@pytest.mark.parametrize("ill", ["deaf", "full"])
def test_a_settlement_that_met_a_disk_that_takes_nothing_is_booked_once_it_does(world: World, ill: str) -> None:
    story, one = Story(Plan(1), world), world.instances["i0"]
    story.set(Scope("user", "ann"), "money", "total", USUAL)
    world.loop.run(asyncio.sleep(0.5))
    first = one.call(Order(WHO[0], fills=True, output_limit=10, takes_s=1.0))
    while not world.sent:
        world.loop.run(asyncio.sleep(0.05))
    setattr(one.disk, ill, True)
    if ill == "full":                                    # refusals fill what there is
        with pytest.raises(StoreFault, match="no next segment"):
            while True:
                one.spool._append(records.REFUSE, records.encode(refusal()))
    world.loop.run(asyncio.sleep(2))
    assert (first.result(), one.settling.waiting) == ("usage", 1), "its caller has the answer"
    setattr(one.disk, ill, False)
    world.loop.run(asyncio.sleep(3))
    assert one.settling.waiting == 0
    assert one.keeper.lender.broker._open == {}
    with world.fair.read() as db:
        assert db.execute("SELECT sum(settled) FROM budget_node WHERE budget = 2").fetchone()[0] == world.bill.lines[min(world.bill.lines)].nanos


def test_an_open_call_is_held_on_a_budget_that_comes(world: World) -> None:
    story, one = Story(Plan(1), world), world.instances["i0"]
    first = one.call(Order(WHO[0], fills=True, takes_s=5.0))
    world.loop.run(asyncio.sleep(0.2))
    story.set(Scope("team", "search"), "money", "total", USUAL)
    world.loop.run(asyncio.sleep(0.5))
    second = one.call(Order(WHO[1]))
    world.loop.run(asyncio.sleep(2.5))
    assert (second.result(), world.sent) == ("budget_held", 1)
    world.loop.run(asyncio.sleep(3))
    assert first.result() == "usage"


def test_a_cap_that_fell_binds_a_gateway_that_loses_the_database_as_it_says_so(world: World) -> None:
    """Its acknowledgement is committed and the answer lost: it must not use again what its calls free."""
    story, one = Story(Plan(1), world), world.instances["i0"]
    early = [one.call(Order(WHO[0], ending="error", takes_s=1.0)) for _ in range(6)]
    world.loop.run(asyncio.sleep(0.2))
    story.set(Scope("org"), "money", "total", USUAL)
    change = world.fair.change_count()

    def after() -> None:
        with world.fair.read() as db:
            world.weather.away = db.execute("SELECT acknowledged FROM instance").fetchone()[0] >= change
        if world.weather.away:
            raise StoreFault("the answer was lost")

    world.weather.after = after  # type: ignore[method-assign]
    world.loop.run(asyncio.sleep(4))
    assert world.weather.away and [call.result() for call in early] == ["zero_proven"] * 6
    late = [one.call(Order(WHO[0], fills=True)) for _ in range(3)]
    world.loop.run(asyncio.sleep(4))
    assert [call.result() for call in late] == ["budget_unavailable"] * 3


async def test_leases_that_were_read_before_the_ledger_counted_more_are_not_believed(database: Database) -> None:
    """What is leased is read again after a fault; before the answer comes, the shipper counts a settlement and says so."""
    counted = False

    async def aside(work: Callable[[], object]) -> object:
        nonlocal counted
        found = work()
        if one._unsure and not counted:
            counted = True
            with database.write() as db:
                shipped = leases.Counting()
                shipped.spend(NODE, NOON_US, 400)
                shipped.release("one", [Draw(NODE, 400)])
                shipped.write(db)
                db.execute("INSERT INTO spool_cursor (instance, low_segment, low_offset, high_segment, high_offset, records)"
                           " VALUES ('one', 1, 100, 1, 100, 1)")
            one.shipped((1, 100))
        return found

    one = lender(database, aside=aside)
    await one.start(0)
    assert await one.hold(("a", 1), [Draw(NODE, 900)]) is None
    one.settled(("a", 1), [Draw(NODE, 400)], (1, 100))
    one._unsure = True
    await one.tend(0, wanted_since_us=NOON_US)
    with database.read() as db:
        [leased] = leases.leases_of(db, "one")
    assert (counted, one.broker.nodes[NODE].leased) == (True, leased.amount)
