"""How many wrong credentials came from where (books.md §4, threat 13): after some within a minute, one from there that is not
known to be good is not looked up any more until the minute is over. Known ones go on working, so that who shares an address
with a broken program does too. Bounded, and written nowhere.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

WINDOW_S: Final = 60
NETWORKS_MAX: Final = 10_000


@dataclass(slots=True)
class Guesses:
    """Wrong credentials by network (`peers.network_of`). `free`: how many in a minute count for nothing. Times are seconds of a
    clock that never goes back."""

    free: int
    _wrong: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)     # network → how many, until when

    def __bool__(self) -> bool:
        """Whether there was any."""
        return bool(self._wrong)

    def wait_s(self, network: str, now_s: float) -> int:
        """Seconds until guesses from there are looked up again, rounded up; 0 when they are."""
        count, until_s = self._wrong.get(network, (0, 0.0))
        left_s = until_s - now_s
        if left_s <= 0:
            self._wrong.pop(network, None)
            return 0
        return int(left_s) + 1 if count >= self.free else 0

    def count(self, network: str, now_s: float) -> None:
        """One more."""
        seen, until_s = self._wrong.get(network, (0, 0.0))
        self._wrong[network] = (seen + 1, until_s) if until_s > now_s else (1, now_s + WINDOW_S)
        if len(self._wrong) > NETWORKS_MAX:
            self._wrong.popitem(last=False)
