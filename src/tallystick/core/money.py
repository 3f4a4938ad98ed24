"""Money is an integer count of nanos (1e-9) of one currency. Rates are Decimal, because providers
quote fractions of a nano per token ($0.04 an hour is 11,111.1 nanos a second without end). Products
are exact; an entry rounds their sum once, half-even, in `to_nanos`, and nothing else rounds.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

NANOS_PER_UNIT = 1_000_000_000

# 28 digits, as money.md §5.7: quantities below 1e12 times rates of 12 digits stay exact. Division
# (per hour, per million) happens once per line, at the end, and is the only inexact step before
# the rounding; 28 digits put its error 15 places below a nano.
EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN)
_NANO = Decimal(NANOS_PER_UNIT)
_PLAIN: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def to_nanos(amount: Decimal) -> int:
    """The one rounding: an exact amount in currency units to whole nanos, half to even."""
    scaled = EXACT.multiply(amount, _NANO)
    return int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN, context=EXACT))


def read_amount(text: str) -> int:
    """What a person wrote as an amount of currency units, in nanos, exactly: digits with at most nine places.
    Raises ValueError for anything else, a tenth of a nano included."""
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"not an amount with at most nine decimal places: {text[:40]}")
    return int(Decimal(text).scaleb(9))


def from_nanos(amount_nanos: int) -> Decimal:
    """Nanos back to currency units, exactly."""
    return Decimal(amount_nanos).scaleb(-9)


def decimal_text(amount_nanos: int) -> str:
    """Nanos as a plain decimal string of currency units with nine places: `2500` → `0.000002500`."""
    sign = "-" if amount_nanos < 0 else ""
    whole, part = divmod(abs(amount_nanos), NANOS_PER_UNIT)
    return f"{sign}{whole}.{part:09d}"
