"""How a budget stands: what each of its nodes has spent, who holds how much of it, and who was turned away last; and
which running gateways follow a change already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import EACH
from tallystick.core.draw import NodeKey
from tallystick.stores.sql.budget_rows import BudgetRow
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.leases import DEFERRED, LIVE_WITHIN_US
from tallystick.stores.sql.team_names import names_in

NODES_MAX: Final = 1_000
IN_FORCE_WITHIN_S: Final = 1.0
_ASK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has leased a part of a node. `alive`: its gateway was seen in the last 15 seconds; what one that is gone
    holds stays drawn until it comes back, or is written off and released."""

    id: str
    amount: int
    alive: bool
    written_off: bool = False


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """One subject in one window. Amounts are in the budget's unit."""

    node: NodeKey
    end_us: int
    settled: int
    leased: int
    holders: tuple[Holder, ...] = ()

    @property
    def stranded(self) -> int:
        """What gateways hold that are gone and wait to be started again, or written off."""
        return sum(holder.amount for holder in self.holders if not holder.alive and not holder.written_off)


def standing(db: Connection, row: BudgetRow, now_us: int) -> list[NodeStanding]:
    """A budget's nodes of the window that runs, under the names that teams have now, those that have spent most first; a
    template has none before its first spend."""
    start_us, end_us = row.budget().span(now_us)
    alive = {name for (name,) in db.execute("SELECT id FROM instance WHERE stopped_us IS NULL AND written_off_us IS NULL AND seen_us > ?",
                                            (now_us - LIVE_WITHIN_US,))}
    gone = {name for (name,) in db.execute("SELECT id FROM instance WHERE written_off_us IS NOT NULL")}
    found, teams = [], names_in(db, row.organization)
    for subject, settled, leased in db.execute(
            "SELECT subject, settled, leased FROM budget_node WHERE budget = ? AND start_us = ? ORDER BY settled DESC, subject LIMIT ?",
            (row.id, start_us, NODES_MAX)).fetchall():
        holders = tuple(Holder(name, amount, name in alive or name == DEFERRED, name in gone) for name, amount in db.execute(
            "SELECT holder, amount FROM budget_lease WHERE budget = ? AND subject = ? AND start_us = ? ORDER BY amount DESC, holder",
            (row.id, subject, start_us)))
        found.append(NodeStanding(NodeKey(row.id, teams.shown(row.kind, subject), start_us), end_us, settled, leased, holders))
    if not found and not row.value.endswith(EACH):
        found.append(NodeStanding(NodeKey(row.id, "", start_us), end_us, 0, 0))
    return found


def node_standing(db: Connection, node: NodeKey, end_us: int) -> NodeStanding:
    """One subject in one window, without its holders; nothing spent where it has not come up yet."""
    row = db.execute("SELECT settled, leased FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?", node).fetchone()
    return NodeStanding(node, end_us, *(row or (0, 0)))


def not_in_force(database: Database, change: int, now_us: Callable[[], int],
                 sleep: Callable[[float], None] = time.sleep) -> tuple[str, ...]:
    """Wait, at most a second, until every running gateway follows the control plane up to this change; those that do
    not. One that was not seen for its `max_staleness_s` lets no governed call through, and is not waited for. Raises
    StoreFault."""
    waited_s = 0.0
    while True:
        with database.read() as db:
            behind = tuple(name for (name,) in db.execute(
                "SELECT id FROM instance WHERE stopped_us IS NULL AND written_off_us IS NULL AND seen_us + staleness_us > ?"
                " AND acknowledged < ? ORDER BY id", (now_us(), change)))
        if not behind or waited_s >= IN_FORCE_WITHIN_S:
            return behind
        sleep(_ASK_EVERY_S)
        waited_s += _ASK_EVERY_S
