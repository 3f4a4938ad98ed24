"""The installation's own secrets: three files of 32 random bytes in the data directory, made at first
start, readable by their owner only (0400). `pepper` keys the digests of issued keys, `kek` wraps stored
credentials, `ledger.key` is the Ed25519 key that signs checkpoints.

A file that is short, empty, of one repeated byte, open to others, or gone from an installation that has
a database, is refused with the reason: a gateway that quietly made a new pepper would lock out every key, and one that used a readable key
would protect nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.core.errors import StoreFault
from tallystick.stores.sql.engine import FILE_NAME as DATABASE

SECRET_BYTES: Final = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class BadSecret(ValueError):
    """A secret file that cannot be trusted; the message names it and says why, never its content."""


class LedgerKey:
    """The key that signs checkpoints. Prints as `***`."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "LedgerKey(***)"


def signature_holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature over a message is this key's."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Secrets:
    """An installation's secrets; none of them is printed."""

    pepper: bytes = field(repr=False)
    kek: bytes = field(repr=False)
    ledger_key: LedgerKey = field(repr=False)

    @property
    def mark(self) -> str:
        """Tells one installation's secrets from another's, and nothing about them. The key-encryption key is left
        out: it may be replaced."""
        return sha256(b"installation\0" + self.pepper + self.ledger_key.public_key).hexdigest()


def open_secrets(data: Path, random: Callable[[int], bytes] = os.urandom) -> Secrets:
    """Read the secrets of a data directory. Of a new one, which has no database yet, they are made first.

    Raises BadSecret for a file that is not what it must be, OSError where it cannot be read or made.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Secrets(
        pepper=_secret(data / "pepper", random),
        kek=_secret(data / "kek", random),
        ledger_key=LedgerKey(_secret(data / "ledger.key", random)),
    )


def _secret(path: Path, random: Callable[[int], bytes]) -> bytes:
    if not path.exists():
        if (path.parent / DATABASE).exists():
            raise BadSecret(f"{path} is missing, and this installation is not new; restore it from a backup.")
        _make(path, random(SECRET_BYTES))
    return _read(path)


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise BadSecret(f"{path} is open to others (mode {stat.S_IMODE(mode):04o}); set it to 0400.")
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise BadSecret(f"{path} has {len(content)} bytes instead of {SECRET_BYTES}; restore it from a backup.")
    if len(set(content)) == 1:
        raise BadSecret(f"{path} holds one byte repeated, which is no secret; restore it from a backup.")
    return content


class KekFiles:
    """The key-encryption key on the disk, read when a seal is made or opened, so that a running server
    follows its replacement. While it is being replaced there are two: `kek.next` and, until every data
    key is wrapped under that, `kek`. At each moment one of them opens any seal, whatever crashes."""

    def __init__(self, data: Path) -> None:
        self._kek = data / "kek"
        self._next = data / "kek.next"

    def __call__(self) -> tuple[bytes, ...]:
        """The keys, newest first. Raises StoreFault where none can be read or trusted."""
        found: list[bytes] = []
        try:
            for path in (self._next, self._kek):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_read(path))
        except (BadSecret, OSError) as fault:
            raise StoreFault(f"the key-encryption key: {fault}") from fault
        if not found:
            raise StoreFault(f"{self._kek} is missing; restore it from a backup.")
        return tuple(found)

    def begin(self, random: Callable[[int], bytes] = os.urandom) -> None:
        """Make the next key; one that an earlier replacement left stands."""
        _make(self._next, random(SECRET_BYTES))

    def finish(self) -> None:
        """The next key is the key: nothing is wrapped under the old one any more."""
        self._next.replace(self._kek)
        folder = os.open(self._kek.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _make(path: Path, content: bytes) -> None:
    """Make a secret whole or not at all; where another process was first, its secret stands."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o400)
    try:
        os.write(file, content)
        os.fsync(file)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(file)
        draft.unlink()
