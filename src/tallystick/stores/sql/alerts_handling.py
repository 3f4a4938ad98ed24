"""What people do about alerts: somebody says that they see to one; or for a while, and for a reason, nothing is said of one
thread, of a kind of alert, or of one budget. What is raised under a mute is recorded and waits: what is still so when the
mute ends is said then, and what is over by then never is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tallystick.core.alerts.kinds import unknown_kind
from tallystick.core.entry import Fields
from tallystick.stores.sql.alerts_raised import find_alert
from tallystick.stores.sql.budget_rows import find_budget
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending

MUTE_US_MAX: Final = 90 * 86_400_000_000
REASON_CHARS_MAX: Final = 500
NOTE_CHARS_MAX: Final = 500
_COLUMNS: Final = "id, organization, thread, kind, budget, until_us, reason, made_us, made_by"


@dataclass(frozen=True, slots=True)
class Mute:
    """One mute. `thread`, `kind`: "" for any; `budget` None for any."""

    id: int
    organization: int
    thread: str
    kind: str
    budget: int | None
    until_us: int
    reason: str
    made_us: int
    made_by: str


@dataclass(frozen=True, slots=True)
class MuteSpec:
    """A mute as somebody asks for it: of the thread of an alert, of a kind, of a budget; at least one of these."""

    until_us: int
    reason: str
    alert: int | None = None
    kind: str = ""
    budget: int | None = None


def mute(pen: Appending, organization: int, spec: MuteSpec, by: str) -> Mute:
    """Begin a mute. Raises Refused."""
    if not spec.reason.strip() or len(spec.reason) > REASON_CHARS_MAX or not spec.reason.isprintable():
        raise Refused("invalid_request", f"Say why, in at most {REASON_CHARS_MAX} characters on one line.")
    if not pen.now_us < spec.until_us <= pen.now_us + MUTE_US_MAX:
        raise Refused("invalid_request", "A mute ends in the future, within ninety days.")
    if spec.alert is None and not spec.kind and spec.budget is None:
        raise Refused("invalid_request", "Say what is muted: an alert, a kind, or a budget.")
    if spec.kind and (wrong := unknown_kind((spec.kind,))):
        raise Refused("invalid_request", wrong)
    thread = pen.db.execute("SELECT thread FROM alert WHERE organization = ? AND id = ?", (organization, spec.alert)).fetchone()
    if spec.alert is not None and thread is None:
        raise Refused("not_found", "There is no such alert.")
    if spec.budget is not None and find_budget(pen.db, organization, spec.budget) is None:
        raise Refused("not_found", "There is no such budget.")
    number = int(pen.db.execute("SELECT max(id) FROM alert_mute").fetchone()[0] or 0) + 1
    made = Mute(number, organization, thread[0] if thread else "", spec.kind, spec.budget, spec.until_us, spec.reason, pen.now_us, by)
    pen.db.execute(f"INSERT INTO alert_mute ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - literals
                   (made.id, organization, made.thread, made.kind, made.budget, made.until_us, made.reason, made.made_us, by))
    fields: Fields = {"kind": "ALERTS", "at": pen.now_us, "event": "muted", "actor": by, "mute": number, "until": made.until_us,
                      "reason": made.reason}
    if spec.alert is not None:               # its thread may name a person, and entries do not
        fields["alert"] = spec.alert
    if spec.kind:
        fields["of"] = spec.kind
    if spec.budget is not None:
        fields["budget"] = spec.budget
    pen.chain(organization).append(fields)
    return made


def unmute(pen: Appending, organization: int, number: int, by: str) -> Mute:
    """End a mute now: what waits for its end is due. Raises Refused."""
    found = next((one for one in mutes(pen.db, organization, pen.now_us) if one.id == number), None)
    if found is None:
        raise Refused("not_found", "There is no such mute, or it has ended.")
    pen.db.execute("UPDATE alert_mute SET until_us = ? WHERE id = ?", (pen.now_us, number))
    pen.db.execute("UPDATE alert_delivery SET next_us = ? WHERE state = 'waiting' AND attempts = 0"
                   " AND channel IN (SELECT id FROM alert_channel WHERE organization = ?)", (pen.now_us, organization))
    pen.chain(organization).append({"kind": "ALERTS", "at": pen.now_us, "event": "unmuted", "actor": by, "mute": number})
    return replace(found, until_us=pen.now_us)


def mutes(db: Connection, organization: int, now_us: int) -> list[Mute]:
    """The mutes of an organisation that are in force, oldest first."""
    return [Mute(*row) for row in db.execute(
        f"SELECT {_COLUMNS} FROM alert_mute WHERE organization = ? AND until_us > ? ORDER BY id", (organization, now_us))]  # noqa: S608


def acknowledge(db: Connection, organization: int, number: int, by: str, note: str, now_us: int) -> int:
    """Write down that somebody sees to what is open of an alert's thread; how many alerts that is. Raises Refused."""
    if len(note) > NOTE_CHARS_MAX or not (note.isprintable() or not note):
        raise Refused("invalid_request", f"A note has at most {NOTE_CHARS_MAX} characters on one line.")
    row = find_alert(db, organization, number)
    if row is None:
        raise Refused("not_found", "There is no such alert.")
    opened = db.execute("SELECT count(*) FROM alert WHERE organization = ? AND thread = ? AND resolved_us IS NULL",
                        (organization, row.thread)).fetchone()[0]
    if not opened:
        raise Refused("ended", "Nothing of this is open any more.")
    db.execute("UPDATE alert SET acknowledged_us = ?, acknowledged_by = ?, note = ? WHERE organization = ? AND thread = ?"
               " AND resolved_us IS NULL", (now_us, by, note, organization, row.thread))
    return int(opened)
