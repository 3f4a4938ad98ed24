"""Writing off what a gateway that is gone has leased: its disk is lost, and until its windows end that much of each
budget would stay drawn. The money is free again for all from then on, and the ledger says who did it, why, and how much
of which budget: by at most that the upstream's bill may pass the cap, for what the lost spool held is not known.

If the spool is found after all and shipped, its calls are booked and counted as ever; they release nothing, for
nothing is leased any more (leases.Counting), so nothing counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.budget import Unit
from tallystick.core.draw import NodeKey
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import leases
from tallystick.stores.sql.budget_rows import BudgetRow, rows, value_kind
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending, Sequencer


@dataclass(frozen=True, slots=True)
class Freed:
    """What was leased of one node, in its budget's unit."""

    node: NodeKey
    unit: Unit
    amount: int


def write_off(sequencer: Sequencer, instance: str, reason: str, now_us: int, by: str) -> tuple[Freed, ...]:
    """Free all leases of an instance, of every organisation. Raises Refused for one that is not known, that was seen within
    the last 15 seconds, or where no reason is given."""
    if not reason.strip() or len(reason) > VALUE_CHARS_MAX or not reason.isprintable():
        raise Refused("invalid_request", f"Say why, in at most {VALUE_CHARS_MAX} characters.")
    with sequencer.append(now_us) as pen:
        _check_gone(pen.db, instance, now_us)
        budgets = {row.id: row for row in rows(pen.db, " ORDER BY id", ())}
        drawn = leases.write_off(pen.db, instance, now_us)
        freed = tuple(Freed(node, budgets[node.budget].unit, amount) for node, amount in drawn)
        for organization in sorted({budgets[one.node.budget].organization for one in freed}):
            _say(pen, organization, instance, [(budgets[one.node.budget], one) for one in freed], reason=reason, by=by)
        return freed


def _check_gone(db: Connection, instance: str, now_us: int) -> None:
    found = db.execute("SELECT seen_us, stopped_us FROM instance WHERE id = ?", (instance,)).fetchone()
    if found is None:
        raise Refused("not_found", "There is no such instance; `tallystick budgets show` names who holds a budget.")
    seen_us, stopped_us = found
    if stopped_us is None and now_us - seen_us < leases.LIVE_WITHIN_US:
        raise Refused("alive", "It was seen within the last 15 seconds. Stop it: at a graceful stop it gives everything back.")


def _say(pen: Appending, organization: int, instance: str, freed: list[tuple[BudgetRow, Freed]], *, reason: str, by: str) -> None:
    chain = pen.chain(organization)
    nodes = [[row.id, chain.define(value_kind(row), one.node.subject) if one.node.subject else 0, one.node.start_us, str(one.amount)]
             for row, one in freed if row.organization == organization]
    chain.append({"kind": "WRITE-OFF", "at": pen.now_us, "actor": by, "instance": instance, "reason": reason, "nodes": nodes})
