"""The spans of time that a budget counts in: which window an instant belongs to, and when the next begins.

A window is named by its first instant, so a reset is a new name and nothing is ever set back to zero.
Days, and what is made of days, begin with the local date: the *first instant* whose date in the zone is
that date or a later one. That is right where a zone skips midnight (Cairo, 24 April 2026: the day begins
at 01:00), repeats it (Havana, 1 November 2026) or skips a whole day (Apia, 30 December 2011: no window).
Minutes and hours are counted from their local day's first instant and end with the day, so the windows
of a zone lie one beside the other without gap or overlap (books.md §2.5).
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal

Unit = Literal["minute", "hour", "day", "week", "month", "fiscal", "total"]

_SECOND_US: Final = 1_000_000
_LENGTH_US: Final = {"minute": 60 * _SECOND_US, "hour": 3600 * _SECOND_US}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY: Final = date(1970, 1, 5)            # weeks are counted from here
END_OF_TIME_US: Final = 1 << 62
"""The end of a window that has none."""

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS_OF: Final = {"month": 1, "quarter": 3, "year": 12}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,3})(s|m|min|h|d|w|mo|y)")
_FISCAL: Final = re.compile(r"([45])-([45])-([45])@([0-9]{4}-[0-9]{2}-[0-9]{2})")
_LONGEST: Final = {"minute": 1440, "hour": 24, "day": 3660, "week": 520, "month": 120}


class BadWindow(ValueError):
    """A window that cannot be read; the message says what can."""


@dataclass(frozen=True, slots=True)
class Window:
    """`count` units make one window. `weekday` (0 = Monday) begins a week; `month` and `day` begin a
    month, quarter or year (a month without that day: its last). A fiscal calendar has years that begin
    on the weekday of `begins` nearest to its month and day, and quarters of `pattern` weeks; the 53rd
    week of a long year belongs to the last period."""

    unit: Unit
    count: int = 1
    weekday: int = 0
    month: int = 1
    day: int = 1
    begins: date | None = None
    pattern: tuple[int, int, int] = (4, 4, 5)

    def __str__(self) -> str:
        """As `parse_window` reads it."""
        match self.unit:
            case "total":
                return "total"
            case "fiscal":
                return f"{'-'.join(map(str, self.pattern))}@{self.begins}"
            case "week" if self.weekday:
                return f"{_plural('week', 'w', self.count)}@{_WEEKDAYS[self.weekday]}"
            case "month":
                return self._months_text()
            case "minute" | "hour" | "day" | "week":
                return _plural(self.unit, {"minute": "m", "hour": "h", "day": "d", "week": "w"}[self.unit], self.count)

    def _months_text(self) -> str:
        name = next((name for name, months in _MONTHS_OF.items() if months == self.count), f"{self.count}mo")
        if self.count == 1:
            return name if self.day == 1 else f"{name}@{self.day}"
        if (self.month, self.day) == (1, 1):
            return name
        return f"{name}@{self.month}" if self.day == 1 else f"{name}@{self.month}-{self.day}"


TOTAL: Final = Window("total")


def parse_window(text: str) -> Window:
    """Read a window: `minute`, `hour`, `day`, `week`, `month`, `quarter`, `year`, `total`; with a beginning
    of its own `week@sun`, `month@15`, `quarter@4`, `year@4-6` (from 6 April); a number of units, `30m`,
    `6h`, `3d`, `2w`, `6mo`; a fiscal calendar `4-4-5@2026-02-01`. LiteLLM's durations are read as it
    means them: `1d` and `24h` a day, `7d` a week, `30d` a month; seconds must make whole minutes.

    Raises BadWindow.
    """
    word = text.strip().lower().removeprefix("per ").replace("monthly", "month").replace("daily", "day")
    word = word.replace("weekly", "week").replace("hourly", "hour").replace("yearly", "year").replace("quarterly", "quarter")
    if fiscal := _FISCAL.fullmatch(word):
        return _fiscal(fiscal)
    name, _, anchor = word.partition("@")
    window = _counted(name)
    if window is None:
        raise BadWindow(f"{text!r} is no window: say minute, hour, day, week, month, quarter, year, total, 30m, 6h, 3d, "
                        "month@15, year@4-6 or 4-4-5@2026-02-01.")
    return _anchored(window, anchor, text) if anchor else window


def bounds(window: Window, zone: tzinfo, at_us: int) -> tuple[int, int]:
    """The window that an instant (microseconds UTC) belongs to: its first instant, and the first after it."""
    if window.unit == "total":
        return 0, END_OF_TIME_US
    today = _local_date(at_us, zone)
    if window.unit in _LENGTH_US:
        opens, closes = day_start_us(today, zone), day_start_us(today + timedelta(1), zone)
        length_us = _LENGTH_US[window.unit] * window.count
        start = opens + (at_us - opens) // length_us * length_us
        return start, min(start + length_us, closes)
    first, after = _days(window, today)
    return day_start_us(first, zone), day_start_us(after, zone)


def day_start_us(day: date, zone: tzinfo) -> int:
    """The first instant whose local date is `day` or later."""
    guess = _instant(datetime(day.year, day.month, day.day, tzinfo=zone))
    if _local_date(guess - 1, zone) < day:
        return guess
    low, high = guess // _SECOND_US - 86_400, guess // _SECOND_US       # midnight lies within a gap: look for its end
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _local_date(middle * _SECOND_US, zone) >= day else (middle, high)
    return high * _SECOND_US


def _counted(name: str) -> Window | None:
    if name == "total":
        return TOTAL
    if name in _MONTHS_OF:
        return Window("month", _MONTHS_OF[name])
    if name in ("minute", "hour", "day", "week"):
        return Window(name)                  # type: ignore[arg-type]  # narrowed by the line above
    duration = _DURATION.fullmatch(name)
    return _from_duration(int(duration[1]), duration[2]) if duration else None


def _from_duration(number: int, letter: str) -> Window:
    if letter == "s":
        if number % 60:
            raise BadWindow(f"{number}s: seconds must make whole minutes.")
        number, letter = number // 60, "m"
    unit: Unit = {"m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "month"}[letter]  # type: ignore[assignment]
    count = number * 12 if letter == "y" else number
    if unit == "minute" and count % 60 == 0:
        unit, count = "hour", count // 60
    if (unit, count) == ("hour", 24):
        unit, count = "day", 1
    if unit == "day" and count in (7, 30):
        unit, count = ("week", 1) if count == 7 else ("month", 1)
    if count > _LONGEST[unit]:
        raise BadWindow(f"{number}{letter}: the longest is {_LONGEST[unit]} {unit}s.")
    return Window(unit, count)


def _anchored(window: Window, anchor: str, text: str) -> Window:
    if window.unit == "week" and anchor[:3] in _WEEKDAYS:
        return Window("week", window.count, weekday=_WEEKDAYS.index(anchor[:3]))
    if window.unit == "month" and re.fullmatch(r"[0-9]{1,2}(-[0-9]{1,2})?", anchor):
        numbers = [int(part) for part in anchor.split("-")]
        month, day = (1, numbers[0]) if window.count == 1 else (numbers[0], numbers[1] if len(numbers) > 1 else 1)
        if 1 <= month <= 12 and 1 <= day <= 31 and (window.count > 1 or len(numbers) == 1):
            return Window("month", window.count, month=month, day=day)
    raise BadWindow(f"{text!r}: a week begins @mon … @sun, a month @1 … @31, a quarter or year @MONTH or @MONTH-DAY.")


def _fiscal(match: re.Match[str]) -> Window:
    pattern = (int(match[1]), int(match[2]), int(match[3]))
    if sum(pattern) != 13:
        raise BadWindow(f"{match[0]}: a fiscal quarter has 13 weeks.")
    try:
        begins = date.fromisoformat(match[4])
    except ValueError:
        raise BadWindow(f"{match[4]} is no date.") from None
    return Window("fiscal", begins=begins, pattern=pattern)


def _days(window: Window, today: date) -> tuple[date, date]:
    """First day of the window that a local date belongs to, and of the next."""
    if window.unit == "fiscal":
        return _fiscal_days(window, today)
    if window.unit == "month":
        ordinal = _months_since(window, today)
        return _month_start(window, ordinal), _month_start(window, ordinal + window.count)
    length = window.count * (7 if window.unit == "week" else 1)
    origin = _MONDAY + timedelta(window.weekday) if window.unit == "week" else _EPOCH.date()
    first = today - timedelta((today - origin).days % length)
    return first, first + timedelta(length)


def _months_since(window: Window, today: date) -> int:
    """The month, counted from year 0, in which today's window begins."""
    ordinal = today.year * 12 + today.month - 1
    first = ordinal - (ordinal - (window.month - 1)) % window.count
    return first if _month_start(window, first) <= today else first - window.count


def _month_start(window: Window, ordinal: int) -> date:
    year, month = divmod(ordinal, 12)
    return date(year, month + 1, min(window.day, monthrange(year, month + 1)[1]))


def _fiscal_days(window: Window, today: date) -> tuple[date, date]:
    year = today.year + 1
    while _fiscal_year(window, year) > today:
        year -= 1
    first, next_year = _fiscal_year(window, year), _fiscal_year(window, year + 1)
    periods = window.pattern * 4
    for place, weeks in enumerate(periods):
        after = first + timedelta(weeks=weeks) if place < len(periods) - 1 else next_year
        if today < after:
            return first, after
        first = after
    raise AssertionError("a year's periods end with the year")


def _fiscal_year(window: Window, year: int) -> date:
    """The year's first day: the weekday of `begins` nearest to its month and day."""
    begins = window.begins
    assert begins is not None, "a fiscal window has a beginning"
    near = date(year, begins.month, min(begins.day, monthrange(year, begins.month)[1]))
    ahead = (begins.weekday() - near.weekday()) % 7
    return near + timedelta(ahead if ahead <= 3 else ahead - 7)


def _local_date(at_us: int, zone: tzinfo) -> date:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone).date()


def _instant(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _plural(name: str, letter: str, count: int) -> str:
    return name if count == 1 else f"{count}{letter}"
