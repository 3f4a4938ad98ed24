"""Invitations: a link that makes one address a member once. Of the link only a keyed hash is kept.

Nobody invites to more than they have, and what they have is looked at twice: when they invite and when the invitation is
accepted, so that who was demoted or let go in between invites nobody any more. Accepting is one transaction: of two who
accept at once, one is a member and the other is told that the link is used.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from tallystick.core.membership import Membership, Role
from tallystick.core.secret import Secret
from tallystick.stores.sql.access_log import note_access
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.keyring import digest_mark
from tallystick.stores.sql.members import Member, Members, Newcomer, member_named
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_invitations

PENDING_MAX: Final = 1_000                   # of one organisation
DAYS: Final = 7
DAYS_MAX: Final = 30
_DAY_US: Final = 86_400_000_000
_TOKEN_BYTES: Final = 32
_ID_BYTES: Final = 8
_SELECT: Final = ("SELECT i.id, i.organization, i.email, i.role, i.invited_by, i.created_us, i.expires_us, i.accepted_us, i.revoked_us"
                  " FROM invitation i")
_GONE: Final = "This invitation was used, was taken back or has expired, or there was none."


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as it is shown: never its link."""

    id: str
    organization: int
    email: str
    membership: Membership
    invited_by: str
    created_us: int
    expires_us: int
    accepted_us: int | None
    revoked_us: int | None

    def status(self, now_us: int) -> str:
        """pending, accepted, revoked or expired."""
        if self.accepted_us is not None:
            return "accepted"
        return "revoked" if self.revoked_us is not None else "pending" if now_us < self.expires_us else "expired"


@dataclass(frozen=True, slots=True)
class Invitations:
    """Makes, accepts and revokes invitations. `secret` keys the hashes; `by` is the account that asks, or `members.HOST`."""

    members: Members
    secret: bytes = field(repr=False)
    entropy: Callable[[int], bytes]

    def invite(self, organization: int, email: str, membership: Membership, *, days: int, now_us: int,
               by: str) -> tuple[Invitation, Secret]:
        """Invite a canonical address; what its link ends with is shown this once. An earlier invitation of it is taken back.

        Raises Refused: `exists` for who is a member, `forbidden`, `unknown_team`, `invalid_request`, `too_many`.
        """
        if not 1 <= days <= DAYS_MAX:
            raise Refused("invalid_request", f"An invitation lasts 1 to {DAYS_MAX} days.")
        token = urlsafe_b64encode(self.entropy(_TOKEN_BYTES)).decode().rstrip("=")
        made = Invitation("inv_" + self.entropy(_ID_BYTES).hex(), organization, email, membership, by, now_us, now_us + days * _DAY_US,
                          None, None)
        with self.members.sequencer.append(now_us) as pen:
            self.members.judge(pen, organization, by, membership)
            if member_named(pen.db, organization, email) is not None:
                raise Refused("exists", "This address is a member already.")
            for (earlier,) in pen.db.execute("SELECT id FROM invitation WHERE organization = ? AND email = ? AND accepted_us IS NULL"
                                             " AND revoked_us IS NULL", (organization, email)).fetchall():
                _revoke(pen, organization, earlier, by)
            pending = pen.db.execute("SELECT count(*) FROM invitation WHERE organization = ? AND accepted_us IS NULL AND revoked_us IS NULL"
                                     " AND expires_us > ?", (organization, now_us)).fetchone()[0]
            if pending >= PENDING_MAX:
                raise Refused("too_many", f"At most {PENDING_MAX} invitations wait at once; revoke some.")
            digest = self._digest(token)
            pen.db.execute("INSERT INTO invitation (id, digest, organization, email, role, invited_by, created_us, expires_us)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           (made.id, digest, organization, email, membership.role, by, now_us, made.expires_us))
            pen.db.executemany("INSERT INTO invitation_team (invitation, team) VALUES (?, ?)",
                               [(made.id, team) for team in sorted(membership.teams)])
            note_access(pen, organization, "invited", "", actor=by, membership=membership, invitation=made.id, ends=made.expires_us,
                        digest=digest_mark(digest))
        return made, Secret(token)

    def find(self, token: str, now_us: int) -> Invitation:
        """The invitation of a link that still opens something. Raises Refused `invitation_gone`."""
        with self.members.sequencer.database.read() as db:
            return self._pending(db, token, now_us)

    def accept(self, token: str, name: str, password_hash: str | None, now_us: int) -> Member:
        """Make its address a member: a new account with this password, or the one that proved itself, without.

        Raises Refused: `invitation_gone`, `forbidden` where the inviter could not invite to it any more, `account_exists`,
        `password_required`, `exists`.
        """
        with self.members.sequencer.append(now_us) as pen:
            invitation = self._pending(pen.db, token, now_us)
            newcomer = Newcomer(invitation.email, name, invitation.membership, password_hash)
            member, _ = self.members.take_in(pen, invitation.organization, newcomer, invitation.invited_by, agreed=True)
            pen.db.execute("UPDATE invitation SET accepted_us = ? WHERE id = ?", (now_us, invitation.id))
            note_access(pen, invitation.organization, "invitation_accepted", member.account, invitation=invitation.id)
        return member

    def revoke(self, organization: int, invitation_id: str, now_us: int, by: str, sight: Sight = EVERYTHING) -> Invitation | None:
        """Take an invitation back; None where there is none to be seen. One that is over stays as it is. Raises Refused
        `forbidden` for one to more than one may give."""
        with self.members.sequencer.append(now_us) as pen:
            found = _find(pen.db, organization, invitation_id, sight)
            if found is None or found.status(now_us) != "pending":
                return found
            self.members.judge(pen, organization, by, found.membership)
            _revoke(pen, organization, invitation_id, by)
            return _find(pen.db, organization, invitation_id, EVERYTHING)

    def list(self, organization: int, sight: Sight = EVERYTHING, *, after: tuple[int, str] | None = None, limit: int) -> list[Invitation]:
        """Invitations in the order they were made, beginning behind `after` (created_us, id)."""
        created_us, invitation = after or (-1, "")
        seen = of_invitations(sight, organization)
        query = (_SELECT + " WHERE i.organization = ?" + seen.sql + " AND (i.created_us > ? OR (i.created_us = ? AND i.id > ?))"
                 " ORDER BY i.created_us, i.id LIMIT ?")
        with self.members.sequencer.database.read() as db:
            rows = db.execute(query, (organization, *seen.values, created_us, created_us, invitation, limit)).fetchall()
            return [_invitation(db, row) for row in rows]

    def _pending(self, db: Connection, token: str, now_us: int) -> Invitation:
        row = db.execute(_SELECT + " WHERE i.digest = ? AND i.accepted_us IS NULL AND i.revoked_us IS NULL AND i.expires_us > ?",
                         (self._digest(token), now_us)).fetchone()
        if row is None:
            raise Refused("invitation_gone", _GONE)
        return _invitation(db, row)

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self.secret, token.encode("utf-8", "surrogateescape"), "sha256")


def _revoke(pen: Appending, organization: int, invitation: str, by: str) -> None:
    pen.db.execute("UPDATE invitation SET revoked_us = ? WHERE id = ?", (pen.now_us, invitation))
    note_access(pen, organization, "invitation_revoked", "", actor=by, invitation=invitation)


def _find(db: Connection, organization: int, invitation: str, sight: Sight) -> Invitation | None:
    seen = of_invitations(sight, organization)
    row = db.execute(_SELECT + " WHERE i.organization = ? AND i.id = ?" + seen.sql, (organization, invitation, *seen.values)).fetchone()
    return _invitation(db, row) if row else None


def _invitation(db: Connection, row: tuple[Any, ...]) -> Invitation:
    invitation, organization, email, role, *rest = row
    teams = frozenset(team for (team,) in db.execute("SELECT team FROM invitation_team WHERE invitation = ?", (invitation,)).fetchall())
    return Invitation(invitation, organization, email, Membership(cast("Role", role), teams), *rest)
