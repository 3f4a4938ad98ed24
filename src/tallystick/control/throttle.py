"""Login attempts from one address slow down as they fail: after a few free ones each further failure doubles the wait,
and time clears it. Accounts are counted in the database (stores/sql/login_failures.py); addresses of callers are kept
nowhere but here, in the memory of one worker, and bounded. A restart forgives, which costs an attacker more than it
gains them: Argon2id still stands behind it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

ADDRESS_FREE: Final = 20
DELAY_S_MAX: Final = 900
_FORGET_S: Final = 3600
_NAMES_MAX: Final = 10_000
_US: Final = 1_000_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_us: int = 0


@dataclass(slots=True)
class Throttle:
    """Failures by name. Times are monotonic microseconds."""

    free: int
    _names: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def wait_s(self, name: str, now_us: int) -> int:
        """Seconds until this name may try again, rounded up; 0 when it may now."""
        seen = self._names.get(name)
        if seen is None or seen.count < self.free:
            return 0
        delay_s = min(DELAY_S_MAX, 1 << min(seen.count - self.free, 16))
        left_us = seen.last_us + delay_s * _US - now_us
        return max(0, -(-left_us // _US))

    def failed(self, name: str, now_us: int) -> None:
        """Count a failure; one that came long after the last begins anew."""
        seen = self._names.pop(name, None)
        if seen is None or now_us - seen.last_us > _FORGET_S * _US:
            seen = _Failures()
        seen.count += 1
        seen.last_us = now_us
        self._names[name] = seen
        if len(self._names) > _NAMES_MAX:
            self._names.popitem(last=False)

    def took_back(self, name: str) -> None:
        """Undo one failure that turned out to be none, and keep the others: one good login must not
        wash an address clean of its guesses at other accounts."""
        seen = self._names.get(name)
        if seen is not None:
            seen.count -= 1
