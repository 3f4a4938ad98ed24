"""What a month, a prompt, a team or a prompt's versions cost, in the shapes of a source system
(product.md W315–W319): totals are JSON numbers of dollars, dates are `YYYY-MM-DD` with the end
included, days are the organisation's. A virtual key sees its own team's calls, an organisation-wide
key those that were booked through itself; a person what their role opens.
"""

from __future__ import annotations

import calendar
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.figures import Day, answer, day_number, dollars, local, mean_dollars
from tallystick.control.problems import Problem
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.facts import Asked, Group, Sums
from tallystick.stores.sql.rollup_reads import sums
from tallystick.stores.sql.sight import EVERYTHING

UNKNOWN = "unknown"                          # prompt or team of a call that named none

Start = Annotated[Day | None, Query(description="First day, YYYY-MM-DD.")]
End = Annotated[Day | None, Query(description="Last day, included.")]
ProviderName = Annotated[str | None, Query(max_length=64, description="Provider id; all without it.")]


class Period(BaseModel):
    """Days, both included."""

    start: date
    end: date


class Monthly(BaseModel):
    """What a period cost."""

    total_cost: float
    period: Period


class PromptCost(BaseModel):
    """What a prompt cost."""

    prompt_key: str
    total_cost: float
    request_count: int


class ByPrompt(BaseModel):
    """Prompts, dearest first."""

    prompts: list[PromptCost]


class TeamCost(BaseModel):
    """What a team cost."""

    team_name: str
    total_cost: float
    request_count: int


class ByTeam(BaseModel):
    """Teams, dearest first."""

    teams: list[TeamCost]


class VersionCost(BaseModel):
    """What a version of a prompt cost. Versions are numbers where they look like one."""

    version_number: int | str | None
    total_cost: float
    request_count: int
    avg_cost_per_request: float


class Versions(BaseModel):
    """A prompt's versions in order."""

    versions: list[VersionCost]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/aggregations", tags=["aggregations"])
    router.add_api_route("/monthly", monthly, methods=["GET"], response_model=Monthly)
    router.add_api_route("/by-prompt", by_prompt, methods=["GET"], response_model=ByPrompt)
    router.add_api_route("/by-team", by_team, methods=["GET"], response_model=ByTeam)
    router.add_api_route("/version-comparison", version_comparison, methods=["GET"], response_model=Versions)
    return router


def monthly(parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None, provider: ProviderName = None) -> Response:
    """What a period cost: the current month, unless `start` or `end` say otherwise."""
    here = organization(parts.database, caller.organization)
    today = local(parts.clock.now_us(), here.zone).date()
    if start is None and end is None:
        last = calendar.monthrange(today.year, today.month)[1]
        start, end = today.replace(day=1), today.replace(day=last)
    end = end or max(today, start or today)
    start = start or end.replace(day=1)
    spent = _sums(parts, caller, here, start, end, provider).get(None, Sums())
    return answer({"total_cost": dollars(spent.cost_nanos), "period": {"start": start, "end": end}})


def by_prompt(parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None, provider: ProviderName = None) -> Response:
    """What each prompt cost, dearest first."""
    here = organization(parts.database, caller.organization)
    found = _sums(parts, caller, here, start, end, provider, "prompt_key")
    return answer({"prompts": [
        {"prompt_key": name, "total_cost": dollars(total.cost_nanos), "request_count": total.requests}
        for name, total in dearest_first(found)
    ]})


def by_team(parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None, provider: ProviderName = None) -> Response:
    """What each team cost, dearest first."""
    here = organization(parts.database, caller.organization)
    found = _sums(parts, caller, here, start, end, provider, "team")
    return answer({"teams": [
        {"team_name": name, "total_cost": dollars(total.cost_nanos), "request_count": total.requests}
        for name, total in dearest_first(found)
    ]})


def version_comparison(
    parts: PartsOf, caller: CallerOf, prompt_key: Annotated[str, Query(min_length=1, max_length=256)],
    start: Start = None, end: End = None, provider: ProviderName = None,
) -> Response:
    """What each version of one prompt cost, in all and for each request."""
    here = organization(parts.database, caller.organization)
    found = _sums(parts, caller, here, start, end, provider, "prompt_version", {"prompt_key": "" if prompt_key == UNKNOWN else prompt_key})
    ordered = sorted(((_version(name), total) for name, total in found.items()), key=lambda pair: _rank(pair[0]))
    return answer({"versions": [
        {
            "version_number": version, "total_cost": dollars(total.cost_nanos), "request_count": total.requests,
            "avg_cost_per_request": mean_dollars(total.cost_nanos, total.requests),
        }
        for version, total in ordered
    ]})


def dearest_first(found: dict[str | None, Sums]) -> list[tuple[str, Sums]]:
    """Names and their sums, dearest first, then by name."""
    named = [(UNKNOWN if name is None else name, total) for name, total in found.items()]
    return sorted(named, key=lambda pair: (-pair[1].cost_nanos, pair[0]))


def _sums(
    parts: PartsOf, caller: Caller, here: Organization, start: date | None, end: date | None, provider: str | None,
    group: Group = "", filters: dict[str, str] | None = None,
) -> dict[str | None, Sums]:
    """The sums of what this caller may see."""
    if start and end and end < start:
        raise Problem(400, "invalid_request", "The end lies before the start.")
    wanted = {**(filters or {}), **_scope(caller)}
    if provider:
        wanted["provider"] = provider
    sight = EVERYTHING if caller.principal else caller.sight
    asked = Asked(day_number(start) if start else None, day_number(end) if end else None, filters=wanted, sight=sight)
    with parts.database.read() as db:
        return sums(db, here.id, asked, group)


def _scope(caller: Caller) -> dict[str, str]:
    """What a virtual key sees: its team's calls, or its own where it has no team."""
    if caller.principal is None:
        return {}
    team = caller.principal.labels.get("team")
    return {"team": team} if team else {"key": caller.principal.key_id}


def _version(name: str | None) -> int | str | None:
    return int(name) if name and name.isascii() and name.isdigit() and len(name) < 10 else name


def _rank(version: int | str | None) -> tuple[int, int, str]:
    """Numbers in order, then words, then none."""
    if isinstance(version, int):
        return 0, version, ""
    return (1, 0, version) if version is not None else (2, 0, "")
