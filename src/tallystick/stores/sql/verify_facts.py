"""The rows beside the entries, read along with them: each entry of a call has one, and no other is there."""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import Any, Final

from tallystick.stores.sql.callfact import COLUMNS
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months

SEQ: Final = COLUMNS.index("seq")
_SELECT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM call_fact_{month} WHERE organization = ? ORDER BY seq"  # noqa: S608 - literals


class Facts:
    """The fact rows of one organisation in the order of their entries, each handed out once; `rest_max`: how
    many of those that belong to no entry are of interest."""

    def __init__(self, db: Connection, organization: int, rest_max: int) -> None:
        parts = [db.stream(month_sql(_SELECT, month), (organization,)) for month in months(db)]
        self._rows = heapq.merge(*parts, key=itemgetter(SEQ))
        self._next: tuple[Any, ...] | None = next(self._rows, None)
        self._rest_max = rest_max
        self._orphans: list[tuple[Any, ...]] = []

    def of(self, seq: int) -> tuple[Any, ...] | None:
        """The row of an entry; what stands before it belongs to none."""
        while self._next is not None and self._next[SEQ] < seq:
            self._orphans.append(self._next)
            self._next = next(self._rows, None)
        if self._next is None or self._next[SEQ] != seq:
            return None
        found, self._next = self._next, next(self._rows, None)
        return found

    def rest(self) -> list[tuple[Any, ...]]:
        """Rows that belong to no entry."""
        return [*self._orphans, *([self._next] if self._next is not None else ()), *self._rows][:self._rest_max]
