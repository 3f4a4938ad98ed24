"""Raises and resolves alerts: the row, and one row of the outbox for each channel that wants it, inside the caller's
write transaction. A crossing is known by its thread and mark, so raising it again does nothing, in this process or
another; what is in the outbox is sent once the transaction has happened, and not if it has not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tallystick.core.alerts.alert import Alert, at_least, scopes_of
from tallystick.stores.sql.connection import Connection

RAISED: Final = "raised"
EASED: Final = "eased"                       # less far than before: of the thread something is still open
RESOLVED: Final = "resolved"
TEST: Final = "test"
_COLUMNS: Final = ("id, organization, kind, thread, mark, severity, title, text, facts, path, at_us, resolved_us, resolution, scopes,"
                   " acknowledged_us, acknowledged_by, note")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as the table has it."""

    id: int
    organization: int
    kind: str
    thread: str
    mark: str
    severity: str
    title: str
    text: str
    facts: Mapping[str, Any]
    path: str
    at_us: int
    resolved_us: int | None
    resolution: str
    scopes: tuple[str, ...]
    acknowledged_us: int | None
    acknowledged_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """The node and share that an alert speaks of. `percent` None: of no share, such as a forecast."""

    budget: int
    subject: str
    start_us: int
    percent: int | None
    cap_version: int


def raise_alert(db: Connection, organization: int, alert: Alert, now_us: int, place: Place | None = None) -> int | None:
    """Record an alert and put it into the outbox; its number, None where it was raised before."""
    if db.execute("SELECT 1 FROM alert WHERE organization = ? AND thread = ? AND mark = ?",
                  (organization, alert.thread, alert.mark)).fetchone():
        return None
    number = _next(db, "SELECT max(id) FROM alert")
    scopes = _wider(db, alert.scopes)
    where = (place.budget, place.subject, place.start_us, place.percent, place.cap_version) if place else (None,) * 5
    db.execute(
        "INSERT INTO alert (id, organization, kind, thread, mark, severity, title, text, facts, path, at_us, budget, subject, start_us,"
        " percent, cap_version, scopes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, organization, alert.kind, alert.thread, alert.mark, alert.severity, alert.title, alert.text,
         json.dumps(dict(alert.facts), ensure_ascii=False), alert.path, now_us, *where, json.dumps(scopes)))
    for channel, kinds, least, own in db.execute(
            "SELECT id, kinds, severity, scopes FROM alert_channel WHERE organization = ? AND removed_us IS NULL ORDER BY id",
            (organization,)).fetchall():
        if at_least(alert.severity, least) and (not kinds or alert.kind in kinds.split(",")) and (
                not own or not set(scopes).isdisjoint(own.split(","))):
            put_out(db, number, channel, RAISED, now_us)
    return number


def _wider(db: Connection, scopes: Sequence[str]) -> list[str]:
    """Of what is a key's, also the team, project and user whose key it is."""
    found = [*scopes]
    for kind, _, value in (scope.partition(":") for scope in scopes):
        row = db.execute("SELECT team, project, user_name FROM virtual_key WHERE id = ?", (value,)).fetchone() if kind == "key" else None
        if row is not None:
            team, project, user = row
            found += scopes_of("project", f"{team or 'default'}/{project}") if project else scopes_of("team", team) if team else ()
            found += scopes_of("user", user) if user else ()
    return found


def resolve(db: Connection, alerts: Sequence[int], why: str, now_us: int) -> None:
    """Close alerts of one thread. The channels that were told of the thread are told once: that it is over, or that it has
    eased where something of it is still open."""
    alerts = [number for number in alerts if db.execute("SELECT 1 FROM alert WHERE id = ? AND resolved_us IS NULL", (number,)).fetchone()]
    if not alerts:
        return                               # another instance was here
    db.executemany("UPDATE alert SET resolved_us = ?, resolution = ? WHERE id = ?", [(now_us, why, number) for number in alerts])
    last = max(alerts)
    organization, thread = db.execute("SELECT organization, thread FROM alert WHERE id = ?", (last,)).fetchone()
    still = db.execute("SELECT 1 FROM alert WHERE organization = ? AND thread = ? AND resolved_us IS NULL",
                       (organization, thread)).fetchone()
    if muted_until(db, last, now_us) is not None:        # nobody was told that it is so, so nobody is told that it is over
        db.execute("UPDATE alert_delivery SET state = 'skipped', done_us = ? WHERE state = 'waiting' AND attempts = 0 AND event <> ?"
                   " AND alert IN (SELECT id FROM alert WHERE organization = ? AND thread = ? AND resolved_us IS NOT NULL)",
                   (now_us, TEST, organization, thread))
    told = db.execute(
        "SELECT DISTINCT d.channel FROM alert_delivery d JOIN alert a ON a.id = d.alert JOIN alert_channel c ON c.id = d.channel"
        " WHERE a.organization = ? AND a.thread = ? AND c.removed_us IS NULL AND d.state <> 'skipped' ORDER BY d.channel",
        (organization, thread)).fetchall()
    for (channel,) in told:
        put_out(db, last, channel, EASED if still else RESOLVED, now_us)


def muted_until(db: Connection, alert: int, now_us: int) -> int | None:
    """Until when nothing is said of an alert; None: it is not muted."""
    row = db.execute(
        "SELECT max(m.until_us) FROM alert_mute m JOIN alert a ON a.organization = m.organization WHERE a.id = ? AND m.until_us > ?"
        " AND m.thread IN ('', a.thread) AND m.kind IN ('', a.kind) AND (m.budget IS NULL OR m.budget = a.budget)",
        (alert, now_us)).fetchone()
    return int(row[0]) if row[0] is not None else None


def put_out(db: Connection, alert: int, channel: str, event: str, now_us: int) -> int:
    """One row of the outbox; its number. The message's id is the same however often it is sent."""
    number = _next(db, "SELECT max(id) FROM alert_delivery")
    message_id = "msg_" + sha256(f"{channel}\n{alert}\n{event}".encode()).hexdigest()[:32]
    db.execute("INSERT INTO alert_delivery (id, alert, channel, event, message_id, state, next_us, made_us)"
               " VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?)", (number, alert, channel, event, message_id, now_us, now_us))
    return number


def find_alert(db: Connection, organization: int, number: int) -> AlertRow | None:
    """One alert of an organisation."""
    found = _rows(db, " WHERE organization = ? AND id = ?", (organization, number))
    return found[0] if found else None


def list_alerts(db: Connection, organization: int, *, before: int | None = None, open_only: bool = False,
                limit: int = 100) -> list[AlertRow]:
    """Alerts, newest first; `before` is the number of the last one of the page before."""
    condition = " WHERE organization = ? AND id < ?" + (" AND resolved_us IS NULL" if open_only else "") + " ORDER BY id DESC LIMIT ?"
    return _rows(db, condition, (organization, before if before is not None else 1 << 62, limit))


def alerts_by_id(db: Connection, numbers: Iterable[int]) -> dict[int, AlertRow]:
    """Alerts by their numbers."""
    return {number: row for number in numbers for row in _rows(db, " WHERE id = ?", (number,))}


def open_marks(db: Connection, row: AlertRow) -> list[str]:
    """What of an alert's thread is open."""
    return [mark for (mark,) in db.execute(
        "SELECT mark FROM alert WHERE organization = ? AND thread = ? AND resolved_us IS NULL ORDER BY id",
        (row.organization, row.thread))]


def _rows(db: Connection, condition: str, values: tuple[Any, ...]) -> list[AlertRow]:
    found = db.execute("SELECT " + _COLUMNS + " FROM alert" + condition, values)  # noqa: S608 - conditions are ours
    return [_alert(*row) for row in found]


def _alert(*row: Any) -> AlertRow:
    number, organization, kind, thread, mark, severity, title, text, facts, path, at_us, resolved_us, resolution, scopes, *seen = row
    return AlertRow(number, organization, kind, thread, mark, severity, title, text, json.loads(facts), path, at_us, resolved_us,
                    resolution, tuple(json.loads(scopes)), *seen)


def _next(db: Connection, top: str) -> int:
    return int(db.execute(top).fetchone()[0] or 0) + 1
