"""Records that budgets have reached their thresholds, in the transaction that counts what was spent: a crossing that is
counted is recorded, one that is not counted is not, and whichever instance ships it, the row is there once. Only nodes
that something was counted on are looked at; what the budgets and their thresholds are is remembered between changes.

What is not caused by spending (a lowered cap, a raise that ends, a budget made in mid-window) is found by the sweep,
with the same rules (alerts_sweep.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallystick.core.alerts import budget_threshold
from tallystick.core.alerts.budget_threshold import DEFAULT_PERCENTS, EXHAUSTED
from tallystick.core.alerts.node import Node
from tallystick.core.budget import Budget
from tallystick.core.draw import NodeKey
from tallystick.stores.sql.alerts_raised import Place, raise_alert
from tallystick.stores.sql.budget_rows import rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.team_names import names_in


@dataclass(frozen=True, slots=True)
class Watched:
    """A budget whose spending is worth telling, and the shares of its cap at which it is."""

    organization: int
    budget: Budget
    percents: tuple[int, ...]


@dataclass(slots=True)
class Watch:
    """The watched budgets as of a change of the control plane; read again only when something changed."""

    _change: int = -1
    _found: Mapping[int, Watched] = field(default_factory=dict)

    def budgets(self, db: Connection) -> Mapping[int, Watched]:
        """As this transaction sees them."""
        change = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
        if change != self._change:
            self._change, self._found = change, watched(db)
        return self._found


def watched(db: Connection) -> dict[int, Watched]:
    """Every budget that has thresholds. One that only observes has none unless somebody has set them."""
    return {found.budget.id: found for found in _watched(db, " WHERE removed_us IS NULL AND kind <> 'header' ORDER BY id", ())}


def note_counted(db: Connection, budgets: Mapping[int, Watched], counted: Mapping[tuple[NodeKey, int], int], now_us: int) -> None:
    """Record what the amounts just counted made nodes cross. `counted`: by node and end of its window."""
    amounts: defaultdict[tuple[NodeKey, int], int] = defaultdict(int)
    for place, amount in counted.items():
        if amount > 0 and place[0].budget in budgets:
            amounts[place] += amount
    for (key, end_us), amount in amounts.items():
        found = budgets[key.budget]
        settled = int(db.execute("SELECT settled FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?", key).fetchone()[0])
        node = Node(found.budget, key, end_us, settled, now_us)
        for percent in budget_threshold.crossed(settled - amount, node, found.percents):
            record(db, found.organization, node, percent)


def note_refused(db: Connection, key: NodeKey, end_us: int, settled: int, needed: int, now_us: int) -> None:
    """Record that a node has turned a call away for good: it is exhausted, whatever share of it is settled."""
    found = _watched(db, " WHERE id = ? AND kind <> 'header'", (key.budget,))
    if found and EXHAUSTED in found[0].percents:
        node = Node(found[0].budget, key, end_us, settled, now_us)
        record(db, found[0].organization, node, EXHAUSTED, needed)


def record(db: Connection, organization: int, node: Node, percent: int, refused_needing: int | None = None) -> None:
    """Raise the alert of one share, unless one of this node and share is open."""
    if db.execute("SELECT 1 FROM alert WHERE budget = ? AND start_us = ? AND subject = ? AND percent = ? AND resolved_us IS NULL",
                  (node.key.budget, node.key.start_us, node.key.subject, percent)).fetchone():
        return
    told = replace(node, key=node.key._replace(subject=names_in(db, organization).shown(node.budget.scope.kind, node.key.subject)))
    alert = budget_threshold.alert(told, percent) if refused_needing is None else budget_threshold.refused(told, refused_needing)
    raise_alert(db, organization, alert, node.now_us, Place(*node.key, percent, node.cap_version))


def _watched(db: Connection, condition: str, values: tuple[int, ...]) -> list[Watched]:
    own = {budget: percents_kept(text) for budget, text in db.execute("SELECT budget, percents FROM alert_threshold")}
    found = []
    for row in rows(db, condition, values):
        percents = own.get(row.id, () if row.mode == "observe" else DEFAULT_PERCENTS)
        if percents:
            found.append(Watched(row.organization, row.budget(), percents))
    return found


def percents_kept(text: str) -> tuple[int, ...]:
    """The shares of a budget that tells at others than the usual ones, as its row has them."""
    return tuple(int(part) for part in text.split(",") if part)
