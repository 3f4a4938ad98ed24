"""What waits for a second pair of eyes: listed, approved, declined. Approving does what was proposed, in the same
transaction, and the entry names both; nobody approves their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from tallystick.control import Parts, adjustments, library, price_overrides
from tallystick.control.approval import ProposalShown, proposal_document
from tallystick.control.callers import CallerOf, PartsOf, ProposalsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.roles import APPROVERS, ProposalKind
from tallystick.stores.sql import proposals as store
from tallystick.stores.sql.accounts import emails_of
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.proposals import Proposal

ProposalId = Annotated[str, Path(max_length=64)]
CarryOut = Callable[[Parts, Appending, int, Mapping[str, Any], str, str], None]

# What approving does: parts, the pen, the organisation, what was asked, who proposed and who approves it.
_CARRY_OUT: Final[Mapping[ProposalKind, CarryOut]] = {
    "override_set": price_overrides.set_approved,
    "override_end": price_overrides.end_approved,
    "adjustment": adjustments.post_approved,
    "prompt": library.put_approved,
}


class ProposalPage(BaseModel):
    """A page of proposals."""

    items: list[ProposalShown]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/proposals", tags=["proposals"])
    router.add_api_route("", list_proposals, methods=["GET"], response_model=ProposalPage)
    router.add_api_route("/{proposal_id}/approve", approve, methods=["POST"], response_model=ProposalShown)
    router.add_api_route("/{proposal_id}/decline", decline, methods=["POST"], response_model=ProposalShown)
    return router


def list_proposals(
    parts: PartsOf, caller: CallerOf, state: Annotated[Literal["open", "approved", "declined"] | None, Query()] = None,
    limit: Limit = LIMIT, cursor: Cursor = None,
) -> Response:
    """Proposals in the order they were made, decided ones too."""
    here = organization(parts.database, caller.organization)
    rows = store.list_proposals(parts.database, here.id, state, after=place_of(cursor) if cursor else None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    with parts.database.read() as db:
        emails = emails_of(db, {row.proposed_by for row in rows})
    return answer({
        "items": [{**proposal_document(row), "proposer": emails.get(row.proposed_by)} for row in rows],
        "next_cursor": cursor_of(rows[-1].proposed_us, rows[-1].id) if more else None,
    })


def approve(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, proposal_id: ProposalId) -> Response:
    """Approve a proposal: it is done when the answer comes. 403 for one's own, unless nobody else may; 409 for one that
    was decided."""
    here = organization(parts.database, caller.organization)
    by = actor_of(caller)

    def carry_out(pen: Appending, proposal: Proposal) -> None:
        _CARRY_OUT[proposal.kind](parts, pen, here.id, proposal.content, proposal.proposed_by, by)     # type: ignore[index]

    decided = proposals.approve(here.id, proposal_id, parts.clock.now_us(), by, APPROVERS, carry_out)  # type: ignore[arg-type]
    parts.prices.poll()
    return _answer(decided)


def decline(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, proposal_id: ProposalId) -> Response:
    """Decline a proposal, or take back one's own; 409 for one that was decided."""
    here = organization(parts.database, caller.organization)
    return _answer(proposals.decline(here.id, proposal_id, parts.clock.now_us(), actor_of(caller), APPROVERS, caller.sight))  # type: ignore[arg-type]


def _answer(decided: Proposal | None) -> Response:
    if decided is None:
        raise Problem(404, "not_found", "There is no such proposal.")
    return answer(proposal_document(decided))
