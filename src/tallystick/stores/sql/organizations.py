"""Organisations of an installation: made and listed by whoever holds the host. Each has its own chain, members,
keys and zone; none sees another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Sequencer

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SELECT: Final = """
SELECT o.id, o.slug, o.name, o.zone, o.created_us,
       (SELECT count(*) FROM membership m WHERE m.organization = o.id),
       (SELECT count(*) FROM virtual_key k WHERE k.organization = o.id AND k.revoked_us IS NULL)
FROM organization o WHERE o.id <> ?"""


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organisation, and how much there is of it. `keys`: those that were not revoked."""

    id: int
    slug: str
    name: str
    zone: str
    created_us: int
    members: int
    keys: int


def create_organization(sequencer: Sequencer, slug: str, name: str, zone: str, now_us: int) -> OrganizationRow:
    """Make an organisation with its team and project `default`. Its zone stays as it is: days and months are counted in it.

    Raises Refused: `exists`, `invalid_request`.
    """
    if not _SLUG.fullmatch(slug):
        raise Refused("invalid_request", "An organisation's short name is lower-case letters, digits and -, at most 63 of them.")
    if len(name) > VALUE_CHARS_MAX or not name.isprintable():
        raise Refused("invalid_request", f"A name has at most {VALUE_CHARS_MAX} characters on one line.")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("invalid_request", f"There is no time zone {zone}; zones are named like Europe/Berlin.") from None
    with sequencer.append(now_us) as pen:
        if pen.db.execute("SELECT 1 FROM organization WHERE slug = ?", (slug,)).fetchone():
            raise Refused("exists", f"There is an organisation {slug}.")
        number = engine.ensure_organization(pen.db, slug, name or slug, now_us, zone)
        team = engine.ensure_team(pen.db, number, engine.DEFAULT_TEAM, now_us)
        engine.ensure_project(pen.db, number, team, engine.DEFAULT_TEAM, now_us)
        engine.note_change(pen.db)
    return OrganizationRow(number, slug, name or slug, zone, now_us, 0, 0)


def rename_organization(database: engine.Database, organization: int, name: str) -> None:
    """Call an organisation otherwise. Raises Refused `invalid_request`."""
    if not name or len(name) > VALUE_CHARS_MAX or not name.isprintable():
        raise Refused("invalid_request", f"A name has 1 to {VALUE_CHARS_MAX} characters on one line.")
    with database.write() as db:
        db.execute("UPDATE organization SET name = ? WHERE id = ?", (name, organization))
        engine.note_change(db)


def organizations(db: Connection) -> list[OrganizationRow]:
    """All organisations in the order they were made; `system` is none."""
    return [OrganizationRow(*row) for row in db.execute(_SELECT + " ORDER BY o.id", (engine.SYSTEM,)).fetchall()]


def named(db: Connection, number: int) -> tuple[str, str]:
    """Short name and name of an organisation that is there."""
    slug, name = db.execute("SELECT slug, name FROM organization WHERE id = ?", (number,)).fetchone()
    return slug, name


def organization_number(db: Connection, slug: str) -> int | None:
    """The number of an organisation by its short name; `system` is none."""
    row = db.execute("SELECT id FROM organization WHERE slug = ? AND id <> ?", (slug, engine.SYSTEM)).fetchone()
    return int(row[0]) if row else None
