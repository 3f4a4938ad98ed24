"""An alert: a sentence with figures that somebody should read, once.

Its `thread` is what it is about (one budget in one window, one key); its `mark` says which step on the way it is
(80% under the third cap, 7 days left). The pair is the dedupe key: the database holds each pair once, so that
whichever instance sees a crossing first, it is told once. All alerts of a thread are one incident or ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final, Literal

from tallystick.core.budget import Unit
from tallystick.core.money import NANOS_PER_UNIT, decimal_text

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
_CENT: Final = NANOS_PER_UNIT // 100


@dataclass(frozen=True, slots=True)
class Alert:
    """`facts` are the figures of `text` for programs, `path` is where the API shows what it is about. `scopes`: whose it is,
    as in `team:search` (`scopes_of`); nobody's in particular where there are none."""

    kind: str
    thread: str
    mark: str
    severity: Severity
    title: str
    text: str
    facts: Mapping[str, str | int] = field(default_factory=dict)
    path: str = ""
    scopes: tuple[str, ...] = ()


def scopes_of(kind: str, value: str) -> tuple[str, ...]:
    """A scope and those that it lies in, as texts: of a project `team/project`, its team too."""
    if not value:
        return (kind,)
    team = value.partition("/")[0]
    return (f"project:{value}", f"team:{team}") if kind == "project" else (f"{kind}:{value}",)


def at_least(severity: str, least: str) -> bool:
    """Whether one severity is as grave as another."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


def figure(unit: Unit, amount: int) -> str:
    """An amount as people read it: `$412.50`, `12,000 tokens`; what is less than a cent in full."""
    if unit != "money":
        return f"{amount:,} {unit}"
    sign, nanos = ("-" if amount < 0 else ""), abs(amount)
    if 0 < nanos < _CENT:
        return f"{sign}${decimal_text(nanos).rstrip('0')}"
    cents = (nanos + _CENT // 2) // _CENT
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def moment(at_us: int, zone: tzinfo = UTC) -> str:
    """An instant as people of a zone read it: `Mon 23 Nov 2026, 14:00`."""
    return datetime.fromtimestamp(at_us // 1_000_000, zone).strftime("%a %d %b %Y, %H:%M")


def day(at_us: int, zone: tzinfo = UTC) -> str:
    """The date of an instant: `Mon 23 Nov 2026`."""
    return datetime.fromtimestamp(at_us // 1_000_000, zone).strftime("%a %d %b %Y")


def moment_text(at_us: int) -> str:
    """An instant as programs read it: RFC 3339, UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
