"""How every budget stands, in two statements: for figures that are drawn, not for decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import Unit
from tallystick.stores.sql.budget_rows import rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.leases import DEFERRED, LIVE_WITHIN_US

BUDGETS_MAX: Final = 1_000                   # beyond it the first ones are shown


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """A budget in the window that runs, in its unit. `remaining`: of the subject that has least; `held` by all holders;
    `stranded`: the part that gateways hold which are gone."""

    budget: int
    unit: Unit
    kind: str
    value: str
    remaining: int
    held: int
    stranded: int


def budget_figures(db: Connection, now_us: int) -> list[BudgetFigures]:
    """Every budget that is in force, in the order they were made."""
    nodes = {budget: (most, held) for budget, most, held in db.execute(
        "SELECT budget, max(settled + leased), sum(leased) FROM budget_node WHERE start_us <= ? AND end_us > ? GROUP BY budget",
        (now_us, now_us))}
    stranded = dict(db.execute(
        "SELECT l.budget, sum(l.amount) FROM budget_lease l JOIN budget_node n ON n.budget = l.budget AND n.subject = l.subject"
        " AND n.start_us = l.start_us WHERE n.start_us <= ? AND n.end_us > ? AND l.holder <> ? AND NOT EXISTS"
        " (SELECT 1 FROM instance i WHERE i.id = l.holder AND (i.written_off_us IS NOT NULL OR i.stopped_us IS NULL AND i.seen_us > ?))"
        " GROUP BY l.budget",
        (now_us, now_us, DEFERRED, now_us - LIVE_WITHIN_US)).fetchall())
    found = []
    for row in rows(db, " WHERE removed_us IS NULL AND kind <> 'header' ORDER BY id LIMIT ?", (BUDGETS_MAX,)):
        budget, (most, held) = row.budget(), nodes.get(row.id, (0, 0))
        if budget.in_force(now_us):
            found.append(BudgetFigures(row.id, row.unit, row.kind, row.value, budget.cap(now_us) - most, held, stranded.get(row.id, 0)))
    return found
