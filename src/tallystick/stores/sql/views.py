"""Saved views: everybody's own, and those that others share with the organisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused

VIEWS_MAX: Final = 200                       # of one person in one organisation
_COLUMNS: Final = "v.id, v.account, a.name, v.screen, v.name, v.state, v.shared, v.standard, v.changed_us"
_FROM: Final = "FROM saved_view v JOIN account a ON a.id = v.account WHERE v.organization = ?"


@dataclass(frozen=True, slots=True)
class View:
    """`state`: the query part of the screen's address. `standard`: the screen opens with it, for its owner."""

    id: str
    account: str
    owner: str
    screen: str
    name: str
    state: str
    shared: bool
    standard: bool
    changed_us: int


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What somebody keeps."""

    screen: str
    name: str
    state: str
    shared: bool = False
    standard: bool = False


def list_views(db: Connection, organization: int, account: str) -> list[View]:
    """One's own and the shared ones of members, by screen and name."""
    rows = db.execute(
        f"SELECT {_COLUMNS} {_FROM} AND (v.account = ? OR v.shared = 1"  # noqa: S608 - literals
        " AND EXISTS (SELECT 1 FROM membership m WHERE m.account = v.account AND m.organization = v.organization))"
        " ORDER BY v.screen, v.name, v.id", (organization, account))
    return [_view(row) for row in rows]


def find_view(db: Connection, organization: int, view_id: str) -> View:
    """Raises Refused `not_found`."""
    row = db.execute(f"SELECT {_COLUMNS} {_FROM} AND v.id = ?", (organization, view_id)).fetchone()
    if row is None:
        raise Refused("not_found", "There is no such view.")
    return _view(row)


def keep_view(db: Connection, organization: int, account: str, view_id: str, spec: ViewSpec, now_us: int) -> View:
    """Keep a new view, or a changed one under its id. Raises Refused: `exists` for a name that is taken, `too_many`."""
    taken = db.execute("SELECT id FROM saved_view WHERE organization = ? AND account = ? AND screen = ? AND name = ?",
                       (organization, account, spec.screen, spec.name)).fetchone()
    if taken is not None and taken[0] != view_id:
        raise Refused("exists", "A view of that name is there already.")
    count = db.execute("SELECT count(*) FROM saved_view WHERE organization = ? AND account = ? AND id <> ?",
                       (organization, account, view_id)).fetchone()[0]
    if int(count) >= VIEWS_MAX:
        raise Refused("too_many", f"At most {VIEWS_MAX} views; remove one first.")
    if spec.standard:
        db.execute("UPDATE saved_view SET standard = 0 WHERE organization = ? AND account = ? AND screen = ?",
                   (organization, account, spec.screen))
    db.execute("DELETE FROM saved_view WHERE organization = ? AND id = ?", (organization, view_id))
    db.execute("INSERT INTO saved_view (id, organization, account, screen, name, state, shared, standard, changed_us)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               (view_id, organization, account, spec.screen, spec.name, spec.state, int(spec.shared), int(spec.standard), now_us))
    return find_view(db, organization, view_id)


def remove_view(db: Connection, organization: int, view_id: str) -> None:
    """Forget it."""
    db.execute("DELETE FROM saved_view WHERE organization = ? AND id = ?", (organization, view_id))


def _view(row: Any) -> View:
    view_id, account, owner, screen, name, state, shared, standard, changed_us = row
    return View(view_id, account, owner, screen, name, state, bool(shared), bool(standard), int(changed_us))
