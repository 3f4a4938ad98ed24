"""Whether a plan fits what an envelope still has: what is left, less what the present pace will take until it ends, is
the head-room; a change of so much a month costs its share of the months that are left.

The pace is a plain run rate: what was spent since the envelope began over the time since then. Before a day has passed
there is none, and what is left is all head-room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_US: Final = 86_400_000_000
MONTH_US: Final = 365 * DAY_US // 12         # 30 days and 10 hours


@dataclass(frozen=True, slots=True)
class Span:
    """An envelope's time, and the moment at which one asks."""

    starts_us: int
    ends_us: int
    now_us: int

    @property
    def left_us(self) -> int:
        return max(0, self.ends_us - max(self.now_us, self.starts_us))


@dataclass(frozen=True, slots=True)
class Headroom:
    """All in nano-USD. `expected`: what the pace takes until the end; `planned`: what the change takes until then."""

    remaining: int
    expected: int
    planned: int

    @property
    def headroom(self) -> int:
        """What is left for plans; below nothing where the pace alone passes the envelope."""
        return self.remaining - self.expected

    @property
    def fits(self) -> bool:
        return self.planned <= self.headroom


def headroom(limit: int, spent: int, held: int, span: Span, monthly_delta: int) -> Headroom:
    """How a change of `monthly_delta` a month (negative: it saves) stands against an envelope. Rounded so that nothing
    fits by rounding."""
    past_us = span.now_us - span.starts_us
    expected = _share_up(spent, span.left_us, past_us) if past_us >= DAY_US else 0
    return Headroom(limit - spent - held, expected, _share_up(monthly_delta, span.left_us, MONTH_US))


def _share_up(amount: int, part: int, whole: int) -> int:
    return -(-amount * part // whole)
