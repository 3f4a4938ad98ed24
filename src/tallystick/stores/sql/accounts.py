"""People: their accounts and what they may do where. An account has one role in each organisation it
belongs to; in this issue that is one owner of `default`, made at first start or by the setup link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.journal import Sequencer

EMAIL_CHARS_MAX: Final = 254
# No top-level domain is asked for: `admin@local` is an address in a house of one's own.
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f<>\"]+@[^\s@\x00-\x1f\x7f<>\"]+")


@dataclass(frozen=True, slots=True)
class Account:
    """A person in one organisation. `password_hash` never leaves this process."""

    id: str
    email: str
    name: str
    role: str
    organization: str
    password_hash: str = field(repr=False)


_SELECT: Final = """
SELECT a.id, a.email, a.name, m.role, o.slug, a.password_hash
FROM account a JOIN membership m ON m.account = a.id JOIN organization o ON o.id = m.organization
WHERE a.disabled_us IS NULL AND """


def canonical_email(text: str) -> str | None:
    """The address as it is kept and compared; None for what is no address."""
    email = text.strip().casefold()
    return email if len(email) <= EMAIL_CHARS_MAX and _EMAIL.fullmatch(email) else None


def by_email(db: Connection, email: str) -> Account | None:
    """The account of a canonical address, in the first organisation it belongs to."""
    row = db.execute(_SELECT + "a.email = ? ORDER BY o.id LIMIT 1", (email,)).fetchone()
    return Account(*row) if row else None


def by_id(db: Connection, account_id: str, organization: str) -> Account | None:
    """The account, if it still belongs to that organisation."""
    row = db.execute(_SELECT + "a.id = ? AND o.slug = ?", (account_id, organization)).fetchone()
    return Account(*row) if row else None


def exist(db: Connection) -> bool:
    """Whether anybody has an account yet."""
    return db.execute("SELECT 1 FROM account LIMIT 1").fetchone() is not None


def add_first_owner(database: engine.Database, account_id: str, email: str, password_hash: str, now_us: int) -> bool:
    """Make the owner of `default` unless somebody was first; False then. Decided inside the write lock; the
    role is chained, the person's address is not."""
    with Sequencer(database).append(now_us) as pen:
        db = pen.db
        if exist(db):
            return False
        db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES (?, ?, ?, ?, ?)",
                   (account_id, email, email.partition("@")[0], password_hash, now_us))
        db.execute("INSERT INTO membership (account, organization, role) VALUES (?, ?, 'owner')", (account_id, engine.DEFAULT))
        pen.chain(engine.DEFAULT).append(
            {"kind": "MEMBER", "at": now_us, "event": "joined", "actor": account_id, "account": account_id, "role": "owner"})
        engine.note_change(db)
    return True
