"""Ways to get hard caps wrong, each one method or function of the running code put in place of the real one. The
simulation must notice every one of them (books.md §2.7); those at the end are what it once found here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest import mock

from tallystick.core import admitting
from tallystick.core.broker import Attempt, Broker, _Open
from tallystick.core.draw import Draw
from tallystick.core.errors import MayStand, StoreFault
from tallystick.jobs.shipper import Shipper
from tallystick.stores import spool
from tallystick.stores.lending import Lender
from tallystick.stores.sql import booking, counting, leases
from tallystick.stores.sql.leases import Counting

_worst_case = spool.worst_case
_grant = leases.grant
_hold = Lender.hold
_holds_of = admitting.holds_of
_spend = Counting.spend
_cost_in = counting.cost_in
_admit = spool.Spool.admit
_write_off = leases.write_off
_settle = spool.Spool.settle


@dataclass(frozen=True)
class Mutant:
    """`where.what` becomes `wrong`. `seed`: one that noticed it when it was last looked for."""

    name: str
    where: Any
    what: str
    wrong: Any
    seed: int = 0

    @contextmanager
    def alive(self) -> Iterator[None]:
        with mock.patch.object(self.where, self.what, self.wrong):
            yield


def void_on_crash(admission: Any, at_us: int) -> Any:
    """After a crash an open call is taken for one that never was."""
    return replace(_worst_case(admission, at_us), cost_nanos=0, basis="zero_proven", draws=())


def release_after_a_while(db: Any, instance: str, asks: Any, has: Any, now_us: int) -> Any:
    """Leases of whoever was not seen for fifteen seconds are free for all."""
    for (gone,) in db.execute("SELECT id FROM instance WHERE seen_us < ?", (now_us - leases.LIVE_WITHIN_US,)).fetchall():
        leases.give_back(db, gone, leases.leases_of(db, gone))
    return _grant(db, instance, asks, has, now_us)


def cursor_stands_still(self: Shipper, pen: Any, state: Any, records: int) -> Any:
    """The same records are shipped again after a fault, and taken for new."""
    return state.stored


async def admit_later(self: spool.Spool, admission: Any) -> None:
    """The call goes out, and the record is written when there is time."""
    me, append = self, self._append
    asyncio.get_running_loop().call_later(0.2, lambda: append(spool.ADMIT, spool._encoded(admission)))
    me._open[admission.request_id, admission.attempt] = me._written.segment
    me._open_in[me._written.segment] = me._open_in.get(me._written.segment, 0) + 1


async def no_sync(self: spool.Spool) -> None:
    """`strict` without an fsync."""
    self._synced = self._written


async def check_then_act(self: Lender, attempt: Attempt, draws: Sequence[Draw], caps: Any = None) -> Any:
    """Something else runs between the look and the taking."""
    if not draws or caps or self._broker.short(draws):
        return await _hold(self, attempt, draws, caps)
    await asyncio.sleep(0.001)
    for draw in draws:
        self._broker.nodes[draw.node].held += draw.amount
    self._broker._open[attempt] = _Open(list(draws))
    return None


def half_the_hold(*path: Any) -> tuple[Draw, ...]:
    return tuple(Draw(draw.node, draw.amount // 2) for draw in _holds_of(*path))


async def freed_before_it_is_durable(self: spool.Spool, settlement: Any) -> Any:
    """Rule 4: what a settlement frees is used again before the settlement is on the disk."""
    strict, self._strict = self._strict, False
    try:
        ended = await _settle(self, settlement)
    finally:
        self._strict = strict
    if strict:
        asyncio.get_running_loop().create_task(self._wait_synced())
    return ended


def leases_add_up(self: Broker, said: Any) -> None:
    """What is read again comes on top of what is known."""
    self.grant(said)


def in_floats(self: Counting, node: Any, end_us: int, amount: int) -> None:
    _spend(self, node, end_us, int(amount / 1e9 * 1e9))


def whatever_fits(self: Broker, attempt: Attempt, draws: Sequence[Draw]) -> bool:
    """Held where there is room, and sent."""
    fits = [draw for draw in draws if not self.short([draw])]
    if not fits:
        return False
    for draw in fits:
        self.nodes[draw.node].held += draw.amount
    self._open[attempt] = _Open(fits)
    return True


async def cancelled_all_the_same(self: spool.Spool, admission: Any) -> None:
    """An admission that may be on the disk gives its hold back."""
    try:
        await _admit(self, admission)
    except MayStand as fault:
        raise StoreFault(str(fault)) from fault


def nothing_is_beyond(db: Any, holder: str, at_us: int) -> tuple[Any, ...]:
    """Idle leases of a cap that was lowered are used up."""
    return ()


def no_tokens_without_usage(unit: Any, admission: Any, settlement: Any) -> int:
    """A worst case is one of money alone."""
    return 0 if unit == "tokens" and settlement.basis == "worst_case" else _cost_in(unit, admission, settlement)


def freed_at_write_off(db: Any, instance: str, now_us: int) -> None:
    """What a gateway that is gone had leased is free for all at once."""
    _write_off(db, instance, now_us)
    leases.give_back(db, instance, leases.leases_of(db, instance))


def still_open(*_: Any) -> int:
    """What the ledger knows as open of a gateway that was written off stays so."""
    return 0


_NOTHING: Final[Callable[..., None]] = lambda *_: None
_FALSE: Final[Callable[..., bool]] = lambda *_: False

MUTANTS: Final = (
    Mutant("an open call is void after a crash", spool, "worst_case", void_on_crash),
    Mutant("leases end by themselves", leases, "grant", release_after_a_while),
    Mutant("what is shipped twice counts twice", Shipper, "_move_cursor", cursor_stands_still),
    Mutant("sent before it is written", spool.Spool, "admit", admit_later),
    Mutant("sent before it is synced", spool.Spool, "_wait_synced", no_sync),
    Mutant("looked at, then taken", Lender, "hold", check_then_act, 55),
    Mutant("half the worst case is held", admitting, "holds_of", half_the_hold),
    Mutant("rule 4: freed before the settlement is durable", spool.Spool, "settle", freed_before_it_is_durable, 38),
    Mutant("leases are added to, not set", Broker, "lease_is", leases_add_up),
    Mutant("money in floats", Counting, "spend", in_floats),
    Mutant("what has no price goes out", admitting, "denied_under_a_cap", _NOTHING),
    Mutant("held on some of the path", Broker, "take", whatever_fits),
    # What the simulation found in this code.
    Mutant("a start does not wait for what its spool still holds", spool.Spool, "behind", _FALSE, 42),
    Mutant("a lowered cap does not call back what is idle", leases, "beyond_cap", nothing_is_beyond, 32),
    # Gateways that are cut off, or gone for good.
    Mutant("who is cut off goes on", Lender, "cut_off", False, 90),
    Mutant("what was leased is freed at a write-off", leases, "write_off", freed_at_write_off, 10),
    Mutant("a worst case counts no tokens", counting, "cost_in", no_tokens_without_usage, 1),
)

# What the whole world shows too seldom to wait for: a short story notices each.
TOLD_IN_SHORT: Final = (
    (Mutant("an admission that may be on the disk gives its hold back", spool.Spool, "admit", cancelled_all_the_same),
     "tests/simulation/test_found.py::test_an_admission_whose_sync_failed_may_stand"),
    (Mutant("what was open stays open at a write-off", booking, "settle_left_open", still_open),
     "tests/stores/test_write_off.py::test_what_the_ledger_knows_as_open_is_settled_at_its_hold_and_the_rest_stays_drawn"),
)
