"""What the control plane keeps: keys, teams and projects. Each change, its chained ledger entry and
the raised change counter commit together or not at all, so no key exists that the ledger does not
know, and a running server sees every change within a poll.

A key's text is made, handed out once and forgotten; its digest stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tallystick.core import keyformat
from tallystick.core.errors import Defect
from tallystick.core.identity import Claims, check_claims
from tallystick.core.secret import Secret
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import DEFAULT_TEAM, Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.keyring import digest_mark, digest_of
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_keys, of_teams
from tallystick.stores.sql.team_names import name_now

# What a key may fix, in the order of its columns.
LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version")

_SELECT: Final = """
SELECT k.id, o.slug, k.preview, k.name, k.format,
       k.team, k.project, k.user_name, k.agent, k.environment, k.cost_center, k.prompt_key, k.prompt_version,
       k.dimensions, k.credential, k.created_us, k.expires_us, k.revoked_us, k.created_by, k.owner
FROM virtual_key k JOIN organization o ON o.id = k.organization WHERE k.organization = ?"""

_TEAMS: Final = "SELECT t.id, t.name, t.created_us FROM team t WHERE t.organization = ?"
_PROJECTS: Final = ("SELECT p.id, p.name, p.created_us, t.name, p.credential, n.name, m.moved_us"
                    " FROM project p JOIN team t ON t.id = p.team"
                    " LEFT JOIN project_moved m ON m.project = p.id LEFT JOIN project s ON s.id = m.successor"
                    " LEFT JOIN team n ON n.id = s.team WHERE p.organization = ?")


class Refused(Exception):
    """A change that cannot be made; the message is for the person who asked. `code`: stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class KeySpec:
    """What a new key says. A project without a team belongs to team `default`. `owner`: the account whose key it is."""

    labels: Mapping[str, str] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    credential: str | None = None
    expires_us: int | None = None
    format: str = "tallystick"
    created_by: str = "cli"
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An issued key as people see it: never its text."""

    id: str
    organization: str
    preview: str
    name: str
    format: str
    labels: Mapping[str, str]
    dimensions: Mapping[str, str]
    credential: str | None
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    created_by: str
    owner: str | None = None

    def status(self, now_us: int) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_us is not None:
            return "revoked"
        return "expired" if self.expires_us is not None and self.expires_us <= now_us else "active"


@dataclass(frozen=True, slots=True)
class Named:
    """A team, or a project of the team `team`."""

    id: int
    name: str
    created_us: int
    team: str | None = None
    credential: str | None = None            # of a project: what its keys use that name none themselves
    moved_to: str | None = None              # of a project: the team that its calls are now
    moved_us: int | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """The changes of the control plane, each one transaction of the ledger's pen. `pepper` hashes
    keys, `entropy` draws random bytes."""

    sequencer: Sequencer
    pepper: bytes
    entropy: Callable[[int], bytes]

    def create_key(self, organization: int, spec: KeySpec, now_us: int) -> tuple[KeyRow, Secret]:
        """Make a key, and its team and project where they are missing. The text is returned once.

        Raises Refused for labels that cannot stand in an entry, for an unknown format, and for an owner who is no member.
        """
        labels = checked_labels(spec)
        with self.sequencer.append(now_us) as pen:
            _check_owner(pen.db, organization, spec.owner)
            labels = _of_now(pen.db, organization, labels)
            _ensure_scope(pen, organization, labels)
            return self._issue(pen, organization, replace(spec, labels=labels))

    def rotate_key(self, organization: int, key_id: str, now_us: int, by: str, grace_us: int = 0,
                   sight: Sight = EVERYTHING) -> tuple[KeyRow, Secret] | None:
        """Make a key that says what an existing one says; the old one ends after the grace, at once
        without. None: there is no such key to be seen. Raises Refused for one that is not valid any more."""
        with self.sequencer.append(now_us) as pen:
            old = _find_key(pen.db, organization, key_id, sight)
            if old is None:
                return None
            if old.status(now_us) != "active":
                raise Refused("not_active", f"The key is {old.status(now_us)}; make a new one.")
            ends_us = min(now_us + grace_us, old.expires_us or now_us + grace_us)
            if grace_us:
                pen.db.execute("UPDATE virtual_key SET expires_us = ? WHERE organization = ? AND id = ?", (ends_us, organization, key_id))
            else:
                pen.db.execute("UPDATE virtual_key SET revoked_us = ? WHERE organization = ? AND id = ?", (now_us, organization, key_id))
            pen.key_event(organization, "rotated", key_id, actor=by, ends=ends_us)
            return self._issue(pen, organization, replace(spec_of(old), created_by=by))

    def change_key(self, organization: int, key_id: str, edit: Callable[[KeyRow], KeySpec], now_us: int, by: str,
                   sight: Sight = EVERYTHING) -> KeyRow | None:
        """Change what a key says: its text stays, and calls from now on are booked as it says then. `edit` gives what it
        shall be, from what it is; who made it and its format stay. None: there is no such key to be seen. Raises Refused,
        also for a key that is not valid any more."""
        with self.sequencer.append(now_us) as pen:
            old = _find_key(pen.db, organization, key_id, sight)
            if old is None:
                return None
            if old.status(now_us) != "active":
                raise Refused("not_active", f"The key is {old.status(now_us)}; make a new one.")
            spec = edit(old)
            spec = replace(spec, labels=_of_now(pen.db, organization, checked_labels(spec)))
            if spec == spec_of(old):
                return old
            if spec.expires_us is not None and spec.expires_us <= now_us:
                raise Refused("invalid_request", "A key ends in the future; to end it now, revoke it.")
            if spec.owner != old.owner:
                _check_owner(pen.db, organization, spec.owner)
            _ensure_scope(pen, organization, spec.labels)
            pen.db.execute(
                "UPDATE virtual_key SET name = ?, team = ?, project = ?, user_name = ?, agent = ?, environment = ?, cost_center = ?,"
                " prompt_key = ?, prompt_version = ?, dimensions = ?, credential = ?, expires_us = ?, owner = ?"
                " WHERE organization = ? AND id = ?",
                (spec.name, *(spec.labels.get(label) for label in LABELS), json.dumps(dict(spec.dimensions)), spec.credential,
                 spec.expires_us, spec.owner, organization, key_id))
            _say(pen, organization, "changed", key_id, spec, by)
            return _find_key(pen.db, organization, key_id)

    def move_keys(self, pen: Appending, organization: int, place: tuple[str, str], to: str, by: str) -> int:
        """Book the calls of keys that are bound to a project (`place`: its team and name) on it in another team, within an
        open transaction; how many keys that are valid there were."""
        found = [key_id for (key_id,) in pen.db.execute(
            "SELECT id FROM virtual_key WHERE organization = ? AND team = ? AND project = ? AND revoked_us IS NULL"
            " AND (expires_us IS NULL OR expires_us > ?) ORDER BY id", (organization, *place, pen.now_us)).fetchall()]
        for key_id in found:
            pen.db.execute("UPDATE virtual_key SET team = ? WHERE organization = ? AND id = ?", (to, organization, key_id))
            row = _find_key(pen.db, organization, key_id)
            assert row is not None, "it was just found"
            _say(pen, organization, "changed", key_id, spec_of(row), by)
        return len(found)

    def _issue(self, pen: Appending, organization: int, spec: KeySpec) -> tuple[KeyRow, Secret]:
        """A new key's row, entry and text, inside the transaction."""
        form = keyformat.format_named(spec.format)
        if form is None:
            names = ", ".join(known.name for known in keyformat.FORMATS)
            raise Refused("unknown_format", f"There is no such key format; there are {names}.")
        minted = keyformat.mint(form, self.entropy(keyformat.ENTROPY_BYTES))
        digest = digest_of(self.pepper, minted.key.reveal())
        pen.db.execute(
            "INSERT INTO virtual_key (id, organization, digest, preview, name, format, team, project, user_name, agent,"
            " environment, cost_center, prompt_key, prompt_version, dimensions, credential, created_us, expires_us, created_by, owner)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (minted.id, organization, digest, minted.preview, spec.name, form.name,
             *(spec.labels.get(label) for label in LABELS), json.dumps(dict(spec.dimensions)), spec.credential,
             pen.now_us, spec.expires_us, spec.created_by, spec.owner),
        )
        _say(pen, organization, "created", minted.id, spec, spec.created_by, digest=digest_mark(digest))
        row = _find_key(pen.db, organization, minted.id)
        assert row is not None, "what was inserted is there"
        return row, minted.key

    def revoke_key(self, organization: int, key_id: str, now_us: int, by: str, sight: Sight = EVERYTHING) -> KeyRow | None:
        """Revoke a key for good; one that is revoked already stays as it is. None: there is no such key to be seen."""
        with self.sequencer.append(now_us) as pen:
            row = _find_key(pen.db, organization, key_id, sight)
            if row is None or row.revoked_us is not None:
                return row
            pen.db.execute("UPDATE virtual_key SET revoked_us = ? WHERE organization = ? AND id = ?", (now_us, organization, key_id))
            pen.key_event(organization, "revoked", key_id, actor=by)
            engine.note_change(pen.db)
            return _find_key(pen.db, organization, key_id)

    def create_team(self, organization: int, name: str, now_us: int) -> Named:
        """Make a team. Raises Refused when there is one of that name, or the name cannot stand."""
        _check_names({"team": name})
        with self.sequencer.append(now_us) as pen:
            if (now := name_now(pen.db, organization, name)) != name:
                raise Refused("exists", f"The team {now} was called that before; calls that still say it are booked there.")
            if pen.db.execute("SELECT 1 FROM team WHERE organization = ? AND name = ?", (organization, name)).fetchone():
                raise Refused("exists", "There is a team of that name.")
            team, _ = _ensure_scope(pen, organization, {"team": name})
            engine.note_change(pen.db)
        return Named(team, name, now_us)

    def create_project(self, organization: int, team: str, name: str, now_us: int) -> Named:
        """Make a project, and its team where it is missing. Raises Refused as `create_team` does."""
        _check_names({"team": team, "project": name})
        with self.sequencer.append(now_us) as pen:
            team = name_now(pen.db, organization, team)
            if pen.db.execute("SELECT 1 FROM project p JOIN team t ON t.id = p.team WHERE t.organization = ? AND t.name = ? AND p.name = ?",
                              (organization, team, name)).fetchone():
                raise Refused("exists", "There is a project of that name in that team.")
            _, project = _ensure_scope(pen, organization, {"team": team, "project": name})
            engine.note_change(pen.db)
        return Named(project, name, now_us, team)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation, and the zone its days are counted in."""

    id: int
    slug: str
    name: str
    zone: str


def organization(database: Database, slug: str) -> Organization:
    """The organisation of a caller who was let in. Raises Defect when there is none."""
    with database.read() as db:
        row = db.execute("SELECT id, slug, name, zone FROM organization WHERE slug = ?", (slug,)).fetchone()
    if row is None:
        raise Defect(f"no organisation {slug}")
    return Organization(*row)


def find_key(database: Database, organization: int, key_id: str, sight: Sight = EVERYTHING) -> KeyRow | None:
    """One key of this organisation, where it is to be seen."""
    with database.read() as db:
        return _find_key(db, organization, key_id, sight)


def find_key_by_digest(database: Database, organization: int, digest: bytes, sight: Sight = EVERYTHING) -> KeyRow | None:
    """One key of this organisation by what is kept of its text, valid or not, where it is to be seen."""
    seen = of_keys(sight, organization)
    with database.read() as db:
        row = db.execute(_SELECT + seen.sql + " AND k.digest = ?", (organization, *seen.values, digest)).fetchone()
    return _key_row(row) if row else None


def list_keys(database: Database, organization: int, sight: Sight = EVERYTHING, *, after: tuple[int, str] | None = None,
              limit: int) -> list[KeyRow]:
    """Keys in the order they were made, revoked ones too, beginning behind `after` (created_us, id)."""
    created_us, key_id = after or (-1, "")
    seen = of_keys(sight, organization)
    query = _SELECT + seen.sql + " AND (k.created_us > ? OR (k.created_us = ? AND k.id > ?)) ORDER BY k.created_us, k.id LIMIT ?"
    with database.read() as db:
        return [_key_row(row) for row in db.execute(query, (organization, *seen.values, created_us, created_us, key_id, limit))]


def list_teams(database: Database, organization: int, sight: Sight = EVERYTHING, *, after: int = 0, limit: int) -> list[Named]:
    """Teams by id, beginning behind `after`."""
    with database.read() as db:
        return teams_in(db, organization, sight, limit, after=after)


def teams_in(db: Connection, organization: int, sight: Sight, limit: int, *, after: int = 0) -> list[Named]:
    """The same within one view of the database."""
    seen = of_teams(sight, organization)
    query = _TEAMS + seen.sql + " AND t.id > ? ORDER BY t.id LIMIT ?"
    return [Named(*row) for row in db.execute(query, (organization, *seen.values, after, limit))]


def list_projects(
    database: Database, organization: int, sight: Sight = EVERYTHING, *, team: str | None = None, after: int = 0, limit: int,
) -> list[Named]:
    """Projects by id, of all teams or one, beginning behind `after`."""
    with database.read() as db:
        return projects_in(db, organization, sight, limit, team=team, after=after)


def projects_in(db: Connection, organization: int, sight: Sight, limit: int, *, team: str | None = None, after: int = 0) -> list[Named]:
    """The same within one view of the database."""
    seen = of_teams(sight, organization)
    query = _PROJECTS + seen.sql + " AND p.id > ? AND (CAST(? AS TEXT) IS NULL OR t.name = ?) ORDER BY p.id LIMIT ?"
    return [Named(*row) for row in db.execute(query, (organization, *seen.values, after, team, team, limit))]


def seen_keys(db: Connection, organization: int, sight: Sight, condition: str, values: tuple[Any, ...], limit: int) -> list[KeyRow]:
    """Keys that a condition of ours on `virtual_key k` is true of, the newest first."""
    seen = of_keys(sight, organization)
    query = _SELECT + seen.sql + condition + " ORDER BY k.created_us DESC, k.id LIMIT ?"
    return [_key_row(row) for row in db.execute(query, (organization, *seen.values, *values, limit))]


def find_project(database: Database, organization: int, team: str, name: str) -> Named | None:
    """One project of a team."""
    with database.read() as db:
        row = db.execute(_PROJECTS + " AND t.name = ? AND p.name = ?", (organization, team, name)).fetchone()
    return Named(*row) if row else None


def spec_of(row: KeyRow) -> KeySpec:
    """A key as it stands, to be said again with something changed."""
    return KeySpec(row.labels, row.dimensions, row.name, row.credential, row.expires_us, row.format, row.created_by, row.owner)


def _say(pen: Appending, organization: int, event: str, key_id: str, spec: KeySpec, by: str, **more: str | int) -> None:
    """Chain all that a key says from now on."""
    fixed = {**spec.labels, "credential": spec.credential} if spec.credential else spec.labels
    if spec.expires_us is not None:
        more["ends"] = spec.expires_us
    if spec.owner is not None:
        more["owner"] = spec.owner
    pen.key_event(organization, event, key_id, actor=by, labels=fixed, dimensions=spec.dimensions, **more)
    engine.note_change(pen.db)


def checked_labels(spec: KeySpec) -> dict[str, str]:
    """The labels of a key, a project completed by its team. Raises Refused for what cannot stand."""
    labels = {label: value for label, value in spec.labels.items() if value}
    if unknown := labels.keys() - set(LABELS):
        raise Refused("invalid_request", f"A key cannot fix {', '.join(sorted(unknown))}.")
    if "project" in labels:
        labels.setdefault("team", DEFAULT_TEAM)
    _check_names({**labels, "name": spec.name, "credential": spec.credential or ""}, spec.dimensions)
    return labels


def _check_names(labels: Mapping[str, str], dimensions: Mapping[str, str] | None = None) -> None:
    """What the data plane would refuse in a header, no key, team or project may be called either."""
    if denied := check_claims(Claims(labels=labels, dimensions=dimensions or {})):
        raise Refused(denied.code, denied.message)
    if empty := [label for label in ("team", "project") if label in labels and not labels[label].strip()]:
        raise Refused("invalid_request", f"The {empty[0]} needs a name.")


def _ensure_scope(pen: Appending, organization: int, labels: Mapping[str, str]) -> tuple[int, int]:
    """The ids of the team and project, 0 where none is named; what is new is made and its name chained."""
    if "team" not in labels:
        return 0, 0
    chain = pen.chain(organization)
    chain.define("team", labels["team"])
    team = engine.ensure_team(pen.db, organization, labels["team"], pen.now_us)
    if "project" not in labels:
        return team, 0
    chain.define("project", labels["project"])
    return team, engine.ensure_project(pen.db, organization, team, labels["project"], pen.now_us)


def _of_now(db: Connection, organization: int, labels: dict[str, str]) -> dict[str, str]:
    """The labels, a team by its name of now."""
    return {**labels, "team": name_now(db, organization, labels["team"])} if "team" in labels else labels


def _check_owner(db: Connection, organization: int, owner: str | None) -> None:
    if owner is not None and db.execute("SELECT 1 FROM membership WHERE organization = ? AND account = ?",
                                        (organization, owner)).fetchone() is None:
        raise Refused("unknown_owner", "The owner of a key is a member of the organisation.")


def _find_key(db: Connection, organization: int, key_id: str, sight: Sight = EVERYTHING) -> KeyRow | None:
    seen = of_keys(sight, organization)
    row = db.execute(_SELECT + seen.sql + " AND k.id = ?", (organization, *seen.values, key_id)).fetchone()
    return _key_row(row) if row else None


def _key_row(row: tuple[Any, ...]) -> KeyRow:
    key_id, slug, preview, name, form, *labels, dimensions, credential, created_us, expires_us, revoked_us, by, owner = row
    return KeyRow(
        key_id, slug, preview, name, form, {label: value for label, value in zip(LABELS, labels, strict=True) if value is not None},
        json.loads(dimensions), credential, created_us, expires_us, revoked_us, by, owner,
    )
