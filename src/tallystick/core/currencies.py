"""Limits as people write them, in dollars: what is set in another currency is converted once, by the rate that the
operator configured (decimal text, dollars for one unit), and the rate is kept beside the limit. There is no feed
of rates: a cap must not move because a market did, and Finance has a rate for its plans anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

from tallystick.core.budget import Amount, BadBudget, Unit, parse_limit
from tallystick.core.money import EXACT
from tallystick.core.windows import Window

DOLLARS: Final = "USD"
Rates = Mapping[str, str]
"""Dollars for one unit, by the currency's code; as configured."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was written (`amount`, `window`) and as it is counted: `value` in nano-USD, tokens or calls.
    `rate`: what converted it, None where nothing had to be."""

    amount: Amount
    window: Window | None
    value: int
    rate: str | None = None


def read_limit(text: str, rates: Rates) -> Limit:
    """`500 EUR/month` at the configured rate; all that `parse_limit` reads. Raises BadBudget, also for a currency
    without a rate."""
    amount, window = parse_limit(text)
    return converted(amount, window, rates)


def converted(amount: Amount, window: Window | None, rates: Rates) -> Limit:
    """The limit in what it is counted in. Raises BadBudget."""
    if amount.unit != "money" or amount.currency == DOLLARS:
        return Limit(amount, window, amount.value)
    rate = rates.get(amount.currency)
    if rate is None:
        known = ", ".join(sorted(rates)) or "none"
        raise BadBudget(f"No rate for {amount.currency} is configured; [currencies] has {known}.")
    return Limit(amount, window, in_dollars(amount.value, rate), rate)


def in_dollars(nanos: int, rate: str) -> int:
    """Nanos of a currency as nano-USD, rounded once, half to even."""
    return int(EXACT.multiply(Decimal(nanos), Decimal(rate)).to_integral_value(rounding=ROUND_HALF_EVEN, context=EXACT))


def read_extra(text: str, unit: Unit, currency: str, rate: str | None) -> int:
    """How much a budget is raised by, in its own unit: dollars, or its own currency at the rate that stands beside its
    limit. Raises BadBudget for what the budget does not count."""
    limit = read_limit(text, {currency: rate} if rate is not None else {})
    if limit.amount.unit != unit:
        raise BadBudget(f"The budget counts {unit}; {text!r} is in {limit.amount.unit}.")
    if limit.window is not None:
        raise BadBudget(f"{text!r}: a raise has no window; it lasts until it ends.")
    return limit.value


def same_rate(one: str | None, other: str | None) -> bool:
    """Whether two rates are the same number."""
    return one == other or (one is not None and other is not None and Decimal(one) == Decimal(other))


def rate_fault(rate: str) -> str | None:
    """Why a text is no rate; None where it is one."""
    try:
        number = Decimal(rate)
    except InvalidOperation:
        return "is no decimal number"
    return None if number.is_finite() and 0 < number < 10**9 else "is not above 0 and below a thousand million"
