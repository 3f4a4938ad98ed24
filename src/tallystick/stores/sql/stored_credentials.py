"""The provider credentials that the gateway itself holds, as the line asks for them: by organisation,
provider and name. What is sealed in the vault comes first, then what the configuration names by
environment variable. A sealed one that cannot be used is a refusal with its reason, never a reason
to use another.

A seal is opened here and nowhere else, at use, in a thread; the opened value is remembered until the
control plane changes (`poll`, every 250 ms), as the keyring remembers keys, so a call finds it in a dict.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Final

from tallystick.core.errors import Denied
from tallystick.core.secret import Secret
from tallystick.stores.sealing import Binding, BrokenSeal, Keks, Sealed, unseal
from tallystick.stores.sql.engine import Database

REMEMBERED_MAX: Final = 10_000
_FIND: Final = """
SELECT c.organization, c.origin, c.version, c.wrapped_key, c.sealed
FROM credential c JOIN organization o ON o.id = c.organization
WHERE o.slug = ? AND c.provider = ? AND c.name = ? AND c.removed_us IS NULL"""

Place = tuple[str, str, str]
"""Organisation, provider id, name of the credential."""


class SqlCredentials:
    """ports.Credentials over vault and configuration. One per process; `poll` may run in another
    thread than `find`."""

    def __init__(self, database: Database, keks: Keks, origins: Mapping[str, str], configured: Mapping[Place, Secret]) -> None:
        """`origins`: where each provider is now, by id."""
        self._database = database
        self._keks = keks
        self._origins = origins
        self._configured = configured
        self._lock = threading.Lock()
        self._seen = database.change_count()
        self._found: dict[Place, Secret | Denied | None] = {}

    async def find(self, organization: str, provider: str, name: str) -> Secret | Denied | None:
        """The credential; None where none is held, `provider_credential_unusable` where it cannot be used.
        Raises StoreFault when a miss cannot be read."""
        place = (organization, provider, name)
        remembered = self._found             # one dict for both looks: `poll` may put another there
        if place in remembered:
            return remembered[place]
        return await asyncio.get_running_loop().run_in_executor(None, self._read, place)

    def poll(self) -> bool:
        """Forget everything if the control plane changed. Returns False: there is never more to do at once.
        Raises StoreFault when the database cannot be read; what is remembered then stands."""
        count = self._database.change_count()
        with self._lock:
            if count != self._seen:
                self._seen = count
                self._found = {}
        return False

    def _read(self, place: Place) -> Secret | Denied | None:
        """Look into the vault, and remember the answer if it is as new as what `poll` has seen."""
        organization, provider, name = place
        with self._database.read() as db:
            count = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
            row = db.execute(_FIND, (organization, provider, name)).fetchone()
        if row is None:
            found: Secret | Denied | None = self._configured.get(place)
        else:
            number, origin, version, wrapped_key, sealed = row
            found = self._open(Binding(number, provider, origin, name, version), Sealed(wrapped_key, sealed))
        with self._lock:
            if count >= self._seen:
                if len(self._found) >= REMEMBERED_MAX:
                    self._found = {}
                self._found[place] = found
        return found

    def _open(self, binding: Binding, sealed: Sealed) -> Secret | Denied:
        if binding.origin != self._origins.get(binding.provider):
            return _unusable(binding, "was set for another address than the provider has now")
        try:
            return unseal(self._keks(), sealed, binding)
        except BrokenSeal:
            return _unusable(binding, "does not open with this installation's key")


def _unusable(binding: Binding, reason: str) -> Denied:
    return Denied("provider_credential_unusable",
                  f"The stored credential '{binding.name}' for {binding.provider} {reason}; it must be set again.")
