"""Passwords of people, kept as Argon2id (64 MiB, three passes: about a seventh of a second). At most
two are checked at once, so that a flood of logins costs neither the machine's memory nor the
gateway's time.

An unknown account is checked against a hash that no password opens: the answer and the time it
takes are those of a wrong password.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

CHARS_MIN: Final = 8
CHARS_MAX: Final = 256
_AT_ONCE_MAX: Final = 2
_MEMORY_KIB: Final = 64 * 1024
_PASSES: Final = 3
_LANES: Final = 4
# Of 32 random bytes that were forgotten at once, with the same costs as every other hash.
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$s/OPi8uLc1RFvG4Z/rsapg$yhxl+J7AJxHb2hskCgHEFlGqJUTLr6yDPonHh7ly6bg"


def _argon2id() -> PasswordHasher:
    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Makes and checks password hashes, off the event loop."""

    _hasher: PasswordHasher = field(default_factory=_argon2id)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_AT_ONCE_MAX, "argon2"))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password opens the stored hash; None stands for an account that is not there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._check, password, stored)

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hasher.hash, password)

    def _check(self, password: str, stored: str | None) -> bool:
        try:
            self._hasher.verify(stored or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


def hash_password(password: str) -> str:
    """The hash to keep, made here and now (first start, command line)."""
    return _argon2id().hash(password)


def fault_of(password: str) -> str | None:
    """Why a password may not be taken, for the person who chose it; None when it may."""
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        return f"A password has {CHARS_MIN} to {CHARS_MAX} characters."
    return None
