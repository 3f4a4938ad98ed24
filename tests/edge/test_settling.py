"""Settlements that the journal does not take at once: kept in their order, written as soon as it does, none lost, none doubled."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tallystick.core.attempt import Settlement
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import StoreFault, Unwritable
from tallystick.edge import settling
from tallystick.edge.settling import Settling
from tests.build.journal import settlement


class Paper:
    """A journal that takes nothing while it is `full`, and never what is in `unwritable`."""

    def __init__(self) -> None:
        self.full = False
        self.unwritable: set[str] = set()
        self.written: list[Settlement] = []

    async def settle(self, said: Settlement) -> tuple[int, int]:
        await asyncio.sleep(0)
        if said.request_id in self.unwritable:
            raise Unwritable("too large")
        if self.full:
            raise StoreFault("full")
        self.written.append(said)
        return 1, len(self.written)


class Holds:
    """Budgets of which one more comes with every look."""

    def __init__(self) -> None:
        self.looked = 0
        self.freed: list[tuple[str, tuple[int, int]]] = []

    def drawn(self, said: Settlement) -> Settlement:
        self.looked += 1
        return replace(said, draws=(Draw(NodeKey(1, "", 0), self.looked),))

    def settled(self, said: Settlement, place: tuple[int, int]) -> None:
        self.freed.append((said.request_id, place))


def scene() -> tuple[Paper, Holds, Settling, asyncio.Event]:
    turn, paper, holds = asyncio.Event(), Paper(), Holds()

    async def pause(_: float) -> None:
        await turn.wait()
        turn.clear()

    return paper, holds, Settling(paper, holds, pause), turn  # type: ignore[arg-type]


async def rest() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def ids(*numbers: int) -> list[str]:
    return [settlement(number).request_id for number in numbers]


async def test_what_meets_a_full_journal_is_written_in_its_order_once_there_is_room() -> None:
    paper, holds, desk, turn = scene()
    paper.full = True
    for number in (1, 2, 3):
        await desk.book(settlement(number))
    turn.set()
    await rest()
    assert (paper.written, holds.freed, desk.waiting) == ([], [], 3)
    paper.full = False
    await desk.book(settlement(4))                       # not before those that wait
    assert desk.waiting == 4
    turn.set()
    await rest()
    assert [said.request_id for said in paper.written] == ids(1, 2, 3, 4)
    assert [request for request, _ in holds.freed] == ids(1, 2, 3, 4)
    assert desk.waiting == 0
    await desk.book(settlement(5))
    assert len(paper.written) == 5


async def test_what_is_written_later_says_what_it_holds_by_then() -> None:
    paper, holds, desk, turn = scene()
    paper.full = True
    await desk.book(settlement(1))
    paper.full = False
    turn.set()
    await rest()
    assert [draw.amount for draw in paper.written[0].draws] == [holds.looked] == [2]


async def test_a_record_that_no_journal_takes_holds_up_no_other() -> None:
    paper, holds, desk, turn = scene()
    paper.full, paper.unwritable = True, set(ids(2))
    for number in (1, 2, 3):
        await desk.book(settlement(number))
    paper.full = False
    turn.set()
    await rest()
    assert [said.request_id for said in paper.written] == ids(1, 3)
    assert [request for request, _ in holds.freed] == ids(1, 3)


async def test_a_graceful_stop_tries_once_more() -> None:
    paper, _, desk, _ = scene()
    paper.full = True
    await desk.book(settlement(1))
    paper.full = False
    await desk.finish()
    assert [said.request_id for said in paper.written] == ids(1)


async def test_a_stop_in_the_middle_of_a_write_writes_it_once() -> None:
    paper, _, desk, turn = scene()
    paper.full = True
    await desk.book(settlement(1))
    paper.full = False
    turn.set()
    while not desk._writing.locked():
        await asyncio.sleep(0)
    await desk.finish()
    assert [said.request_id for said in paper.written] == ids(1)


async def test_no_more_is_kept_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    paper, _, desk, _ = scene()
    paper.full = True
    monkeypatch.setattr(settling, "WAITING_MAX", 2)
    for number in (1, 2, 3):
        await desk.book(settlement(number))
    assert desk.waiting == 2
    await desk.finish()
