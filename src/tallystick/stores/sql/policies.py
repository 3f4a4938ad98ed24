"""The policies of an organisation: set, removed, bypassed; each change with its chained POLICY entry, who did it, and the
raised change counter, in one transaction. Versions are kept, so that it can always be said by which rule a past call
was judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.core.budget import EACH, KINDS, Scope
from tallystick.core.entry import Fields
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.core.policies.book import rule_of
from tallystick.core.policies.parameters import BadPolicy
from tallystick.core.policies.policy import MODES, Mode
from tallystick.stores.sql import policy_caps
from tallystick.stores.sql.budgets import Budgets
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import note_change
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.policy_rows import (
    BYPASS_COLUMNS, COLUMNS, BypassRow, PolicyRow, bypass_rows, policy_rows, policy_versions, value_kind, zone_of,
)
from tallystick.stores.sql.team_names import scope_now

POLICIES_MAX: Final = 10_000                 # that stand, of all organisations
PARAMETERS_CHARS_MAX: Final = 16_384
BYPASS_US_MAX: Final = 7 * 86_400_000_000
_INSERT: Final = f"INSERT INTO policy_version ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - literals
_INSERT_BYPASS: Final = (
    f"INSERT INTO policy_bypass ({', '.join(BYPASS_COLUMNS)}) VALUES ({', '.join('?' * len(BYPASS_COLUMNS))})")  # noqa: S608 - literals


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as somebody asks for it."""

    kind: str
    scope: Scope
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = "enforce"
    name: str = ""
    owner: str | None = None                 # as it was, or none
    note: str | None = None
    starts_us: int | None = None             # at once
    ends_us: int | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    """The changes of policies, each one transaction of the ledger's pen. `by`: the account's id, or `cli`. `may`: raises
    where whoever does it may not replace, remove or pass by what stands; asked within that transaction."""

    sequencer: Sequencer
    may: Callable[[Connection, PolicyRow], None] = lambda _, __: None

    def set(self, organization: int, spec: PolicySpec, now_us: int, by: str) -> PolicyRow:
        """Make a policy, or a new version of the one that stands with this kind, scope and name.

        Raises Refused for what cannot stand.
        """
        parameters = checked(spec)
        with self.sequencer.append(now_us) as pen:
            spec = replace(spec, scope=scope_now(pen.db, organization, spec.scope))
            old = next((row for row in policy_rows(pen.db, organization)
                        if (row.kind, row.scope, row.name) == (spec.kind, spec.scope, spec.name)), None)
            row = PolicyRow(
                0, 1, organization, spec.name, spec.kind, spec.scope.kind, spec.scope.value, parameters, spec.mode,
                spec.starts_us or 0, spec.ends_us, spec.owner or "", spec.note or "", now_us, by, None)
            if old is None:
                row = _said(pen, _kept(pen.db, replace(row, id=_next_id(pen.db, "policy_version", POLICIES_MAX))), "made", by)
                policy_caps.keep(pen, Budgets(self.sequencer), row, by)
                return row
            self.may(pen.db, old)
            row = replace(row, id=old.id, version=old.version + 1, owner=old.owner if spec.owner is None else spec.owner,
                          note=old.note if spec.note is None else spec.note)
            if replace(row, version=old.version, made_us=old.made_us, made_by=old.made_by) == old:
                return old
            _end(pen.db, old, now_us)
            policy_caps.keep(pen, Budgets(self.sequencer), row, by)
            return _said(pen, _kept(pen.db, row), "changed", by)

    def remove(self, organization: int, policy: int, now_us: int, by: str) -> PolicyRow:
        """End a policy; its versions stay. Raises Refused."""
        with self.sequencer.append(now_us) as pen:
            old = standing(pen.db, organization, policy)
            self.may(pen.db, old)
            _end(pen.db, old, now_us, removed=True)
            gone = _said(pen, replace(old, until_us=now_us, removed=1), "removed", by)
            policy_caps.keep(pen, Budgets(self.sequencer), gone, by)
            return gone

    def bypass(self, organization: int, scope: Scope, policy: int, reason: str, until_us: int, now_us: int, by: str) -> BypassRow:
        """Break the glass: until a moment a policy (0: all but kill switches) does nothing to calls in this scope. Raises
        Refused."""
        check_scope(scope)
        if not reason.strip() or len(reason) > VALUE_CHARS_MAX or not reason.isprintable():
            raise Refused("invalid_request", f"Say why, in at most {VALUE_CHARS_MAX} characters.")
        if not now_us < until_us <= now_us + BYPASS_US_MAX:
            raise Refused("invalid_request", "A bypass ends in the future, within seven days.")
        with self.sequencer.append(now_us) as pen:
            if policy:
                self.may(pen.db, standing(pen.db, organization, policy))
            scope = scope_now(pen.db, organization, scope)
            number = _next_id(pen.db, "policy_bypass", POLICIES_MAX)
            row = BypassRow(number, organization, policy, scope.kind, scope.value, reason, until_us, now_us, by)
            pen.db.execute(_INSERT_BYPASS, tuple(getattr(row, column) for column in BYPASS_COLUMNS))
            chain = pen.chain(organization)
            fields: Fields = {"kind": "POLICY", "at": now_us, "event": "bypassed", "actor": by, "bypass": number, "policy": policy,
                              "on": scope.kind, "reason": reason, "until": until_us}
            if scope.value:
                fields["value"] = chain.define(value_kind(scope.kind), scope.value)
            chain.append(fields)
            note_change(pen.db)
            return row

    def end_bypass(self, organization: int, bypass: int, now_us: int, by: str) -> BypassRow:
        """Let policies bind again before a bypass ends by itself. Raises Refused."""
        with self.sequencer.append(now_us) as pen:
            row = next((row for row in bypass_rows(pen.db, organization, now_us) if row.id == bypass), None)
            if row is None:
                raise Refused("not_found", "No such bypass holds.")
            pen.db.execute("UPDATE policy_bypass SET until_us = ? WHERE id = ?", (now_us, bypass))
            pen.chain(organization).append({"kind": "POLICY", "at": now_us, "event": "bypass_ended", "actor": by, "bypass": bypass})
            note_change(pen.db)
            return replace(row, until_us=now_us)


def standing(db: Connection, organization: int, policy: int) -> PolicyRow:
    """The version of a policy that stands. Raises Refused where there is none."""
    versions = policy_versions(db, organization, policy)
    if not versions or versions[-1].until_us is not None:
        raise Refused("not_found", "There is no such policy.")
    return versions[-1]


def checked(spec: PolicySpec) -> str:
    """The parameters as they are written down, once all of the policy can stand. Raises Refused."""
    check_scope(spec.scope)
    try:
        rule_of(spec.kind, spec.parameters, zone_of)
    except BadPolicy as fault:
        raise Refused("invalid_request", str(fault)) from None
    parameters = json.dumps(spec.parameters, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if len(parameters) > PARAMETERS_CHARS_MAX:
        raise Refused("invalid_request", f"The parameters of a policy have at most {PARAMETERS_CHARS_MAX} characters.")
    if spec.mode not in MODES:
        raise Refused("invalid_request", f"A policy's mode is one of {', '.join(MODES)}.")
    if any(len(text) > VALUE_CHARS_MAX or not text.isprintable() for text in filter(None, (spec.name, spec.owner, spec.note))):
        raise Refused("invalid_request", f"Name, owner and note have at most {VALUE_CHARS_MAX} characters on one line.")
    if spec.ends_us is not None and spec.ends_us <= (spec.starts_us or 0):
        raise Refused("invalid_request", "A policy ends after it begins.")
    return parameters


def check_scope(scope: Scope) -> None:
    """Raises Refused for a scope that no call can match."""
    if scope.kind not in KINDS:
        raise Refused("invalid_request", f"A policy is on one of {', '.join(KINDS)}.")
    if (scope.kind == "org") != (not scope.value) or len(scope.value) > NAME_CHARS_MAX + VALUE_CHARS_MAX or not scope.value.isprintable():
        raise Refused("invalid_request", "A policy on anything but the organisation names what it is on.")
    if scope.kind == "project" and scope.value != EACH and "/" not in scope.value:
        raise Refused("invalid_request", "A project is named TEAM/PROJECT.")
    if scope.kind == "dimension" and "=" not in scope.value:
        raise Refused("invalid_request", "A dimension is named NAME=VALUE, or NAME=* for each value.")


def _kept(db: Connection, row: PolicyRow) -> PolicyRow:
    db.execute(_INSERT, tuple(getattr(row, column) for column in COLUMNS))
    return row


def _end(db: Connection, row: PolicyRow, now_us: int, *, removed: bool = False) -> None:
    db.execute("UPDATE policy_version SET until_us = ?, removed = ? WHERE id = ? AND version = ?",
               (now_us, int(removed), row.id, row.version))


def _next_id(db: Connection, table: str, most: int) -> int:
    query = {"policy_version": "SELECT coalesce(max(id), 0), count(CASE WHEN until_us IS NULL THEN 1 END) FROM policy_version",
             "policy_bypass": "SELECT coalesce(max(id), 0), 0 FROM policy_bypass"}[table]
    top, standing_now = db.execute(query).fetchone()
    if int(standing_now) >= most:
        raise Refused("too_many", f"There are {most} policies.")
    return int(top) + 1


def _said(pen: Appending, row: PolicyRow, event: str, by: str) -> PolicyRow:
    """Chain what a policy is from now on. A user's name stands in it as the ledger keeps persons: by number."""
    chain = pen.chain(row.organization)
    fields: Fields = {
        "kind": "POLICY", "at": pen.now_us, "event": event, "actor": by, "policy": row.id, "version": row.version, "rule": row.kind,
        "on": row.on_kind, "mode": row.mode, "parameters": row.parameters, "starts": row.starts_us}
    if row.on_value:
        fields["value"] = chain.define(value_kind(row.on_kind), row.on_value)
    for name in ("name", "owner", "note"):
        if text := getattr(row, name):
            fields[name] = text
    if row.ends_us is not None:
        fields["ends"] = row.ends_us
    chain.append(fields)
    note_change(pen.db)
    return row
