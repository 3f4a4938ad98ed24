"""What calls take of rates: so many in this window, so many under way. One instance's counts, in memory; the same code
replays past calls. Nothing waits and nothing is refused half: a call gets all that its policies say, or nothing.

Windows are whole multiples of their length since the epoch. A limit is shared among the instances that live
(`Part`): `limit` places are dealt out one by one, so that the shares add up to the limit. An instance that joins others
gets its share with the next window, when they have taken theirs back; of calls at once, when they have agreed (sharing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tallystick.core.attempt import Judged
from tallystick.core.errors import Denied
from tallystick.core.policies.policy import Claimed
from tallystick.core.policies.sharing import Place

SLOTS_MAX: Final = 100_000


class Part(NamedTuple):
    """This instance is number `rank` (from 0) of `among` that live; before `from_us` it has no share at all. `at_once`: of calls
    at once it has the least share in these."""

    among: int = 1
    rank: int = 0
    from_us: int = 0
    at_once: tuple[Place, ...] = (Place(1, 0),)

    def share(self, limit: int, window_start_us: int, parts: int) -> int:
        """Its share of a limit in a window in which it was cut into so many parts. What is left over by the division goes to
        the first, unless one of them has gone and may have used it."""
        if window_start_us < self.from_us:
            return 0
        return limit // parts + (parts == self.among and self.rank < limit % parts)


WHOLE: Final = Part()


@dataclass(slots=True)
class _Slot:
    """Of one policy and subject. `parts`: into how many the limit is cut in this window; that only grows in it. `at_once`: how
    many calls may run on all instances, None for any number."""

    start_us: int = -1
    requests: int = 0
    tokens: int = 0
    running: int = 0
    parts: int = 1
    at_once: int | None = None


@dataclass(slots=True)
class Counters:
    _slots: dict[tuple[int, str], _Slot] = field(default_factory=dict)

    def take(self, claims: Sequence[Claimed], at_us: int, part: Part = WHOLE) -> tuple[Denied | None, tuple[Judged, ...]]:
        """Take what a call claims of every policy. The refusal of the first that has no room, and then nothing is taken; or
        what policies that only observe would have refused."""
        observed: list[Judged] = []
        for claimed in claims:
            denied = self._denied(claimed, self._slot(claimed, at_us, part), at_us, part)
            if denied is not None and claimed.enforced:
                return denied, ()
            if denied is not None:
                observed.append(Judged(claimed.policy, "observed"))
        for claimed in claims:
            slot = self._slot(claimed, at_us, part)
            slot.requests += 1
            slot.tokens += claimed.claim.needed_tokens
            slot.running += 1
        return None, tuple(observed)

    def end(self, claims: Sequence[Claimed], at_us: int, tokens: int) -> None:
        """The call that took these at this moment is over, and took so many tokens."""
        for claimed in claims:
            slot = self._slots.get((claimed.policy, claimed.subject))
            if slot is None:
                continue
            slot.running = max(0, slot.running - 1)
            if slot.start_us == _start(claimed, at_us):
                slot.tokens = max(0, slot.tokens + tokens - claimed.claim.needed_tokens)

    def within(self, place: Place) -> bool:
        """Whether no more calls run than the share of an instance in this place. May be asked from another thread."""
        return all(slot.at_once is None or slot.running <= place.share(slot.at_once) for slot in tuple(self._slots.values()))

    def _slot(self, claimed: Claimed, at_us: int, part: Part) -> _Slot:
        key = claimed.policy, claimed.subject
        slot = self._slots.get(key)
        if slot is None:
            if len(self._slots) >= SLOTS_MAX:
                self._sweep(at_us)
            slot = self._slots[key] = _Slot()
        start_us = _start(claimed, at_us)
        if slot.start_us != start_us:
            slot.start_us, slot.requests, slot.tokens, slot.parts = start_us, 0, 0, 1
        slot.parts, slot.at_once = max(slot.parts, part.among), claimed.claim.concurrent
        return slot

    @staticmethod
    def _denied(claimed: Claimed, slot: _Slot, at_us: int, part: Part) -> Denied | None:
        claim = claimed.claim
        asked = (("requests", claim.requests, slot.requests, 1), ("tokens", claim.tokens, slot.tokens, claim.needed_tokens))
        for what, limit, taken, needed in asked:
            if limit is not None and taken + needed > part.share(limit, slot.start_us, slot.parts):
                return _refusal(claimed, what, limit, at_us)
        if claim.concurrent is not None:
            if slot.running >= min((place.share(claim.concurrent) for place in part.at_once), default=0):
                return _refusal(claimed, "concurrent", claim.concurrent, at_us)
        return None

    def _sweep(self, at_us: int) -> None:
        """Forget what counts nothing any more."""
        kept = {key: slot for key, slot in self._slots.items() if slot.running or slot.start_us > at_us - 120_000_000}
        self._slots = kept if len(kept) < SLOTS_MAX else {}


def _start(claimed: Claimed, at_us: int) -> int:
    return at_us - at_us % claimed.claim.window_us


def _refusal(claimed: Claimed, what: str, limit: int, at_us: int) -> Denied:
    whose = f" for {claimed.subject}" if claimed.subject else ""
    said = {**claimed.about, "limit": str(limit), "of": what}
    if what == "concurrent":
        return Denied("too_many_at_once", f"At most {limit} calls at once{whose}.", retry_after_s=1, details=said)
    window_us = claimed.claim.window_us
    wait_s = -(-(window_us - at_us % window_us) // 1_000_000)
    return Denied("rate_limited", f"At most {limit} {what} in {window_us // 1_000_000} s{whose}.", retry_after_s=wait_s, details=said)
