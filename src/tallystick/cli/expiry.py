"""When something ends, as people type it: `30d`, `12h`, `90m`, a date (to its end, UTC), or a moment
with its zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from tallystick.core.moments import us_of

_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dhm])")
_MINUTES: Final = {"d": 24 * 60, "h": 60, "m": 1}


class BadTime(ValueError):
    """What names no moment to come; the message says what does."""


def expiry_us(text: str, now_us: int) -> int:
    """The moment the text names, in microseconds since the epoch.

    Raises BadTime for what names none, and for the past.
    """
    if span := _SPAN.fullmatch(text):
        return now_us + int(span[1]) * _MINUTES[span[2]] * 60_000_000
    try:
        if len(text) == len("2026-12-31"):
            end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
        else:
            end = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadTime(f"'{text}' is no time: give 30d, 12h, 2026-12-31 or 2026-12-31T18:00:00Z") from None
    if end.tzinfo is None:
        raise BadTime(f"'{text}' names no zone: end it with Z or +01:00")
    moment_us = us_of(end)
    if moment_us <= now_us:
        raise BadTime(f"'{text}' is in the past")
    return moment_us
