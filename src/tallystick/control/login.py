"""Checking an address, a password and, where there is one, the second factor, the same way for whoever asks: a wrong
password, an unknown address and a disabled account get one answer after one amount of work. Failures slow down the
account's next attempts on every worker (stores/sql/login_failures.py), and the address's on this one (throttle.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts
from tallystick.control.passwords import CHARS_MAX, Passwords
from tallystick.control.problems import Problem
from tallystick.control.throttle import ADDRESS_FREE, Throttle
from tallystick.control.tokens import derived
from tallystick.core.peers import network_of
from tallystick.stores.sql import accounts, login_failures
from tallystick.stores.sql.access_log import note_failure
from tallystick.stores.sql.accounts import Opened
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.second_factors import SecondFactors, stands


@dataclass(frozen=True, slots=True)
class Login:
    """The one door for passwords of this process."""

    parts: Parts
    passwords: Passwords
    factors: SecondFactors
    by_peer: Throttle
    names: bytes

    @classmethod
    def of(cls, parts: Parts, factors: SecondFactors) -> Login:
        """Workers share an address's free attempts: each has its part of them."""
        return cls(parts, Passwords(), factors, Throttle(max(1, ADDRESS_FREE // parts.workers)), derived(parts.secret, b"login name"))

    async def check(self, email: str, password: str, peer: str, code: str | None = None, *, of_nowhere: bool = False) -> Opened:
        """What address, password and code open. `of_nowhere`: also an account that belongs to no organisation.

        Raises Problem 401 (`invalid_credentials`, `totp_required` where only a code is missing, `totp_wrong`) or 429
        (`too_many_attempts`, with Retry-After).
        """
        network, monotonic_us = network_of(peer), self.parts.clock.monotonic_us()
        name = login_failures.name_of(self.names, email)
        wait_s = self.by_peer.wait_s(network, monotonic_us) or await run_in_threadpool(self._begin, name)
        if wait_s:
            raise Problem(429, "too_many_attempts", "Too many failed logins; wait.", {"retry-after": str(wait_s)})
        self.by_peer.failed(network, monotonic_us)           # taken back below, as the account's is
        opened, has_factor = await run_in_threadpool(self._find, email)
        if opened is not None and not opened.organizations and not of_nowhere:
            opened = None
        stored = opened.password_hash if opened else None
        if not await self.passwords.matches(password[:CHARS_MAX + 1], stored) or opened is None:
            await run_in_threadpool(self._note, opened, "password")
            raise _refused("invalid_credentials", "Address or password is wrong.")
        if has_factor and not code:
            await run_in_threadpool(self._take_back, name)
            self.by_peer.took_back(network)
            raise _refused("totp_required", "Send the code of the second factor too, or a recovery code.")
        if has_factor and not await run_in_threadpool(self.factors.take, opened.account, code or "", self.parts.clock.now_us()):
            await run_in_threadpool(self._note, opened, "code")
            raise _refused("totp_wrong", "The code is wrong or was used; the next one comes within half a minute.")
        await run_in_threadpool(self._forget, name)
        self.by_peer.took_back(network)
        return opened

    def forgive(self, email: str) -> None:
        """The failures of an address count no more: its owner proved otherwise who they are."""
        self._forget(login_failures.name_of(self.names, email))

    def _begin(self, name: bytes) -> int:
        with self.parts.database.write() as db:
            return login_failures.begin(db, name, self.parts.clock.now_us())

    def _take_back(self, name: bytes) -> None:
        with self.parts.database.write() as db:
            login_failures.take_back(db, name)

    def _forget(self, name: bytes) -> None:
        with self.parts.database.write() as db:
            login_failures.forget(db, name)

    def _find(self, email: str) -> tuple[Opened | None, bool]:
        canonical = accounts.canonical_email(email)
        if canonical is None:
            return None, False
        with self.parts.database.read() as db:
            opened = accounts.opened_by(db, canonical)
            return opened, opened is not None and stands(db, opened.account)

    def _note(self, opened: Opened | None, what: Literal["password", "code"]) -> None:
        with Sequencer(self.parts.database).append(self.parts.clock.now_us()) as pen:
            note_failure(pen, opened.account if opened else None, what)


def _refused(code: str, detail: str) -> Problem:
    return Problem(401, code, detail, {"www-authenticate": "Bearer"})
