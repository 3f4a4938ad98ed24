"""How many wrong credentials came from where (books.md §4, threat 13): after some within a minute, one from there that is not
known to be good is not looked up any more until the minute is over. Known ones go on working, so that who shares an address
with a broken program does too. Bounded, and written nowhere.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

WINDOW_US: Final = 60_000_000
NETWORKS_MAX: Final = 10_000


@dataclass(slots=True)
class Guesses:
    """Wrong credentials by network (`peers.network_of`). `free`: how many in a minute count for nothing. Times are microseconds
    of a clock that never goes back."""

    free: int
    _wrong: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)     # network → how many, until when

    def __bool__(self) -> bool:
        """Whether there was any."""
        return bool(self._wrong)

    def wait_s(self, network: str, now_us: int) -> int:
        """Seconds until guesses from there are looked up again, rounded up; 0 when they are."""
        count, until_us = self._wrong.get(network, (0, 0))
        left_us = until_us - now_us
        if left_us <= 0:
            self._wrong.pop(network, None)
            return 0
        return -(-left_us // 1_000_000) if count >= self.free else 0

    def count(self, network: str, now_us: int) -> None:
        """One more."""
        seen, until_us = self._wrong.get(network, (0, 0))
        self._wrong[network] = (seen + 1, until_us) if until_us > now_us else (1, now_us + WINDOW_US)
        if len(self._wrong) > NETWORKS_MAX:
            self._wrong.popitem(last=False)
