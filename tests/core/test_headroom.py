"""Whether a plan fits: what is left, less what the pace will take, against what the plan takes until the end."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.headroom import DAY_US, MONTH_US, Span, headroom

USD = 10**9


def test_a_third_of_the_time_and_a_third_of_the_money_leave_room_for_nothing_more() -> None:
    span = Span(0, 90 * DAY_US, 30 * DAY_US)
    even = headroom(900 * USD, 300 * USD, 0, span, 0)
    assert (even.remaining, even.expected, even.headroom, even.fits) == (600 * USD, 600 * USD, 0, True)
    assert not headroom(900 * USD, 300 * USD, 0, span, 1).fits
    saves = headroom(900 * USD, 400 * USD, 0, span, -200 * USD)
    assert (saves.headroom < 0, saves.fits) == (True, True)


def test_before_a_day_has_passed_there_is_no_pace() -> None:
    fresh = headroom(100 * USD, 10 * USD, 5 * USD, Span(0, MONTH_US, DAY_US - 1), 50 * USD)
    assert (fresh.expected, fresh.headroom) == (0, 85 * USD)
    assert fresh.fits


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(-10**13, 10**13), st.integers(DAY_US, 400 * DAY_US))
def test_nothing_fits_by_rounding(limit: int, spent: int, delta: int, now_us: int) -> None:
    end_us = 365 * DAY_US
    found = headroom(limit, spent, 0, Span(0, end_us, now_us), delta)
    left = Fraction(max(0, end_us - now_us))
    exact = limit - spent - Fraction(spent) * left / now_us - Fraction(delta) * left / MONTH_US
    assert not found.fits or exact >= 0
    assert found.fits or exact < 2
