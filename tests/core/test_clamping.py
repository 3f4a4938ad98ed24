"""An answer is cut to what fits: the largest limit whose worst case does, never below a floor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.core.clamping import FLOOR_TOKENS, fitting_limit, least_limit
from tallystick.core.errors import Room
from tallystick.core.worst_case import WorstCase

RATE = 10_000
TIER = 4_096


def bound(limit: int) -> WorstCase:
    """Output at one rate, beyond a tier at twice that, over an input of 1,000 tokens."""
    return WorstCase(2_500_000 + RATE * (limit + max(0, limit - TIER)), 1_000 + limit, 1_000, priced=True)


@given(st.integers(0, 500_000_000), st.integers(1, 500), st.integers(1, 100_000), st.sampled_from(["money", "tokens"]))
def test_it_is_the_largest_that_fits(amount: int, least: int, most: int, unit: str) -> None:
    room = Room(1, unit, amount)  # type: ignore[arg-type]  # one of the two
    limit = fitting_limit(bound, room, least, most)

    def fits(tokens: int) -> bool:
        worst = bound(tokens)
        return (worst.nanos if unit == "money" else worst.tokens) <= amount

    if limit is None:
        assert least >= most or not fits(least)
    else:
        assert least <= limit < most
        assert fits(limit)
        assert limit == most - 1 or not fits(limit + 1)


def test_the_floor_leaves_room_for_an_answer_beyond_what_may_be_reasoned() -> None:
    assert least_limit(Facts(), 1) == FLOOR_TOKENS
    assert least_limit(Facts(), 256) == 256
    assert least_limit(Facts(reasoning_limit=2_048), 1) == 2_048 + FLOOR_TOKENS


def test_what_has_no_price_is_not_clamped() -> None:
    assert fitting_limit(lambda _: WorstCase(0, 0, 0, priced=False), Room(1, "money", 10), 64, 1_000) is None
