"""How long an answer may be so that its call still fits a budget that clamps: the largest output limit whose worst case
fits what is not spent yet. It is searched by the very bound that holds are made of, so tiers and alternatives need no
formula of their own, and what is sent with that limit is sure to fit.

A limit is not lowered below what a dialect takes, nor to where what the model may reason by the caller's own word
leaves no room for an answer, nor to a handful of tokens that answer nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tallystick.core.call import Facts
from tallystick.core.errors import Room
from tallystick.core.worst_case import WorstCase

FLOOR_TOKENS: Final = 64
CLAMPS_MAX: Final = 3
"""How many budgets of a path may clamp one call, the next each lower."""


def fitting_limit(bound: Callable[[int], WorstCase], room: Room, least: int, most: int) -> int | None:
    """The largest limit from `least` to below `most` whose worst case (`bound`, which grows with it) fits the room; None
    where not even the least does."""
    if least >= most or not _fits(bound(least), room):
        return None
    low, high = least, most                  # low fits, high is what did not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(bound(middle), room) else (low, middle)
    return low


def least_limit(facts: Facts, dialects_least: int) -> int:
    """The lowest limit that may be set for a call."""
    reasoning = 0 if facts.reasoning_limit is None else facts.reasoning_limit
    return max(FLOOR_TOKENS, dialects_least) + reasoning


def _fits(worst: WorstCase, room: Room) -> bool:
    return worst.priced and (worst.nanos if room.unit == "money" else worst.tokens) <= room.amount
