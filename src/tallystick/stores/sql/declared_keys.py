"""Keys as items of a file: what they are called, whose they are, what they are bound to, when they end. A file changes
keys and never makes or revokes one: a key's text exists once and belongs in no file, and a line that somebody lost must
not stop a service. So an item names a key that stands, and pruning leaves keys alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.core.moments import moment_text
from tallystick.stores.declaring import Fields, Identity
from tallystick.stores.sql.accounts import canonical_email
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.declared import Hand, moment_in, texts_in
from tallystick.stores.sql.directory import LABELS, Directory, KeyRow, KeySpec, Refused, checked_labels, find_key, list_keys, spec_of
from tallystick.stores.sql.engine import DEFAULT_TEAM

_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class KeySection:
    """Keys that are valid, by their ids. `owner` is a member's address."""

    hand: Hand
    directory: Directory
    name: str = "keys"
    prunable: bool = False
    fields: tuple[str, ...] = ("id", "name", *LABELS, "dimensions", "credential", "owner", "expires")

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        said: dict[str, Any] = dict(texts_in({name: value for name, value in raw.items() if name != "dimensions"}, self.fields))
        dimensions = raw.get("dimensions", {})
        if not said.get("id") or not isinstance(dimensions, dict) or not all(isinstance(value, str) for value in dimensions.values()):
            raise Refused("invalid_request", "A key has an id; its dimensions are a table of texts.")
        if said.get("expires"):
            said["expires"] = moment_text(moment_in(said["expires"]))
        if said.get("project") and said.get("team") == "":
            said["team"] = DEFAULT_TEAM
        return (said["id"],), {**said, **({"dimensions": dimensions} if "dimensions" in raw else {})}

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        emails: dict[str, str] = dict(db.execute("SELECT id, email FROM account").fetchall())
        return {(row.id,): _fields(row, emails) for row in self._active()}

    def check(self, fields: Fields) -> None:
        row = self._row(fields["id"])
        checked_labels(self._spec(row, fields))
        if fields.get("expires") and moment_in(fields["expires"]) <= self.hand.now_us():
            raise Refused("invalid_request", "ends in the past; to end a key now, revoke it.")

    def put(self, fields: Fields) -> None:
        hand = self.hand
        self.directory.change_key(hand.organization, fields["id"], lambda row: self._spec(row, fields), hand.now_us(), hand.by)

    def take(self, identity: Identity) -> None:
        raise Refused("invalid_request", f"A file does not revoke {identity[0]}; `tallystick keys revoke` does.")

    def _active(self) -> list[KeyRow]:
        found, after, now_us = list[KeyRow](), None, self.hand.now_us()
        while page := list_keys(self.hand.sequencer.database, self.hand.organization, after=after, limit=_PAGE):
            found += (row for row in page if row.status(now_us) == "active")
            after = page[-1].created_us, page[-1].id
        return found

    def _row(self, key_id: str) -> KeyRow:
        row = find_key(self.hand.sequencer.database, self.hand.organization, key_id)
        if row is not None and row.status(self.hand.now_us()) == "active":
            return row
        raise Refused("not_found", "is no valid key; a file makes none, `tallystick keys create` does.")

    def _spec(self, row: KeyRow, fields: Fields) -> KeySpec:
        return replace(
            spec_of(row), labels={label: fields[label] for label in LABELS if fields.get(label)}, dimensions=fields.get("dimensions", {}),
            name=fields.get("name", ""), credential=fields.get("credential") or None, owner=self._owner(fields.get("owner", "")),
            expires_us=moment_in(fields["expires"]) if fields.get("expires") else None)

    def _owner(self, email: str) -> str | None:
        if not email:
            return None
        with self.hand.sequencer.database.read() as db:
            row = db.execute("SELECT id FROM account WHERE email = ?", (canonical_email(email) or "",)).fetchone()
        if row is None:
            raise Refused("unknown_owner", f"{email} is no member; the owner of a key is one.")
        return str(row[0])


def _fields(row: KeyRow, emails: Mapping[str, str]) -> Fields:
    said: dict[str, Any] = {"id": row.id, "name": row.name, **{label: row.labels.get(label, "") for label in LABELS},
                            "dimensions": dict(row.dimensions), "credential": row.credential or "",
                            "owner": emails.get(row.owner, "") if row.owner else ""}
    return said if row.expires_us is None else {**said, "expires": moment_text(row.expires_us)}
