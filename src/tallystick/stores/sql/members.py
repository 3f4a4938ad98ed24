"""Who belongs to an organisation, and as what: joined, changed, left; an account disabled or enabled for the
whole installation. Each change, its chained MEMBER entry and the raised change counter commit together.

Who may make a change is judged inside the same transaction, by what the grantor is at that moment: a role that
was just taken away grants nothing any more. An organisation keeps one owner who can log in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from tallystick.core.entry import Fields
from tallystick.core.membership import Membership, Role, fault_of, may_set
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.signing_out import end_sessions_of, revoke_tokens_of
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_members

MEMBERS_MAX: Final = 10_000                  # of one organisation
HOST: Final = "cli"                          # the actor that holds the host and may do everything
Event = Literal["joined", "changed", "left", "disabled", "enabled"]

_SELECT: Final = """
SELECT a.id, a.email, a.name, m.role, m.joined_us, a.disabled_us, l.seen_us
FROM membership m JOIN account a ON a.id = m.account
LEFT JOIN last_seen l ON l.account = m.account AND l.organization = m.organization WHERE m.organization = ?"""


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an organisation, as others see them."""

    account: str
    email: str
    name: str
    membership: Membership
    joined_us: int
    disabled: bool
    seen_us: int | None = None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody to take in: under a canonical address, with the hash of a password for whoever has no account yet."""

    email: str
    name: str
    membership: Membership
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Members:
    """The changes of memberships, each one transaction of the ledger's pen. `by`: the account that asks, or `HOST`."""

    sequencer: Sequencer
    new_id: Callable[[], str]

    def add(self, organization: int, newcomer: Newcomer, now_us: int, by: str) -> tuple[Member, bool]:
        """Take somebody in; whether their account was made with it.

        Raises Refused: `exists` for who is a member, `account_exists` for who has an account elsewhere and is not taken
        in by the host, `password_required`, `forbidden`, `invalid_request`.
        """
        with self.sequencer.append(now_us) as pen:
            return self.take_in(pen, organization, newcomer, by)

    def take_in(self, pen: Appending, organization: int, newcomer: Newcomer, by: str, *, agreed: bool = False) -> tuple[Member, bool]:
        """As `add`, in a transaction that is open. `agreed`: the account has proved that it wants to, so it may belong
        elsewhere too."""
        self.judge(pen, organization, by, newcomer.membership)
        row = pen.db.execute("SELECT id FROM account WHERE email = ?", (newcomer.email,)).fetchone()
        account = row[0] if row else self._make(pen, newcomer)
        if row is not None:
            _may_join(pen.db, organization, account, newcomer, by=HOST if agreed else by)
        if pen.db.execute("SELECT count(*) FROM membership WHERE organization = ?", (organization,)).fetchone()[0] >= MEMBERS_MAX:
            raise Refused("too_many", f"An organisation has at most {MEMBERS_MAX} members.")
        put_membership(pen, organization, account, newcomer.membership)
        note_member(pen, organization, "joined", account, newcomer.membership, by)
        member = find_member(pen.db, organization, account)
        assert member is not None, "it was just put there"
        return member, row is None

    def judge(self, pen: Appending, organization: int, by: str, membership: Membership) -> None:
        """Whether this can be held at all, and `by` may give it as they are now. Raises Refused `forbidden`,
        `unknown_team`, `invalid_request`."""
        _check(membership)
        _allow(pen.db, organization, by, membership)
        _check_teams(pen.db, organization, membership)

    def change(self, organization: int, account: str, change: Callable[[Membership], Membership], now_us: int, by: str,
               sight: Sight = EVERYTHING) -> Member | None:
        """Make what a member is into what `change` makes of it; None where there is no such member to be seen.

        Raises Refused: `forbidden`, `last_owner`, `unknown_team`, `invalid_request`.
        """
        with self.sequencer.append(now_us) as pen:
            member = find_member(pen.db, organization, account, sight)
            if member is None:
                return None
            membership = change(member.membership)
            _check(membership)
            _allow(pen.db, organization, by, member.membership, membership)
            _check_teams(pen.db, organization, membership)
            if membership == member.membership:
                return member
            if membership.role != "owner":
                _keep_an_owner(pen.db, organization, account)
            put_membership(pen, organization, account, membership)
            note_member(pen, organization, "changed", account, membership, by)
            return find_member(pen.db, organization, account)

    def remove(self, organization: int, account: str, now_us: int, by: str, sight: Sight = EVERYTHING) -> Member | None:
        """End a membership; the account stays, and so do its keys. None where there is no such member to be seen.

        Raises Refused: `forbidden`, `last_owner`.
        """
        with self.sequencer.append(now_us) as pen:
            member = find_member(pen.db, organization, account, sight)
            if member is None:
                return None
            _allow(pen.db, organization, by, member.membership, None)
            _keep_an_owner(pen.db, organization, account)
            take_membership(pen, organization, account)
            end_sessions_of(pen.db, account, organization=organization)
            revoke_tokens_of(pen.db, account, organization, now_us)
            note_member(pen, organization, "left", account, None, by)
            return member

    def set_disabled(self, account: str, *, disabled: bool, now_us: int) -> None:
        """Shut an account out of the whole installation, or let it in again: the host's to say. Raises Refused
        `last_owner` where an organisation would be left without one."""
        with self.sequencer.append(now_us) as pen:
            was = pen.db.execute("SELECT disabled_us IS NOT NULL FROM account WHERE id = ?", (account,)).fetchone()
            if was is None or bool(was[0]) == disabled:
                return
            here = [row[0] for row in pen.db.execute("SELECT organization FROM membership WHERE account = ?", (account,)).fetchall()]
            for organization in here:
                if disabled:
                    _keep_an_owner(pen.db, organization, account)
            pen.db.execute("UPDATE account SET disabled_us = ? WHERE id = ?", (now_us if disabled else None, account))
            end_sessions_of(pen.db, account)
            for organization in here:
                member = find_member(pen.db, organization, account)
                assert member is not None, "its membership was just read"
                note_member(pen, organization, "disabled" if disabled else "enabled", account, member.membership, HOST)

    def _make(self, pen: Appending, newcomer: Newcomer) -> str:
        if newcomer.password_hash is None:
            raise Refused("password_required", "A new account needs a password.")
        account = self.new_id()
        pen.db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES (?, ?, ?, ?, ?)",
                       (account, newcomer.email, newcomer.name or newcomer.email.partition("@")[0], newcomer.password_hash, pen.now_us))
        return account


def put_membership(pen: Appending, organization: int, account: str, membership: Membership) -> None:
    """The rows of a membership as it is from now on."""
    pen.db.execute("DELETE FROM membership_team WHERE organization = ? AND account = ?", (organization, account))
    pen.db.execute("INSERT INTO membership (account, organization, role, joined_us) VALUES (?, ?, ?, ?)"
                   " ON CONFLICT (account, organization) DO UPDATE SET role = excluded.role",
                   (account, organization, membership.role, pen.now_us))
    for team in sorted(membership.teams):
        pen.db.execute("INSERT INTO membership_team (account, organization, team) VALUES (?, ?, ?)", (account, organization, team))


def take_membership(pen: Appending, organization: int, account: str) -> None:
    """No rows of it any more."""
    pen.db.execute("DELETE FROM membership_team WHERE organization = ? AND account = ?", (organization, account))
    pen.db.execute("DELETE FROM membership WHERE organization = ? AND account = ?", (organization, account))
    pen.db.execute("DELETE FROM last_seen WHERE organization = ? AND account = ?", (organization, account))


def note_member(pen: Appending, organization: int, event: Event, account: str, membership: Membership | None, actor: str) -> None:
    """Chain what somebody is from now on; nothing of their address or name."""
    chain = pen.chain(organization)
    fields: Fields = {"kind": "MEMBER", "at": pen.now_us, "event": event, "actor": actor, "account": account}
    if membership is not None:
        fields["role"] = membership.role
        if membership.teams:
            fields["teams"] = [chain.define("team", team) for team in sorted(membership.teams)]
    chain.append(fields)
    engine.note_change(pen.db)


def list_members(database: Database, organization: int, sight: Sight = EVERYTHING, *, after: tuple[int, str] | None = None,
                 limit: int) -> list[Member]:
    """Members in the order they joined, beginning behind `after` (joined_us, account)."""
    joined_us, account = after or (-1, "")
    seen = of_members(sight, organization)
    query = (_SELECT + seen.sql + " AND (m.joined_us > ? OR (m.joined_us = ? AND m.account > ?))"
             " ORDER BY m.joined_us, m.account LIMIT ?")
    with database.read() as db:
        rows = db.execute(query, (organization, *seen.values, joined_us, joined_us, account, limit)).fetchall()
        return [_member(db, organization, row) for row in rows]


def find_member(db: Connection, organization: int, account: str, sight: Sight = EVERYTHING) -> Member | None:
    """One member, where they are to be seen."""
    seen = of_members(sight, organization)
    row = db.execute(_SELECT + seen.sql + " AND m.account = ?", (organization, *seen.values, account)).fetchone()
    return _member(db, organization, row) if row else None


def member_named(db: Connection, organization: int, email: str) -> Member | None:
    """One member by a canonical address."""
    row = db.execute(_SELECT + " AND a.email = ?", (organization, email)).fetchone()
    return _member(db, organization, row) if row else None


def has_account(db: Connection, email: str) -> bool:
    """Whether a canonical address has an account, wherever it belongs."""
    return db.execute("SELECT 1 FROM account WHERE email = ?", (email,)).fetchone() is not None


def _member(db: Connection, organization: int, row: tuple[Any, ...]) -> Member:
    account, email, name, role, joined_us, disabled_us, seen_us = row
    teams = db.execute("SELECT team FROM membership_team WHERE organization = ? AND account = ?", (organization, account))
    membership = Membership(cast("Role", role), frozenset(team for (team,) in teams))
    return Member(account, email, name, membership, joined_us, disabled_us is not None, seen_us)


def _check(membership: Membership) -> None:
    if fault := fault_of(membership):
        raise Refused("invalid_request", fault)


def _check_teams(db: Connection, organization: int, membership: Membership) -> None:
    known = {name for (name,) in db.execute("SELECT name FROM team WHERE organization = ?", (organization,))}
    if unknown := sorted(membership.teams - known):
        raise Refused("unknown_team", f"There is no team {unknown[0]}.")


def _allow(db: Connection, organization: int, by: str, *memberships: Membership | None) -> None:
    """The grantor may give or take all of these. Raises Refused `forbidden`."""
    if by == HOST:
        return
    grantor = find_member(db, organization, by)
    if grantor is None or grantor.disabled or not all(may_set(grantor.membership, each) for each in memberships):
        raise Refused("forbidden", "You cannot give or take away more than you have yourself.")


def _may_join(db: Connection, organization: int, account: str, newcomer: Newcomer, by: str) -> None:
    """Of an account that is there: who belongs elsewhere, or was shut out, only the host takes in, and nobody gives
    it another password. Raises Refused."""
    if find_member(db, organization, account) is not None:
        raise Refused("exists", "This address is a member already.")
    if newcomer.password_hash is not None:
        raise Refused("account_exists", "This address has an account and a password of its own.")
    disabled, elsewhere = db.execute(
        "SELECT a.disabled_us IS NOT NULL, EXISTS (SELECT 1 FROM membership m WHERE m.account = a.id) FROM account a WHERE a.id = ?",
        (account,)).fetchone()
    if (disabled or elsewhere) and by != HOST:
        raise Refused("account_exists", "This address has an account; whoever runs the installation takes it in.")
    if disabled:
        raise Refused("account_disabled", "This account is disabled; enable it first.")


def _keep_an_owner(db: Connection, organization: int, without: str) -> None:
    """Somebody else is an owner who can log in, unless this one is none. Raises Refused `last_owner`."""
    owners = {account for (account,) in db.execute(
        "SELECT m.account FROM membership m JOIN account a ON a.id = m.account"
        " WHERE m.organization = ? AND m.role = 'owner' AND a.disabled_us IS NULL", (organization,))}
    if owners == {without}:
        raise Refused("last_owner", "An organisation keeps one owner; make somebody else one first.")
