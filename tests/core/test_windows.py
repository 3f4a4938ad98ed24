"""A budget's windows lie one beside the other without gap or overlap, in every zone and on every day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.windows import END_OF_TIME_US, BadWindow, Window, bounds, day_start_us, parse_window

ZONES = ("UTC", "Africa/Cairo", "America/Havana", "America/Santiago", "America/St_Johns", "Asia/Beirut", "Asia/Kathmandu",
         "Asia/Tehran", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Auckland", "America/New_York")
SPELLINGS = ("minute", "30m", "90m", "hour", "6h", "5h", "day", "3d", "week", "week@sun", "2w", "month", "month@15", "month@31", "6mo",
             "quarter", "quarter@4", "year", "year@4-6", "4-4-5@2026-02-01", "5-4-4@2025-06-30")


def instant(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def span(text: str, at: str, zone: str = "UTC") -> tuple[str, str]:
    start, end = bounds(parse_window(text), ZoneInfo(zone), instant(at, zone))
    return tuple(datetime.fromtimestamp(us / 1e6, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for us in (start, end))  # type: ignore[return-value]


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_has_one_window_for_each_local_day_and_no_hour_is_lost(zone: str) -> None:
    at, end = instant("2026-01-01", zone), instant("2027-01-01", zone)
    windows, microseconds = 0, 0
    while at < end:
        start, after = bounds(Window("day"), ZoneInfo(zone), at)
        assert start == at, "each begins where the last one ended"
        windows, microseconds, at = windows + 1, microseconds + after - start, after
    assert windows == 365
    assert microseconds == 8_760 * 3_600_000_000


@given(st.sampled_from(ZONES), st.sampled_from(SPELLINGS),
       st.integers(instant("2000-01-01"), instant("2060-01-01")))
def test_an_instant_lies_in_its_window_and_the_next_begins_where_it_ends(zone: str, spelling: str, at_us: int) -> None:
    window = parse_window(spelling)
    start, end = bounds(window, ZoneInfo(zone), at_us)
    assert start <= at_us < end
    assert bounds(window, ZoneInfo(zone), start) == (start, end)
    assert bounds(window, ZoneInfo(zone), end - 1) == (start, end)
    assert bounds(window, ZoneInfo(zone), end)[0] == end
    assert bounds(window, ZoneInfo(zone), start - 1)[1] == start


@pytest.mark.parametrize(("zone", "day", "begins", "hours"), [
    ("Africa/Cairo", "2026-04-24", "01:00", 23),         # midnight is skipped
    ("America/Havana", "2026-11-01", "00:00", 25),       # midnight comes twice: the first counts
    ("America/Toronto", "1919-03-31", "00:30", 23.5),    # midnight lies within a gap
])
def test_a_day_begins_at_its_first_instant(zone: str, day: str, begins: str, hours: float) -> None:
    opens = day_start_us(date.fromisoformat(day), ZoneInfo(zone))
    closes = day_start_us(date.fromisoformat(day) + timedelta(1), ZoneInfo(zone))
    assert datetime.fromtimestamp(opens / 1e6, ZoneInfo(zone)).strftime("%H:%M") == begins
    assert closes - opens == hours * 3_600_000_000


def test_a_day_that_a_zone_leaves_out_has_no_window() -> None:
    assert span("day", "2011-12-29T12:00", "Pacific/Apia") == ("2011-12-29 00:00", "2011-12-31 00:00")


@pytest.mark.parametrize(("text", "expected"), [
    ("month@31", ("2026-10-31 00:00", "2026-11-30 00:00")),          # November's last
    ("month@15", ("2026-11-15 00:00", "2026-12-15 00:00")),
    ("quarter", ("2026-10-01 00:00", "2027-01-01 00:00")),
    ("quarter@2", ("2026-11-01 00:00", "2027-02-01 00:00")),
    ("year@4-6", ("2026-04-06 00:00", "2027-04-06 00:00")),
    ("week", ("2026-11-16 00:00", "2026-11-23 00:00")),
    ("week@sun", ("2026-11-15 00:00", "2026-11-22 00:00")),
    ("4-4-5@2026-02-01", ("2026-11-01 00:00", "2026-11-29 00:00")),
    ("30d", ("2026-11-01 00:00", "2026-12-01 00:00")),               # LiteLLM's month
    ("7d", ("2026-11-16 00:00", "2026-11-23 00:00")),
    ("1mo", ("2026-11-01 00:00", "2026-12-01 00:00")),
    ("24h", ("2026-11-21 00:00", "2026-11-22 00:00")),
    ("6h", ("2026-11-21 12:00", "2026-11-21 18:00")),
    ("3600s", ("2026-11-21 13:00", "2026-11-21 14:00")),
    ("monthly", ("2026-11-01 00:00", "2026-12-01 00:00")),
])
def test_windows_by_hand(text: str, expected: tuple[str, str]) -> None:
    assert span(text, "2026-11-21T13:30") == expected


def test_an_anchor_on_the_31st_keeps_a_leap_february() -> None:
    assert span("month@31", "2028-02-29T00:00") == ("2028-02-29 00:00", "2028-03-31 00:00")


def test_a_long_fiscal_year_gives_its_53rd_week_to_the_last_period() -> None:
    starts = {bounds(parse_window("4-4-5@2026-02-01"), UTC, instant(f"{year}-06-01"))[0] for year in range(2026, 2032)}
    assert len(starts) == 6
    lengths = set()
    at = instant("2026-02-01")
    while at < instant("2032-02-01"):
        start, at = bounds(parse_window("4-4-5@2026-02-01"), UTC, at)
        lengths.add((at - start) // (7 * 86_400_000_000))
    assert lengths == {4, 5, 6}


def test_total_has_no_end() -> None:
    assert bounds(parse_window("total"), UTC, instant("2026-11-21")) == (0, END_OF_TIME_US)


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_window_is_written_as_it_is_read(text: str) -> None:
    window = parse_window(text)
    assert parse_window(str(window)) == window


@pytest.mark.parametrize("text", ["", "fortnight", "0d", "-1d", "90s", "month@32", "month@0", "week@9", "quarter@13", "4-4-4@2026-02-01",
                                  "4-4-5@2026-02-30", "99999d", "day@3"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(BadWindow):
        parse_window(text)
