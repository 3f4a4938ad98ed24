"""The names of a chain for `verify`: every number is DEFINEd once and before its first use, and the dictionary says of it
what its DEFINE said. A private name is compared by its MAC, and not at all once it was erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.core.entry import PRIVATE
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.journal import private_mac
from tallystick.stores.sql.verify_scopes import RENAMED

# Members that are numbers of names, with the kind they are numbers of.
NAMED: Final = {**{kind: kind for kind in (
    "key", "team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version", "session",
    "tags", "dimensions", "provider", "operation", "model", "dialect", "credential", "route", "price_version", "end_user", "code",
)}, "served": "model"}
_NO_NUMBERS: Final = frozenset[int]()


class Definitions:
    """What the entries read so far have defined."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._numbers: dict[str, set[int]] = {}

    def define(self, seq: int, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Take a DEFINE; what is wrong with it, as check and message."""
        kind, number = fields["of"], fields["id"]
        numbers = self._numbers.setdefault(kind, set())
        if number in numbers:
            yield "define", f"{kind} {number} is defined twice"
        numbers.add(number)
        place = (self._organization, kind, number)
        shown, content = fields["mac" if kind in PRIVATE else "name"], fields.get("content", {})
        row = self._db.execute("SELECT name, content, seq FROM dictionary WHERE organization = ? AND kind = ? AND id = ?", place).fetchone()
        if kind in RENAMED:                  # what it is called now, its later entries say
            row = row and (shown, *row[1:])
        if row is None or (row[0], json.loads(row[1]), row[2]) != (shown, content, seq):
            yield "dictionary", f"{kind} {number} stands otherwise in the dictionary than in its DEFINE"
        if kind in PRIVATE:
            secret = self._db.execute("SELECT salt, value FROM dictionary_private WHERE organization = ? AND kind = ? AND id = ?",
                                      place).fetchone()
            if secret is not None and private_mac(*secret) != shown:
                yield "dictionary", f"the private value of {kind} {number} is not the one that was defined"

    def undefined(self, fields: Mapping[str, Any]) -> Iterator[str]:
        """What an entry names before it is defined."""
        for member, number in fields.items():
            kind = NAMED.get(member)
            if kind is not None and number not in self._of(kind):
                yield f"{member} {number} is used before it is defined"
        for team in fields.get("teams", ()):
            if team not in self._of("team"):
                yield f"team {team} is used before it is defined"
        for line in fields.get("lines", ()):
            if len(line) > 2 and line[2] and line[2] not in self._of("price_row"):
                yield f"price row {line[2]} is used before it is defined"
            if len(line) > 4 and line[4] and line[4] not in self._of("factor"):
                yield f"factor {line[4]} is used before it is defined"
        for part in fields.get("parts", ()):
            if part[1] not in self._of("model"):
                yield f"model {part[1]} is used before it is defined"

    def differences(self) -> Iterator[str]:
        """What the dictionary holds beside what was defined."""
        counts = self._db.execute("SELECT kind, count(*) FROM dictionary WHERE organization = ? GROUP BY kind", (self._organization,))
        for kind, count in counts.fetchall():
            if count != len(self._of(kind)):
                yield f"the dictionary has {count} of kind {kind}, the entries define {len(self._of(kind))}"

    def _of(self, kind: str) -> set[int] | frozenset[int]:
        return self._numbers.get(kind, _NO_NUMBERS)
