"""Wrong keys and tokens at the API slow an address down, as they do at the gateway (core/guesses.py): after some within a
minute, a credential from there that was not found good before is not looked up, and says so (429), until the minute is over.
A browser's cookie and a login are no guesses at keys: a page that was left open shows an old one, and passwords have a door
of their own (login.py).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

from tallystick.control.problems import Problem
from tallystick.core.guesses import Guesses
from tallystick.core.peers import network_of

KNOWN_MAX: Final = 10_000


class Guessing:
    """The counts of one process, and the credentials it found good lately, as hashes. Times are monotonic microseconds."""

    def __init__(self, free: int) -> None:
        self._guesses = Guesses(free)
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def check(self, presented: str, peer: str, now_us: int) -> None:
        """Raises Problem 429 in place of another guess."""
        wait_s = self._guesses.wait_s(network_of(peer), now_us) if self._guesses else 0
        if wait_s and _digest(presented) not in self._known:
            says = "Too many wrong keys or tokens came from this address; wait."
            raise Problem(429, "too_many_attempts", says, {"retry-after": str(wait_s)})

    def found(self, presented: str, peer: str, now_us: int, *, good: bool) -> None:
        """What came of one that was looked up."""
        digest = _digest(presented)
        self._known.pop(digest, None)
        if not good:
            self._guesses.count(network_of(peer), now_us)
            return
        self._known[digest] = None
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
