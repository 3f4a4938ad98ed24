"""Two gateways, one of which loses its way to the database, or is taken for lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tallystick.core.budget import Scope
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import FILE_NAME
from tests.simulation.story import USUAL, Plan, Story, empty_database
from tests.simulation.world import WHO, Instance, Order, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / FILE_NAME).write_bytes(empty_database())
    made = World(1, tmp_path)
    for name in ("i0", "i1"):
        made.instances[name] = Instance(made, name, strict=False)
        made.instances[name].start()
    made.loop.run(asyncio.sleep(0.5))
    yield made
    made.close()


def cap(world: World, limit: int) -> None:
    Story(Plan(1), world).set(Scope("org"), "money", "total", limit, first=True)
    world.loop.run(asyncio.sleep(1.5))


def ask(world: World, name: str) -> str:
    call = world.instances[name].call(Order(WHO[0], takes_s=0))
    world.loop.run(asyncio.sleep(2.5))
    return call.result()


def cut_off(world: World, name: str, seconds: float) -> None:
    world.weather.cut.add(name)
    world.loop.run(asyncio.sleep(seconds))


def test_who_is_cut_off_spends_what_it_has_leased_for_a_while_and_then_nothing(world: World) -> None:
    cap(world, 1_000 * USUAL)
    assert ask(world, "i0") == "usage", "and leases ahead"
    cut_off(world, "i0", 2)
    assert ask(world, "i0") == "usage"
    cut_off(world, "i0", 12)
    assert (ask(world, "i0"), ask(world, "i1")) == ("budget_unavailable", "usage")
    assert "has not followed its database for" in (world.instances["i0"].keeper.fault() or "")
    world.weather.cut.clear()
    world.loop.run(asyncio.sleep(1.5))
    assert (ask(world, "i0"), world.instances["i0"].keeper.fault()) == ("usage", None)


def test_the_log_says_each_turn_once(world: World) -> None:
    cap(world, 1_000 * USUAL)
    with capture_logs() as said:
        cut_off(world, "i0", 30)
        world.weather.cut.clear()
        world.loop.run(asyncio.sleep(2))
    assert [line["log_level"] for line in said if line["event"].startswith(("budgets", "calls"))] == ["warning", "error", "warning"]


def test_a_machine_that_slept_trusts_nothing_it_knew_before(world: World) -> None:
    cap(world, 1_000 * USUAL)
    assert ask(world, "i0") == "usage"
    world.loop.us += 3_600_000_000
    call = world.instances["i0"].call(Order(WHO[0], takes_s=0))
    world.weather.cut.add("i0")
    world.loop.run(asyncio.sleep(0.1))
    assert call.result() == "budget_unavailable"


def test_a_clock_that_is_set_back_cuts_nobody_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cap(world, 1_000 * USUAL)
    right = world.clock.now_us
    monkeypatch.setattr(world.clock, "now_us", lambda: right() - 3_600_000_000)
    world.loop.run(asyncio.sleep(20))
    assert (ask(world, "i0"), world.instances["i0"].keeper.fault()) == ("usage", None)


def test_calls_that_nothing_governs_go_on(world: World) -> None:
    cut_off(world, "i0", 60)
    assert (ask(world, "i0"), world.instances["i0"].keeper.fault()) == ("usage", None)


def test_who_was_taken_for_lost_lets_nothing_through_until_it_is_started_anew(world: World) -> None:
    cap(world, 1_000 * USUAL)
    assert ask(world, "i0") == "usage"
    cut_off(world, "i0", 16)
    Story(Plan(1), world).write_off("i0")
    with world.fair.read() as db:
        kept = leases.leases_of(db, "i0")
    world.weather.cut.clear()
    world.loop.run(asyncio.sleep(1.5))
    assert ask(world, "i0") == "budget_unavailable"
    assert "written off" in (world.instances["i0"].keeper.fault() or "")
    world.instances["i0"].crash()
    world.instances["i0"].start()
    world.loop.run(asyncio.sleep(1))
    assert ask(world, "i0") == "usage"
    assert kept, "what it had leased stood, and it took it up again"
    with world.fair.read() as db:
        assert db.execute("SELECT written_off_us FROM instance WHERE id = 'i0'").fetchone()[0] is None
