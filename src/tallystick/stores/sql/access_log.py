"""What the ledger says of people's logins and of what opens the API to them: ACCESS entries, in the chain of the
organisation that it opens. Accounts, sessions, invitations and tokens stand in them by id; no address of a person or
machine does, and no secret.

A failed login opens nothing, so it stands in the chain `system`: the first ten of a minute one by one, the others
counted when the minute is over, and the account only where there is one.
"""

from __future__ import annotations

from typing import Final, Literal

from tallystick.core.entry import Fields
from tallystick.core.membership import Membership
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.journal import Appending

Event = Literal["signed_in", "password_set", "factor_set", "factor_removed", "recovery_codes_made", "factor_required",
                "factor_not_required", "sessions_last", "invited", "invitation_accepted", "invitation_revoked", "token_made",
                "token_revoked"]
FAILURES_A_MINUTE: Final = 10
_MINUTE_US: Final = 60_000_000


def note_access(pen: Appending, organization: int, event: Event, account: str, *, actor: str = "", membership: Membership | None = None,
                **more: str | int) -> None:
    """Chain what opened, or opens from now on, whose access. `actor`: who did it, where it was not the `account` itself."""
    chain = pen.chain(organization)
    fields: Fields = {"kind": "ACCESS", "at": pen.now_us, "event": event, **more}
    if account:
        fields["account"] = account
    if actor and actor != account:
        fields["actor"] = actor
    if membership is not None:
        fields["role"] = membership.role
        if membership.teams:
            fields["teams"] = [chain.define("team", team) for team in sorted(membership.teams)]
    chain.append(fields)


def note_failure(pen: Appending, account: str | None, what: Literal["password", "code"]) -> None:
    """Chain a failed login, or count it."""
    close_failure_minutes(pen)
    minute = pen.now_us // _MINUTE_US
    row = pen.db.execute("SELECT entered FROM login_failure_minute WHERE minute = ?", (minute,)).fetchone()
    if row is not None and row[0] >= FAILURES_A_MINUTE:
        pen.db.execute("UPDATE login_failure_minute SET counted = counted + 1 WHERE minute = ?", (minute,))
        return
    pen.db.execute("INSERT INTO login_failure_minute (minute, entered, counted) VALUES (?, 1, 0)"
                   " ON CONFLICT (minute) DO UPDATE SET entered = login_failure_minute.entered + 1", (minute,))
    fields: Fields = {"kind": "ACCESS", "at": pen.now_us, "event": "failed", "what": what}
    if account is not None:
        fields["account"] = account
    pen.chain(engine.SYSTEM).append(fields)


def close_failure_minutes(pen: Appending) -> None:
    """Chain the counts of minutes that are over."""
    over = pen.now_us // _MINUTE_US
    ended = pen.db.execute("SELECT minute, counted FROM login_failure_minute WHERE minute < ? ORDER BY minute", (over,)).fetchall()
    if not ended:
        return
    for minute, counted in ended:
        if counted:
            pen.chain(engine.SYSTEM).append({"kind": "ACCESS", "at": minute * _MINUTE_US, "event": "failed", "count": counted})
    pen.db.execute("DELETE FROM login_failure_minute WHERE minute < ?", (over,))


def organizations_of(db: Connection, account: str) -> list[int]:
    """Where an account belongs: what it proves itself by is told in each of these."""
    rows = db.execute("SELECT organization FROM membership WHERE account = ? ORDER BY organization", (account,))
    return [int(number) for (number,) in rows.fetchall()]
