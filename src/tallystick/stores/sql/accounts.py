"""People as they log in: their accounts, and what they are where. An account has one role in each organisation
it belongs to. Every question of the API looks the membership up anew, so a role that changes or ends does so
for the tokens that are out, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from collections.abc import Collection
from typing import Any, Final, NamedTuple, cast

from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.membership import Membership, Role
from tallystick.stores.sql import engine
from tallystick.stores.sql.access_log import note_access, organizations_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.members import note_member, put_membership
from tallystick.stores.sql.signing_out import end_sessions_of, revoke_all_tokens

EMAIL_CHARS_MAX: Final = 254
_LOST: Final[dict[str, Any]] = {"lost": 1}             # of an entry: the password was reset, all tokens end
# No top-level domain is asked for: `admin@local` is an address in a house of one's own.
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f<>\"]+@[^\s@\x00-\x1f\x7f<>\"]+")


@dataclass(frozen=True, slots=True)
class Account:
    """A person in one organisation. `lacks_factor`: it asks for a second factor, and they have none."""

    id: str
    email: str
    name: str
    role: Role
    organization: str
    teams: frozenset[str] = frozenset()
    lacks_factor: bool = False

    @property
    def membership(self) -> Membership:
        """What they are there."""
        return Membership(self.role, self.teams)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a password opens: an account, in one of its organisations (by name). `password_hash` never leaves this
    process."""

    account: str
    password_hash: str = field(repr=False)
    organizations: tuple[str, ...]


class Ended(NamedTuple):
    """How much another password ended."""

    sessions: int
    tokens: int


def canonical_email(text: str) -> str | None:
    """The address as it is kept and compared; None for what is no address."""
    email = text.strip().casefold()
    return email if len(email) <= EMAIL_CHARS_MAX and _EMAIL.fullmatch(email) else None


def opened_by(db: Connection, email: str) -> Opened | None:
    """What the password of a canonical address opens, which is nothing for who belongs nowhere; None where nobody may log
    in under it."""
    rows = db.execute("SELECT a.id, a.password_hash, o.slug FROM account a LEFT JOIN membership m ON m.account = a.id"
                      " LEFT JOIN organization o ON o.id = m.organization WHERE a.disabled_us IS NULL AND a.email = ? ORDER BY o.id",
                      (email,)).fetchall()
    return Opened(rows[0][0], rows[0][1], tuple(row[2] for row in rows if row[2] is not None)) if rows else None


def by_id(db: Connection, account_id: str, organization: str) -> Account | None:
    """The account, if it may log in and still belongs to that organisation."""
    row = db.execute("SELECT a.email, a.name, m.role, m.organization,"
                     " EXISTS (SELECT 1 FROM sign_in_rule r WHERE r.organization = o.id AND r.second_factor = 1)"
                     " AND NOT EXISTS (SELECT 1 FROM second_factor f WHERE f.account = a.id AND f.confirmed_us IS NOT NULL)"
                     " FROM account a JOIN membership m ON m.account = a.id"
                     " JOIN organization o ON o.id = m.organization WHERE a.disabled_us IS NULL AND a.id = ? AND o.slug = ?",
                     (account_id, organization)).fetchone()
    if row is None:
        return None
    email, name, role, number, lacks_factor = row
    teams = db.execute("SELECT team FROM membership_team WHERE organization = ? AND account = ?", (number, account_id))
    return Account(account_id, email, name, cast("Role", role), organization, frozenset(team for (team,) in teams), bool(lacks_factor))


def places_of(db: Connection, account_id: str) -> list[tuple[str, str, str]]:
    """Where an account belongs: short name and name of each organisation, and the role there."""
    rows = db.execute("SELECT o.slug, o.name, m.role FROM membership m JOIN organization o ON o.id = m.organization"
                      " WHERE m.account = ? ORDER BY o.id", (account_id,)).fetchall()
    return [(slug, name, role) for slug, name, role in rows]


def exist(db: Connection) -> bool:
    """Whether anybody has an account yet."""
    return db.execute("SELECT 1 FROM account LIMIT 1").fetchone() is not None


def add_first_owner(database: engine.Database, account_id: str, email: str, password_hash: str, now_us: int) -> bool:
    """Make the owner of `default` unless somebody was first; False then. Decided inside the write lock; the
    role is chained, the person's address is not."""
    with Sequencer(database).append(now_us) as pen:
        if exist(pen.db):
            return False
        pen.db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES (?, ?, ?, ?, ?)",
                       (account_id, email, email.partition("@")[0], password_hash, now_us))
        put_membership(pen, engine.DEFAULT, account_id, Membership("owner"))
        note_member(pen, engine.DEFAULT, "joined", account_id, Membership("owner"), account_id)
    return True


def set_name(database: engine.Database, account: str, name: str) -> None:
    """Call an account otherwise. Raises Refused `invalid_request`."""
    if not name or len(name) > VALUE_CHARS_MAX or not name.isprintable():
        raise Refused("invalid_request", f"A name has 1 to {VALUE_CHARS_MAX} characters on one line.")
    with database.write() as db:
        db.execute("UPDATE account SET name = ? WHERE id = ?", (name, account))


def set_password(sequencer: Sequencer, account: str, password_hash: str, now_us: int, by: str, keep: str | None = None, *,
                 lost: bool = False) -> Ended:
    """As `put_password`, in a transaction of its own."""
    with sequencer.append(now_us) as pen:
        return put_password(pen, account, password_hash, by, keep, lost=lost)


def put_password(pen: Appending, account: str, password_hash: str, by: str, keep: str | None = None, *, lost: bool) -> Ended:
    """Give an account another password and end what the old one opened, login tokens too: all sessions but `keep`. `lost`: who
    else had it may have made tokens, so personal access tokens end as well. Chained wherever the account belongs. `by`: the
    account itself, or `HOST`."""
    pen.db.execute("UPDATE account SET password_hash = ? WHERE id = ?", (password_hash, account))
    pen.db.execute("DELETE FROM password_reset WHERE account = ?", (account,))
    for organization in organizations_of(pen.db, account):
        note_access(pen, organization, "password_set", account, actor=by, **_LOST if lost else {})
    tokens = revoke_all_tokens(pen, account, by) if lost else 0
    return Ended(end_sessions_of(pen.db, account, keep=keep), tokens)


def emails_of(db: Connection, ids: Collection[str]) -> dict[str, str]:
    """The e-mails of these accounts, by id; what is no account has none."""
    if not ids:
        return {}
    query = f"SELECT id, email FROM account WHERE id IN ({', '.join('?' * len(ids))})"  # noqa: S608 - marks alone
    return dict(db.execute(query, tuple(sorted(ids))).fetchall())
