"""Providers: where each is, what goes to it and how it answers, over any days. Who sees their own calls only, gets figures of those.
Credentials stand in a list of their own (control/credentials.py), which fewer roles see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from tallystick.control import Parts
from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.explore_document import days_asked, figure
from tallystick.control.figures import Day, answer, local, share
from tallystick.control.problems import Problem
from tallystick.core.dialect import UNLISTED, UNLISTED_POST, Provider
from tallystick.core.money import decimal_text
from tallystick.providers import PROVIDERS
from tallystick.stores.sql.breakdown import Group, Question, Total, broken_down
from tallystick.stores.sql.breakdown_names import Filter
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Organization, organization

MODELS_MAX: Final = 50
_UNLISTED: Final = frozenset({UNLISTED.operation, UNLISTED_POST.operation})
ProviderId = Annotated[str, Path(max_length=64)]


class Days(BaseModel):
    """Days of the organisation, both included; without them the last 30."""

    model_config = ConfigDict(extra="forbid")

    start: Day | None = None
    end: Day | None = None


class Figures(BaseModel):
    """What calls came to. `error_rate` from 0 to 1; quantiles of latency in microseconds, of attempts that ended."""

    requests: int
    attempts: int
    errors: int
    error_rate: float | None
    cost_nanos: int
    cost_usd: str
    latency_p50_us: int | None
    latency_p95_us: int | None


class ProviderShown(Figures):
    """A provider. `base_url`: the address in force, null for one that the configuration must give an address before it can be
    called; `own`: a host of the operator's; `prices_checked_on`: when its prices were compared last; `unlisted`: calls to
    routes that it is not known for."""

    id: str
    name: str
    base_url: str | None
    own: bool
    states_cost: bool
    free: bool
    routes: int
    priced_models: int
    prices_checked_on: str | None
    unlisted: int


class ProviderList(BaseModel):
    """All providers, those with calls first, the dearest of them at the top."""

    items: list[ProviderShown]


class RouteShown(BaseModel):
    """A route that is known of a provider. `metered`: its usage is read; `billable`: it can cost something."""

    method: str
    path: str
    operation: str
    metered: bool
    billable: bool


class ModelFigures(Figures):
    """A model's calls; `model` null where none was named."""

    model: str | None


class OperationFigures(Figures):
    """Calls of an operation. `listed`: its routes are known."""

    operation: str | None
    listed: bool


class OneProvider(ProviderShown):
    """A provider with its routes, and what went to it by model and operation."""

    docs_url: str
    regions: list[str]
    table: list[RouteShown]
    models: list[ModelFigures]
    operations: list[OperationFigures]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/providers", tags=["providers"])
    router.add_api_route("", list_providers, methods=["GET"], response_model=ProviderList)
    router.add_api_route("/{provider}", read_provider, methods=["GET"], response_model=OneProvider)
    return router


def list_providers(parts: PartsOf, caller: CallerOf, days: Annotated[Days, Query()]) -> Response:
    """Every provider, with what went to it in these days."""
    here, question = _question(parts, caller, days)
    with parts.database.read() as db:
        by_provider = _by(db, here, question, "provider")
        unlisted = _unlisted(db, here, question)
    known = _known(parts)
    shown = [_shown(parts, known[one], by_provider.get((one,), Total()), unlisted.get(one, 0)) for one in known]
    shown.sort(key=lambda one: (-one["cost_nanos"], -one["attempts"], one["base_url"] is None, one["id"]))
    return answer({"items": shown})


def read_provider(parts: PartsOf, caller: CallerOf, provider: ProviderId, days: Annotated[Days, Query()]) -> Response:
    """One provider."""
    here, question = _question(parts, caller, days)
    one = _known(parts).get(provider)
    if one is None:
        raise Problem(404, "not_found", "There is no such provider; the configuration names further ones.")
    question = replace(question, filters=(Filter("provider", "is", (provider,)),))
    with parts.database.read() as db:
        whole = _by(db, here, question).get((), Total())
        models, operations = _by(db, here, question, "model"), _by(db, here, question, "operation")
    return answer({
        **_shown(parts, one, whole, sum(total.requests for (name,), total in operations.items() if name in _UNLISTED)),
        "docs_url": one.docs_url, "regions": sorted(one.regions),
        "table": [{"method": route.method, "path": route.path, "operation": route.operation, "metered": route.dialect is not None,
                   "billable": not route.free} for route in one.routes],
        "models": [{"model": name, **_figures(total)} for (name,), total in _dearest(models)[:MODELS_MAX]],
        "operations": [{"operation": name, "listed": name not in _UNLISTED, **_figures(total)} for (name,), total in _dearest(operations)]})


def _known(parts: Parts) -> Mapping[str, Provider]:
    """The shipped ones, with or without an address, and those of the configuration."""
    return {**{one.id: replace(one, base_url=None) for one in PROVIDERS}, **parts.providers}


def _question(parts: Parts, caller: Caller, days: Days) -> tuple[Organization, Question]:
    here = organization(parts.database, caller.organization)
    first, last = days_asked(days.start, days.end, local(parts.clock.now_us(), here.zone).date())
    return here, Question(first, last, sight=caller.sight)


def _by(db: Connection, here: Organization, question: Question, *groups: str) -> dict[Group, Total]:
    found = broken_down(db, here.id, replace(question, groups=groups, latencies=True))
    return {group: total for (_, group), total in found.items()}


def _unlisted(db: Connection, here: Organization, question: Question) -> dict[str | None, int]:
    """Calls to routes that are not known, by provider."""
    asked = replace(question, groups=("provider",), filters=(Filter("operation", "is", tuple(sorted(_UNLISTED))),))
    return {group[0]: total.requests for (_, group), total in broken_down(db, here.id, asked).items()}


def _dearest(found: dict[Group, Total]) -> list[tuple[Group, Total]]:
    return sorted(found.items(), key=lambda one: (-one[1].cost_nanos, -one[1].attempts, one[0][0] or ""))


def _shown(parts: Parts, one: Provider, total: Total, unlisted: int) -> dict[str, Any]:
    prices = parts.prices.book.prices(one.price_book or one.id)
    return {
        "id": one.id, "name": one.name, "base_url": one.base_url, "own": all(one.id != shipped.id for shipped in PROVIDERS),
        "states_cost": one.states_cost, "free": one.free_models, "routes": len(one.routes), "unlisted": unlisted,
        "priced_models": len(prices.models) if prices else 0, "prices_checked_on": (prices.checked_on or None) if prices else None,
        **_figures(total)}


def _figures(total: Total) -> dict[str, Any]:
    rate = None if not total.attempts else share(total.errors * 10_000, total.attempts) / 10_000
    return {
        "requests": total.requests, "attempts": total.attempts, "errors": total.errors, "error_rate": rate,
        "cost_nanos": total.cost_nanos, "cost_usd": decimal_text(total.cost_nanos),
        "latency_p50_us": figure(total, "latency_p50"), "latency_p95_us": figure(total, "latency_p95")}
