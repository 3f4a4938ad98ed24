"""Envelopes: ask for money for a time, sign it, edit or decline it, top it up, move it; and whether a plan fits. What is
signed is in force when the answer comes, as for budgets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.budgets import LimitText, Text
from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, actor_of, within_teams
from tallystick.control.envelope_document import envelope_document, fit_document, read_delta
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core import currencies
from tallystick.core.budget import BadBudget, Kind, Scope
from tallystick.core.moments import us_of
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.core.policies.parameters import PATTERNS_MAX
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.envelope_rows import EnvelopeRow, envelope_rows, find_envelope
from tallystick.stores.sql.envelopes import TEXT_CHARS_MAX, Envelopes, EnvelopeSpec, Fallback, Terms
from tallystick.stores.sql.proposals import who_may
from tallystick.stores.sql.sight import of_budgets
from tallystick.stores.sql.standing import not_in_force

EnvelopeId = Annotated[int, Path(ge=1, lt=1 << 62)]
Value = Annotated[str, Field(max_length=NAME_CHARS_MAX + VALUE_CHARS_MAX)]
SIGNERS: Final = frozenset({"owner", "admin", "finance"})


class NewEnvelope(BaseModel):
    """What is asked for. `sign`: by who may sign, at once and unasked."""

    model_config = ConfigDict(extra="forbid")

    scope: Kind
    value: Value = ""
    amount: LimitText
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    purpose: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]
    evidence: Annotated[str, Field(max_length=TEXT_CHARS_MAX)] = ""
    owner: Text = ""
    sign: bool = False


class Signing(BaseModel):
    """What is signed otherwise than it was asked for; left out: as it was."""

    model_config = ConfigDict(extra="forbid")

    amount: LimitText | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    comment: Text = ""


class Declining(BaseModel):
    """Why not."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class TopUp(BaseModel):
    """More money, a later end, or both."""

    model_config = ConfigDict(extra="forbid")

    by: LimitText | None = None
    ends_at: AwareDatetime | None = None
    reason: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class NewFallback(BaseModel):
    """Cheaper models of the same provider, each by the pattern of those it stands in for, from which percent spent on."""

    model_config = ConfigDict(extra="forbid")

    models: Annotated[dict[str, str], Field(min_length=1, max_length=PATTERNS_MAX)]
    at_percent: Annotated[int, Field(ge=1, le=100)] = 80


class Transfer(BaseModel):
    """Allocation to move from one envelope to another."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[int, Field(ge=1)]
    target: Annotated[int, Field(ge=1)]
    amount: LimitText
    reason: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class Requirement(BaseModel):
    """A scope that may spend only while it has an envelope, or may again without."""

    model_config = ConfigDict(extra="forbid")

    scope: Kind
    value: Value = ""
    required: bool


class Signature(BaseModel):
    """Who signed, and the CAP entry of the ledger that says so: its number and its hash."""

    approver: str
    entry: int
    hash: str


class FallbackShown(BaseModel):
    """The policy that sends calls to cheaper models once so much of the envelope is spent."""

    policy: int
    models: dict[str, str]
    at_percent: int


class Envelope(BaseModel):
    """An envelope. Of an amount `x` there is `x_nanos` and `x_usd`: `amount`, and of a signed one `spent`, `held`, `remaining`,
    `allocated`."""

    model_config = ConfigDict(extra="allow")

    id: int
    scope: Kind
    value: str
    state: str
    asked: str
    starts_at: datetime | None
    ends_at: datetime
    owner: str
    purpose: str
    evidence: str
    requested_by: str
    decided_by: str | None
    comment: str
    parent: int | None
    budget: int | None
    signature: Signature | None
    fallback: FallbackShown | None = None
    warning_days: int | None = None
    not_in_force_on: list[str] = []


class EnvelopePage(BaseModel):
    """A page of envelopes."""

    items: list[Envelope]
    next_cursor: str | None


class Moved(BaseModel):
    """Both envelopes of a transfer as they are from then on."""

    items: list[Envelope]
    not_in_force_on: list[str]


class Required(BaseModel):
    """Whether a scope needs an envelope from now on."""

    scope: str
    value: str
    required: bool
    not_in_force_on: list[str]


class Fit(BaseModel):
    """Whether a planned change fits every envelope that the scope draws on; None where there is none and none is needed."""

    fits: bool | None
    envelope_required: bool
    envelopes: list[dict[str, Any]]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/envelopes", tags=["envelopes"])
    router.add_api_route("", list_envelopes, methods=["GET"], response_model=EnvelopePage)
    router.add_api_route("", ask, methods=["POST"], response_model=Envelope, status_code=201)
    router.add_api_route("/headroom", read_headroom, methods=["GET"], response_model=Fit)
    router.add_api_route("/transfers", move, methods=["POST"], response_model=Moved, status_code=201)
    router.add_api_route("/requirements", require, methods=["PUT"], response_model=Required)
    router.add_api_route("/{envelope_id}", read_one, methods=["GET"], response_model=Envelope)
    router.add_api_route("/{envelope_id}/sign", sign, methods=["POST"], response_model=Envelope)
    router.add_api_route("/{envelope_id}/decline", decline, methods=["POST"], response_model=Envelope)
    router.add_api_route("/{envelope_id}/top-ups", top_up, methods=["POST"], response_model=Envelope, status_code=201)
    router.add_api_route("/{envelope_id}/fallback", fall_back, methods=["PUT"], response_model=Envelope)
    router.add_api_route("/{envelope_id}/fallback", no_fallback, methods=["DELETE"], response_model=Envelope)
    router.add_api_route("/{envelope_id}/end", end, methods=["POST"], response_model=Envelope)
    return router


def list_envelopes(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All envelopes in the order they were asked for."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    seen, values = of_budgets(caller.sight, here.id)
    with parts.database.read() as db:
        found = envelope_rows(db, here.id, f" AND id > ?{seen}", (place_of(cursor)[0] if cursor else 0, *values))
        items = [envelope_document(db, row, now_us) for row in found[:limit]]
    return answer({"items": items, "next_cursor": cursor_of(found[limit - 1].id) if len(found) > limit else None})


def read_one(parts: PartsOf, caller: CallerOf, envelope_id: EnvelopeId) -> Response:
    """One envelope."""
    here = organization(parts.database, caller.organization)
    seen, values = of_budgets(caller.sight, here.id)
    with parts.database.read() as db:
        found = envelope_rows(db, here.id, f" AND id = ?{seen}", (envelope_id, *values))
        if not found:
            raise _none()
        return answer(envelope_document(db, found[0], parts.clock.now_us()))


def ask(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewEnvelope) -> Response:
    """Ask for an envelope; a manager for their own teams and projects. With `sign`, Finance grants one unasked."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    _within(caller, Scope(new.scope, new.value))
    spec = EnvelopeSpec(Scope(new.scope, new.value), _limit(parts, new.amount), new.amount, _us(new.ends_at) or 0, new.purpose,
                        _us(new.starts_at), new.owner, new.evidence)
    envelopes = Envelopes(directory.sequencer)
    if new.sign:
        if caller.role not in SIGNERS:
            raise Problem(403, "forbidden", "Ask for it; owner, admin and finance sign.")
        return _changed(parts, envelopes.grant(here.id, spec, now_us, actor_of(caller)), 201)
    return _changed(parts, envelopes.request(here.id, spec, now_us, actor_of(caller)), 201)


def sign(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId, terms: Signing) -> Response:
    """Sign what was asked for, as it is or edited. Nobody signs their own request, unless nobody else could."""
    here = organization(parts.database, caller.organization)
    row = _asked(parts, caller, here.id, envelope_id)
    limit = _limit(parts, terms.amount or row.asked)
    signed = Envelopes(directory.sequencer).sign(
        here.id, envelope_id, Terms(limit, _us(terms.starts_at), _us(terms.ends_at), terms.comment), parts.clock.now_us(), actor_of(caller))
    return _changed(parts, signed)


def decline(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId, why: Declining) -> Response:
    """Decline what was asked for."""
    here = organization(parts.database, caller.organization)
    declined = Envelopes(directory.sequencer).decline(here.id, envelope_id, why.comment, parts.clock.now_us(), actor_of(caller))
    return _changed(parts, declined)


def top_up(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId, more: TopUp) -> Response:
    """Add to a signed envelope or extend it."""
    here = organization(parts.database, caller.organization)
    limit = _limit(parts, more.by) if more.by is not None else None
    row = Envelopes(directory.sequencer).top_up(here.id, envelope_id, limit, _us(more.ends_at), more.reason, parts.clock.now_us(),
                                                actor_of(caller))
    return _changed(parts, row, 201)


def fall_back(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId, new: NewFallback) -> Response:
    """Send calls to cheaper models once so much of a signed envelope is spent; what is sent tells its caller so."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    fallback = Fallback(new.models, new.at_percent)
    return _changed(parts, Envelopes(directory.sequencer).fall_back(here.id, envelope_id, fallback, now_us, actor_of(caller)))


def no_fallback(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId) -> Response:
    """Let every call keep its model."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    return _changed(parts, Envelopes(directory.sequencer).fall_back(here.id, envelope_id, None, now_us, actor_of(caller)))


def end(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, envelope_id: EnvelopeId) -> Response:
    """End a signed envelope now."""
    here = organization(parts.database, caller.organization)
    return _changed(parts, Envelopes(directory.sequencer).end(here.id, envelope_id, parts.clock.now_us(), actor_of(caller)))


def move(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, transfer: Transfer) -> Response:
    """Move allocation between an envelope and the one it lies in, or between two that lie in the same."""
    here = organization(parts.database, caller.organization)
    moved = Envelopes(directory.sequencer).move(
        here.id, transfer.source, transfer.target, _limit(parts, transfer.amount), transfer.reason, parts.clock.now_us(), actor_of(caller))
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    with parts.database.read() as db:
        items = [envelope_document(db, row, parts.clock.now_us()) for row in moved]
    reply = answer({"items": items, "not_in_force_on": list(behind)})
    reply.status_code = 201
    return reply


def require(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, asked: Requirement) -> Response:
    """Block a scope whenever it has no envelope, or do so no longer."""
    here, scope, now_us = organization(parts.database, caller.organization), Scope(asked.scope, asked.value), parts.clock.now_us()
    change = Envelopes(directory.sequencer).require if asked.required else Envelopes(directory.sequencer).release
    change(here.id, scope, now_us, actor_of(caller))
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    return answer({"scope": scope.kind, "value": scope.value, "required": asked.required, "not_in_force_on": list(behind)})


def read_headroom(
    parts: PartsOf, caller: CallerOf, scope: Kind,
    monthly_delta_usd: Annotated[str, Query(max_length=24, pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$")],
    value: Annotated[str, Query(max_length=NAME_CHARS_MAX + VALUE_CHARS_MAX)] = "",
) -> Response:
    """Whether a planned change of so many dollars a month (a pull request's projection) fits every envelope on the path."""
    here, now_us, place = organization(parts.database, caller.organization), parts.clock.now_us(), Scope(scope, value)
    _within(caller, place)
    with parts.database.read() as db:
        return answer(fit_document(db, here.id, place, read_delta(monthly_delta_usd), now_us))


def _asked(parts: Parts, caller: Caller, organization_id: int, envelope_id: int) -> EnvelopeRow:
    """A request that the caller may sign. Raises Problem."""
    with parts.database.read() as db:
        row = find_envelope(db, organization_id, envelope_id)
        if row is None:
            raise _none()
        if row.requested_by == actor_of(caller) and who_may(db, organization_id, SIGNERS) != {actor_of(caller)}:
            raise Problem(403, "own_proposal", "Somebody else signs what you asked for.")
        return row


def _within(caller: Caller, scope: Scope) -> None:
    """Whether somebody who may act on their teams only asks for one of theirs. Raises Problem 403."""
    team = scope.value if scope.kind == "team" else scope.value.partition("/")[0] if scope.kind == "project" else None
    within_teams(caller, team)


def _limit(parts: Parts, text: str) -> currencies.Limit:
    try:
        return currencies.read_limit(text, parts.currencies)
    except BadBudget as fault:
        raise Problem(400, "invalid_request", str(fault)) from None


def _changed(parts: Parts, row: EnvelopeRow, status: int = 200) -> Response:
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    with parts.database.read() as db:
        reply = answer({**envelope_document(db, row, parts.clock.now_us()), "not_in_force_on": list(behind)})
    reply.status_code = status
    return reply


def _none() -> Problem:
    return Problem(404, "not_found", "There is no such envelope.")


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else us_of(moment)
