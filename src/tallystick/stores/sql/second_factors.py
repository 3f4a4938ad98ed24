"""The second factor: codes of an authenticator (TOTP, RFC 6238: six digits, thirty seconds, SHA-1, which is what every
authenticator speaks), and recovery codes for who has lost it. The secret lies sealed under the key-encryption key, the
recovery codes as keyed hashes.

A code is taken once: none of a step at or before the last one taken, and a recovery code has no row any more. Each
check is one write transaction, so that of two that show the same code at once, on any instance, one is refused.
"""

from __future__ import annotations

import hmac
from base64 import b32decode, b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from tallystick.core.secret import Secret
from tallystick.stores.sealing import Binding, BrokenSeal, Keks, Sealed, rewrap, seal, unseal
from tallystick.stores.sql.access_log import Event, note_access, organizations_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.signing_out import end_sessions_of

DIGITS: Final = 6
STEP_S: Final = 30
RECOVERY_CODES: Final = 10
_SECRET_BYTES: Final = 20
_RECOVERY_CHARS: Final = 10                  # of 32: fifty bits, behind the wait that failures cost
_SKEW: Final = 1                             # steps that a clock may be off, either way


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """Sets, checks and removes second factors. `secret` keys the hashes of recovery codes."""

    sequencer: Sequencer
    keks: Keks
    entropy: Callable[[int], bytes]
    secret: bytes = field(repr=False)

    def begin(self, account: str, now_us: int) -> Secret:
        """A new secret for an authenticator (base32); nothing is asked for until a code of it came. Raises Refused `exists`."""
        secret = Secret(b32encode(self.entropy(_SECRET_BYTES)).decode())
        with self.sequencer.append(now_us) as pen:
            row = pen.db.execute("SELECT version, confirmed_us FROM second_factor WHERE account = ?", (account,)).fetchone()
            if row is not None and row[1] is not None:
                raise Refused("exists", "There is a second factor already; remove it first.")
            version = row[0] + 1 if row else 1
            sealed = seal(self.keks()[0], secret, _binding(account, version), self.entropy)
            pen.db.execute("INSERT INTO second_factor (account, version, wrapped_key, sealed, last_step) VALUES (?, ?, ?, ?, 0)"
                           " ON CONFLICT (account) DO UPDATE SET version = excluded.version, wrapped_key = excluded.wrapped_key,"
                           " sealed = excluded.sealed, last_step = 0", (account, version, sealed.wrapped_key, sealed.value))
        return secret

    def confirm(self, account: str, code: str, now_us: int, *, keep: str | None) -> tuple[str, ...]:
        """Ask for codes from now on. The recovery codes; what was opened without a code ends, save the session `keep`.

        Raises Refused `code_wrong`, `not_found`.
        """
        with self.sequencer.append(now_us) as pen:
            row = pen.db.execute("SELECT confirmed_us FROM second_factor WHERE account = ?", (account,)).fetchone()
            if row is None or row[0] is not None:
                raise Refused("not_found", "There is no new second factor to confirm.")
            if not self._take_code(pen.db, account, code, now_us):
                raise Refused("code_wrong", "This is not the code of now; does the authenticator's clock go right?")
            pen.db.execute("UPDATE second_factor SET confirmed_us = ? WHERE account = ?", (now_us, account))
            codes = self._put_recovery_codes(pen.db, account)
            end_sessions_of(pen.db, account, keep=keep)
            _note(pen, account, "factor_set", account)
        return codes

    def renew_recovery_codes(self, account: str, now_us: int) -> tuple[str, ...]:
        """Other recovery codes; those that were left open nothing any more. Raises Refused `not_found`."""
        with self.sequencer.append(now_us) as pen:
            if not stands(pen.db, account):
                raise Refused("not_found", "There is no second factor, so there is nothing to recover.")
            codes = self._put_recovery_codes(pen.db, account)
            _note(pen, account, "recovery_codes_made", account)
        return codes

    def take(self, account: str, code: str, now_us: int) -> bool:
        """Whether this is a code of now or a recovery code, not taken before; it is from now on."""
        with self.sequencer.append(now_us) as pen:
            if len(_bare(code)) == DIGITS:
                return self._take_code(pen.db, account, code, now_us)
            return pen.db.execute("DELETE FROM recovery_code WHERE account = ? AND digest = ?",
                                  (account, self._digest(account, code))).rowcount > 0

    def remove(self, account: str, now_us: int, by: str) -> bool:
        """Ask for no codes any more. False where none were asked for. Where it is not the account itself that says so, its
        sessions and login tokens end too."""
        with self.sequencer.append(now_us) as pen:
            stood = stands(pen.db, account)
            pen.db.execute("DELETE FROM recovery_code WHERE account = ?", (account,))
            pen.db.execute("DELETE FROM second_factor WHERE account = ?", (account,))
            if by != account:
                end_sessions_of(pen.db, account)
            if stood:
                _note(pen, account, "factor_removed", by)
        return stood

    def require(self, organization: int, *, required: bool, now_us: int, by: str) -> None:
        """Ask every member of an organisation for a second factor, or no more."""
        with self.sequencer.append(now_us) as pen:
            if is_required(pen.db, organization) == required:
                return
            pen.db.execute("INSERT INTO sign_in_rule (organization, second_factor) VALUES (?, ?)"
                           " ON CONFLICT (organization) DO UPDATE SET second_factor = excluded.second_factor",
                           (organization, int(required)))
            note_access(pen, organization, "factor_required" if required else "factor_not_required", "", actor=by)

    def _take_code(self, db: Connection, account: str, code: str, now_us: int) -> bool:
        row = db.execute("SELECT version, wrapped_key, sealed, last_step FROM second_factor WHERE account = ?", (account,)).fetchone()
        if row is None:
            return False
        version, wrapped_key, sealed, last_step = row
        try:
            secret = unseal(self.keks(), Sealed(wrapped_key, sealed), _binding(account, version))
        except BrokenSeal:
            raise Refused("does_not_open", "The second factor does not open; whoever runs the installation resets it.") from None
        now, given, taken = now_us // 1_000_000 // STEP_S, _bare(code).encode(), 0
        for step in range(now - _SKEW, now + _SKEW + 1):
            if hmac.compare_digest(code_of(secret, step).encode(), given) and step > last_step:
                taken = step
        if taken:
            db.execute("UPDATE second_factor SET last_step = ? WHERE account = ?", (taken, account))
        return taken > 0

    def _put_recovery_codes(self, db: Connection, account: str) -> tuple[str, ...]:
        codes = tuple(self._recovery_code() for _ in range(RECOVERY_CODES))
        db.execute("DELETE FROM recovery_code WHERE account = ?", (account,))
        db.executemany("INSERT INTO recovery_code (account, digest) VALUES (?, ?)",
                       [(account, self._digest(account, code)) for code in codes])
        return codes

    def _recovery_code(self) -> str:
        text = b32encode(self.entropy(_SECRET_BYTES)).decode().lower()[:_RECOVERY_CHARS]
        return f"{text[:_RECOVERY_CHARS // 2]}-{text[_RECOVERY_CHARS // 2:]}"

    def _digest(self, account: str, code: str) -> bytes:
        return hmac.digest(self.secret, f"{account}\n{_bare(code)}".encode("utf-8", "replace"), "sha256")


def code_of(secret: Secret, step: int) -> str:
    """The code of a step (RFC 4226, 5.3, with the time's step for a counter)."""
    return HOTP(b32decode(secret.reveal()), DIGITS, SHA1()).generate(step).decode()  # noqa: S303 - what RFC 6238 asks for


def stands(db: Connection, account: str) -> bool:
    """Whether codes are asked for."""
    return db.execute("SELECT 1 FROM second_factor WHERE account = ? AND confirmed_us IS NOT NULL", (account,)).fetchone() is not None


def recovery_codes_left(db: Connection, account: str) -> int:
    """How many recovery codes were not used."""
    return int(db.execute("SELECT count(*) FROM recovery_code WHERE account = ?", (account,)).fetchone()[0])


def is_required(db: Connection, organization: int) -> bool:
    """Whether every member of an organisation is asked for a second factor."""
    row = db.execute("SELECT second_factor FROM sign_in_rule WHERE organization = ?", (organization,)).fetchone()
    return row is not None and bool(row[0])


def rewrap_factors(db: Connection, keks: Sequence[bytes], entropy: Callable[[int], bytes]) -> int:
    """Wrap every data key under the newest key-encryption key; how many there are. Raises BrokenSeal."""
    rows = db.execute("SELECT account, version, wrapped_key, sealed FROM second_factor").fetchall()
    for account, version, wrapped_key, value in rows:
        sealed = rewrap(keks, Sealed(wrapped_key, value), _binding(account, version), entropy)
        db.execute("UPDATE second_factor SET wrapped_key = ? WHERE account = ?", (sealed.wrapped_key, account))
    return len(rows)


def _binding(account: str, version: int) -> Binding:
    return Binding(0, "second factor", "", account, version)


def _note(pen: Appending, account: str, event: Event, by: str) -> None:
    for organization in organizations_of(pen.db, account):
        note_access(pen, organization, event, account, actor=by)


def _bare(code: str) -> str:
    return "".join(char for char in code.lower() if char not in " -\t")
