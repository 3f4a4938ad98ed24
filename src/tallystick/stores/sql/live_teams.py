"""The first names of renamed teams, as the line asks for them: in memory, put in place anew when the control plane changed
(`poll`: a step of jobs/runner, every 250 ms, and of the budget keeper before it acknowledges a change)."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.team_names import names_by_slug


class LiveTeams:
    """`core.identity.TeamsOf` over the database."""

    def __init__(self, database: Database) -> None:
        """Raises StoreFault when the database cannot be read."""
        self._database = database
        self._first: Mapping[str, Mapping[str, str]] = {}
        self._seen = -1
        self.poll()

    def get(self, organization: str, /) -> Mapping[str, str] | None:
        return self._first.get(organization)

    def poll(self) -> bool:
        """Take up what changed. Returns False: there is never more to do at once. Raises StoreFault."""
        count = self._database.change_count()
        if count != self._seen:
            with self._database.read() as db:
                self._first = {slug: names.first for slug, names in names_by_slug(db).items()}
            self._seen = count
        return False
