"""Personal access tokens: what a person's programs come with, bound to one account in one organisation, for so long and
for some of what the person may do (control/scopes.py). Of the text only a keyed hash is kept. Each is read anew when it
is used, so that it ends at once when it is revoked, on every instance; making and revoking are chained.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.keyformat import ENTROPY_BYTES, PERSONAL, mint, well_formed
from tallystick.core.secret import Secret
from tallystick.stores.sql import accounts
from tallystick.stores.sql.access_log import note_access
from tallystick.stores.sql.accounts import Account
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.keyring import digest_mark
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_tokens

TOKENS_MAX: Final = 50                       # of one person in one organisation, that are in force
DAYS_MAX: Final = 366
DAYS: Final = 90
_DAY_US: Final = 86_400_000_000
_SELECT: Final = "SELECT t.id, t.account, t.name, t.preview, t.scopes, t.created_us, t.expires_us, t.revoked_us FROM personal_token t"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as it is shown: never its text."""

    id: str
    account: str
    name: str
    preview: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True)
class PersonalTokens:
    """Makes, finds and revokes tokens. `secret` keys the hashes."""

    sequencer: Sequencer
    secret: bytes = field(repr=False)
    entropy: Callable[[int], bytes]

    def make(self, organization: int, account: str, name: str, scopes: Collection[str], *, now_us: int,
             expires_us: int | None) -> tuple[TokenRow, Secret]:
        """A new token, and its text, which is shown this once. Raises Refused."""
        ends_us = now_us + DAYS * _DAY_US if expires_us is None else expires_us
        if not now_us < ends_us <= now_us + DAYS_MAX * _DAY_US:
            raise Refused("invalid_request", f"A token ends within {DAYS_MAX} days from now.")
        if len(name) > VALUE_CHARS_MAX or not name.isprintable():
            raise Refused("invalid_request", f"A name has at most {VALUE_CHARS_MAX} characters on one line.")
        minted = mint(PERSONAL, self.entropy(ENTROPY_BYTES))
        row = TokenRow(minted.id, account, name, minted.preview, tuple(sorted(set(scopes))), now_us, ends_us, None)
        with self.sequencer.append(now_us) as pen:
            held = pen.db.execute("SELECT count(*) FROM personal_token WHERE organization = ? AND account = ? AND revoked_us IS NULL"
                                  " AND expires_us > ?", (organization, account, now_us)).fetchone()[0]
            if held >= TOKENS_MAX:
                raise Refused("too_many", f"Nobody has more than {TOKENS_MAX} tokens; revoke one first.")
            digest = self._digest(minted.key.reveal())
            pen.db.execute("INSERT INTO personal_token (id, digest, account, organization, name, preview, scopes, created_us, expires_us)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           (row.id, digest, account, organization, name, row.preview, " ".join(row.scopes),
                            now_us, ends_us))
            note_access(pen, organization, "token_made", account, token=row.id, scopes=" ".join(row.scopes), ends=ends_us,
                        digest=digest_mark(digest))
        return row, minted.key

    def find(self, presented: str, now_us: int) -> tuple[Account, frozenset[str]] | None:
        """Whose token it is, as they are now, and its scopes; None for what opens nothing. Raises StoreFault."""
        if not well_formed(presented):
            return None
        with self.sequencer.database.read() as db:
            row = db.execute("SELECT t.account, o.slug, t.scopes FROM personal_token t JOIN organization o ON o.id = t.organization"
                             " WHERE t.digest = ? AND t.revoked_us IS NULL AND t.expires_us > ?",
                             (self._digest(presented), now_us)).fetchone()
            account = accounts.by_id(db, row[0], row[1]) if row else None
        return None if account is None else (account, frozenset(row[2].split()))

    def list(self, organization: int, sight: Sight, *, after: tuple[int, str] | None = None, limit: int) -> list[TokenRow]:
        """Tokens in the order they were made, beginning behind `after` (created_us, id)."""
        created_us, token = after or (-1, "")
        seen = of_tokens(sight, organization)
        query = (_SELECT + " WHERE t.organization = ?" + seen.sql + " AND (t.created_us > ? OR (t.created_us = ? AND t.id > ?))"
                 " ORDER BY t.created_us, t.id LIMIT ?")
        with self.sequencer.database.read() as db:
            return [_row(row) for row in db.execute(query, (organization, *seen.values, created_us, created_us, token, limit)).fetchall()]

    def revoke(self, organization: int, token: str, now_us: int, by: str, sight: Sight = EVERYTHING) -> TokenRow | None:
        """End a token for good; None where there is none to be seen. One that was revoked stays as it is."""
        seen = of_tokens(sight, organization)
        query, values = _SELECT + " WHERE t.organization = ? AND t.id = ?" + seen.sql, (organization, token, *seen.values)
        with self.sequencer.append(now_us) as pen:
            row = pen.db.execute(query, values).fetchone()
            if row is None:
                return None
            if row[-1] is None:
                pen.db.execute("UPDATE personal_token SET revoked_us = ? WHERE id = ?", (now_us, token))
                note_access(pen, organization, "token_revoked", row[1], actor=by, token=token)
            return _row(pen.db.execute(query, values).fetchone())

    def _digest(self, presented: str) -> bytes:
        return hmac.digest(self.secret, presented.encode("utf-8", "surrogateescape"), "sha256")


def _row(row: tuple[Any, ...]) -> TokenRow:
    token, account, name, preview, scopes, *moments = row
    return TokenRow(token, account, name, preview, tuple(scopes.split()), *moments)
