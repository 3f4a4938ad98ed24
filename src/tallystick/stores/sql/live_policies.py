"""The policies in force, as the line asks for them. All of it is in memory; `poll` reads the change counter (a step of
jobs/runner, every 250 ms, and of the budget keeper before it acknowledges a change, so that a command which returns
is in force) and puts new books in the place of the old ones when something moved: a call sees either all of a change
or none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final

from tallystick.core.draw import NodeKey
from tallystick.core.errors import StoreFault
from tallystick.core.policies.book import PolicyBook
from tallystick.core.policies.counters import WHOLE, Part
from tallystick.core.policies.parameters import BadPolicy
from tallystick.core.policies.sharing import Place, Sharing, place_of
from tallystick.ports import Clock
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.policy_rows import policy_books

NODES_MAX: Final = 100_000
SPENT_EVERY_US: Final = 1_000_000
SEEN_WITHIN_US: Final = 2_000_000            # by when every instance that reaches the database has seen a new one
_OTHERS: Final = (
    "SELECT i.id, m.members FROM instance i LEFT JOIN rate_members m ON m.instance = i.id"
    " WHERE i.stopped_us IS NULL AND i.seen_us + i.staleness_us > ? AND i.id <> ?")
_SAY: Final = ("INSERT INTO rate_members (instance, members) VALUES (?, ?)"
               " ON CONFLICT (instance) DO UPDATE SET members = excluded.members")


class LivePolicies:
    """`core.policies.book.Policies` over the database. `poll` may run in another thread than the calls."""

    def __init__(self, database: Database, clock: Clock, instance: str = "") -> None:
        """`instance`: which of the running ones this is. Raises StoreFault when the database cannot be read."""
        self.changed: Callable[[], object] = lambda: None        # called after every change, in the thread that saw it
        self.within: Callable[[Place], bool] = lambda _: True    # whether no more calls run here than a share
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._books: Mapping[str, PolicyBook] = {}
        self._seen = -1
        self._instance = instance
        self._joined: int | None = None      # when this instance began to have part of a rate; None: no policy sets one
        self._sharing = Sharing(instance)
        self.part = WHOLE
        self._spent: Mapping[NodeKey, int] = {}
        self._spent_from: int | None = None  # percent of a limit from which a policy asks what is spent
        self._spent_us = 0
        self.poll()

    def get(self, organization: str, /) -> PolicyBook | None:
        return self._books.get(organization)

    def organizations(self) -> Collection[str]:
        """Those that have policies."""
        return self._books.keys()

    def spent(self, node: NodeKey) -> int:
        """What the ledger has counted on a budget's node, as of some seconds ago; 0 where that is less than any policy asks for."""
        return self._spent.get(node, 0)

    def poll(self) -> bool:
        """Take up what changed. Returns False: there is never more to do at once. Raises StoreFault when the database
        cannot be read; what is in force then stands."""
        with self._lock:
            if self._joined is not None:
                self._take_part(first=False)
            if self._spent_from is not None and self._clock.now_us() - self._spent_us >= SPENT_EVERY_US:
                self._take_spent(self._spent_from)
            count = self._database.change_count()
            if count == self._seen:
                return False
            try:
                with self._database.read() as db:
                    found = policy_books(db, self._clock.now_us())
            except BadPolicy as fault:       # written by a newer release: what is in force stays, and it is said
                raise StoreFault(f"a policy cannot be read: {fault}") from fault
            if self._joined is None and any(book.has_rates for book in found.values()):
                self._take_part(first=self._seen < 0)
            self._spent_from = min((least for book in found.values() if (least := book.asks_budgets_from) is not None), default=None)
            if self._spent_from is not None:
                self._take_spent(self._spent_from)
            self._seen = count
            changed, self._books = found != self._books, found
        if changed:
            self.changed()
        return False

    def _take_spent(self, percent: int) -> None:
        """See which budgets are spent so far that a policy asks about them."""
        self._spent_us = self._clock.now_us()
        with self._database.read() as db:
            self._spent = {NodeKey(budget, subject, start_us): int(settled) for budget, subject, start_us, settled in db.execute(
                "SELECT n.budget, n.subject, n.start_us, n.settled FROM budget_node n JOIN budget b ON b.id = n.budget"
                " WHERE n.end_us > ? AND b.removed_us IS NULL AND n.settled >= b.amount / 100 * ? ORDER BY n.settled DESC LIMIT ?",
                (self._spent_us, percent, NODES_MAX))}

    def _take_part(self, *, first: bool) -> None:
        """See who else lives: the limits of rates are shared with them. Who comes to others has no share until they have
        surely seen it, and none of calls at once until they agree."""
        now_us, sharing = self._clock.now_us(), self._sharing
        with self._database.read() as db:
            others = {name: said or "" for name, said in db.execute(_OTHERS, (now_us, self._instance))}
        if self._joined is None:             # where all of them live already, all learn of the first limit at once
            self._joined = now_us + SEEN_WITHIN_US if others and first else 0
            if not self._joined:
                sharing.begin(others)
        if members := sharing.seen(others, self.within):
            with self._database.write() as db:
                db.execute(_SAY, (self._instance, members))
            sharing.said = members
        place = place_of(self._instance, others)
        self.part = Part(place.among, place.rank, self._joined, sharing.places)
