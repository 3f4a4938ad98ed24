"""Who shares the limits on calls at once. Windows begin anew, calls that run do not: so instances agree on their shares, and
together they never pass a limit, whoever joins, leaves or starts again.

Each says, where all can read it, among which *members* it counts, once no more of its calls run than its share among them.
While members change it has the least of the shares it was given since all agreed last; who is new has none. It takes up its
share among new members, which may be more than it had, when every one of them has said the same members.

Why that holds: what an instance lets run never exceeds its share among the members that it has said, for it says them only
after it keeps to that share, and rises only when it says what it rises to. Take who agreed last: all members had then said the
same, have not agreed on anything else since, and the shares among the same members add up to the limit. Who is not a
member any more lets nothing through (jobs/keeping.py); what it still has running is not counted by the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Number `rank` (from 0) of `among`."""

    among: int
    rank: int

    def share(self, limit: int) -> int:
        """Its part of a limit that is dealt out one by one."""
        return limit // self.among + (self.rank < limit % self.among)


def place_of(name: str, others: Mapping[str, str]) -> Place:
    """Where an instance stands among all, by name."""
    return Place(len(others) + 1, sum(other < name for other in others))


@dataclass(slots=True)
class Sharing:
    """One instance. `places`: it has the least of its shares in these, and none where there are none. `said`: the members it
    has said last."""

    name: str
    places: tuple[Place, ...] = ()
    said: str = ""
    _members: str = ""

    def begin(self, others: Mapping[str, str]) -> None:
        """All that live share from now on, and nothing is counted yet: there is nothing to agree about."""
        self.places = (place_of(self.name, others),)
        self._members = self._of(others)

    def seen(self, others: Mapping[str, str], within: Callable[[Place], bool]) -> str | None:
        """Take up who lives beside it, and what each of them has said ("" for nothing yet). The members that are to be said
        now, if any; `said` is theirs once that is done. `within`: whether no more calls run than the share in a place."""
        members, now = self._of(others), place_of(self.name, others)
        if members != self._members:
            self._members = members          # a call that is just being let through may still go by its share before
            self.places = (*dict.fromkeys((*self.places, now)),) if self.places else ()
            return None
        if self.said != members:
            return members if within(now) else None
        if all(theirs == members for theirs in others.values()):
            self.places = (now,)
        return None

    def _of(self, others: Mapping[str, str]) -> str:
        return " ".join(sorted((*others, self.name)))
