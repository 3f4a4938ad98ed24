"""Writing off a gateway that is gone for good, with its disk. What it may have cost is booked, never freed: attempts that
the ledger knows as open are settled at their hold, as its own recovery would have done, and what it had leased beyond
them stays drawn, for nobody knows what its lost spool held. So the upstream's bill stays below every cap.

Both can be put right by evidence. An attempt's cost is adjusted like any other. What stays drawn is released once somebody
has seen, say on the provider's invoice, that it was not spent. If the spool is found and shipped after all, its
calls are booked out of what stays drawn, and those that were settled here are adjusted to what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import Unit
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.entry import Fields
from tallystick.core.entry_lines import Describe
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import booking, leases
from tallystick.stores.sql.budget_rows import rows, value_kind
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending, Sequencer

SETTLED_AT_ONCE: Final = 500                 # attempts in one transaction, so that shippers can come between


@dataclass(frozen=True, slots=True)
class Part:
    """What is leased of one node, in its budget's unit."""

    node: NodeKey
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """What was booked: how many attempts at their hold, and what stays drawn beyond them."""

    settled: int
    kept: tuple[Part, ...]


def write_off(sequencer: Sequencer, instance: str, reason: str, now_us: int, by: str, *,
              describe: Describe = lambda _: {}) -> WrittenOff:
    """Book what an instance that is gone may have cost, in every organisation. Done again it goes on where it broke off. Raises
    Refused for one that is not known, that may still let calls through, or where no reason is given."""
    settled = 0
    while True:
        with _appending(sequencer, instance, reason, now_us) as pen:
            leases.write_off(pen.db, instance, now_us)
            some = booking.settle_left_open(pen, instance, describe, SETTLED_AT_ONCE)
            settled += some
            if some < SETTLED_AT_ONCE:
                pen.flush()                  # what the settlements take out of the leases
                kept = _say(pen, instance, leases.leases_of(pen.db, instance), {"actor": by, "reason": reason})
                return WrittenOff(settled, kept)


def release(sequencer: Sequencer, instance: str, reason: str, now_us: int, by: str) -> tuple[Part, ...]:
    """Free what stayed drawn of an instance that was written off, for somebody has seen that it was not spent; what that was.
    Raises Refused for one that was not written off."""
    with _appending(sequencer, instance, reason, now_us) as pen:
        if not leases.is_written_off(pen.db, instance):
            raise Refused("not_written_off", "Write it off first; then look at what the provider billed.")
        return _say(pen, instance, leases.release(pen.db, instance, now_us), {"actor": by, "reason": reason, "released": True})


@contextmanager
def _appending(sequencer: Sequencer, instance: str, reason: str, now_us: int) -> Iterator[Appending]:
    if not reason.strip() or len(reason) > VALUE_CHARS_MAX or not reason.isprintable():
        raise Refused("invalid_request", f"Say why, in at most {VALUE_CHARS_MAX} characters.")
    with sequencer.append(now_us) as pen:
        _check_gone(pen.db, instance, now_us)
        pen.holder = instance
        yield pen


def _check_gone(db: Connection, instance: str, now_us: int) -> None:
    found = db.execute("SELECT seen_us, staleness_us, stopped_us, written_off_us FROM instance WHERE id = ?", (instance,)).fetchone()
    if found is None:
        raise Refused("not_found", "There is no such instance; `tallystick budgets show` names who holds a budget.")
    seen_us, staleness_us, stopped_us, written_off_us = found
    silent_us = max(staleness_us, leases.LIVE_WITHIN_US)
    if stopped_us is None and written_off_us is None and now_us - seen_us < silent_us:
        raise Refused("alive", f"It was seen within the last {silent_us // 1_000_000} seconds. "
                      "Stop it: at a graceful stop it gives everything back.")


def _say(pen: Appending, instance: str, drawn: Sequence[Draw], said: Fields) -> tuple[Part, ...]:
    """Chain in each organisation what is meant of its budgets."""
    budgets = {row.id: row for row in rows(pen.db, " ORDER BY id", ())}
    parts = [(budgets[node.budget], Part(node, budgets[node.budget].unit, amount)) for node, amount in drawn]
    for organization in sorted({row.organization for row, _ in parts}):
        chain = pen.chain(organization)
        nodes = [[row.id, chain.define(value_kind(row), node.subject) if node.subject else 0, node.start_us, str(amount)]
                 for row, part in parts if row.organization == organization for node, amount in [(part.node, part.amount)]]
        chain.append({**said, "kind": "WRITE-OFF", "at": pen.now_us, "instance": instance, "nodes": nodes})
    return tuple(part for _, part in parts)
