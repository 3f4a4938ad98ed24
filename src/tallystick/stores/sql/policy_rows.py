"""Policies as the tables have them, and the books that calls are judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallystick.core.budget import Kind, Scope
from tallystick.core.policies.book import PolicyBook, policy_book, rule_of
from tallystick.core.policies.policy import Bypass, Mode, Policy
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_policies
from tallystick.stores.sql.team_names import NONE, team_names

COLUMNS: Final = ("id", "version", "organization", "name", "kind", "on_kind", "on_value", "parameters", "mode", "starts_us", "ends_us",
                   "owner", "note", "made_us", "made_by", "until_us", "removed")
BYPASS_COLUMNS: Final = ("id", "organization", "policy", "on_kind", "on_value", "reason", "until_us", "made_us", "made_by")
_SELECT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM policy_version"  # noqa: S608 - literals, above
_SELECT_BYPASS: Final = "SELECT " + ", ".join(BYPASS_COLUMNS) + " FROM policy_bypass"  # noqa: S608 - literals, above


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as fault:
        raise ValueError(f"no time zone {name}") from fault


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One version of a policy. `until_us`: when it ended, None while it stands."""

    id: int
    version: int
    organization: int
    name: str
    kind: str
    on_kind: Kind
    on_value: str
    parameters: str
    mode: Mode
    starts_us: int
    ends_us: int | None
    owner: str
    note: str
    made_us: int
    made_by: str
    until_us: int | None
    removed: int = 0

    @property
    def scope(self) -> Scope:
        return Scope(self.on_kind, self.on_value)

    @property
    def said(self) -> Mapping[str, Any]:
        """The parameters as they were set."""
        found: Mapping[str, Any] = json.loads(self.parameters)
        return found

    def policy(self) -> Policy:
        """As calls are judged by it. Raises BadPolicy for parameters that cannot be read."""
        return Policy(self.id, self.name, self.kind, self.scope, rule_of(self.kind, self.said, zone_of), self.said, self.mode, self.version,
                      self.starts_us, self.ends_us)


@dataclass(frozen=True, slots=True)
class BypassRow:
    """A broken glass. `policy` 0: every policy of the scope but kill switches."""

    id: int
    organization: int
    policy: int
    on_kind: Kind
    on_value: str
    reason: str
    until_us: int
    made_us: int
    made_by: str

    @property
    def scope(self) -> Scope:
        return Scope(self.on_kind, self.on_value)

    def bypass(self) -> Bypass:
        return Bypass(self.policy, self.scope, self.until_us)


def policy_rows(db: Connection, organization: int, sight: Sight = EVERYTHING, *, old: bool = False) -> list[PolicyRow]:
    """An organisation's policies that stand; `old`: every version there ever was."""
    seen, values = of_policies(sight, organization)
    condition = " WHERE organization = ?" + ("" if old else " AND until_us IS NULL") + seen + " ORDER BY id, version"
    return [PolicyRow(*row) for row in db.execute(_SELECT + condition, (organization, *values))]


def policy_versions(db: Connection, organization: int, policy: int, sight: Sight = EVERYTHING) -> list[PolicyRow]:
    """Every version of one policy, the first first; none where there is no such policy."""
    seen, values = of_policies(sight, organization)
    condition = " WHERE organization = ? AND id = ?" + seen + " ORDER BY version"
    return [PolicyRow(*row) for row in db.execute(_SELECT + condition, (organization, policy, *values))]


def bypass_rows(db: Connection, organization: int, since_us: int = -1, sight: Sight = EVERYTHING) -> list[BypassRow]:
    """An organisation's bypasses in the order they were made; `since_us`: those that end after it."""
    seen, values = of_policies(sight, organization)
    condition = " WHERE organization = ? AND until_us > ?" + seen + " ORDER BY id"
    return [BypassRow(*row) for row in db.execute(_SELECT_BYPASS + condition, (organization, since_us, *values))]


def policy_books(db: Connection, now_us: int) -> dict[str, PolicyBook]:
    """Every organisation's policies that stand and bypasses that may still hold, by its name in records. An organisation
    without policies has no book."""
    books: dict[str, PolicyBook] = {}
    teams = team_names(db)
    for organization, slug in db.execute("SELECT id, slug FROM organization ORDER BY id").fetchall():
        if rows := policy_rows(db, organization):
            names = teams.get(organization, NONE)
            books[slug] = policy_book(
                (replace(policy, scope=names.first_scope(policy.scope)) for policy in (row.policy() for row in rows)),
                (replace(bypass, scope=names.first_scope(bypass.scope))
                 for bypass in (row.bypass() for row in bypass_rows(db, organization, now_us))))
    return books


def value_kind(on_kind: str) -> str:
    """The kind under which the ledger's dictionary knows a scope's value; a person's is private there."""
    return {"user": "user", "session": "session", "tag": "tags"}.get(on_kind, f"scope_{on_kind}")
