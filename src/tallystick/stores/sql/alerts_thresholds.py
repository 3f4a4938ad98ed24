"""At which shares of its cap a budget tells, where they are not the usual ones."""

from __future__ import annotations

from tallystick.core.alerts.budget_threshold import DEFAULT_PERCENTS
from tallystick.stores.sql.alerts_crossings import percents_kept
from tallystick.stores.sql.budget_rows import BudgetRow, find_budget
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import note_change
from tallystick.stores.sql.journal import Sequencer


def set_percents(sequencer: Sequencer, organization: int, budget: int, percents: tuple[int, ...], now_us: int, by: str) -> None:
    """Set a budget's thresholds; none of them: it is silent. Running servers follow at their next transaction. Raises
    Refused."""
    with sequencer.append(now_us) as pen:
        row = find_budget(pen.db, organization, budget)
        if row is None or row.removed_us is not None or row.kind == "header":
            raise Refused("not_found", "There is no such budget.")
        pen.db.execute("INSERT INTO alert_threshold (budget, percents, set_us, set_by) VALUES (?, ?, ?, ?)"
                   " ON CONFLICT (budget) DO UPDATE SET percents = excluded.percents, set_us = excluded.set_us, set_by = excluded.set_by",
                   (budget, ",".join(map(str, percents)), now_us, by))
        pen.chain(organization).append(
            {"kind": "ALERTS", "at": now_us, "event": "thresholds", "actor": by, "budget": budget, "percents": list(percents)})
        note_change(pen.db)


def percents_of(db: Connection, row: BudgetRow) -> tuple[int, ...]:
    """At which shares of its cap a budget tells."""
    found = db.execute("SELECT percents FROM alert_threshold WHERE budget = ?", (row.id,)).fetchone()
    if found is None:
        return () if row.mode == "observe" else DEFAULT_PERCENTS
    return percents_kept(found[0])
