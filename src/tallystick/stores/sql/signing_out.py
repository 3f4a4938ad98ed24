"""What ends logins before their time: one session that its owner ends, or all that an account has, in the transaction
that changes what they were opened by (a password, a membership, a second factor). Login tokens are no rows, so each
names the generation of its account's logins, and a later generation ends them. Personal access tokens end with a
membership, and with a password that was lost: whoever had it may have made some.
"""

from __future__ import annotations

from tallystick.stores.sql.access_log import note_access
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.journal import Appending


def end_session(db: Connection, account: str, session_id: str) -> bool:
    """End one session of an account; False where there is none such."""
    return db.execute("DELETE FROM session WHERE id = ? AND account = ?", (session_id, account)).rowcount > 0


def end_sessions_of(db: Connection, account: str, *, organization: int | None = None, keep: str | None = None) -> int:
    """End an account's sessions, in the transaction that changes what they were opened by: all, or those of one
    organisation; all but `keep`. Login tokens that are out end with them, everywhere. How many sessions there were.
    """
    ended = db.execute("DELETE FROM session WHERE account = ? AND (organization = ? OR ? = 0) AND id <> ?",
                       (account, organization or 0, organization or 0, keep or "")).rowcount
    db.execute("INSERT INTO login_generation (account, number) VALUES (?, 1)"
               " ON CONFLICT (account) DO UPDATE SET number = login_generation.number + 1", (account,))
    return ended


def revoke_tokens_of(db: Connection, account: str, organization: int, now_us: int) -> None:
    """End the personal access tokens of an account in an organisation that it leaves."""
    db.execute("UPDATE personal_token SET revoked_us = ? WHERE account = ? AND organization = ? AND revoked_us IS NULL",
               (now_us, account, organization))


def revoke_all_tokens(pen: Appending, account: str, by: str) -> int:
    """End the personal access tokens of an account wherever it belongs, each with its entry; how many there were."""
    rows = pen.db.execute("SELECT id, organization FROM personal_token WHERE account = ? AND revoked_us IS NULL AND expires_us > ?"
                          " ORDER BY organization, created_us, id", (account, pen.now_us)).fetchall()
    for token, organization in rows:
        pen.db.execute("UPDATE personal_token SET revoked_us = ? WHERE id = ?", (pen.now_us, token))
        note_access(pen, organization, "token_revoked", account, actor=by, token=token)
    return len(rows)


def generation_of(db: Connection, account: str) -> int:
    """What a login token of this account must say to open anything."""
    row = db.execute("SELECT number FROM login_generation WHERE account = ?", (account,)).fetchone()
    return int(row[0]) if row else 0
