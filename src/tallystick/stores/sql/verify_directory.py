"""Does the control plane stand as its entries say? A key's row is compared with the KEY entries of its
making, rotation and revocation: its digest, what is fixed on it, when it ends and that it has ended; a
membership with its MEMBER entry; a team or project with the entries that name it. So nobody can
un-revoke a key, exchange it, or move its spend by editing a row.

Values of people whose salt was erased can no longer be compared, and are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tallystick.core.entry import PRIVATE, read_pairs
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import DEFAULT_TEAM
from tallystick.stores.sql.keyring import digest_mark

# What a KEY entry fixes, in the order of the columns.
_LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version", "credential")
_KEYS: Final = """
SELECT id, digest, created_us, created_by, owner, expires_us, revoked_us, dimensions,
       team, project, user_name, agent, environment, cost_center, prompt_key, prompt_version, credential
FROM virtual_key WHERE organization = ? ORDER BY created_us, id"""
_PROJECTS: Final = ("SELECT t.name, p.name, p.credential, p.organization = t.organization FROM project p JOIN team t ON t.id = p.team"
                    " WHERE p.organization = ? ORDER BY p.id")
_MEMBERS: Final = ("SELECT m.account, m.role, a.disabled_us IS NOT NULL FROM membership m LEFT JOIN account a ON a.id = m.account"
                   " WHERE m.organization = ?")
_DEFAULT: Final = "default"                  # a team, project or credential that needs no entry to be there


class Difference(NamedTuple):
    """What a row says otherwise; `seq` is the entry it differs from, None where there is none."""

    seq: int | None
    message: str


@dataclass(slots=True)
class _Key:
    """What the entries say of one key; `made`: when, by whom and with which digest it was made, and what it has said since."""

    seq: int
    made: Mapping[str, Any]
    ends_us: int | None
    revoked_us: int | None = None


class _Member(NamedTuple):
    role: str
    teams: frozenset[str]
    disabled: bool


class Directory:
    """What one organisation's entries say of its control plane, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._keys: dict[int, _Key] = {}
        self._members: dict[str, tuple[_Member | None, int]] = {}
        self._scopes: dict[tuple[int | None, int | None], int] = {}
        self._assigned: dict[tuple[str, str], tuple[str | None, int]] = {}
        self._names: dict[tuple[str, int], str | None] = {}

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """An entry whose names are known to be defined. Raises KeyError for a KEY entry of a key that was never made."""
        kind = fields["kind"]
        if kind in ("KEY", "ATTEMPT", "ADMIT", "DEFER") and ("team" in fields or "project" in fields):
            self._scopes.setdefault((fields.get("team"), fields.get("project")), seq)
        if kind == "KEY":
            self._gather_key(seq, fields)
        elif kind == "MEMBER":
            self._members[fields["account"]] = self._member(fields), seq
        elif kind == "CREDENTIAL" and fields["event"] == "assigned":
            place = str(self._name("team", fields["team"])), str(self._name("project", fields["project"]))
            self._assigned[place] = self._name("credential", fields["credential"]), seq

    def _member(self, fields: Mapping[str, Any]) -> _Member | None:
        """What a MEMBER entry leaves somebody as. Whether they may log in is said where it changes, and where they join."""
        if fields["event"] == "left":
            return None
        before, _ = self._members.get(fields["account"], (None, -1))
        disabled = {"disabled": True, "enabled": False}.get(fields["event"], before is not None and before.disabled)
        return _Member(fields["role"], frozenset(str(self._name("team", team)) for team in fields.get("teams", ())), disabled)

    def _gather_key(self, seq: int, fields: Mapping[str, Any]) -> None:
        number, event, at_us = fields["key"], fields["event"], fields["at"]
        if event == "created":
            self._keys[number] = _Key(seq, fields, fields.get("ends"))
            return
        key = self._keys[number]
        if event == "changed":
            key.made = {**fields, **{name: key.made[name] for name in ("at", "actor", "digest") if name in key.made}}
            key.ends_us = fields.get("ends")
        elif event == "revoked" or fields["ends"] == at_us:
            key.revoked_us = at_us
        else:
            key.ends_us = fields["ends"]

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        yield from self._of_keys()
        yield from self._of_scopes()
        yield from self._of_members()

    def _of_members(self) -> Iterator[Difference]:
        teams: dict[str, set[str]] = {}
        for account, team in self._db.execute("SELECT account, team FROM membership_team WHERE organization = ?", (self._organization,)):
            teams.setdefault(account, set()).add(team)
        rows = {account: _Member(role, frozenset(teams.get(account, ())), bool(disabled))
                for account, role, disabled in self._db.execute(_MEMBERS, (self._organization,)).fetchall()}
        for account, (member, seq) in self._members.items():
            if rows.pop(account, None) != member:
                yield Difference(seq, f"account {account} has another role, other teams or another standing than it was given, or none")
        for account in rows:
            yield Difference(None, f"account {account} is a member, and no entry says so")

    def _of_keys(self) -> Iterator[Difference]:
        entries = {str(self._name("key", number)): key for number, key in self._keys.items()}
        for key_id, *row in self._db.execute(_KEYS, (self._organization,)).fetchall():
            key = entries.pop(key_id, None)
            if key is None:
                yield Difference(None, f"there is a key {key_id}, and no entry says so")
            elif wrong := ", ".join(self._wrong(key, row)):
                yield Difference(key.seq, f"key {key_id} stands otherwise than it was made, rotated or revoked: {wrong}")
        for key_id, key in entries.items():
            yield Difference(key.seq, f"key {key_id} is missing")

    def _wrong(self, key: _Key, row: list[Any]) -> Iterator[str]:
        digest, created_us, created_by, owner, ends_us, revoked_us, dimensions, *labels = row
        made = key.made
        for name, has, should in (
            ("digest", digest_mark(digest) if isinstance(digest, bytes) else "", made.get("digest")),
            ("created_us", created_us, made["at"]), ("created_by", created_by, made["actor"]),
            ("owner", owner, made.get("owner")),
            ("expires_us", ends_us, key.ends_us), ("revoked_us", revoked_us, key.revoked_us),
        ):
            if has != should:
                yield name
        fixed = dict(read_pairs(str(self._name("dimensions", made["dimensions"])))) if "dimensions" in made else {}
        if _object(dimensions) != fixed:
            yield "dimensions"
        for label, value in zip(_LABELS, labels, strict=True):
            should = self._name(label, made[label]) if label in made else None
            erased = label in made and should is None
            if value != should and not erased:
                yield label

    def _of_scopes(self) -> Iterator[Difference]:
        """Every team and project that an entry names has its row, and every row's names were defined."""
        teams = {name for (name,) in self._db.execute("SELECT name FROM team WHERE organization = ?", (self._organization,))}
        projects = {(team, name): (credential, bool(own))
                    for team, name, credential, own in self._db.execute(_PROJECTS, (self._organization,)).fetchall()}
        for (team_number, project_number), seq in self._scopes.items():
            team = DEFAULT_TEAM if team_number is None else str(self._name("team", team_number))
            project = None if project_number is None else str(self._name("project", project_number))
            if team not in teams or (project is not None and (team, project) not in projects):
                yield Difference(seq, f"team {team}" + (f", project {project}" if project else "") + ": named by an entry, and missing")
        for team in sorted(teams - self._defined("team") - {_DEFAULT}):
            yield Difference(None, f"there is a team {team}, and no entry says so")
        known = self._defined("project") | {_DEFAULT}
        for place, (credential, own) in projects.items():
            named, assigned = self._assigned.get(place, (None, -1))
            if not own or place[1] not in known:
                yield Difference(None, f"there is a project {place[1]} of team {place[0]}, and no entry says so")
            elif credential != (None if named == _DEFAULT else named):
                yield Difference(assigned if assigned >= 0 else None,
                                 f"project {place[1]} of team {place[0]} has another credential than it was given")

    def _defined(self, kind: str) -> set[str]:
        rows = self._db.execute("SELECT name FROM dictionary WHERE organization = ? AND kind = ?", (self._organization, kind))
        return {name for (name,) in rows}

    def _name(self, kind: str, number: int) -> str | None:
        """What a number stands for; None for a private value that was erased."""
        place = kind, number
        if place not in self._names:
            query = ("SELECT value FROM dictionary_private WHERE organization = ? AND kind = ? AND id = ?" if kind in PRIVATE
                     else "SELECT name FROM dictionary WHERE organization = ? AND kind = ? AND id = ?")
            row = self._db.execute(query, (self._organization, *place)).fetchone()
            self._names[place] = row[0] if row else None
        return self._names[place]


def _object(text: str) -> object:
    """What a JSON text says; None where somebody left none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
