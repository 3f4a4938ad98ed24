"""Instants: inside they are whole microseconds since the epoch, UTC; outside RFC 3339. One way there and one way back, so
that what one part writes every other reads to the microsecond.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def moment_text(at_us: int) -> str:
    """`2026-12-31T18:00:00Z`, with a fraction where there is one."""
    return (EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def us_of(moment: datetime) -> int:
    """The instant of a date and time that names its zone."""
    return (moment - EPOCH) // _MICROSECOND


def read_moment(text: str) -> int:
    """The instant that a text names, with any offset. Raises ValueError for what names none, or no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment; write 2026-12-31T00:00:00Z.") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; write 2026-12-31T00:00:00Z.")
    return us_of(moment)
