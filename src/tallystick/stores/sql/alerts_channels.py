"""Where alerts go: an organisation's channels. What lets somebody speak there (a webhook's address, a token, a signing key)
is sealed as one secret, bound to channel, origin and version, and never read back but by the job that sends; people see
the origin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.alerts.alert import SEVERITIES, Severity
from tallystick.core.alerts.kinds import unknown_kind
from tallystick.core.alerts.sending import BadQuietHours, QuietHours, quiet_hours
from tallystick.core.secret import Secret
from tallystick.stores.sealing import Binding, Keks, Sealed, rewrap, seal, unseal
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending

CHANNELS_MAX: Final = 200                    # of one organisation
VALUE_CHARS_MAX: Final = 2_048
NO_BREAK: Final = "none"
_SCOPE: Final = re.compile(r"team:[^,/]{1,256}|project:[^,/]{1,256}/[^,/]{1,256}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLUMNS: Final = ("id, organization, name, kind, origin, settings, wrapped_key, sealed, version, kinds, severity, quiet, zone, breaks,"
                   " scopes, set_us, set_by")


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as it is stored. `settings` has no secrets; `kinds` empty: alerts of all kinds; `scopes` empty: whoever's."""

    id: str
    organization: int
    name: str
    kind: str
    origin: str
    settings: Mapping[str, str]
    sealed: Sealed
    version: int
    kinds: tuple[str, ...]
    severity: str
    quiet: QuietHours | None
    scopes: tuple[str, ...]
    set_us: int
    set_by: str

    @property
    def binding(self) -> Binding:
        """What the secret is sealed for."""
        return Binding(self.organization, f"alerts:{self.kind}", self.origin, self.name, self.version)


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel as somebody asks for it. `secrets` are sealed; the form of both is the channel's (channels/)."""

    name: str
    kind: str
    origin: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    kinds: tuple[str, ...] = ()
    severity: Severity = "info"
    quiet: str = ""
    zone: str = "UTC"
    breaks: str = "critical"
    scopes: tuple[str, ...] = ()             # `team:search`, `project:search/web`: only what is theirs


@dataclass(frozen=True, slots=True)
class Channels:
    """Sets and removes channels, each change with its chained entry, and opens their seals."""

    database: Database
    keks: Keks
    entropy: Callable[[int], bytes]

    def set(self, pen: Appending, organization: int, spec: ChannelSpec, by: str) -> ChannelRow:
        """Make a channel, or put another in the place of the one of that name. Raises Refused."""
        _check(spec)
        db, now_us = pen.db, pen.now_us
        held = len(list_channels(db, organization))
        row = db.execute("SELECT id, version FROM alert_channel WHERE organization = ? AND name = ?",
                         (organization, spec.name)).fetchone()
        if row is None and held >= CHANNELS_MAX:
            raise Refused("too_many", f"An organisation has at most {CHANNELS_MAX} channels.")
        number, version = row or ("chn_" + self.entropy(8).hex(), 0)
        binding = Binding(organization, f"alerts:{spec.kind}", spec.origin, spec.name, version + 1)
        sealed = seal(self.keks()[0], Secret(json.dumps(dict(spec.secrets))), binding, self.entropy)
        db.execute(
            "INSERT INTO alert_channel (" + _COLUMNS + ") VALUES (" + ", ".join("?" * 17) + ")"  # noqa: S608 - literals
            " ON CONFLICT (organization, name) DO UPDATE SET kind = excluded.kind, origin = excluded.origin,"
            " settings = excluded.settings, wrapped_key = excluded.wrapped_key, sealed = excluded.sealed,"
            " version = excluded.version, kinds = excluded.kinds,"
            " severity = excluded.severity, quiet = excluded.quiet, zone = excluded.zone, breaks = excluded.breaks,"
            " scopes = excluded.scopes, set_us = excluded.set_us, set_by = excluded.set_by, removed_us = NULL",
            (number, organization, spec.name, spec.kind, spec.origin, json.dumps(dict(spec.settings)), sealed.wrapped_key, sealed.value,
             version + 1, ",".join(spec.kinds), spec.severity, spec.quiet, spec.zone, spec.breaks, ",".join(spec.scopes), now_us, by))
        made = channel_rows(db, " WHERE id = ?", (number,))[0]
        _chain(pen, made, "channel_set", by)
        return made

    def remove(self, pen: Appending, organization: int, name: str, by: str) -> ChannelRow | None:
        """Remove a channel: its seal is emptied, what waits for it is not sent. None: there is none."""
        row = find_channel(pen.db, organization, name)
        if row is not None:
            pen.db.execute("UPDATE alert_channel SET wrapped_key = ?, sealed = ?, removed_us = ? WHERE id = ?",
                           (b"", b"", pen.now_us, row.id))
            _chain(pen, row, "channel_removed", by)
        return row

    def secrets_of(self, row: ChannelRow) -> dict[str, str]:
        """What lets us speak there. Raises BrokenSeal."""
        found: dict[str, str] = json.loads(unseal(self.keks(), row.sealed, row.binding).reveal())
        return found


def rewrap_channels(db: Connection, keks: Sequence[bytes], entropy: Callable[[int], bytes]) -> int:
    """Wrap every channel's data key under the newest key-encryption key; how many there are. Raises BrokenSeal."""
    rows = channel_rows(db, " WHERE removed_us IS NULL", ())
    for row in rows:
        db.execute("UPDATE alert_channel SET wrapped_key = ? WHERE id = ?",
                   (rewrap(keks, row.sealed, row.binding, entropy).wrapped_key, row.id))
    return len(rows)


def find_channel(db: Connection, organization: int, name: str) -> ChannelRow | None:
    """A channel by its name."""
    found = channel_rows(db, " WHERE organization = ? AND name = ? AND removed_us IS NULL", (organization, name))
    return found[0] if found else None


def list_channels(db: Connection, organization: int) -> list[ChannelRow]:
    """An organisation's channels by name."""
    return channel_rows(db, " WHERE organization = ? AND removed_us IS NULL ORDER BY name", (organization,))


def channel_rows(db: Connection, condition: str, values: Sequence[Any]) -> list[ChannelRow]:
    """Channels by a condition of ours."""
    return [_row(*row) for row in db.execute("SELECT " + _COLUMNS + " FROM alert_channel" + condition, values)]  # noqa: S608


def _row(*row: Any) -> ChannelRow:
    number, organization, name, kind, origin, settings, wrapped_key, sealed, version, kinds, severity, *quiet, scopes, set_us, set_by = row
    return ChannelRow(number, organization, name, kind, origin, json.loads(settings), Sealed(wrapped_key, sealed), version,
                      tuple(kinds.split(",")) if kinds else (), severity, _quiet(*quiet),
                      tuple(scopes.split(",")) if scopes else (), set_us, set_by)


def _chain(pen: Appending, row: ChannelRow, event: str, by: str) -> None:
    """Chain where alerts go from now on: whom it tells is in the table, for it may be a person."""
    pen.chain(row.organization).append({
        "kind": "ALERTS", "at": pen.now_us, "event": event, "actor": by, "channel": row.name, "form": row.kind, "origin": row.origin,
        "version": row.version, "kinds": list(row.kinds), "severity": row.severity, "scopes": list(row.scopes)})


def _quiet(text: str, zone: str, breaks: str) -> QuietHours | None:
    return quiet_hours(text, zone, None if breaks == NO_BREAK else breaks) if text else None  # type: ignore[arg-type]  # checked when set


def _check(spec: ChannelSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        raise Refused("invalid_request", "A channel's name has 1 to 64 letters, digits, dots, dashes or underscores.")
    if any(len(value) > VALUE_CHARS_MAX or not value.isprintable() for value in (*spec.settings.values(), *spec.secrets.values())):
        raise Refused("invalid_request", f"A channel's values have at most {VALUE_CHARS_MAX} characters on one line.")
    if wrong := [scope for scope in spec.scopes if not _SCOPE.fullmatch(scope)]:
        raise Refused("invalid_request", f"{wrong[0]!r} is no scope of a channel: say team:search or project:search/web.")
    if wrong_kind := unknown_kind(spec.kinds):
        raise Refused("invalid_request", wrong_kind)
    if spec.severity not in SEVERITIES or spec.breaks not in (*SEVERITIES, NO_BREAK):
        raise Refused("invalid_request", f"A severity is one of {', '.join(SEVERITIES)}.")
    try:
        _quiet(spec.quiet, spec.zone, spec.breaks)
    except BadQuietHours as fault:
        raise Refused("invalid_request", str(fault)) from None
