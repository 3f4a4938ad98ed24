"""Four eyes: what one person proposes, another approves. Nobody approves their own, save where they are the only
one who may: then it is done at once, and the entry that comes of it names the same account twice.

Who may approve is asked inside the transaction that carries it out. A proposal that was decided stays so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.sight import EVERYTHING, Sight

OPEN_MAX: Final = 1_000                      # of one organisation
_ID_BYTES: Final = 6
_SELECT: Final = """
SELECT id, kind, content, proposed_us, proposed_by, state, decided_us, decided_by FROM proposal WHERE organization = ?"""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that was asked for, and what became of it."""

    id: str
    kind: str
    content: Mapping[str, Any]
    proposed_us: int
    proposed_by: str
    state: str = "open"
    decided_us: int | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """Keeps and decides proposals. `entropy` draws random bytes."""

    sequencer: Sequencer
    entropy: Callable[[int], bytes]

    def add(self, organization: int, kind: str, content: Mapping[str, Any], now_us: int, by: str) -> Proposal:
        """Keep a proposal until somebody decides. Raises Refused `too_many`."""
        proposal = Proposal("prp_" + self.entropy(_ID_BYTES).hex(), kind, content, now_us, by)
        with self.sequencer.append(now_us) as pen:
            waiting = pen.db.execute("SELECT count(*) FROM proposal WHERE organization = ? AND state = 'open'", (organization,))
            if waiting.fetchone()[0] >= OPEN_MAX:
                raise Refused("too_many", f"{OPEN_MAX} proposals wait for a decision; decide some first.")
            pen.db.execute(
                "INSERT INTO proposal (organization, id, kind, content, proposed_us, proposed_by, state) VALUES (?, ?, ?, ?, ?, ?, 'open')",
                (organization, proposal.id, kind, json.dumps(content, sort_keys=True, ensure_ascii=False), now_us, by))
        return proposal

    def approve(self, organization: int, proposal_id: str, now_us: int, by: str, approvers: Mapping[str, Collection[str]],
                carry_out: Callable[[Appending, Proposal], None]) -> Proposal | None:
        """Approve a proposal and do what it says, in one transaction. `approvers`: the roles that may, by kind. None:
        there is no such proposal.

        Raises Refused: `forbidden`, `own_proposal`, `decided`, and whatever `carry_out` does.
        """
        with self.sequencer.append(now_us) as pen:
            proposal = _waiting(pen.db, organization, proposal_id)
            if proposal is None:
                return None
            may = who_may(pen.db, organization, approvers[proposal.kind])
            if by not in may:
                raise Refused("forbidden", "Your role does not approve this.")
            if by == proposal.proposed_by and may != {by}:
                raise Refused("own_proposal", "Nobody approves their own proposal; somebody else may.")
            carry_out(pen, proposal)
            return _decide(pen, organization, proposal, "approved", by)

    def decline(self, organization: int, proposal_id: str, now_us: int, by: str, approvers: Mapping[str, Collection[str]],
                sight: Sight = EVERYTHING) -> Proposal | None:
        """Decline a proposal, or take back one's own. None: there is no such proposal to be seen.

        Raises Refused: `forbidden`, `decided`.
        """
        with self.sequencer.append(now_us) as pen:
            proposal = _waiting(pen.db, organization, proposal_id, sight)
            if proposal is None:
                return None
            if by != proposal.proposed_by and by not in who_may(pen.db, organization, approvers[proposal.kind]):
                raise Refused("forbidden", "Your role does not decide this.")
            return _decide(pen, organization, proposal, "declined", by)


def who_may(db: Connection, organization: int, roles: Collection[str]) -> set[str]:
    """The accounts that have one of these roles and can log in."""
    rows = db.execute("SELECT m.account, m.role FROM membership m JOIN account a ON a.id = m.account"
                      " WHERE m.organization = ? AND a.disabled_us IS NULL", (organization,)).fetchall()
    return {account for account, role in rows if role in roles}


def list_proposals(database: Database, organization: int, state: str | None = None, *, after: tuple[int, str] | None = None,
                   limit: int, kind: str | None = None) -> list[Proposal]:
    """Proposals in the order they were made, beginning behind `after` (proposed_us, id); of one kind, where it is given."""
    proposed_us, proposal_id = after or (-1, "")
    in_state, values = (" AND state = ?", (state,)) if state else ("", ())
    if kind:
        in_state, values = in_state + " AND kind = ?", (*values, kind)
    query = _SELECT + in_state + " AND (proposed_us > ? OR (proposed_us = ? AND id > ?)) ORDER BY proposed_us, id LIMIT ?"
    with database.read() as db:
        found = db.execute(query, (organization, *values, proposed_us, proposed_us, proposal_id, limit)).fetchall()
    return [_proposal(row) for row in found]


def find_proposal(db: Connection, organization: int, proposal_id: str, sight: Sight = EVERYTHING) -> Proposal | None:
    """One proposal; who sees their own only, one of theirs."""
    row = db.execute(_SELECT + " AND id = ?", (organization, proposal_id)).fetchone()
    proposal = _proposal(row) if row else None
    return proposal if proposal and (sight.reach == "all" or proposal.proposed_by == sight.account) else None


def _waiting(db: Connection, organization: int, proposal_id: str, sight: Sight = EVERYTHING) -> Proposal | None:
    proposal = find_proposal(db, organization, proposal_id, sight)
    if proposal is not None and proposal.state != "open":
        raise Refused("decided", f"It was {proposal.state} already.")
    return proposal


def _decide(pen: Appending, organization: int, proposal: Proposal, state: str, by: str) -> Proposal:
    pen.db.execute("UPDATE proposal SET state = ?, decided_us = ?, decided_by = ? WHERE organization = ? AND id = ?",
                   (state, pen.now_us, by, organization, proposal.id))
    return replace(proposal, state=state, decided_us=pen.now_us, decided_by=by)


def _proposal(row: tuple[Any, ...]) -> Proposal:
    proposal_id, kind, content, *rest = row
    return Proposal(proposal_id, kind, json.loads(content), *rest)
