"""The budgets that a policy on sessions keeps: one for the calls of each session and one for its money, made, altered and
removed in the transaction that does so to the policy. People change the policy, not them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tallystick.core.budget import Amount, Unit
from tallystick.core.policies.session_caps import SessionCaps
from tallystick.stores.sql.budget_rows import BudgetRow, rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.policy_rows import PolicyRow

WINDOW: Final = "total"
_TOLD_AT: Final = "100"                      # an alert for each session that used up its cap, and none on the way there


def keep(pen: Appending, budgets: Budgets, row: PolicyRow, by: str) -> None:
    """Let the budgets be as a policy says that was just made, changed or removed. Of a policy of another kind there are none."""
    rule = row.policy().rule
    if isinstance(rule, SessionCaps):
        wanted: tuple[tuple[Unit, int | None], ...] = (("calls", rule.calls), ("money", rule.nanos))
        for unit, limit in wanted:
            _keep_one(pen, budgets, row, rule, Amount(limit, unit) if limit is not None and row.until_us is None else unit, by)


def _keep_one(pen: Appending, budgets: Budgets, row: PolicyRow, rule: SessionCaps, amount: Amount | Unit, by: str) -> None:
    """One budget: of that amount, or of that unit none."""
    unit = amount.unit if isinstance(amount, Amount) else amount
    found = rows(pen.db, " WHERE id IN (SELECT budget FROM policy_cap WHERE policy = ?) AND unit = ? AND removed_us IS NULL",
                 (row.id, unit))
    old = found[0] if found else None
    if old is not None and (not isinstance(amount, Amount) or old.scope != rule.per):
        _remove(pen, budgets, old, by, row.id)
        old = None
    if not isinstance(amount, Amount):
        return
    spec = BudgetSpec(rule.per, amount, WINDOW, "UTC", "hard" if row.mode == "enforce" else "observe",
                      name=row.name or f"session_caps of {row.scope}", owner=row.owner, note=row.note, limit=amount.value)
    if old is not None:
        budgets.alter(pen, old, spec, by, policy=row.id)
        return
    made = budgets.make(pen, row.organization, spec, WINDOW, "UTC", by, policy=row.id)
    pen.db.execute("INSERT INTO policy_cap (policy, budget) VALUES (?, ?)", (row.id, made.id))
    pen.db.execute("INSERT INTO alert_threshold (budget, percents, set_us, set_by) VALUES (?, ?, ?, ?)",
                   (made.id, _TOLD_AT, pen.now_us, by))


def _remove(pen: Appending, budgets: Budgets, old: BudgetRow, by: str, policy: int) -> None:
    pen.db.execute("UPDATE budget SET removed_us = ? WHERE id = ?", (pen.now_us, old.id))
    budgets.say(pen, replace(old, removed_us=pen.now_us), "removed", by, policy=policy)
