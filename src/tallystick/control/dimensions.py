"""By what calls are booked: each dimension with what it is for, who asks for it, which values it may have, how much of what was
spent it covers, and whose calls lack it. What is asked for, and which values may be given, is a policy
(`required_dimensions`); this is where one sees what it comes to and what is still missing.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.callers import Caller, CallerOf, PartsOf, actor_of
from tallystick.control.explore import Span
from tallystick.control.explore_document import days_asked, span
from tallystick.control.figures import Day, answer, local, ratio
from tallystick.control.problems import Problem
from tallystick.control.roles import cell_of
from tallystick.control.spenders import Sum
from tallystick.core.identity import NAME_CHARS_MAX
from tallystick.core.money import decimal_text
from tallystick.stores.sql import dimensions as store
from tallystick.stores.sql.breakdown import Total
from tallystick.stores.sql.breakdown_names import TooMany
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.dimensions import Known
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.policy_rows import PolicyRow
from tallystick.stores.sql.sight import of_policies
from tallystick.stores.sql.spenders import seen_keys_by_id

TOLD_MAX: Final = 50
Name = Annotated[str, Query(min_length=1, max_length=NAME_CHARS_MAX + len(store.OWN))]
Start = Annotated[Day | None, Query(description="First day, YYYY-MM-DD; without both the last 30.")]
End = Annotated[Day | None, Query(description="Last day, included.")]


class Described(BaseModel):
    """What a dimension is for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX + len(store.OWN))]
    description: Annotated[str, Field(max_length=512)] = ""


class DimensionRule(BaseModel):
    """A policy on it. `required`: calls must name it, `verified`: on the key; `allowed`: the values that it may have."""

    policy: int
    name: str
    scope: str
    mode: Literal["observe", "enforce"]
    required: bool
    verified: bool
    allowed: list[str] | None


class DimensionShown(BaseModel):
    """A dimension: `team`, `cost_center`…, or `dimension:NAME` of the organisation's own. `group`: its name in Explore. `keys`:
    active ones that fix it. Shares are of all calls of the days, null where there were none."""

    name: str
    group: str
    own: bool
    description: str | None
    rules: list[DimensionRule]
    keys: int
    values: int
    covered: Sum
    cost_share: float | None
    request_share: float | None


class Dimensions(BaseModel):
    """All of them: the built-in ones, then one's own by name. `more`: how many are left out."""

    range: Span
    items: list[DimensionShown]
    total: Sum
    more: int


class ValueShown(Sum):
    """What calls with one value came to. `allowed`: whether a policy that bounds the values knows it; null where none does."""

    value: str
    allowed: bool | None


class LackingKey(Sum):
    """Calls without it, made with one key. `dimensions`: what the key fixes now; null where keys are not this role's to see."""

    key_id: str | None
    name: str
    team: str | None
    status: str | None
    fixes: bool
    dimensions: dict[str, str] | None


class LackingProject(Sum):
    """Calls without it, of one project."""

    project: str | None


class OneDimension(DimensionShown):
    """One in full: its values, dearest first, and whose calls lack it."""

    range: Span
    total: Sum
    top_values: list[ValueShown]
    unattributed: Sum
    lacking_keys: list[LackingKey]
    lacking_projects: list[LackingProject]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/dimensions", tags=["dimensions"])
    router.add_api_route("", list_dimensions, methods=["GET"], response_model=Dimensions)
    router.add_api_route("", describe, methods=["PUT"], response_model=Described)
    router.add_api_route("", forget, methods=["DELETE"], status_code=204)
    router.add_api_route("/one", read_dimension, methods=["GET"], response_model=OneDimension)
    return router


def list_dimensions(parts: PartsOf, caller: CallerOf, start: Start = None, end: End = None) -> Response:
    """Every dimension, and how much of what was spent in these days it covers."""
    here, days = _asked(parts, caller, start, end)
    with parts.database.read() as db:
        found, whole = _known(db, here, days, caller, parts.clock.now_us())
        seen = _policies_seen(db, here, caller)
    names = [*store.BUILT_IN, *sorted(name for name in found if name not in store.BUILT_IN)]
    return answer({"range": span(*days), "items": [_document(found[name], whole, seen) for name in names[:store.OWN_MAX]],
                   "total": _sum(whole), "more": max(len(names) - store.OWN_MAX, 0)})


def read_dimension(parts: PartsOf, caller: CallerOf, name: Name, start: Start = None, end: End = None) -> Response:
    """One dimension: what its values came to, and which keys and projects make calls without it."""
    store.checked_name(name)
    here, days = _asked(parts, caller, start, end)
    with parts.database.read() as db:
        found, whole = _known(db, here, days, caller, parts.clock.now_us())
        if name not in found:
            raise Problem(404, "not_found", "No call, key, policy or person named this dimension.")
        seen = _policies_seen(db, here, caller)
        try:
            totals = store.values(db, here.id, name, days, caller.sight)
            keys = store.lacking(db, here.id, name, "key", days, caller.sight) if None in totals else {}
            projects = store.lacking(db, here.id, name, "project", days, caller.sight) if None in totals and name != "project" else {}
        except TooMany:
            raise _too_many() from None
        listed = _lacking_keys(db, here, caller, name, keys, parts.clock.now_us())
    document = _document(found[name], whole, seen)
    bounds = [set(rule["allowed"]) for rule in document["rules"] if rule["allowed"] is not None]
    return answer({
        **document, "range": span(*days), "total": _sum(whole), "unattributed": _sum(totals.get(None, Total())),
        "top_values": [{"value": value, "allowed": all(value in allowed for allowed in bounds) if bounds else None, **_sum(total)}
                       for value, total in _dearest({value: total for value, total in totals.items() if value is not None})],
        "lacking_keys": listed,
        "lacking_projects": [{"project": project, **_sum(total)} for project, total in _dearest(projects)]})


def describe(parts: PartsOf, caller: CallerOf, said: Described) -> Response:
    """Say what a dimension is for; it is listed from then on, also before any call names it."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        store.describe(db, here.id, said.name, said.description.strip(), parts.clock.now_us(), actor_of(caller))
    return answer({"name": said.name, "description": said.description.strip()})


def forget(parts: PartsOf, caller: CallerOf, name: Name) -> Response:
    """Take the description away. What calls said stays booked."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        store.forget(db, here.id, name)
    return Response(status_code=204)


def _lacking_keys(db: Connection, here: Organization, caller: Caller, name: str, totals: dict[str | None, Total],
                  now_us: int) -> list[dict[str, Any]]:
    """The dearest keys whose calls lack it, with what one needs to mend that."""
    told = _dearest(totals)
    open_ = cell_of("GET", "/api/keys", caller.role) in ("all", "own_teams")
    rows = {row.id: row for row in seen_keys_by_id(db, here.id, caller.sight, [key for key, _ in told if key not in (None, ERASED)])}
    listed = []
    for key_id, total in told:
        row = rows.get(key_id or "") if open_ else None
        fixed = {} if row is None else {**row.labels, **{store.OWN + one: value for one, value in row.dimensions.items()}}
        listed.append({
            "key_id": key_id, "name": row.name if row else "", "team": row.labels.get("team") if row else None,
            "status": row.status(now_us) if row else None, "fixes": name in fixed,
            "dimensions": dict(row.dimensions) if row else None, **_sum(total)})
    return listed


def _document(one: Known, whole: Total, seen: set[int]) -> dict[str, Any]:
    return {
        "name": one.name, "group": store.group_of(one.name), "own": one.name.startswith(store.OWN), "description": one.description,
        "rules": [_rule(one.name, row) for row in one.policies if row.id in seen], "keys": one.keys, "values": len(one.values),
        "covered": _sum(one.covered), "cost_share": ratio(one.covered.cost_nanos, whole.cost_nanos),
        "request_share": ratio(one.covered.requests, whole.requests)}


def _rule(name: str, row: PolicyRow) -> dict[str, Any]:
    allowed = row.said.get("allowed", {}).get(name)
    return {"policy": row.id, "name": row.name, "scope": str(row.scope), "mode": row.mode, "required": name in row.said.get("require", ()),
            "verified": bool(row.said.get("verified", False)), "allowed": None if allowed is None else list(allowed)}


def _known(db: Connection, here: Organization, days: tuple[int, int], caller: Caller, now_us: int) -> tuple[dict[str, Known], Total]:
    try:
        return store.known(db, here.id, days, caller.sight, now_us)
    except TooMany:
        raise _too_many() from None


def _policies_seen(db: Connection, here: Organization, caller: Caller) -> set[int]:
    """The policies that this role may read; who reads none (finance) sees no rules either."""
    if cell_of("GET", "/api/policies", caller.role) is None:
        return set()
    seen, values = of_policies(caller.sight, here.id)
    rows = db.execute(f"SELECT id FROM policy_version WHERE organization = ? AND until_us IS NULL{seen}", (here.id, *values))  # noqa: S608
    return {int(number) for (number,) in rows.fetchall()}


def _asked(parts: PartsOf, caller: Caller, start: Day | None, end: Day | None) -> tuple[Organization, tuple[int, int]]:
    here = organization(parts.database, caller.organization)
    return here, days_asked(start, end, local(parts.clock.now_us(), here.zone).date())


def _dearest(totals: dict[str | None, Total]) -> list[tuple[str | None, Total]]:
    return sorted(totals.items(), key=lambda one: (-one[1].cost_nanos, -one[1].requests, one[0] or ""))[:TOLD_MAX]


def _sum(total: Total) -> dict[str, Any]:
    return {"cost_nanos": total.cost_nanos, "cost_usd": decimal_text(total.cost_nanos), "requests": total.requests}


def _too_many() -> Problem:
    return Problem(400, "too_many_groups", "There are more than one answer holds; choose fewer days.")
