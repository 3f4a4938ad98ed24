"""Checking an address and a password, the same way for whoever asks: a wrong password, an unknown
address and a disabled account get one answer after one amount of work, and failures slow down both
the account's and the address's next attempts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts
from tallystick.control.passwords import CHARS_MAX, Passwords
from tallystick.core.peers import network_of
from tallystick.control.problems import Problem
from tallystick.control.throttle import ACCOUNT_FREE, ADDRESS_FREE, Throttle
from tallystick.stores.sql import accounts
from tallystick.stores.sql.accounts import Opened


@dataclass(frozen=True, slots=True)
class Login:
    """The one door for passwords of this process."""

    parts: Parts
    passwords: Passwords
    by_account: Throttle = field(default_factory=lambda: Throttle(ACCOUNT_FREE))
    by_peer: Throttle = field(default_factory=lambda: Throttle(ADDRESS_FREE))

    async def check(self, email: str, password: str, peer: str) -> Opened:
        """What address and password open.

        Raises Problem 401 (`invalid_credentials`) or 429 (`too_many_attempts`, with Retry-After).
        """
        name, network, now_us = _name_of(email), network_of(peer), self.parts.clock.monotonic_us()
        wait_s = max(self.by_account.wait_s(name, now_us), self.by_peer.wait_s(network, now_us))
        if wait_s:
            raise Problem(429, "too_many_attempts", "Too many failed logins; wait.", {"retry-after": str(wait_s)})
        # Counted before the check and taken back after it: attempts made at once cannot share a free one.
        self.by_account.failed(name, now_us)
        self.by_peer.failed(network, now_us)
        opened = await run_in_threadpool(self._find, email)
        stored = opened.password_hash if opened else None
        if not await self.passwords.matches(password[:CHARS_MAX + 1], stored) or opened is None:
            raise Problem(401, "invalid_credentials", "Address or password is wrong.", {"www-authenticate": "Bearer"})
        self.by_account.succeeded(name)
        self.by_peer.took_back(network)
        return opened

    def _find(self, email: str) -> Opened | None:
        canonical = accounts.canonical_email(email)
        if canonical is None:
            return None
        with self.parts.database.read() as db:
            return accounts.opened_by(db, canonical)


def _name_of(email: str) -> str:
    """Under what an account's failures are counted: a hash, so that guesses of any length cost the same memory."""
    return hashlib.sha256(email.strip().casefold().encode("utf-8", "replace")).hexdigest()
