"""Overrides of the list: what an organisation agreed with its providers. Listed, set and ended; each change is
a chained entry that names who proposed and who approved it. Who is not alone in approving proposes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.approval import PROPOSED, alone, proposed
from tallystick.control.callers import CallerOf, PartsOf, ProposalsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.override_document import override_document
from tallystick.control.problems import Problem
from tallystick.core.price_overrides import ANY, TEXT_CHARS_MAX
from tallystick.core.price_rows import PER_MILLION
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.overrides import Overrides, find_override, list_overrides

Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
OverrideId = Annotated[str, Path(max_length=64)]


class NewOverride(BaseModel):
    """An agreement: `price` (`value` dollars for `per` of `unit`), `percent` (`value` percent on a unit or one
    of all, tokens, input, output, cached, tools) or `model` (the name `model` means the book's `means`).
    Figures are decimal texts. Without `valid_from` it holds from now on."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["price", "percent", "model"]
    provider: Text
    model: Text = ANY
    unit: Text = ""
    value: Annotated[str, Field(max_length=40)] = "0"
    per: int = PER_MILLION
    means: Text = ""
    traits: Annotated[dict[Text, Text], Field(max_length=16)] = {}
    context_from: int = 0
    valid_from: Text | None = None
    valid_to: Text = ""
    team: Text = ""
    project: Text = ""
    credential: Text = ""
    contract: Text = ""
    note: Text = ""
    unlisted: bool = False


class Override(BaseModel):
    """An override. `status`: active, to_come or ended."""

    id: str
    kind: str
    provider: str
    status: str
    model: str = ANY
    unit: str = ""
    value: str = "0"
    per: int = PER_MILLION
    means: str = ""
    traits: dict[str, str] = {}
    context_from: int = 0
    valid_from: str | None
    valid_to: str | None
    team: str = ""
    project: str = ""
    credential: str = ""
    contract: str = ""
    note: str = ""
    set_at: datetime
    proposed_by: str
    approved_by: str
    ended_at: datetime | None
    ended_by: str | None


class OverridePage(BaseModel):
    """All overrides of the organisation; there is only one page."""

    items: list[Override]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prices/overrides", tags=["prices"])
    router.add_api_route("", list_all, methods=["GET"], response_model=OverridePage)
    router.add_api_route("", set_override, methods=["POST"], response_model=Override, status_code=201, responses=PROPOSED)
    router.add_api_route("/{override_id}", end_override, methods=["DELETE"], response_model=Override, responses=PROPOSED)
    return router


def list_all(parts: PartsOf, caller: CallerOf) -> Response:
    """All overrides in the order they were set, ended ones too."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    return answer({"items": [override_document(stored, now_us) for stored in list_overrides(parts.database, here.id)], "next_cursor": None})


def set_override(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, new: NewOverride) -> Response:
    """Set an override; it prices the calls from then on. 202 where somebody else must approve it first."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    terms = new.model_dump(exclude={"unlisted"}, exclude_none=True)
    if not alone(parts.database, caller, here.id, "override_set"):
        _overrides(parts).read(terms, now_us, unlisted=new.unlisted)         # refused now rather than when it is approved
        return proposed(proposals, caller, here.id, "override_set", {"terms": terms, "unlisted": new.unlisted}, now_us)
    stored = _overrides(parts).set(here.id, terms, now_us, actor_of(caller), unlisted=new.unlisted)
    parts.prices.poll()
    reply = answer(override_document(stored, now_us))
    reply.status_code = 201
    return reply


def end_override(parts: PartsOf, caller: CallerOf, proposals: ProposalsOf, override_id: OverrideId,
                 at: Annotated[str | None, Query(max_length=40)] = None) -> Response:
    """End an override, now or at the day or moment `at`. 202 where somebody else must approve it first."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    if not alone(parts.database, caller, here.id, "override_end"):
        with parts.database.read() as db:
            if find_override(db, here.id, override_id) is None:
                raise _no_override()
        return proposed(proposals, caller, here.id, "override_end", {"override": override_id, "at": at}, now_us)
    stored = _overrides(parts).end(here.id, override_id, now_us, actor_of(caller), at)
    if stored is None:
        raise _no_override()
    parts.prices.poll()
    return answer(override_document(stored, now_us))


def set_approved(parts: Parts, pen: Appending, organization_id: int, what: Mapping[str, Any], proposed_by: str, approved_by: str) -> None:
    """Set an override that was proposed; without a start it holds from now on."""
    overrides = _overrides(parts)
    overrides.put(pen, organization_id, overrides.read(what["terms"], pen.now_us, unlisted=what["unlisted"]), proposed_by, approved_by)


def end_approved(parts: Parts, pen: Appending, organization_id: int, what: Mapping[str, Any], proposed_by: str, approved_by: str) -> None:
    """End an override as it was proposed."""
    _overrides(parts).finish(pen, organization_id, what["override"], proposed_by, approved_by, what["at"])


def _no_override() -> Problem:
    return Problem(404, "not_found", "There is no such override.")


def _overrides(parts: Parts) -> Overrides:
    return Overrides(Sequencer(parts.database), parts.prices, secrets.token_bytes)
