"""The outbox of alerts, and the log of what became of each sending.

A row is claimed in the write transaction, for a limited time and with the number of its attempt; only that attempt may
say how it went. So one instance sends at a time to a channel, and one that dies in between is followed by the next: what
it was sending goes out again, under the same message id. An end is told only after everything earlier of its thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tallystick.channels.channel import Outcome
from tallystick.core.alerts.alert import Alert
from tallystick.core.alerts.sending import next_try_us
from tallystick.stores.sql.alerts_channels import ChannelRow, channel_rows
from tallystick.stores.sql.alerts_raised import EASED, RAISED, TEST, AlertRow, alerts_by_id, muted_until, put_out, raise_alert
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused

CLAIM_US: Final = 120_000_000                # longer than a whole round of sending can take
CLAIMED_MAX: Final = 50
SAID_CHARS_MAX: Final = 300
KEPT_US: Final = 400 * 24 * 3_600_000_000
"""How long attempts are kept: a year and what it takes to audit it."""

State = Literal["waiting", "sent", "failed", "skipped"]
_COLUMNS: Final = "id, alert, channel, event, message_id, state, tries, attempts, next_us, made_us, done_us"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One thing that one channel is to say."""

    id: int
    alert: int
    channel: str
    event: str
    message_id: str
    state: str
    tries: int
    attempts: int
    next_us: int
    made_us: int
    done_us: int | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One sending of one delivery. `status`: HTTP's or SMTP's, 0 where there was none."""

    delivery: int
    number: int
    at_us: int
    result: str
    status: int
    said: str
    took_us: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an instance is to send now through one channel, in this order."""

    channel: ChannelRow
    deliveries: tuple[tuple[DeliveryRow, AlertRow], ...]


def is_due(db: Connection, now_us: int) -> bool:
    """Whether anything waits to be sent."""
    return db.execute("SELECT 1 FROM alert_delivery WHERE state = 'waiting' AND next_us <= ? AND claimed_until_us <= ? LIMIT 1",
                      (now_us, now_us)).fetchone() is not None


def claim(db: Connection, now_us: int) -> list[Claimed]:
    """Take what is due, channel by channel; nothing of a channel that an instance is sending to. Quiet hours and mutes
    put off what they hold back. In a write transaction."""
    due = db.execute(
        "SELECT d.id, a.severity FROM alert_delivery d JOIN alert a ON a.id = d.alert"
        " WHERE d.state = 'waiting' AND d.next_us <= ? AND d.claimed_until_us <= ?"
        " AND NOT EXISTS (SELECT 1 FROM alert_delivery e WHERE e.channel = d.channel AND e.state = 'waiting' AND e.claimed_until_us > ?)"
        " AND (d.event IN (?, ?) OR NOT EXISTS (SELECT 1 FROM alert_delivery f JOIN alert b ON b.id = f.alert"
        " WHERE f.channel = d.channel AND f.state = 'waiting' AND f.id < d.id AND b.organization = a.organization AND b.thread = a.thread))"
        " ORDER BY d.id LIMIT ?", (now_us, now_us, now_us, RAISED, TEST, CLAIMED_MAX)).fetchall()
    rows = {row.id: row for number, _ in due for row in _deliveries(db, " WHERE id = ?", (number,))}
    channels = {channel: _channel(db, channel) for channel in {row.channel for row in rows.values()}}
    taken: dict[str, list[DeliveryRow]] = {}
    for number, severity in due:
        row, channel = rows[number], channels[rows[number].channel]
        if channel is None:
            _set_state(db, number, "skipped", now_us)
            continue
        until_us = channel.quiet.until_us(severity, now_us) if channel.quiet is not None and row.event != TEST else now_us
        if row.event in (RAISED, EASED):
            until_us = max(until_us, muted_until(db, row.alert, now_us) or 0)
        if until_us > now_us:
            db.execute("UPDATE alert_delivery SET next_us = ? WHERE id = ?", (until_us, number))
            continue
        db.execute("UPDATE alert_delivery SET tries = tries + 1, attempts = attempts + 1, claimed_until_us = ? WHERE id = ?",
                   (now_us + CLAIM_US, number))
        taken.setdefault(row.channel, []).append(row)
    alerts = alerts_by_id(db, {row.alert for found in taken.values() for row in found})
    found = []
    for name, deliveries in taken.items():
        channel = channels[name]
        assert channel is not None, "only what has a channel was taken"
        claimed = (_deliveries(db, " WHERE id = ?", (row.id,))[0] for row in deliveries)
        found.append(Claimed(channel, tuple((row, alerts[row.alert]) for row in claimed)))
    return found


def ticket_of(db: Connection, channel: str, thread: str) -> str | None:
    """What the channel keeps for a thread."""
    row = db.execute("SELECT ticket FROM alert_ticket WHERE channel = ? AND thread = ?", (channel, thread)).fetchone()
    return str(row[0]) if row else None


def finish(db: Connection, delivery: DeliveryRow, thread: str, outcome: Outcome, at_us: int, now_us: int) -> None:
    """Write down how an attempt went, and when the next is, if any. An attempt that was overtaken by another is logged
    and changes nothing. In a write transaction."""
    db.execute("INSERT INTO alert_attempt (delivery, number, at_us, result, status, said, took_us) VALUES (?, ?, ?, ?, ?, ?, ?)"
               " ON CONFLICT (delivery, number) DO NOTHING",
               (delivery.id, delivery.attempts, at_us, outcome.result, outcome.status, outcome.said[:SAID_CHARS_MAX], now_us - at_us))
    if outcome.ticket is not None:
        db.execute("INSERT INTO alert_ticket (channel, thread, ticket) VALUES (?, ?, ?)"
                   " ON CONFLICT (channel, thread) DO UPDATE SET ticket = excluded.ticket", (delivery.channel, thread, outcome.ticket))
    again_us = next_try_us(delivery.tries, now_us, outcome.retry_after_s) if outcome.result == "retry" else None
    state = "sent" if outcome.result == "sent" else "waiting" if again_us is not None else "failed"
    db.execute("UPDATE alert_delivery SET state = ?, next_us = ?, claimed_until_us = 0, done_us = ?"
               " WHERE id = ? AND attempts = ? AND state = 'waiting'",
               (state, again_us or now_us, None if state == "waiting" else now_us, delivery.id, delivery.attempts))


def release(db: Connection, delivery: DeliveryRow) -> None:
    """Give back what was claimed and not begun. In a write transaction."""
    db.execute("UPDATE alert_delivery SET claimed_until_us = 0, tries = tries - 1, attempts = attempts - 1"
               " WHERE id = ? AND attempts = ? AND state = 'waiting'", (delivery.id, delivery.attempts))


def deliveries_of(db: Connection, alert: int) -> list[DeliveryRow]:
    """What channels are to say of an alert."""
    return _deliveries(db, " WHERE alert = ? ORDER BY id", (alert,))


def last_deliveries(db: Connection, channels: Sequence[str]) -> dict[str, DeliveryRow]:
    """The newest delivery of each channel that had one."""
    found = [_deliveries(db, " WHERE id = (SELECT max(id) FROM alert_delivery WHERE channel = ?)", (channel,)) for channel in channels]
    return {each.channel: each for rows in found for each in rows}


def attempts_of(db: Connection, delivery: int) -> list[AttemptRow]:
    """How each sending went, the first one first."""
    return [AttemptRow(*row) for row in db.execute(
        "SELECT delivery, number, at_us, result, status, said, took_us FROM alert_attempt WHERE delivery = ? ORDER BY number", (delivery,))]


def replay(db: Connection, alert: int, channel: str | None, now_us: int) -> int:
    """Send again what was sent, or was given up: the alert's last word to each channel, or to one; how many. The message
    ids stay, so that a receiver who has it knows."""
    last = db.execute("SELECT max(id) FROM alert_delivery WHERE alert = ? AND (channel = ? OR ? = '') GROUP BY channel",
                      (alert, channel or "", channel or "")).fetchall()
    for (number,) in last:
        db.execute("UPDATE alert_delivery SET state = 'waiting', tries = 0, next_us = ?, claimed_until_us = 0, done_us = NULL WHERE id = ?",
                   (now_us, number))
    return len(last)


def fire_test(db: Connection, organization: int, channel: ChannelRow, by: str, now_us: int) -> int:
    """An alert that says nothing but that alerts come through, for one channel whatever it listens to; its number."""
    alert = Alert("test", f"test/{channel.id}", str(now_us), "info", "A test alert", f"{by} asked whether alerts reach {channel.name}.",
                  {"channel": channel.name})
    number = raise_alert(db, organization, alert, now_us)
    if number is None:
        raise Refused("exists", "A test of this channel was made a moment ago.")
    db.execute("UPDATE alert SET resolved_us = ?, resolution = 'A test.' WHERE id = ?", (now_us, number))
    db.execute("DELETE FROM alert_delivery WHERE alert = ?", (number,))
    put_out(db, number, channel.id, TEST, now_us)
    return number


def forget(db: Connection, now_us: int) -> None:
    """Drop the log of what was sent long ago."""
    db.execute("DELETE FROM alert_attempt WHERE at_us < ?", (now_us - KEPT_US,))


def _channel(db: Connection, channel: str) -> ChannelRow | None:
    found = channel_rows(db, " WHERE id = ? AND removed_us IS NULL", (channel,))
    return found[0] if found else None


def _set_state(db: Connection, number: int, state: State, now_us: int) -> None:
    db.execute("UPDATE alert_delivery SET state = ?, done_us = ? WHERE id = ?", (state, now_us, number))


def _deliveries(db: Connection, condition: str, values: Sequence[Any]) -> list[DeliveryRow]:
    return [DeliveryRow(*row) for row in db.execute("SELECT " + _COLUMNS + " FROM alert_delivery" + condition, values)]  # noqa: S608
