"""How long a reply says to stay away, read out of what providers really send with a refusal:

- `retry-after-ms`: milliseconds; what the OpenAI and Anthropic SDKs look at first, sent by Azure.
- `Retry-After` (RFC 9110 §10.2.3): seconds, or a date in the form that RFC 9110 §5.6.7 says to send (`Sun, 06 Nov 1994
  08:49:37 GMT`). A date is taken against the reply's own `Date` where it has one: our clocks need not agree.
- `google.rpc.RetryInfo` in the details of an error body (`"retryDelay": "34.07s"`): Gemini and Vertex send no header.

`x-ratelimit-reset-*` and `anthropic-ratelimit-*-reset` are not read: they say when a quota will be *whole* again, which is
long after the next call has room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

_NUMBER: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9})[0-9]*)?", re.ASCII)
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
_DETAILS_MAX: Final = 16


def stated_wait_us(headers: Mapping[str, str], error: Mapping[str, Any], now_us: int) -> int | None:
    """The microseconds to stay away; None where the reply does not say, or says something that cannot be read. `headers`:
    names in lower case; `error`: the error body, empty where there is none."""
    waits = (
        _microseconds(headers.get("retry-after-ms", ""), 1_000),
        _microseconds(headers.get("retry-after", ""), 1_000_000),
        _until(headers.get("retry-after", ""), headers.get("date", ""), now_us),
        *(_microseconds(delay.removesuffix("s"), 1_000_000) for delay in _retry_delays(error)),
    )
    return next((wait for wait in waits if wait), None)


def _microseconds(text: str, unit_us: int) -> int | None:
    found = _NUMBER.fullmatch(text.strip()[:40])
    if found is None:
        return None
    return int(found[1]) * unit_us + int((found[2] or "").ljust(9, "0")) * unit_us // 1_000_000_000


def _until(text: str, sent: str, now_us: int) -> int | None:
    date_us = _moment_us(text)
    sent_us = _moment_us(sent)
    return None if date_us is None else max(0, date_us - (now_us if sent_us is None else sent_us))


def _moment_us(text: str) -> int | None:
    found = _DATE.fullmatch(text.strip()[:40])
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        moment = datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC)
        return int(moment.timestamp()) * 1_000_000
    except ValueError:
        return None


def _retry_delays(error: Mapping[str, Any]) -> Iterator[str]:
    said = error.get("error")
    details = said.get("details") if isinstance(said, dict) else None
    for detail in details[:_DETAILS_MAX] if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == _RETRY_INFO and isinstance(detail.get("retryDelay"), str):
            yield detail["retryDelay"]
