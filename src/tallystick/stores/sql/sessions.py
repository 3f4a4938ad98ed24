"""Sessions of browsers: rows that end, each opened by a cookie of which only a keyed hash is kept. A session is one
account's in one organisation; whoever asks is looked up anew every time, so that a role that changed or a membership
that ended holds for the next request, on every instance.

A cookie is worth nothing after `idle_us` without a request, after `lifetime_us` whatever happens, and when the role it
was given for is another one now: then the session goes on under a new cookie. For a moment the old one still opens it,
for a page asks several questions at once.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tallystick.core.errors import StoreFault
from tallystick.stores.sql import accounts
from tallystick.stores.sql.access_log import note_access
from tallystick.stores.sql.accounts import Account
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.organizations import organization_number

SESSIONS_MAX: Final = 20                     # of one account; a further one ends the oldest
AGENT_CHARS_MAX: Final = 60
_COOKIE_BYTES: Final = 32
_ID_BYTES: Final = 8
_SEEN_EVERY_US: Final = 60_000_000
_GRACE_US: Final = 10_000_000
_S_US: Final = 1_000_000
_COLUMNS: Final = ("s.id, s.account, o.slug, s.role, s.agent, s.created_us, s.seen_us, COALESCE(r.lifetime_s, 0), s.organization,"
                   " s.rotated_us, s.digest FROM session s JOIN organization o ON o.id = s.organization"
                   " LEFT JOIN session_rule r ON r.organization = s.organization")
_SESSION: Final = 8                          # of these columns are the session's


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's session. `role`: what its cookie was given for; `limit_s`: how long its organisation lets it last, 0
    for as long as the installation does."""

    id: str
    account: str
    organization: str
    role: str
    agent: str
    created_us: int
    seen_us: int
    limit_s: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A session that a cookie opens, whose it is now, and the cookie to give from now on where that is another."""

    session: Session
    account: Account
    cookie: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, finds and ends sessions. `secret` keys the hashes; `entropy` gives cookies."""

    sequencer: Sequencer
    secret: bytes = field(repr=False)
    entropy: Callable[[int], bytes]
    idle_us: int
    lifetime_us: int

    @property
    def database(self) -> Database:
        """Where they are."""
        return self.sequencer.database

    def open(self, pen: Appending, account: Account, agent: str) -> tuple[Session, str]:
        """A new session and its cookie, within a write transaction. What has ended is swept out on the way."""
        db, now_us = pen.db, pen.now_us
        db.execute("DELETE FROM session WHERE seen_us <= ? OR created_us <= ?", (now_us - self.idle_us, now_us - self.lifetime_us))
        db.execute("DELETE FROM session WHERE id IN (SELECT id FROM session WHERE account = ?"
                   " ORDER BY created_us DESC, id DESC LIMIT 1000 OFFSET ?)", (account.id, SESSIONS_MAX - 1))
        organization = organization_number(db, account.organization)
        assert organization is not None, "the account was found in it"
        cookie = _text(self.entropy(_COOKIE_BYTES))
        session = Session("ses_" + self.entropy(_ID_BYTES).hex(), account.id, account.organization, account.role,
                          agent[:AGENT_CHARS_MAX], now_us, now_us, lifetime_rule(db, organization))
        db.execute("INSERT INTO session (id, digest, rotated_us, account, organization, role, agent, created_us, seen_us)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (session.id, self._digest(cookie), now_us, account.id, organization, session.role, session.agent, now_us, now_us))
        note_seen(db, account.id, organization, now_us)
        note_access(pen, organization, "signed_in", account.id, opened=session.id)
        return session, cookie

    def find(self, cookie: str, now_us: int) -> Found | None:
        """What a cookie opens now; None for one that opens nothing. Raises StoreFault where the database cannot be read."""
        digest = self._digest(cookie)
        with self.database.read() as db:
            row = db.execute("SELECT " + _COLUMNS + " WHERE s.digest = ? OR s.digest_before = ?", (digest, digest)).fetchone()
            account = accounts.by_id(db, row[1], row[2]) if row else None
        if row is None or account is None:
            return None
        session, (number, rotated_us, kept) = Session(*row[:_SESSION]), row[_SESSION:]
        current = hmac.compare_digest(bytes(kept), digest)
        if not self._stands(session, now_us) or (not current and now_us >= rotated_us + _GRACE_US):
            return None
        if current and session.role != account.role:
            return Found(session, account, self._rotate(session, account, digest, now_us))
        if now_us - session.seen_us >= min(_SEEN_EVERY_US, self.idle_us // 4):
            with suppress(StoreFault), self.database.write() as db:      # who only reads need not be able to write
                db.execute("UPDATE session SET seen_us = ? WHERE id = ? AND seen_us < ?", (now_us, session.id, now_us))
                note_seen(db, account.id, number, now_us)
        return Found(session, account)

    def list(self, account: str, now_us: int) -> list[Session]:
        """The sessions of an account that have not ended, the newest first."""
        with self.database.read() as db:
            rows = db.execute("SELECT " + _COLUMNS + " WHERE s.account = ? ORDER BY s.created_us DESC, s.id", (account,)).fetchall()
        return [session for row in rows if self._stands(session := Session(*row[:_SESSION]), now_us)]

    def expires_us(self, session: Session) -> int:
        """When it ends, whatever happens."""
        return session.created_us + min(self.lifetime_us, session.limit_s * _S_US or self.lifetime_us)

    def _rotate(self, session: Session, account: Account, digest: bytes, now_us: int) -> str | None:
        """Another cookie for the session; None where another request was first, which then has it."""
        cookie = _text(self.entropy(_COOKIE_BYTES))
        with self.database.write() as db:
            changed = db.execute("UPDATE session SET digest = ?, digest_before = ?, rotated_us = ?, role = ?, seen_us = ?"
                                 " WHERE id = ? AND digest = ?",
                                 (self._digest(cookie), digest, now_us, account.role, now_us, session.id, digest)).rowcount
        return cookie if changed else None

    def _stands(self, session: Session, now_us: int) -> bool:
        return now_us < session.seen_us + self.idle_us and now_us < self.expires_us(session)

    def _digest(self, cookie: str) -> bytes:
        return hmac.digest(self.secret, cookie.encode("utf-8", "surrogateescape"), "sha256")


def lifetime_rule(db: Connection, organization: int) -> int:
    """How many seconds an organisation lets a session last; 0 for as long as the installation does."""
    row = db.execute("SELECT lifetime_s FROM session_rule WHERE organization = ?", (organization,)).fetchone()
    return int(row[0]) if row else 0


def set_lifetime_rule(sequencer: Sequencer, organization: int, lifetime_s: int, now_us: int, by: str) -> None:
    """Let sessions of an organisation last no longer, at once; 0 for as long as the installation does."""
    with sequencer.append(now_us) as pen:
        if lifetime_rule(pen.db, organization) == lifetime_s:
            return
        pen.db.execute("INSERT INTO session_rule (organization, lifetime_s) VALUES (?, ?)"
                       " ON CONFLICT (organization) DO UPDATE SET lifetime_s = excluded.lifetime_s", (organization, lifetime_s))
        note_access(pen, organization, "sessions_last", "", actor=by, seconds=lifetime_s)


def note_seen(db: Connection, account: str, organization: int, now_us: int) -> None:
    """Somebody is here, within a write transaction."""
    db.execute("INSERT INTO last_seen (account, organization, seen_us) VALUES (?, ?, ?)"
               " ON CONFLICT (account, organization) DO UPDATE SET seen_us = excluded.seen_us", (account, organization, now_us))


def _text(random: bytes) -> str:
    return urlsafe_b64encode(random).decode().rstrip("=")
