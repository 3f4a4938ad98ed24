"""The dictionary read both ways, within one view of the database: what a number stands for, and which
number a name has. Names of persons and free text lie in the private table beside it; after an erasure
only the ledger's HMAC is left, and they read as None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tallystick.core.attempt import Line
from tallystick.core.entry import PRIVATE
from tallystick.core.entry_lines import price_row_name
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.team_names import name_now


class Names:
    """One organisation's dictionary, each row read at most once."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._known: dict[tuple[str, int], str | None] = {}

    def of(self, kind: str, number: int) -> str | None:
        """The name behind a number; None for 0 and for a name that was erased."""
        if not number:
            return None
        key = (kind, number)
        if key not in self._known:
            query = ("SELECT value FROM dictionary_private WHERE organization = ? AND kind = ? AND id = ?" if kind in PRIVATE
                     else "SELECT name FROM dictionary WHERE organization = ? AND kind = ? AND id = ?")
            row = self._db.execute(query, (self._organization, kind, number)).fetchone()
            self._known[key] = row[0] if row else None
        return self._known[key]

    def number(self, kind: str, name: str) -> int | None:
        """The number of a name, of a team's by any that it had; None where nothing has been booked on it yet."""
        if kind == "team":
            name = name_now(self._db, self._organization, name)
        query = ("SELECT id FROM dictionary_private WHERE organization = ? AND kind = ? AND value = ?" if kind in PRIVATE
                 else "SELECT id FROM dictionary WHERE organization = ? AND kind = ? AND name = ?")
        row = self._db.execute(query, (self._organization, kind, name)).fetchone()
        return int(row[0]) if row else None

    def price_row(self, line: Line) -> Mapping[str, str]:
        """What the ledger states of a line's price row: its source and dates. Empty for a line without one."""
        name = price_row_name(line)
        query = "SELECT content FROM dictionary WHERE organization = ? AND kind = 'price_row' AND name = ?"
        row = self._db.execute(query, (self._organization, name)).fetchone()
        content: Mapping[str, str] = json.loads(row[0]) if row else {}
        return content
