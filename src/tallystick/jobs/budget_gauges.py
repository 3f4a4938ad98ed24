"""Draws how budgets stand for Prometheus, every quarter of a minute: a scrape reads what was drawn last and never waits
for the database. Whose budget it is becomes a label only where the operator allows it, and of persons and keys never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.money import NANOS_PER_UNIT
from tallystick.ports import Clock
from tallystick.stores.sql.alerts_gauges import budget_figures
from tallystick.stores.sql.engine import Database
from tallystick.telemetry import BudgetGauge, Telemetry

PERIOD_S: Final = 15.0
_TENANTS: Final = frozenset(("org", "team", "project"))


@dataclass(frozen=True, slots=True)
class BudgetGauges:
    """The job."""

    database: Database
    clock: Clock
    telemetry: Telemetry
    tenant_labels: bool = False

    def step(self) -> bool:
        """Draw once. Raises StoreFault."""
        drawn = []
        with self.database.read() as db:
            for found in budget_figures(db, self.clock.now_us()):
                scale = NANOS_PER_UNIT if found.unit == "money" else 1
                named = self.tenant_labels and found.kind in _TENANTS
                drawn.append(BudgetGauge(
                    str(found.budget), "dollars" if found.unit == "money" else found.unit, found.kind if named else "",
                    found.value if named else "", found.remaining / scale, found.held / scale, found.stranded / scale))
        self.telemetry.budgets = tuple(drawn)
        return False
