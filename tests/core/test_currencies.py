"""Limits in other currencies: converted once, by a rate that is named."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.budget import BadBudget
from tallystick.core.currencies import in_dollars, rate_fault, read_extra, read_limit, same_rate

RATES = {"EUR": "1.08", "JPY": "0.0067"}


def test_a_limit_in_euros_is_counted_in_dollars_and_says_how() -> None:
    limit = read_limit("500 EUR/month", RATES)
    assert (limit.value, limit.rate, str(limit.window)) == (540_000_000_000, "1.08", "month")
    assert (limit.amount.value, limit.amount.currency) == (500_000_000_000, "EUR")
    assert read_limit("€500", RATES).value == limit.value


@pytest.mark.parametrize("text", ["500", "$500/day", "2m tokens", "10k calls/hour"])
def test_dollars_tokens_and_calls_need_no_rate(text: str) -> None:
    limit = read_limit(text, {})
    assert (limit.value, limit.rate) == (limit.amount.value, None)


def test_a_currency_without_a_rate_is_refused_by_name() -> None:
    with pytest.raises(BadBudget, match="CHF"):
        read_limit("500 CHF", RATES)


@given(st.integers(0, 1 << 62), st.decimals("0.000001", 1000, places=6))
def test_converting_rounds_once_to_the_nearest_nano(nanos: int, rate: object) -> None:
    exact = Fraction(nanos) * Fraction(str(rate))
    assert abs(in_dollars(nanos, str(rate)) - exact) <= Fraction(1, 2) + exact / 10**27


def test_a_raise_is_in_what_the_budget_counts() -> None:
    assert read_extra("50 EUR", "money", "EUR", "1.08") == 54_000_000_000
    assert read_extra("50", "money", "EUR", "1.08") == 50_000_000_000
    assert read_extra("2k tokens", "tokens", "USD", None) == 2_000
    for text, unit in (("50", "tokens"), ("10 calls", "money"), ("50/day", "money"), ("50 EUR", "money")):
        with pytest.raises(BadBudget):
            read_extra(text, unit, "USD", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "good"), [("1.08", True), ("1e-3", True), ("0", False), ("-1", False), ("NaN", False),
                                            ("Infinity", False), ("1,08", False), ("", False), ("1e99", False)])
def test_what_is_a_rate(rate: str, good: bool) -> None:
    assert (rate_fault(rate) is None) == good


def test_rates_are_compared_as_numbers() -> None:
    assert same_rate("1.08", "1.080")
    assert same_rate(None, None)
    assert not same_rate("1.08", "1.09")
    assert not same_rate(None, "1")
