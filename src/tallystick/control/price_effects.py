"""What a change of prices would do to an organisation's bill, before anybody agrees to it: its latest calls priced under the
prices of now and under those that would be, as if these had held all along. Nothing is booked.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, CallsOf, PartsOf
from tallystick.control.figures import EPOCH, answer, day_number, local
from tallystick.control.price_overrides import NewOverride
from tallystick.control.problems import Problem
from tallystick.core.ledger import LedgerFault
from tallystick.core.price_overrides import ANY, Override
from tallystick.core.price_scopes import Prices
from tallystick.core.repricing import BARRED, Effect, ModelEffect, reprice
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.facts import Asked, control_total
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.overrides import Overrides, list_overrides
from tallystick.stores.sql.past_attempts import past_attempts

DAYS: Final = 30
CALLS_MAX: Final = 5_000                     # priced twice each: about a second
MODELS_MAX: Final = 50


class ChangeAsked(BaseModel):
    """Either an override as it would be set (`terms`), or the id of one that would end (`ends`)."""

    model_config = ConfigDict(extra="forbid")

    terms: NewOverride | None = None
    ends: Annotated[str | None, Field(max_length=64)] = None

    @model_validator(mode="after")
    def one_of_both(self) -> ChangeAsked:
        if (self.terms is None) == (self.ends is None):
            raise ValueError("either terms or ends")
        return self


class ModelEffectShown(BaseModel):
    """A model whose calls would cost otherwise."""

    provider: str
    model: str
    calls: int
    old_nanos: int
    new_nanos: int
    delta_nanos: int


class EffectShown(BaseModel):
    """What these calls cost under the prices of now and under those that would be. `whole`: the days reach back all thirty;
    where so much was called that they do not, they are the latest, and at most `calls_max` calls of them are priced.
    `not_by_price`: calls whose cost no price decides."""

    start: date
    end: date
    whole: bool
    calls_max: int
    calls: int
    old_nanos: int
    new_nanos: int
    delta_nanos: int
    models: list[ModelEffectShown]
    not_by_price: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/prices/effects", tags=["prices"])
    router.add_api_route("", tell, methods=["POST"], response_model=EffectShown)
    return router


def tell(parts: PartsOf, caller: CallerOf, calls: CallsOf, asked: ChangeAsked) -> Response:
    """What a change would do to the calls of the last thirty days."""
    here = organization(parts.database, caller.organization)
    own = [stored.override for stored in list_overrides(parts.database, here.id)]
    changed = _changed(parts, own, asked)
    new = parts.prices.agreed(here.slug, [*(one for one in own if one.id != changed.id), *([changed] if asked.terms else [])])
    today = day_number(local(parts.clock.now_us(), here.zone).date())
    filters = {} if changed.provider == ANY else {"provider": changed.provider}
    with parts.database.read() as db:
        first = _first_day(db, here, today, filters)
        try:
            before, after = _effects(parts, calls, db, here, Asked(first, today, filters=filters), (parts.prices, new))
        except (LookupError, ValueError, LedgerFault):
            raise Problem(409, "ledger_damaged", "A past call cannot be read; see `tallystick verify`.") from None
    return answer(_document(before, after, first, today))


def _changed(parts: Parts, own: list[Override], asked: ChangeAsked) -> Override:
    """The override that would come, as if it had always held; or the one that would go. Raises Refused, Problem 404."""
    if asked.terms is not None:
        terms = asked.terms.model_dump(exclude={"unlisted"}, exclude_none=True)
        reader = Overrides(Sequencer(parts.database), parts.prices, secrets.token_bytes)
        return replace(reader.read(terms, parts.clock.now_us(), unlisted=asked.terms.unlisted), valid_from="", valid_to="")
    found = next((one for one in own if one.id == asked.ends), None)
    if found is None:
        raise Problem(404, "not_found", "There is no such override.")
    return found


def _first_day(db: Connection, here: Organization, today: int, filters: dict[str, str]) -> int:
    """How far back: thirty days, or as many of them as are not too many calls; today in any case."""
    seen, first = 0, today
    for day in range(today, today - DAYS, -1):
        seen += control_total(db, here.id, Asked(day, day, filters=filters)).attempts
        if seen > CALLS_MAX:
            return first
        first = day
    return first


def _effects(
    parts: Parts, calls: Calls, db: Connection, here: Organization, asked: Asked, prices: tuple[Prices, Prices],
) -> tuple[Effect, Effect]:
    before, after = Effect(), Effect()
    for count, past in enumerate(past_attempts(db, calls, here.id, asked)):
        if count >= CALLS_MAX:
            break
        said = past.admission
        for effect, book in zip((before, after), prices, strict=True):
            effect.add(past, reprice(past, book.of(said.provider, said.attribution, said.credential), parts.providers.get(said.provider)))
    return before, after


def _document(before: Effect, after: Effect, first: int, today: int) -> dict[str, Any]:
    none = ModelEffect()
    models = []
    for place in {*before.models, *after.models}:
        old, new = before.models.get(place, none).new_nanos, after.models.get(place, none).new_nanos
        if old != new:
            models.append({"provider": place[0], "model": place[1], "calls": after.models.get(place, none).attempts,
                           "old_nanos": old, "new_nanos": new, "delta_nanos": new - old})
    models.sort(key=lambda one: (-abs(one["delta_nanos"]), one["provider"], one["model"]))          # type: ignore[arg-type]
    old_nanos, new_nanos = before.total.new_nanos, after.total.new_nanos
    return {
        "start": date.fromordinal(first + EPOCH), "end": date.fromordinal(today + EPOCH), "whole": first <= today - DAYS + 1,
        "calls_max": CALLS_MAX, "calls": after.total.attempts,
        "old_nanos": old_nanos, "new_nanos": new_nanos, "delta_nanos": new_nanos - old_nanos,
        "models": models[:MODELS_MAX], "not_by_price": sum(count for reason, count in after.standing.items() if reason not in BARRED)}
