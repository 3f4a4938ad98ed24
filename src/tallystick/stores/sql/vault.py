"""The vault: provider credentials an organisation holds, sealed, several per provider by name. It is
written and listed, never read back: only the line opens a seal (`stored_credentials.py`), for the one
call that needs it.

Each change is one transaction: the row, a chained CREDENTIAL entry that says who, which and where,
never the value, and the change counter by which running servers see it. A credential belongs to the
origin that its provider had when it was set; a provider that was moved needs it set again, so that
nobody gets a key by moving an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.core import keyformat
from tallystick.core.entry import Fields
from tallystick.core.secret import Secret
from tallystick.core.signature_v4 import FORM, is_pair, keys_of
from tallystick.providers import PROVIDERS
from tallystick.stores.sealing import Binding, BrokenSeal, Keks, Sealed, rewrap, seal
from tallystick.stores.sql import engine
from tallystick.stores.sql.alerts_channels import rewrap_channels
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.second_factors import rewrap_factors

DEFAULT_NAME: Final = "default"              # what a call uses that nothing names a credential for
NAMES_MAX: Final = 1000                      # credentials of one organisation
VALUE_CHARS_MAX: Final = 8192
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIGNED: Final = frozenset(provider.id for provider in PROVIDERS if provider.signing is not None)
_VALUE: Final = re.compile(r"[\x21-\x7e]+")  # what can stand in a header as it is

_SELECT: Final = """
SELECT provider, name, version, origin, set_us, set_by FROM credential
WHERE organization = ? AND removed_us IS NULL"""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """A sealed credential as people see it: never its value, nor a part of it."""

    provider: str
    name: str
    version: int
    origin: str
    set_us: int
    set_by: str


@dataclass(frozen=True, slots=True)
class Vault:
    """Sets and removes credentials. `origins`: where each provider that can be called is, by id."""

    sequencer: Sequencer
    keks: Keks
    origins: Mapping[str, str]
    entropy: Callable[[int], bytes]

    def set(self, organization: int, provider: str, name: str, value: Secret, now_us: int, by: str) -> StoredCredential:
        """Seal a credential under the provider's present origin; one of that name is replaced for good.

        Raises Refused for a provider that cannot be called, a name or a value that cannot stand.
        """
        origin = self.origins.get(provider)
        if origin is None:
            raise Refused("unknown_provider", "There is no such provider, or it has no address yet: set its base_url first.")
        _check_name(name)
        _check_value(provider, value)
        with self.sequencer.append(now_us) as pen:
            held = pen.db.execute("SELECT count(*) FROM credential WHERE organization = ?", (organization,)).fetchone()[0]
            row = pen.db.execute("SELECT version FROM credential WHERE organization = ? AND provider = ? AND name = ?",
                                 (organization, provider, name)).fetchone()
            if row is None and held >= NAMES_MAX:
                raise Refused("too_many", f"An organisation holds at most {NAMES_MAX} credentials.")
            version = 1 if row is None else row[0] + 1
            sealed = seal(self.keks()[0], value, Binding(organization, provider, origin, name, version), self.entropy)
            pen.db.execute(
                "INSERT INTO credential (organization, provider, name, version, origin, wrapped_key, sealed, set_us, set_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization, provider, name) DO UPDATE SET version = excluded.version,"
                " origin = excluded.origin, wrapped_key = excluded.wrapped_key, sealed = excluded.sealed, set_us = excluded.set_us,"
                " set_by = excluded.set_by, removed_us = NULL",
                (organization, provider, name, version, origin, sealed.wrapped_key, sealed.value, now_us, by))
            stored = StoredCredential(provider, name, version, origin, now_us, by)
            _chain(pen, organization, "set", stored, by)
        return stored

    def remove(self, organization: int, provider: str, name: str, now_us: int, by: str) -> StoredCredential | None:
        """Remove a credential: its seals are emptied, its name and version stay. None: there is none."""
        with self.sequencer.append(now_us) as pen:
            stored = _find(pen.db, organization, provider, name)
            if stored is None:
                return None
            pen.db.execute("UPDATE credential SET wrapped_key = ?, sealed = ?, removed_us = ?"
                           " WHERE organization = ? AND provider = ? AND name = ?", (b"", b"", now_us, organization, provider, name))
            _chain(pen, organization, "removed", stored, by)
        return stored

    def assign(self, organization: int, team: str, project: str, name: str, now_us: int, by: str) -> bool:
        """Name the credential that a project's keys use unless they name one themselves; `default` is what
        they use without. False: there is no such project. Raises Refused for what is no name."""
        _check_name(name)
        with self.sequencer.append(now_us) as pen:
            row = pen.db.execute("SELECT p.id FROM project p JOIN team t ON t.id = p.team WHERE t.organization = ? AND t.name = ?"
                                 " AND p.name = ?", (organization, team, project)).fetchone()
            if row is None:
                return False
            pen.db.execute("UPDATE project SET credential = ? WHERE id = ?", (None if name == DEFAULT_NAME else name, row[0]))
            chain = pen.chain(organization)
            chain.append({
                "kind": "CREDENTIAL", "at": now_us, "event": "assigned", "actor": by, "team": chain.define("team", team),
                "project": chain.define("project", project), "credential": chain.define("credential", name)})
            engine.note_change(pen.db)
        return True

    def rewrap(self, now_us: int, by: str) -> int:
        """Wrap every data key under the newest key-encryption key; how many there are. Values are not opened.

        Raises Refused, and changes nothing, where one does not open.
        """
        with self.sequencer.append(now_us) as pen:
            keks = self.keks()
            rows = pen.db.execute("SELECT organization, provider, origin, name, version, wrapped_key, sealed FROM credential"
                                  " WHERE removed_us IS NULL").fetchall()
            for *bound, wrapped_key, value in rows:
                binding = Binding(*bound)
                try:
                    sealed = rewrap(keks, Sealed(wrapped_key, value), binding, self.entropy)
                except BrokenSeal:
                    raise Refused("does_not_open", f"{binding.provider} '{binding.name}' does not open; remove it first.") from None
                pen.db.execute("UPDATE credential SET wrapped_key = ? WHERE organization = ? AND provider = ? AND name = ?",
                               (sealed.wrapped_key, binding.organization, binding.provider, binding.name))
            try:
                count = len(rows) + rewrap_channels(pen.db, keks, self.entropy)
            except BrokenSeal:
                raise Refused("does_not_open", "The secrets of a channel of alerts do not open; set or remove it first.") from None
            try:
                count += rewrap_factors(pen.db, keks, self.entropy)
            except BrokenSeal:
                raise Refused("does_not_open", "A second factor does not open; `tallystick members reset-totp` removes it.") from None
            pen.chain(engine.SYSTEM).append({"kind": "CREDENTIAL", "at": now_us, "event": "rewrapped", "actor": by, "count": count})
            engine.note_change(pen.db)
        return count

    def list(self, organization: int) -> list[StoredCredential]:
        """The organisation's credentials by provider and name."""
        return list_credentials(self.sequencer.database, organization)

    def usable(self, stored: StoredCredential) -> bool:
        """Whether its provider is still where it was when the credential was set."""
        return self.origins.get(stored.provider) == stored.origin


def list_credentials(database: Database, organization: int) -> list[StoredCredential]:
    """The credentials of an organisation by provider and name."""
    with database.read() as db:
        return [StoredCredential(*row) for row in db.execute(_SELECT + " ORDER BY provider, name", (organization,))]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused("invalid_request", "A credential's name has 1 to 64 letters, digits, dots, dashes or underscores.")


def _check_value(provider: str, value: Secret) -> None:
    """Refuse what could not be used. No message repeats it."""
    text = value.reveal()
    if len(text) > VALUE_CHARS_MAX or not _VALUE.fullmatch(text):
        raise Refused("invalid_request", f"A credential is 1 to {VALUE_CHARS_MAX} visible ASCII characters without spaces.")
    if keyformat.recognises(text):
        raise Refused("invalid_request", "This is a key of ours, not the provider's; it is never sent to a provider.")
    if provider in _SIGNED and is_pair(text) and keys_of(text) is None:
        raise Refused("invalid_request", f"A pair of keys is written {FORM}.")


def _find(db: Connection, organization: int, provider: str, name: str) -> StoredCredential | None:
    row = db.execute(_SELECT + " AND provider = ? AND name = ?", (organization, provider, name)).fetchone()
    return StoredCredential(*row) if row else None


def _chain(pen: Appending, organization: int, event: str, stored: StoredCredential, by: str) -> None:
    """Chain that a credential was `set` or `removed`, and tell running servers."""
    chain = pen.chain(organization)
    fields: Fields = {
        "kind": "CREDENTIAL", "at": pen.now_us, "event": event, "actor": by, "provider": chain.define("provider", stored.provider),
        "credential": chain.define("credential", stored.name), "version": stored.version, "origin": stored.origin,
    }
    chain.append(fields)
    engine.note_change(pen.db)
