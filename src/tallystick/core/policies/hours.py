"""When calls may be made: spans of the week in a time zone. Without `open` every time is open; what lies in `closed` is
not. `mon-fri 08:00-18:00`, `sat 10:00-14:00`, `22:00-06:00` (every day, into the next morning).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from tallystick.core.errors import Denied
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, refused

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)")
_DAY: Final = 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """Minutes of the local day on which it begins, `to` not included; where `to` is not after `begin`, it ends the next day."""

    days: frozenset[int]
    begin: int
    to: int

    def holds(self, weekday: int, minute: int) -> bool:
        if self.begin < self.to:
            return weekday in self.days and self.begin <= minute < self.to
        return (weekday in self.days and minute >= self.begin) or ((weekday - 1) % 7 in self.days and minute < self.to)


@dataclass(frozen=True, slots=True)
class Hours:
    """`said`: the spans as they were set, for the caller."""

    zone: tzinfo
    open: tuple[Span, ...] = ()
    closed: tuple[Span, ...] = ()
    said: str = ""

    def judge(self, case: Case) -> Denied | None:
        local = (_EPOCH + timedelta(microseconds=case.call.at_us)).astimezone(self.zone)
        weekday, minute = local.weekday(), local.hour * 60 + local.minute
        is_open = not self.open or any(span.holds(weekday, minute) for span in self.open)
        if is_open and not any(span.holds(weekday, minute) for span in self.closed):
            return None
        return refused(f"Calls are not open now ({self.said}).", hours=self.said)


def read(parameters: Parameters) -> Hours:
    zone = parameters.text("zone") or "UTC"
    opened, closed = parameters.texts("open"), parameters.texts("closed")
    if not opened and not closed:
        raise parameters.wrong("give open or closed, as in open = ['mon-fri 08:00-18:00'].")
    said = "; ".join(f"{word} {', '.join(texts)}" for word, texts in (("open", opened), ("closed", closed)) if texts)
    spans = [tuple(_span(text, parameters) for text in texts) for texts in (opened, closed)]
    return Hours(parameters.zone(zone), spans[0], spans[1], f"{said} {zone}")


def _span(text: str, parameters: Parameters) -> Span:
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or (found["first"] or "mon") not in _DAYS or (found["last"] or "mon") not in _DAYS:
        raise parameters.wrong(f"{text!r} is no span of the week; say mon-fri 08:00-18:00 or 22:00-06:00.")
    begin, end = _minute(found["from"]), _minute(found["to"])
    if begin is None or begin in (_DAY, end) or end is None:
        raise parameters.wrong(f"{text!r}: times go from 00:00 to 24:00, and no span is empty.")
    if found["first"] is None:
        return Span(frozenset(range(7)), begin, end)
    first = _DAYS.index(found["first"])
    days = (_DAYS.index(found["last"]) - first) % 7 if found["last"] else 0
    return Span(frozenset((first + day) % 7 for day in range(days + 1)), begin, end)


def _minute(text: str) -> int | None:
    hour, minute = map(int, text.split(":"))
    return hour * 60 + minute if minute < 60 and hour * 60 + minute <= _DAY else None
