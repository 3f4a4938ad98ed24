"""Budgets as the tables have them, and the books that calls are looked up in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from tallystick.core.budget import Budget, BudgetBook, Kind, Mode, Raise, Scope, Unit, budget_book
from tallystick.core.windows import parse_window
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.team_names import team_names

COLUMNS: Final = ("id", "organization", "name", "kind", "value", "span", "zone", "unit", "amount", "currency", "currency_nanos", "rate",
                   "mode", "on_exceed", "starts_us", "ends_us", "owner", "note", "version", "created_us", "created_by", "removed_us")
NO_ENVELOPES: Final = ("id NOT IN (SELECT budget FROM envelope WHERE budget IS NOT NULL)"
                       " AND id NOT IN (SELECT budget FROM envelope_required) AND id NOT IN (SELECT budget FROM policy_cap)")
"""A condition on budgets: those that people set as such, neither an envelope's nor a policy's."""
_SELECT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM budget"  # noqa: S608 - literals, above



@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget as it stands, with its raises, and by its number the policy that keeps it (0: people do)."""

    id: int
    organization: int
    name: str
    kind: Kind
    value: str
    span: str
    zone: str
    unit: Unit
    amount: int
    currency: str
    currency_nanos: int | None
    rate: str | None
    mode: Mode
    on_exceed: str
    starts_us: int
    ends_us: int | None
    owner: str
    note: str
    version: int
    created_us: int
    created_by: str
    removed_us: int | None
    raises: tuple[Raise, ...] = ()
    policy: int = 0

    @property
    def scope(self) -> Scope:
        return Scope(self.kind, self.value)

    def budget(self) -> Budget:
        """As calls are held against it."""
        return Budget(self.id, self.scope, parse_window(self.span), ZoneInfo(self.zone), self.amount, self.unit, self.mode,
                      self.name, self.starts_us, self.ends_us, self.raises, self.version, self.on_exceed == "clamp")


def budget_rows(db: Connection, organization: int, *, removed: bool = False) -> list[BudgetRow]:
    """An organisation's budgets in the order they were made."""
    condition = " WHERE organization = ?" + ("" if removed else " AND removed_us IS NULL") + " ORDER BY id"
    return rows(db, condition, (organization,))


def find_budget(db: Connection, organization: int, budget_id: int) -> BudgetRow | None:
    found = rows(db, " WHERE organization = ? AND id = ?", (organization, budget_id))
    return found[0] if found else None


def books(db: Connection) -> dict[str, BudgetBook]:
    """Every organisation's budgets, compiled, by the organisation's name in records."""
    slugs = dict(db.execute("SELECT id, slug FROM organization").fetchall())
    granted = _granted(db)
    by_slug: dict[str, list[Budget]] = {}
    teams = team_names(db)
    for row in rows(db, " WHERE removed_us IS NULL ORDER BY id", ()):
        budget = row.budget()
        if row.organization in teams:
            budget = replace(budget, scope=teams[row.organization].first_scope(row.scope))
        if row.id in granted or row.policy:
            budget = replace(budget, except_in=granted.get(row.id, ()), policy=row.policy)
        by_slug.setdefault(slugs[row.organization], []).append(budget)
    return {slug: budget_book(budgets) for slug, budgets in by_slug.items()}


def _granted(db: Connection) -> dict[int, tuple[tuple[int, int], ...]]:
    """When scopes that may spend only under an envelope have one, by the budget that blocks them at all other times."""
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    for budget, starts_us, ends_us in db.execute(
            "SELECT r.budget, b.starts_us, b.ends_us FROM envelope_required r LEFT JOIN envelope e ON e.organization = r.organization"
            " AND e.kind = r.kind AND e.value = r.value LEFT JOIN budget b ON b.id = e.budget AND b.removed_us IS NULL"
            " ORDER BY b.starts_us"):
        found.setdefault(budget, ())
        if starts_us is not None:
            found[budget] = (*found[budget], (starts_us, ends_us))
    return found


def rows(db: Connection, condition: str, values: tuple[Any, ...]) -> list[BudgetRow]:
    """Budgets by a condition of ours, with their raises and who keeps them."""
    found = [BudgetRow(*row) for row in db.execute(_SELECT + condition, values)]
    raises = _raises(db, [row.id for row in found])
    kept = {int(budget): int(policy) for budget, policy in db.execute("SELECT budget, policy FROM policy_cap").fetchall()}
    return [replace(row, raises=raises.get(row.id, ()), policy=kept.get(row.id, 0)) if row.id in raises or row.id in kept else row
            for row in found]


def _raises(db: Connection, ids: Iterable[int]) -> Mapping[int, tuple[Raise, ...]]:
    wanted, found = set(ids), dict[int, tuple[Raise, ...]]()
    for budget, amount, until_us in db.execute("SELECT budget, amount, until_us FROM budget_raise ORDER BY budget, number"):
        if budget in wanted:
            found[budget] = (*found.get(budget, ()), Raise(amount, until_us))
    return found


def value_kind(row: BudgetRow) -> str:
    """The kind under which the ledger's dictionary knows a scope's value; a person's is private there."""
    return {"user": "user", "session": "session", "tag": "tags"}.get(row.kind, f"scope_{row.kind}")
