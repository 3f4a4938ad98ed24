"""Envelopes as the tables have them. Of one that is signed the money, begin and end are its budget's; before, what was
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tallystick.core.budget import Kind, Scope
from tallystick.stores.sql.budget_rows import BudgetRow, rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.policy_rows import PolicyRow, policy_versions

State = Literal["requested", "signed", "declined"]
COLUMNS: Final = ("id", "organization", "kind", "value", "amount", "asked", "starts_us", "ends_us", "owner", "purpose", "evidence", "state",
                   "requested_us", "requested_by", "decided_us", "decided_by", "comment", "budget", "parent", "signed_seq", "signed_hash",
                   "fallback")
WARN_DAYS: Final = (1, 7, 14)
_DAY_US: Final = 86_400_000_000
_SELECT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM envelope"  # noqa: S608 - literals, above


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """An envelope. `asked`: the amount as it was written; `parent`: the envelope that it is allocated from; `fallback`: the
    policy that sends its calls to cheaper models when it gets short."""

    id: int
    organization: int
    kind: Kind
    value: str
    amount: int
    asked: str
    starts_us: int
    ends_us: int
    owner: str
    purpose: str
    evidence: str
    state: State
    requested_us: int
    requested_by: str
    decided_us: int | None
    decided_by: str | None
    comment: str
    budget: int | None
    parent: int | None
    signed_seq: int | None
    signed_hash: str | None
    fallback: int | None
    budget_row: BudgetRow | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.kind, self.value)

    @property
    def granted(self) -> int:
        """What it holds, in nano-USD; of one that is not signed what was asked for."""
        return self.amount if self.budget_row is None else self.budget_row.amount

    @property
    def span_us(self) -> tuple[int, int]:
        """Its first instant, and the first after it."""
        row = self.budget_row
        return (self.starts_us, self.ends_us) if row is None or row.ends_us is None else (row.starts_us, row.ends_us)

    def active(self, at_us: int) -> bool:
        start_us, end_us = self.span_us
        return self.state == "signed" and start_us <= at_us < end_us

    def warning_days(self, now_us: int) -> int | None:
        """14, 7 or 1 once no more than so many days of an active envelope are left."""
        if not self.active(now_us):
            return None
        left_us = self.span_us[1] - now_us
        return next((days for days in WARN_DAYS if left_us <= days * _DAY_US), None)


def envelope_rows(db: Connection, organization: int, condition: str = "", values: tuple[Any, ...] = ()) -> list[EnvelopeRow]:
    """An organisation's envelopes in the order they came, by a condition of ours."""
    found = db.execute(f"{_SELECT} WHERE organization = ?{condition} ORDER BY id", (organization, *values)).fetchall()
    budgets = {row.id: row for row in rows(db, " WHERE organization = ? AND id IN (SELECT budget FROM envelope WHERE budget IS NOT NULL)",
                                           (organization,))}
    envelopes = [EnvelopeRow(*row) for row in found]
    return [replace(row, budget_row=budgets[row.budget]) if row.budget is not None else row for row in envelopes]


def find_envelope(db: Connection, organization: int, envelope: int) -> EnvelopeRow | None:
    found = envelope_rows(db, organization, " AND id = ?", (envelope,))
    return found[0] if found else None


def signed_on(db: Connection, organization: int, scope: Scope) -> list[EnvelopeRow]:
    """The signed envelopes of one scope."""
    return envelope_rows(db, organization, " AND kind = ? AND value = ? AND state = 'signed'", (scope.kind, scope.value))


def around(scope: Scope) -> list[Scope]:
    """The scopes that a scope lies in, the nearest first, itself included."""
    if scope.kind == "org":
        return [scope]
    inner = [scope]
    if scope.kind == "project":
        inner.append(Scope("team", scope.value.partition("/")[0]))
    return [*inner, Scope("org")]


def active_on_path(db: Connection, organization: int, scope: Scope, at_us: int) -> list[EnvelopeRow]:
    """The envelopes that a spend on this scope draws on at a moment, the nearest first."""
    return [row for place in around(scope) for row in signed_on(db, organization, place) if row.active(at_us)]


def allocated(db: Connection, envelope: EnvelopeRow, now_us: int) -> int:
    """What of an envelope is allocated to others, in nano-USD. One of them that has ended gives back what it did not use."""
    children = envelope_rows(db, envelope.organization, " AND parent = ? AND state = 'signed'", (envelope.id,))
    return sum(child.granted if child.span_us[1] > now_us else min(child.granted, used(db, child)) for child in children)


def used(db: Connection, envelope: EnvelopeRow) -> int:
    """What of a signed envelope is spent or held, in nano-USD."""
    row = db.execute("SELECT coalesce(sum(settled + leased), 0) FROM budget_node WHERE budget = ?", (envelope.budget,)).fetchone()
    return int(row[0])


def fallbacks(db: Connection, organization: int) -> frozenset[int]:
    """The policies that are envelopes' fallbacks."""
    return frozenset(policy for (policy,) in db.execute(
        "SELECT fallback FROM envelope WHERE organization = ? AND fallback IS NOT NULL", (organization,)))


def fallback_of(db: Connection, row: EnvelopeRow) -> PolicyRow | None:
    """The policy that is an envelope's fallback, while it stands."""
    versions = policy_versions(db, row.organization, row.fallback) if row.fallback is not None else []
    return versions[-1] if versions and versions[-1].until_us is None else None


def is_required(db: Connection, organization: int, scope: Scope) -> bool:
    """Whether a scope may spend only while it has an envelope."""
    return db.execute("SELECT 1 FROM envelope_required WHERE organization = ? AND kind = ? AND value = ?",
                      (organization, scope.kind, scope.value)).fetchone() is not None
