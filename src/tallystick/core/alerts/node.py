"""A budget's node as alerts see it: how much of which cap one subject has spent in one window."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.alerts.alert import day, figure, moment, moment_text, scopes_of
from tallystick.core.budget import Budget
from tallystick.core.draw import NodeKey
from tallystick.core.windows import END_OF_TIME_US


@dataclass(frozen=True, slots=True)
class Node:
    """`now_us`: when this was so; the cap is the one in force then."""

    budget: Budget
    key: NodeKey
    end_us: int
    settled: int
    now_us: int

    @property
    def cap(self) -> int:
        return self.budget.cap(self.now_us)

    @property
    def cap_version(self) -> int:
        """How often the cap can have changed until now: a change of the budget, a raise, the end of one."""
        raises = self.budget.raises
        return self.budget.version + len(raises) + sum(extra.until_us <= self.now_us for extra in raises)

    @property
    def thread(self) -> str:
        return f"budget/{self.key.budget}/{self.key.start_us}/{self.key.subject}"

    @property
    def name(self) -> str:
        """What people call it: `Search (team search)`, `user ann`, `the organisation`."""
        scope = self.budget.scope
        value = self.key.subject or scope.value
        on = "the organisation" if scope.kind == "org" else f"{scope.kind.replace('_', ' ')} {value}"
        return f"{self.budget.name} ({on})" if self.budget.name else on

    @property
    def until(self) -> str:
        """How the window ends, as the end of a sentence."""
        if self.end_us >= END_OF_TIME_US:
            return "it has no end"
        return f"it starts anew on {moment(self.end_us, self.budget.zone)} ({self.budget.zone})"

    @property
    def facts(self) -> dict[str, str | int]:
        unit, scope = self.budget.unit, self.budget.scope
        found: dict[str, str | int] = {
            "budget_id": self.key.budget, "scope": scope.kind, "value": scope.value, "subject": self.key.subject, "unit": unit,
            "mode": self.budget.mode, "window": str(self.budget.window), "zone": str(self.budget.zone), "limit": self.cap,
            "spent": self.settled, "used_percent": self.settled * 100 // self.cap if self.cap else 100,
            "cap_version": self.cap_version, "window_start": moment_text(self.key.start_us)}
        if self.end_us < END_OF_TIME_US:
            found["resets_at"] = moment_text(self.end_us)
        return found

    @property
    def scopes(self) -> tuple[str, ...]:
        return scopes_of(self.budget.scope.kind, self.key.subject or self.budget.scope.value)

    @property
    def path(self) -> str:
        return f"/api/budgets/{self.key.budget}"

    def spent_text(self) -> str:
        """`$412.50 of $500.00`."""
        return f"{figure(self.budget.unit, self.settled)} of {figure(self.budget.unit, self.cap)}"

    def day_text(self, at_us: int) -> str:
        """The date of an instant in the budget's zone."""
        return day(at_us, self.budget.zone)
