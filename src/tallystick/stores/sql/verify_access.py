"""Does what opens the API to people stand as the ACCESS entries say? A token that was revived, prolonged, widened or
exchanged in the table alone, an invitation to another role, a second factor or the rule that asks for it taken away
without an entry: all are found here.

A membership that ended (MEMBER) ended its tokens; what its account's second factor is from then on, other chains say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.keyring import digest_mark
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.second_factors import is_required, stands
from tallystick.stores.sql.sessions import lifetime_rule
from tallystick.stores.sql.verify_directory import Difference

_TOKENS: Final = ("SELECT id, account, scopes, expires_us, digest, revoked_us FROM personal_token WHERE organization = ?"
                  " ORDER BY created_us, id")
_INVITATIONS: Final = ("SELECT id, invited_by, role, expires_us, digest, accepted_us, revoked_us FROM invitation WHERE organization = ?"
                       " ORDER BY created_us, id")


class Access:
    """What one chain's entries say of it, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._tokens: dict[str, tuple[int, tuple[Any, ...]]] = {}
        self._invitations: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self._over: dict[str, int] = {}                                  # a token or invitation → when it was revoked
        self._accepted: dict[str, int] = {}
        self._factors: dict[str, int] = {}                               # an account that has one → the entry
        self._rule: tuple[bool, int | None] = (False, None)
        self._last: tuple[int, int | None] = (0, None)                   # how long sessions may

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """An ACCESS or MEMBER entry. Raises KeyError for one that lacks what it must say."""
        event, at_us = fields["event"], fields["at"]
        if event == "left":
            self._factors.pop(fields["account"], None)
            self._over |= {token: at_us for token, (_, said) in self._tokens.items()
                           if said[0] == fields["account"] and token not in self._over}
        elif event == "token_made":
            self._tokens[fields["token"]] = seq, (fields["account"], fields["scopes"], fields["ends"], fields["digest"])
        elif event == "token_revoked":
            self._over[fields["token"]] = at_us
        elif event == "invited":
            self._invitations[fields["invitation"]] = seq, fields
        elif event == "invitation_accepted":
            self._accepted[fields["invitation"]] = at_us
        elif event == "invitation_revoked":
            self._over[fields["invitation"]] = at_us
        elif event == "factor_set":
            self._factors[fields["account"]] = seq
        elif event == "factor_removed":
            self._factors.pop(fields["account"], None)
        elif event in ("factor_required", "factor_not_required"):
            self._rule = event == "factor_required", seq
        elif event == "sessions_last":
            self._last = fields["seconds"], seq

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        yield from self._of_tokens()
        yield from self._of_invitations()
        for account, seq in self._factors.items():
            if not stands(self._db, account):
                yield Difference(seq, f"account {account} has lost its second factor")
        if is_required(self._db, self._organization) != self._rule[0]:
            yield Difference(self._rule[1], "a second factor is asked for otherwise than was said")
        if lifetime_rule(self._db, self._organization) != self._last[0]:
            yield Difference(self._last[1], "sessions may last otherwise than was said")

    def _of_tokens(self) -> Iterator[Difference]:
        said = dict(self._tokens)
        for token, *stands_as, digest, revoked_us in self._db.execute(_TOKENS, (self._organization,)).fetchall():
            seq, told = said.pop(token, (None, ()))
            if (*stands_as, _mark(digest)) != told or revoked_us != self._over.get(token):
                yield Difference(seq, f"token {token} stands otherwise than any entry says")
        for token, (seq, _) in said.items():
            yield Difference(seq, f"token {token} is missing")

    def _of_invitations(self) -> Iterator[Difference]:
        said, names = dict(self._invitations), Names(self._db, self._organization)
        teams: dict[str, set[str]] = {}
        for invitation, team in self._db.execute("SELECT t.invitation, t.team FROM invitation_team t JOIN invitation i"
                                                 " ON i.id = t.invitation WHERE i.organization = ?", (self._organization,)).fetchall():
            teams.setdefault(invitation, set()).add(team)
        for invitation, by, role, ends_us, digest, accepted_us, revoked_us in self._db.execute(
                _INVITATIONS, (self._organization,)).fetchall():
            seq, fields = said.pop(invitation, (None, {}))
            told = (fields.get("actor"), fields.get("role"), fields.get("ends"), fields.get("digest"), self._accepted.get(invitation),
                    self._over.get(invitation), {names.of("team", team) for team in fields.get("teams", ())})
            if (by, role, ends_us, _mark(digest), accepted_us, revoked_us, teams.get(invitation, set())) != told:
                yield Difference(seq, f"invitation {invitation} stands otherwise than any entry says")
        for invitation, (seq, _) in said.items():
            yield Difference(seq, f"invitation {invitation} is missing")


def _mark(digest: object) -> str:
    return digest_mark(digest) if isinstance(digest, bytes) else ""
