"""How long rows of calls stand, which months are gone, and the legal hold that keeps everything. How many months stay is the
operator's to say (`[retention] months`), for months are shared by all organisations; a hold is the organisation's own."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.core.moments import moment_text
from tallystick.stores.sql import pruning
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.engine import month_text
from tallystick.stores.sql.pruned import pruned_months, rows_from
from tallystick.stores.sql.retention_report import holds

REASON_CHARS_MAX = 256


class PrunedShown(BaseModel):
    """A month whose rows are gone: since when, and the entry of the ledger that seals what it came to."""

    month: str
    pruned_at: str
    sealed_entry: int


class HoldShown(BaseModel):
    """The organisation's legal hold. `reason`, `by`: null for whoever sees a part of the organisation only; what a hold is for
    may be a matter between few."""

    reason: str | None
    since: str
    by: str | None


class GoingShown(BaseModel):
    """The month that is on its way out. `step` of `steps`, and what it is called; `stopped`: since when it is not pruned, because
    what its rows say is not what was written (null: it goes); the alert `retention_stopped` says what was found."""

    month: str
    step: int
    steps: int
    doing: str
    stopped: str | None


class RetentionShown(BaseModel):
    """`months`: how many whole months stay besides the running one, null for all. `rows_from`: the first day that has the rows of
    its calls, null where all have. `held_elsewhere`: another organisation of this installation holds everything too. `going`: the
    month that is on its way out, or has stopped there."""

    months: int | None
    rows_from: date | None
    pruned: list[PrunedShown]
    hold: HoldShown | None
    held_elsewhere: bool
    going: GoingShown | None


class NewHold(BaseModel):
    """Why nothing may go."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARS_MAX)]
    state: Literal["held"] = "held"


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/retention", tags=["retention"])
    router.add_api_route("", read, methods=["GET"], response_model=RetentionShown)
    router.add_api_route("/hold", hold, methods=["PUT"], response_model=RetentionShown)
    router.add_api_route("/hold", release, methods=["DELETE"], response_model=RetentionShown)
    return router


def read(parts: PartsOf, caller: CallerOf) -> Response:
    """How long rows are kept, and which months have none any more."""
    return _shown(parts, caller)


def hold(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewHold) -> Response:
    """Freeze: from now on no month of the installation is pruned."""
    if not new.reason.strip() or not new.reason.isprintable():
        raise Problem(400, "invalid_request", "Say why, on one line.")
    here = organization(parts.database, caller.organization)
    pruning.hold(directory.sequencer, here.id, new.reason, parts.clock.now_us(), actor_of(caller))
    return _shown(parts, caller)


def release(parts: PartsOf, caller: CallerOf, directory: DirectoryOf) -> Response:
    """End the organisation's hold. 404 where it has none."""
    here = organization(parts.database, caller.organization)
    if not pruning.release(directory.sequencer, here.id, parts.clock.now_us(), actor_of(caller)):
        raise Problem(404, "not_found", "There is no legal hold.")
    return _shown(parts, caller)


def _shown(parts: PartsOf, caller: Caller) -> Response:
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        held, begins, gone = holds(db), rows_from(db, here.id), pruned_months(db, here.id)
        at = pruning.under_way(db)
    own = next((one for one in held if one.organization == here.slug), None)
    whole = caller.cell == "all"
    return answer({
        "months": parts.months_kept, "rows_from": begins, "pruned": [one.document() for one in gone],
        "hold": None if own is None else {
            "reason": own.reason if whole else None, "since": moment_text(own.made_us), "by": own.made_by if whole else None},
        "held_elsewhere": any(one.organization != here.slug for one in held),
        "going": None if at is None else {
            "month": month_text(at.month), "step": at.stage + 1, "steps": len(pruning.STAGES), "doing": pruning.STAGES[at.stage],
            "stopped": moment_text(at.began_us) if at.fault else None}})
