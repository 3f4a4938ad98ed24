"""The policies in force, as the line asks for them. All of it is in memory; `poll` reads the change counter (a step of
jobs/runner, every 250 ms, and of the budget keeper before it acknowledges a change, so that a command which returns
is in force) and puts new books in the place of the old ones when something moved: a call sees either all of a change
or none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from tallystick.core.policies.book import PolicyBook
from tallystick.core.policies.parameters import BadPolicy
from tallystick.core.errors import StoreFault
from tallystick.ports import Clock
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.policy_rows import policy_books

log = structlog.get_logger(__name__)


class LivePolicies:
    """`core.policies.book.Policies` over the database. `poll` may run in another thread than the calls."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Raises StoreFault when the database cannot be read."""
        self.changed: Callable[[], object] = lambda: None        # called after every change, in the thread that saw it
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._books: Mapping[str, PolicyBook] = {}
        self._seen = -1
        self.poll()

    def get(self, organization: str, /) -> PolicyBook | None:
        return self._books.get(organization)

    def poll(self) -> bool:
        """Take up what changed. Returns False: there is never more to do at once. Raises StoreFault when the database
        cannot be read; what is in force then stands."""
        with self._lock:
            count = self._database.change_count()
            if count == self._seen:
                return False
            try:
                with self._database.read() as db:
                    found = policy_books(db, self._clock.now_us())
            except BadPolicy as fault:       # written by a newer release: what is in force stays, and it is said
                raise StoreFault(f"a policy cannot be read: {fault}") from fault
            self._seen = count
            changed, self._books = found != self._books, found
        if changed:
            self.changed()
        return False
