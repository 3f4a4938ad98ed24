"""Figures as the API writes them: JSON numbers of dollars that are exact decimals (the encoder writes a
Decimal's own digits, no float between), and days of the organisation's zone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Response
from pydantic import BeforeValidator

from tallystick.core.money import decimal_text

_DAY: Final = re.compile(r"(19[7-9]|2\d\d)\d-\d{2}-\d{2}")        # far from where calendars end
_HOUR: Final = re.compile(_DAY.pattern + r"T\d{2}:00:00Z")


def _as_day(text: object) -> object:
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError("a day is YYYY-MM-DD, from 1970 to 2999")
    return text


Day = Annotated[date, BeforeValidator(_as_day)]
"""A day as callers write it, and nothing that merely could be read as one."""


def _as_hour(text: object) -> object:
    if not isinstance(text, str) or not _HOUR.fullmatch(text):
        raise ValueError("a whole hour of UTC is YYYY-MM-DDTHH:00:00Z, from 1970 to 2999")
    return text


Hour = Annotated[datetime, BeforeValidator(_as_hour)]
"""The moment at which an hour of UTC begins, as callers write it."""

_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
EPOCH: Final = date(1970, 1, 1).toordinal()


def answer(document: Any) -> Response:
    """The document as JSON."""
    return Response(_ENCODE(document), media_type="application/json")


def dollars(amount_nanos: int) -> Decimal:
    """Nanos as a plain decimal number of dollars without closing zeros."""
    text = decimal_text(amount_nanos)
    return Decimal(text.rstrip("0").rstrip("."))


def mean_dollars(amount_nanos: int, count: int) -> Decimal:
    """The mean, to a whole nano."""
    return dollars(share(amount_nanos, count)) if count else Decimal(0)


def share(amount: int, count: int) -> int:
    """amount / count to the nearest whole, halves up."""
    return (2 * amount + count) // (2 * count)


def ratio(part: int, whole: int) -> Decimal | None:
    """part / whole to four places; None of nothing."""
    if not whole:
        return None
    return Decimal(share(part * 10_000, whole)).scaleb(-4)


def local(now_us: int, zone: str) -> datetime:
    """The moment in the organisation's zone."""
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).astimezone(ZoneInfo(zone))


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the rows of calls count them."""
    return day.toordinal() - EPOCH


