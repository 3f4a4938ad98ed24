"""The library: versions of prompts that are approved for everybody's use, with whom to ask, what a thousand runs cost, and the hash of
the text that is meant. Somebody proposes, another approves; alone among the approvers, it is done at once. The text itself is
hashed and forgotten: whoever has it can tell by the hash that it is the one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.approval import PROPOSED, ProposalShown, alone, proposal_document, proposed
from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, ProposalsOf, account_of, actor_of
from tallystick.control.explore_document import days_asked
from tallystick.control.figures import answer, local, share
from tallystick.control.problems import Problem
from tallystick.control.prompts import End, Name, Start
from tallystick.control.roles import APPROVERS
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.breakdown import Question, Total, broken_down
from tallystick.stores.sql.breakdown_names import Filter
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.library import ApprovedPrompt, approve, check_proposable, list_approved, withdraw
from tallystick.stores.sql.library_marks import Marks, mark, marks_of
from tallystick.stores.sql.prompts import VersionSpec, find_prompt
from tallystick.stores.sql.proposals import Proposal, find_proposal, list_proposals
from tallystick.stores.sql.sight import EVERYTHING, Sight

KIND: Final = "prompt"
WAITING_MAX: Final = 200
TEXT_CHARS_MAX: Final = 40_000
RUNS: Final = 1_000
ApprovalId = Annotated[str, Path(max_length=64)]


class NewApproval(BaseModel):
    """A registered version that others are to use. `text`: the prompt's; only its SHA-256 is kept."""

    model_config = ConfigDict(extra="forbid")

    prompt_key: Name
    version: Name
    owner: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]
    purpose: Annotated[str, Field(max_length=2_000)] = ""
    text: Annotated[str, Field(max_length=TEXT_CHARS_MAX)] = ""


class Approved(BaseModel):
    """An approved version. `model`, `temperature`, `max_tokens`: as it was registered; `per_1000_nanos`: what a thousand calls cost at the
    mean of those in the days asked for, as far as one sees them; null where there were none. `pinned` and `stars`: those of whoever
    asks; `rating_tenths`: the mean of all stars in tenths, `ratings`: of how many people."""

    prompt_key: str
    version: str
    owner: str
    purpose: str
    sha256: str | None
    model: str | None
    temperature: str | None
    max_tokens: int | None
    proposed_by: str
    approved_by: str
    approved_at: datetime
    requests: int
    cost_nanos: int
    per_1000_nanos: int | None
    pinned: bool
    stars: int | None
    rating_tenths: int | None
    ratings: int


class Mark(BaseModel):
    """What whoever asks thinks of an approved version: kept at the top for themselves, and 1 to 5 stars. Both are set as said."""

    model_config = ConfigDict(extra="forbid")

    prompt_key: Name
    version: Name
    pinned: bool = False
    stars: Annotated[int | None, Field(ge=1, le=5)] = None


class Library(BaseModel):
    """All that is approved, by prompt and version, and what waits for an approval; there is only one page."""

    items: list[Approved]
    waiting: list[ProposalShown]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/library", tags=["library"])
    router.add_api_route("", list_all, methods=["GET"], response_model=Library)
    router.add_api_route("", propose, methods=["POST"], response_model=Library, status_code=201, responses=PROPOSED)
    router.add_api_route("", take_out, methods=["DELETE"], status_code=204)
    router.add_api_route("/mark", set_mark, methods=["PUT"], status_code=204)
    router.add_api_route("/{approval_id}/approve", approve_one, methods=["POST"], response_model=ProposalShown)
    router.add_api_route("/{approval_id}/decline", decline_one, methods=["POST"], response_model=ProposalShown)
    return router


def list_all(parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None) -> Response:
    """The library, with what calls of the versions cost in these days; without days the last 30."""
    here = organization(parts.database, caller.organization)
    days = days_asked(start, end, local(parts.clock.now_us(), here.zone).date())
    return answer(_library(parts, here.id, days, caller))


def propose(
    parts: PartsOf, caller: CallerOf, directory: DirectoryOf, proposals: ProposalsOf, asked: NewApproval,
) -> Response:
    """Propose a version for the library: 202 and the proposal; 201 and the library where nobody else could approve it."""
    here, by, now_us = organization(parts.database, caller.organization), actor_of(caller), parts.clock.now_us()
    what = {"prompt_key": asked.prompt_key, "version": asked.version, "owner": asked.owner, "purpose": asked.purpose,
            "sha256": sha256(asked.text.encode()).hexdigest() if asked.text else None}
    with parts.database.read() as db:
        check_proposable(db, here.id, asked.prompt_key, asked.version)
    if not alone(parts.database, caller, here.id, KIND):
        return proposed(proposals, caller, here.id, KIND, what, now_us)
    with directory.sequencer.append(now_us) as pen:
        put_approved(parts, pen, here.id, what, by, by)
    reply = answer(_library(parts, here.id, days_asked(None, None, local(now_us, here.zone).date()), caller))
    reply.status_code = 201
    return reply


def approve_one(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, approval_id: ApprovalId) -> Response:
    """Approve a proposed version. 403 for one's own, unless nobody else may; 409 for one that was decided."""
    here, by = organization(parts.database, caller.organization), actor_of(caller)
    _ours(parts, here.id, approval_id)

    def carry_out(pen: Appending, proposal: Proposal) -> None:
        put_approved(parts, pen, here.id, proposal.content, proposal.proposed_by, by)

    return _decided(proposals.approve(here.id, approval_id, parts.clock.now_us(), by, APPROVERS, carry_out))  # type: ignore[arg-type]


def decline_one(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, approval_id: ApprovalId) -> Response:
    """Decline a proposed version, or take back one's own."""
    here = organization(parts.database, caller.organization)
    _ours(parts, here.id, approval_id)
    decided = proposals.decline(here.id, approval_id, parts.clock.now_us(), actor_of(caller), APPROVERS,  # type: ignore[arg-type]
                                EVERYTHING if caller.role == "manager" else caller.sight)
    return _decided(decided)


def take_out(
    parts: PartsOf, caller: CallerOf, directory: DirectoryOf,
    prompt_key: Annotated[str, Query(min_length=1, max_length=VALUE_CHARS_MAX)],
    version: Annotated[str, Query(min_length=1, max_length=VALUE_CHARS_MAX)],
) -> Response:
    """Withdraw a version. Calls of it go on, and stay what they are."""
    here = organization(parts.database, caller.organization)
    with directory.sequencer.append(parts.clock.now_us()) as pen:
        withdraw(pen, here.id, prompt_key, version, actor_of(caller))
    return Response(status_code=204)


def set_mark(parts: PartsOf, caller: CallerOf, said: Mark) -> Response:
    """Pin an approved version for oneself, or give it stars."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        mark(db, here.id, (said.prompt_key, said.version), account_of(caller).id, pinned=said.pinned, stars=said.stars)
    return Response(status_code=204)


def put_approved(_: Parts, pen: Appending, organization_id: int, what: Mapping[str, Any], proposed_by: str, approved_by: str) -> None:
    """Put a version into the library as it was proposed."""
    approve(pen, organization_id, ApprovedPrompt(
        what["prompt_key"], what["version"], what["owner"], what["purpose"], what["sha256"], proposed_by, pen.now_us, approved_by))


def _ours(parts: Parts, organization_id: int, proposal_id: str) -> None:
    """Whether this is a proposal for the library. Raises Problem 404."""
    with parts.database.read() as db:
        found = find_proposal(db, organization_id, proposal_id)
    if found is None or found.kind != KIND:
        raise Problem(404, "not_found", "There is no such proposal.")


def _decided(proposal: Proposal | None) -> Response:
    if proposal is None:
        raise Problem(404, "not_found", "There is no such proposal.")
    return answer(proposal_document(proposal))


def _library(parts: Parts, organization_id: int, days: tuple[int, int], caller: Caller) -> dict[str, Any]:
    open_ones = list_proposals(parts.database, organization_id, "open", limit=WAITING_MAX, kind=KIND)
    with parts.database.read() as db:
        marks = marks_of(db, organization_id, account_of(caller).id)
        items = [{**_document(db, organization_id, one, days, caller.sight), **_thought(marks.get((one.prompt, one.version), Marks()))}
                 for one in list_approved(db, organization_id)]
    return {"items": items, "waiting": [proposal_document(one) for one in open_ones]}


def _thought(marks: Marks) -> dict[str, Any]:
    return {"pinned": marks.pinned, "stars": marks.stars, "rating_tenths": marks.rating_tenths, "ratings": marks.ratings}


def _document(db: Connection, organization_id: int, one: ApprovedPrompt, days: tuple[int, int], sight: Sight) -> dict[str, Any]:
    filters = (Filter("prompt_key", "is", (one.prompt,)), Filter("prompt_version", "is", (one.version,)))
    total = broken_down(db, organization_id, Question(*days, filters=filters, sight=sight)).get((0, ()), Total())
    known = find_prompt(db, organization_id, one.prompt)
    spec = next((version.spec for version in known.versions if version.spec.version == one.version), None) if known else None
    spec = spec or VersionSpec(one.version)
    return {
        "prompt_key": one.prompt, "version": one.version, "owner": one.owner, "purpose": one.purpose, "sha256": one.sha256,
        "model": spec.model, "temperature": spec.temperature, "max_tokens": spec.max_tokens,
        "proposed_by": one.proposed_by, "approved_by": one.approved_by, "approved_at": moment(one.approved_us),
        "requests": total.requests, "cost_nanos": total.cost_nanos,
        "per_1000_nanos": share(total.cost_nanos * RUNS, total.requests) if total.requests else None,
    }
