"""When an alert goes out: at once, after a failure later and later, not at night unless it is grave, and many at a time
in one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallystick.core.alerts.alert import Severity, at_least

BACKOFF_S: Final = (5, 30, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)
"""Waits between attempts: at most 13 attempts over 28 hours."""
RETRY_AFTER_S_MAX: Final = 3_600
GROUP_FROM: Final = 5                        # so many waiting for one channel of people become one message
_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


class BadQuietHours(ValueError):
    """Quiet hours that cannot be read; the message says what can."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` to `ends` of each local day, over midnight where `ends` is the earlier. What is at least as grave
    as `breaks` goes out all the same; None: nothing does."""

    begins: time
    ends: time
    zone: str
    breaks: Severity | None = "critical"

    def until_us(self, severity: str, now_us: int) -> int:
        """When this may go out: now, or when the quiet ends."""
        if self.breaks is not None and at_least(severity, self.breaks):
            return now_us
        local = datetime.fromtimestamp(now_us // 1_000_000, ZoneInfo(self.zone))
        clock = local.time()
        over_midnight = self.begins >= self.ends
        quiet = clock >= self.begins or clock < self.ends if over_midnight else self.begins <= clock < self.ends
        if not quiet:
            return now_us
        tomorrow = over_midnight and clock >= self.begins
        ends = datetime.combine(local.date() + timedelta(days=int(tomorrow)), self.ends, tzinfo=local.tzinfo)
        return max(now_us, (ends - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def quiet_hours(text: str, zone: str, breaks: Severity | None) -> QuietHours:
    """Read `22:00-07:00`. Raises BadQuietHours."""
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise BadQuietHours(f"{text!r} are no quiet hours: say 22:00-07:00.")
    first, second, third, fourth = (int(part) for part in match.groups())
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadQuietHours(f"{zone} is no time zone; say Europe/Berlin, America/New_York, UTC…") from None
    return QuietHours(time(first, second), time(third, fourth), zone, breaks)


def next_try_us(tries: int, now_us: int, retry_after_s: int | None = None) -> int | None:
    """When to try again after so many failures, None when it is enough. What the service asks for is waited for, up to
    an hour."""
    if tries > len(BACKOFF_S):
        return None
    wait_s = max(BACKOFF_S[tries - 1], min(retry_after_s or 0, RETRY_AFTER_S_MAX))
    return now_us + wait_s * 1_000_000
