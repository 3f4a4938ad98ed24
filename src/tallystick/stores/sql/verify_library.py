"""Does the library stand as its PROMPT entries say? A version that was put there, exchanged or taken away in the table alone is
found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.library import list_approved
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.verify_directory import Difference


class Library:
    """What one chain's entries say of it, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._said: dict[tuple[int, int], tuple[int, tuple[Any, ...]]] = {}

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A PROMPT entry. Raises KeyError for one that lacks what it must say."""
        place = fields["prompt_key"], fields["prompt_version"]
        if fields["event"] == "withdrawn":
            self._said.pop(place, None)
        else:
            self._said[place] = seq, (fields.get("sha256"), fields["actor"], fields["at"], fields["approved"])

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        said, names = dict(self._said), Names(self._db, self._organization)
        for row in list_approved(self._db, self._organization):
            place = names.number("prompt_key", row.prompt) or 0, names.number("prompt_version", row.version) or 0
            seq, stands = said.pop(place, (None, ()))
            if stands != (row.sha256, row.proposed_by, row.approved_us, row.approved_by):
                yield Difference(seq, f"version {row.version} of prompt {row.prompt} is approved otherwise than any entry says")
        for seq, _ in said.values():
            yield Difference(seq, "an approved version of a prompt is missing")
