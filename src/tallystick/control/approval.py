"""Whether whoever asks may do it alone, and what they get where not: 202 and the proposal, for somebody else to
approve (control/proposals.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from fastapi import Response
from pydantic import BaseModel

from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, actor_of
from tallystick.control.figures import answer
from tallystick.control.ledger_sentences import terms
from tallystick.control.roles import APPROVERS, ProposalKind
from tallystick.core.money import decimal_text
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.proposals import Proposal, Proposals, who_may


class ProposalShown(BaseModel):
    """Something that was asked for. `what` is the request as it was made, `sentence` the same for people; `state`: open, approved
    or declined. `proposer`: who proposed it, by e-mail, in lists."""

    id: str
    kind: ProposalKind
    what: dict[str, Any]
    state: Literal["open", "approved", "declined"]
    proposed_at: datetime
    proposed_by: str
    decided_at: datetime | None
    decided_by: str | None
    sentence: str = ""
    proposer: str | None = None


PROPOSED: Final[dict[int | str, dict[str, Any]]] = {202: {"model": ProposalShown, "description": "Somebody else must approve it."}}


def alone(database: Database, caller: Caller, organization: int, kind: ProposalKind) -> bool:
    """Whether the caller is the only one who may approve such a thing: then it is done at once."""
    with database.read() as db:
        return who_may(db, organization, APPROVERS[kind]) == {actor_of(caller)}


def proposed(
    proposals: Proposals, caller: Caller, organization: int, kind: ProposalKind, what: Mapping[str, Any], now_us: int,
) -> Response:
    """The answer to a request that now waits for somebody else."""
    reply = answer(proposal_document(proposals.add(organization, kind, what, now_us, actor_of(caller))))
    reply.status_code = 202
    return reply


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """The document of one proposal."""
    return {
        "id": proposal.id, "kind": proposal.kind, "what": proposal.content, "state": proposal.state,
        "proposed_at": moment(proposal.proposed_us), "proposed_by": proposal.proposed_by,
        "decided_at": moment(proposal.decided_us), "decided_by": proposal.decided_by, "sentence": _sentence(proposal),
    }


def _sentence(proposal: Proposal) -> str:
    what = proposal.content
    match proposal.kind:
        case "override_set":
            return f"Set a price override: {terms(what['terms'])}"
        case "override_end":
            return f"End the price override {what['override']}" + (f" at {what['at']}" if what.get("at") else "")
        case "prompt":
            return f"Approve version {what['version']} of prompt {what['prompt_key']} for the library"
        case _:
            return f"Correct {what['request_id']} to ${decimal_text(what['cost_nanos'])}: {what['evidence']}"
