"""Links by which who lost a password sets another: one at a time of an account, for half an hour, used once. Of the link only
a keyed hash is kept. Whoever reads the account's mail can use it, so it opens nothing by itself: signing in with the new
password still takes the second factor.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tallystick.core.secret import Secret
from tallystick.stores.sql.accounts import Ended, opened_by, put_password
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Sequencer

LINK_S: Final = 1_800
AGAIN_S: Final = 120                         # no other link of an account within that time, so that nobody's mail is flooded
_S_US: Final = 1_000_000
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PasswordResets:
    """Makes and takes links. `secret` keys the hashes."""

    sequencer: Sequencer
    secret: bytes = field(repr=False)
    entropy: Callable[[int], bytes]

    def ask(self, email: str, now_us: int) -> Secret | None:
        """What the link of a canonical address ends with; None where nobody may sign in under it, or one was just sent. The
        link before opens nothing any more."""
        token = urlsafe_b64encode(self.entropy(_TOKEN_BYTES)).decode().rstrip("=")
        with self.sequencer.database.write() as db:
            opened = opened_by(db, email)
            if opened is None or not opened.organizations:
                return None
            row = db.execute("SELECT asked_us FROM password_reset WHERE account = ?", (opened.account,)).fetchone()
            if row is not None and now_us < row[0] + AGAIN_S * _S_US:
                return None
            db.execute("INSERT INTO password_reset (account, digest, asked_us) VALUES (?, ?, ?)"
                       " ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, asked_us = excluded.asked_us",
                       (opened.account, self._digest(token), now_us))
        return Secret(token)

    def stands(self, token: str, now_us: int) -> bool:
        """Whether a link still opens something."""
        with self.sequencer.database.read() as db:
            found = db.execute("SELECT 1 FROM password_reset WHERE digest = ? AND asked_us > ?", self._found(token, now_us)).fetchone()
        return found is not None

    def use(self, token: str, password_hash: str, now_us: int) -> tuple[str, Ended]:
        """Set the password, once, and end all that the lost one opened; whose it is (their address). Raises Refused `reset_gone`."""
        with self.sequencer.append(now_us) as pen:
            row = pen.db.execute("SELECT r.account, a.email FROM password_reset r JOIN account a ON a.id = r.account WHERE r.digest = ?"
                                 " AND r.asked_us > ? AND a.disabled_us IS NULL", self._found(token, now_us)).fetchone()
            if row is None:
                raise gone()
            return row[1], put_password(pen, row[0], password_hash, row[0], lost=True)

    def _found(self, token: str, now_us: int) -> tuple[bytes, int]:
        return self._digest(token), now_us - LINK_S * _S_US

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self.secret, token.encode("utf-8", "surrogateescape"), "sha256")


def gone() -> Refused:
    """What is said of a link that opens nothing."""
    return Refused("reset_gone", "This link was used or is older than half an hour, or a newer one was sent. Ask for another.")
