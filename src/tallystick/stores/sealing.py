"""Sealing: a secret value under a data key of its own, and the data key under the installation's
key-encryption key, both AES-256-GCM (NIST SP 800-38D) with random nonces of 96 bits.

Both seals are bound to what the secret is for: whose, for which provider at which origin, under which
name, which version. A value that was copied to another row, given another origin or put back from an
older backup does not open. What cannot be opened says so; it never opens as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.core.ledger import canonical
from tallystick.core.secret import Secret

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

Entropy = Callable[[int], bytes]
Keks = Callable[[], Sequence[bytes]]
"""The installation's key-encryption keys, newest first: two while it is being replaced, else one."""


class BrokenSeal(Exception):
    """A sealed value that does not open here: another key, another place, or changed bytes."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed secret is for. It is authenticated with every seal and stored in none."""

    organization: int
    provider: str
    origin: str
    name: str
    version: int

    def bytes_for(self, purpose: str) -> bytes:
        """The bytes that are authenticated; `purpose` keeps the two seals of one secret apart."""
        return canonical({**asdict(self), "purpose": purpose})


@dataclass(frozen=True, slots=True)
class Sealed:
    """Two times nonce ∥ ciphertext ∥ tag: the wrapped data key, and the value under it."""

    wrapped_key: bytes = field(repr=False)
    value: bytes = field(repr=False)


def seal(kek: bytes, secret: Secret, binding: Binding, entropy: Entropy) -> Sealed:
    """Seal a secret under a new data key."""
    data_key = entropy(KEY_BYTES)
    return Sealed(
        _close(kek, data_key, binding.bytes_for("data key"), entropy),
        _close(data_key, secret.reveal().encode(), binding.bytes_for("value"), entropy),
    )


def unseal(keks: Sequence[bytes], sealed: Sealed, binding: Binding) -> Secret:
    """Open a secret with whichever key fits. Raises BrokenSeal."""
    data_key = _open_any(keks, sealed.wrapped_key, binding.bytes_for("data key"))
    return Secret(_open(data_key, sealed.value, binding.bytes_for("value")).decode())


def rewrap(keks: Sequence[bytes], sealed: Sealed, binding: Binding, entropy: Entropy) -> Sealed:
    """The same seal with its data key under the newest key; the value itself is not opened. Raises BrokenSeal."""
    purpose = binding.bytes_for("data key")
    return Sealed(_close(keks[0], _open_any(keks, sealed.wrapped_key, purpose), purpose, entropy), sealed.value)


def _open_any(keks: Sequence[bytes], closed: bytes, bound: bytes) -> bytes:
    for kek in keks[:-1]:
        with suppress(BrokenSeal):
            return _open(kek, closed, bound)
    return _open(keks[-1], closed, bound)


def _close(key: bytes, plain: bytes, bound: bytes, entropy: Entropy) -> bytes:
    nonce = entropy(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _open(key: bytes, closed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):         # ValueError: too short to be a seal
        raise BrokenSeal("a sealed credential does not open") from None
