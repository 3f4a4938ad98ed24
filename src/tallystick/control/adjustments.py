"""Corrections of what a call cost, with what shows it: an invoice's line, a usage report, a support ticket.
The booking stays; a new entry says what the attempt costs from here on (stores/sql/adjusting.py). Who is not alone
in approving proposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tallystick.control import Parts
from tallystick.control.approval import PROPOSED, alone, proposed
from tallystick.control.call_document import call_document
from tallystick.control.callers import CallerOf, CallsOf, DirectoryOf, PartsOf, ProposalsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.control.requests import Call
from tallystick.core.money import read_amount
from tallystick.stores.sql.adjusting import COST_NANOS_MAX, TEXT_CHARS_MAX, Correction, adjust, attempt_meant
from tallystick.stores.sql.directory import Refused, organization
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import check_call

ATTEMPT_MAX: Final = 1_000
_STATUS: Final = {"not_found": 404, "not_settled": 409, "not_adjustable": 409, "pruned": 410}


class NewAdjustment(BaseModel):
    """What an attempt really cost, in dollars as a decimal text or in nano-dollars, and what shows it. `attempt` is
    needed only where the call has several."""

    model_config = ConfigDict(extra="forbid")

    cost_usd: Annotated[str | None, Field(max_length=24, pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?$")] = None
    cost_nanos: Annotated[int | None, Field(ge=0, le=COST_NANOS_MAX, strict=True)] = None
    evidence: Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)]
    attempt: Annotated[int | None, Field(ge=1, le=ATTEMPT_MAX, strict=True)] = None

    @model_validator(mode="after")
    def one_figure(self) -> NewAdjustment:
        if (self.cost_usd is None) == (self.cost_nanos is None):
            raise ValueError("either cost_usd or cost_nanos")
        return self

    @property
    def nanos(self) -> int:
        return read_amount(self.cost_usd) if self.cost_usd is not None else self.cost_nanos or 0


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/requests", tags=["requests"])
    router.add_api_route("/{request_id}/adjustments", post_adjustment, methods=["POST"], response_model=Call, status_code=201,
                         responses=PROPOSED)
    return router


def post_adjustment(
    parts: PartsOf, caller: CallerOf, directory: DirectoryOf, calls: CallsOf, proposals: ProposalsOf,
    request_id: Annotated[str, Path(pattern="^req_[0-9a-f]{32}$")], new: NewAdjustment,
) -> Response:
    """Correct what an attempt of a call costs. The answer is the call as it stands now: 201, or 200 where the
    very same correction was its latest already; 202 where somebody else must approve it first."""
    here = organization(parts.database, caller.organization)
    record = calls.read_call(request_id, here.id)
    if record is None:
        with parts.database.read() as db:
            check_call(db, here.id, request_id)
        raise Problem(404, "not_found", "There is no such call.")
    try:
        by, now_us, attempt = actor_of(caller), parts.clock.now_us(), attempt_meant(record, new.attempt)
        correction = Correction(request_id, attempt, "evidence", new.nanos, by, new.evidence, approved=by)
        if not alone(parts.database, caller, here.id, "adjustment"):
            what = {"request_id": request_id, "attempt": attempt, "cost_nanos": new.nanos, "evidence": new.evidence}
            return proposed(proposals, caller, here.id, "adjustment", what, now_us)
        with directory.sequencer.append(now_us) as pen:
            posted = adjust(pen, here.id, correction, _no_prices)
    except Refused as refused:
        raise Problem(_STATUS.get(refused.code, 400), refused.code, str(refused)) from None
    record = calls.read_call(request_id, here.id)
    assert record is not None, "it was there, and nothing is ever taken away"
    with parts.database.read() as db:
        response = answer(call_document(record, Names(db, here.id).price_row))
    response.status_code = 200 if posted is None else 201
    return response


def post_approved(_: Parts, pen: Appending, organization_id: int, what: Mapping[str, Any], proposed_by: str, approved_by: str) -> None:
    """Post a correction as it was proposed."""
    correction = Correction(what["request_id"], what["attempt"], "evidence", what["cost_nanos"], proposed_by, what["evidence"],
                            approved=approved_by)
    try:
        adjust(pen, organization_id, correction, _no_prices)
    except Refused as refused:
        raise Problem(_STATUS.get(refused.code, 400), refused.code, str(refused)) from None


def _no_prices(_row: str) -> dict[str, Any]:
    """Evidence names no price rows."""
    return {}
