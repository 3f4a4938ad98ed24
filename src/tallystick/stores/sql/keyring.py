"""Issued keys, answered from memory. A key is found by HMAC-SHA-256(pepper, key): the text itself is
kept nowhere, and a stolen database opens nothing without the pepper, which lies outside it.

A hit is one hash and one look into a dict, with a hundred thousand keys as with ten. A miss reads the
database in a thread, so that a key works the moment the command that made it returns. Misses are
remembered too: every provider key that passes through is looked for here once.

Nothing remembered outlives a change: `poll` (a step of jobs/runner, every 250 ms) reads the change
counter and forgets everything when it moved. An answer is remembered only if the database had not
changed, between reading it and now, by more than `poll` has seen; so no revoked key can slip back in.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from hashlib import sha256
from typing import Final

from tallystick.core import keyformat
from tallystick.core.identity import Principal
from tallystick.ports import Clock
from tallystick.stores.sql.engine import Database

VALID_MAX: Final = 100_000
UNKNOWN_MAX: Final = 20_000
PRESENTED_CHARS_MAX: Final = 4096
_MARK_CHARS: Final = 16
_OWN_PREFIX: Final = keyformat.FORMATS[0].prefix

_FIND: Final = """
SELECT k.id, o.slug, coalesce(f.name, k.team), k.project, k.user_name, k.agent, k.environment, k.cost_center,
       k.prompt_key, k.prompt_version, k.dimensions, coalesce(k.credential, p.credential), k.expires_us
FROM virtual_key k JOIN organization o ON o.id = k.organization
LEFT JOIN team t ON t.organization = k.organization AND t.name = k.team LEFT JOIN project p ON p.team = t.id AND p.name = k.project
LEFT JOIN team_former_name f ON f.team = t.id AND f.first = 1
WHERE k.digest = ? AND k.revoked_us IS NULL"""
_LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version")


def digest_of(pepper: bytes, presented: str) -> bytes:
    """What stands in the database for a key."""
    return hmac.digest(pepper, _bytes(presented), "sha256")


def digest_mark(digest: bytes) -> str:
    """What the ledger says of a key's digest: enough to miss it when it is exchanged, nothing to find a key by."""
    return sha256(digest).hexdigest()[:_MARK_CHARS]


class SqlKeyring:
    """ports.Keyring over the embedded database. One per process; `poll` may run in another thread
    than `find`."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock) -> None:
        self._database = database
        self._mac = hmac.new(pepper, digestmod="sha256")         # copied, which is half of what a new one costs
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = database.change_count()
        self._valid: dict[bytes, Principal] = {}
        self._unknown: dict[bytes, None] = {}
        self._was_valid: set[bytes] = set()

    def recognises(self, text: str) -> bool:
        """Whether the text has one of our prefixes."""
        return keyformat.recognises(text)

    def knows(self, presented: str) -> bool:
        """Whether asking `find` is no guess: it would answer from memory, or the key was valid before the last
        changes, which are no reason to take it for one."""
        digest = self._digest(presented)
        remembered = digest in self._valid or digest in self._unknown or digest in self._was_valid
        return remembered or len(presented) > PRESENTED_CHARS_MAX or not _possible(presented)

    async def find(self, presented: str) -> Principal | None:
        """The principal of a valid key. Raises StoreFault when a miss cannot be read."""
        if len(presented) > PRESENTED_CHARS_MAX:
            return None
        digest = self._digest(presented)
        principal = self._valid.get(digest)
        if principal is None:
            if digest in self._unknown or not _possible(presented):
                return None
            principal = await asyncio.get_running_loop().run_in_executor(None, self._read, digest)
        if principal is None or self._expired(principal):
            return None
        return principal

    def poll(self) -> bool:
        """Forget everything if the control plane changed. Returns False: there is never more to do
        at once. Raises StoreFault when the database cannot be read; what is remembered then stands."""
        count = self._database.change_count()
        with self._lock:
            if count != self._seen:
                self._seen = count
                if len(self._was_valid) + len(self._valid) > VALID_MAX:
                    self._was_valid.clear()
                self._was_valid.update(self._valid)
                self._valid.clear()
                self._unknown.clear()
        return False

    def _digest(self, presented: str) -> bytes:
        mac = self._mac.copy()
        mac.update(_bytes(presented))
        return mac.digest()

    def _expired(self, principal: Principal) -> bool:
        return principal.expires_at_us is not None and principal.expires_at_us <= self._clock.now_us()

    def _read(self, digest: bytes) -> Principal | None:
        """Look into the database, and remember the answer if it is as new as what `poll` has seen."""
        with self._database.read() as db:
            count = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
            row = db.execute(_FIND, (digest,)).fetchone()
        principal = None if row is None else _principal(row)
        with self._lock:
            if count >= self._seen:
                self._remember(digest, principal)
        return principal

    def _remember(self, digest: bytes, principal: Principal | None) -> None:
        """Keep an answer; the oldest gives way when there are too many."""
        if principal is None:
            self._unknown[digest] = None
            if len(self._unknown) > UNKNOWN_MAX:
                del self._unknown[next(iter(self._unknown))]
            return
        self._valid[digest] = principal
        if len(self._valid) > VALID_MAX:
            del self._valid[next(iter(self._valid))]


def _bytes(presented: str) -> bytes:
    return presented.encode("utf-8", "surrogateescape")


def _possible(presented: str) -> bool:
    """Whether it is worth asking the database: our own format proves a typing error by its check
    sum; a key in another format may have been imported, and looks like anything. A personal access token
    is no key."""
    if presented.startswith(keyformat.PERSONAL.prefix):
        return False
    return not presented.startswith(_OWN_PREFIX) or keyformat.well_formed(presented)


def _principal(row: tuple[object, ...]) -> Principal:
    key_id, organization, *labels, dimensions, credential, expires_us = row
    return Principal(
        key_id=str(key_id),
        organization=str(organization),
        labels={name: str(value) for name, value in zip(_LABELS, labels, strict=True) if value is not None},
        dimensions=json.loads(str(dimensions)),
        credential=None if credential is None else str(credential),
        expires_at_us=None if expires_us is None else int(str(expires_us)),
    )
