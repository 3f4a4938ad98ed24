"""Budgets: list, set, change, raise, remove, and how each stands. A change is in force when the answer comes; a running
gateway that did not follow within a second is named in `not_in_force_on`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control import Parts
from tallystick.control.budget_lint import warnings_of
from tallystick.control.budget_document import budget_document, history_document, trail_document
from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, actor_of, within_teams
from tallystick.control.dry_run_document import trial_document
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core import currencies
from tallystick.core.budget import BadBudget, Kind, Mode, Scope, Unit
from tallystick.core.moments import us_of
from tallystick.core.identity import NAME_CHARS_MAX, VALUE_CHARS_MAX
from tallystick.core.windows import BadWindow, parse_window
from tallystick.stores.sql.alerts_thresholds import percents_of
from tallystick.stores.sql.budget_dry_run import try_budget
from tallystick.stores.sql.budget_history import history_of
from tallystick.stores.sql.budget_rows import BudgetRow, find_budget, rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec, proposed, spec_of
from tallystick.stores.sql.directory import find_key, organization
from tallystick.stores.sql.sight import of_budgets
from tallystick.stores.sql.standing import not_in_force, standing

BudgetId = Annotated[int, Path(ge=1, lt=1 << 62)]
LimitText = Annotated[str, Field(min_length=1, max_length=64, description="`$500/month`, `500 EUR`, `2m tokens/day`, `10k calls/hour`")]
Text = Annotated[str, Field(max_length=VALUE_CHARS_MAX)]
Days = Annotated[int, Query(ge=1, le=31)]
OnExceed = Literal["reject", "clamp"]


class NewBudget(BaseModel):
    """A budget to set. `scope` and `value` say on what: `team` and `search`, `user` and `*` for each user."""

    model_config = ConfigDict(extra="forbid")

    scope: Kind
    value: Annotated[str, Field(max_length=NAME_CHARS_MAX + VALUE_CHARS_MAX)] = ""
    limit: LimitText
    window: Annotated[str | None, Field(max_length=32)] = None
    zone: Annotated[str | None, Field(max_length=64)] = None
    mode: Mode = "hard"
    on_exceed: OnExceed = "reject"
    name: Text | None = None
    owner: Text | None = None
    note: Text | None = None
    ends_at: AwareDatetime | None = None


class BudgetChange(BaseModel):
    """What is to be different; what is left out stays. Scope, window and unit stay: another is another budget."""

    model_config = ConfigDict(extra="forbid")

    limit: LimitText | None = None
    mode: Mode | None = None
    on_exceed: OnExceed | None = None
    name: Text | None = None
    owner: Text | None = None
    note: Text | None = None
    ends_at: AwareDatetime | None = None


class NewRaise(BaseModel):
    """More for a while: `by` as a limit is written, in the budget's own unit."""

    model_config = ConfigDict(extra="forbid")

    by: LimitText
    until: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class Figures(BaseModel):
    """Of an amount `x` there is `x_nanos` and `x_usd`, or `x_tokens`, or `x_calls`, by the budget's unit."""

    model_config = ConfigDict(extra="allow")


class Holder(Figures):
    """A gateway that has leased a part; `deferred` stands for jobs whose cost is still to come."""

    id: str
    alive: bool
    written_off: bool


class Node(Figures):
    """One subject in the window that runs: `spent`, `held`, `remaining`, and what gateways that are gone hold, `stranded`."""

    subject: str
    used_percent: float | None
    holders: list[Holder]


class Raised(Figures):
    """A raise that has not ended, by an `amount`."""

    until: datetime


class Budget(Figures):
    """A budget and how the window that runs stands. Its `limit` has its raises in it."""

    id: int
    scope: str
    value: str
    name: str
    window: str
    zone: str
    unit: Unit
    mode: Mode
    on_exceed: OnExceed
    version: int
    owner: str
    policy: Annotated[int | None, Field(description="The policy that keeps it, and by which alone it changes.")]
    note: str
    starts_at: datetime | None
    ends_at: datetime | None
    window_start: datetime | None
    resets_at: datetime | None
    raises: list[Raised]
    created_at: datetime
    created_by: str
    nodes: list[Node]
    currency: str | None = None
    limit_in_currency: str | None = None
    rate: str | None = None


class OpenCalls(Figures):
    """What calls of one key and team hold (`held`) that the ledger knows as open: jobs, and calls older than a minute."""

    key_id: str
    team: str | None
    calls: int
    jobs: int
    since: datetime


class TurnedAway(BaseModel):
    """A call that the budget refused, and how it stood then."""

    request_id: str
    at: datetime
    code: str
    key_id: str | None
    team: str | None
    model: str | None
    budget: dict[str, str]


class BudgetStep(Figures):
    """What was done to a budget: `made`, `changed`, `raised` (by `extra`), `ended`, `removed`, `thresholds`…; what its `limit`, mode and
    words were from then on. `entry`: of the ledger."""

    entry: int
    at: datetime
    event: str
    by: str
    mode: str | None = None
    on_exceed: str | None = None
    name: str | None = None
    owner: str | None = None
    note: str | None = None
    version: int | None = None
    ends_at: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
    percents: list[int] | None = None


class BudgetHistory(BaseModel):
    """Newest first, at most 100. `whole`: its beginning is among them."""

    whole: bool
    items: list[BudgetStep]


class OneBudget(Budget):
    """A budget, who holds it, and whom it turned away last. `alert_percents`: at which shares of its cap it tells."""

    alert_percents: list[int]
    open_calls: list[OpenCalls]
    not_known: str
    last_refusals: list[TurnedAway]


class ChangedBudget(Budget):
    """A budget as it is from now on. `warnings`: what is odd about one that was set, as the lint says it."""

    not_in_force_on: list[str]
    warnings: list[str] = []


class BudgetPage(BaseModel):
    """A page of budgets."""

    items: list[Budget]
    next_cursor: str | None


class WouldRefuse(BaseModel):
    """What a budget would have refused: of whom, where it is one for each."""

    subject: str
    calls: int
    cost_nanos: int
    cost_usd: str
    first_at: datetime | None


class BudgetTrial(BaseModel):
    """What a budget would have refused in the last days, each call held for what it came to: a running gateway, which holds the
    worst case, refuses no less. `until`: where counting stopped, as an answer judges so many calls at most."""

    days: int
    calls: int
    refused: WouldRefuse
    subjects: list[WouldRefuse]
    until: datetime | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/budgets", tags=["budgets"])
    router.add_api_route("", list_budgets, methods=["GET"], response_model=BudgetPage)
    router.add_api_route("", set_budget, methods=["POST"], response_model=ChangedBudget, status_code=201)
    router.add_api_route("/dry-run", dry_run_budget, methods=["POST"], response_model=BudgetTrial)
    router.add_api_route("/{budget_id}", read_budget, methods=["GET"], response_model=OneBudget)
    router.add_api_route("/{budget_id}/history", read_history, methods=["GET"], response_model=BudgetHistory)
    router.add_api_route("/{budget_id}", change_budget, methods=["PUT"], response_model=ChangedBudget)
    router.add_api_route("/{budget_id}", remove_budget, methods=["DELETE"], response_model=ChangedBudget)
    router.add_api_route("/{budget_id}/raises", raise_budget, methods=["POST"], response_model=ChangedBudget, status_code=201)
    return router


def list_budgets(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All budgets in the order they were made, each with how it stands."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    after, (seen, values) = place_of(cursor)[0] if cursor else 0, of_budgets(caller.sight, here.id)
    with parts.database.read() as db:
        found = rows(db, f"{_STANDING} AND id > ?{seen} ORDER BY id LIMIT ?", (here.id, after, *values, limit + 1))
        items = [budget_document(row, standing(db, row, now_us), now_us) for row in found[:limit]]
    return answer({"items": items, "next_cursor": cursor_of(found[limit - 1].id) if len(found) > limit else None})


def set_budget(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewBudget) -> Response:
    """Make a budget: 201; or set the one that stands for this scope, window and unit anew: 200."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    spec = _spec(parts, new)
    _within(parts, caller, here.id, spec)
    row = Budgets(directory.sequencer).set(here.id, spec, now_us, actor_of(caller))
    return _changed(parts, row, 201 if row.version == 1 and row.created_us == now_us else 200, warnings_of(parts, row))


def dry_run_budget(parts: PartsOf, caller: CallerOf, new: NewBudget, days: Days = 7) -> Response:
    """What a budget that is not set yet would have refused in the last days."""
    here, now_us, spec = organization(parts.database, caller.organization), parts.clock.now_us(), _spec(parts, new)
    _within(parts, caller, here.id, spec)
    with parts.database.read() as db:
        return answer(trial_document(try_budget(db, here.id, proposed(db, here.id, spec), days, now_us), days))


def read_budget(parts: PartsOf, caller: CallerOf, budget_id: BudgetId) -> Response:
    """One budget, what each subject has spent in the window that runs, and who holds what."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    row = _seen(parts, caller, here.id, budget_id)
    with parts.database.read() as db:
        document = {**budget_document(row, standing(db, row, now_us), now_us), "alert_percents": list(percents_of(db, row))}
        return answer({**document, **trail_document(db, row)})


def read_history(parts: PartsOf, caller: CallerOf, budget_id: BudgetId) -> Response:
    """What was done to a budget, by whom, and which entry of the ledger says so."""
    row = _seen(parts, caller, organization(parts.database, caller.organization).id, budget_id)
    with parts.database.read() as db:
        return answer(history_document(row, history_of(db, row)))


def change_budget(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, budget_id: BudgetId, change: BudgetChange) -> Response:
    """Change a budget. What its window has counted stays counted."""
    here = organization(parts.database, caller.organization)
    _seen(parts, caller, here.id, budget_id)

    def edit(row: BudgetRow) -> BudgetSpec:
        spec = _edited(spec_of(row), change, parts.currencies)
        _within(parts, caller, here.id, spec)
        return spec

    row = Budgets(directory.sequencer).change(here.id, budget_id, edit, parts.clock.now_us(), actor_of(caller))
    return _changed(parts, row)


def remove_budget(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, budget_id: BudgetId) -> Response:
    """Remove a budget. What it counted stays in the ledger."""
    here = organization(parts.database, caller.organization)
    _within(parts, caller, here.id, spec_of(_seen(parts, caller, here.id, budget_id)))
    Budgets(directory.sequencer).remove(here.id, budget_id, parts.clock.now_us(), actor_of(caller))
    with parts.database.read() as db:
        row = find_budget(db, here.id, budget_id)
    assert row is not None, "a removed budget is kept"
    return _changed(parts, row)


def raise_budget(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, budget_id: BudgetId, new: NewRaise) -> Response:
    """Raise a limit until a moment."""
    here, until_us = organization(parts.database, caller.organization), _us(new.until)
    assert until_us is not None, "it is required"
    row = _seen(parts, caller, here.id, budget_id)
    try:
        extra = currencies.read_extra(new.by, row.unit, row.currency, row.rate)
    except BadBudget as fault:
        raise Problem(400, "invalid_request", str(fault)) from None
    _within(parts, caller, here.id, replace(spec_of(row), limit=row.budget().cap(parts.clock.now_us()) + extra))
    row = Budgets(directory.sequencer).raise_for(here.id, budget_id, extra, until_us, new.reason, parts.clock.now_us(), actor_of(caller))
    return _changed(parts, row, 201)


def _spec(parts: Parts, new: NewBudget) -> BudgetSpec:
    read = _limit(new.limit, parts.currencies)
    return BudgetSpec(
        Scope(new.scope, new.value), read.amount, new.window or (str(read.window) if read.window else "month"), new.zone, new.mode,
        new.on_exceed, new.name, new.owner, new.note, _us(new.ends_at), read.value, read.rate)


def _within(parts: Parts, caller: Caller, organization_id: int, spec: BudgetSpec) -> None:
    """Whether somebody who may act on their teams only may make a budget so: on a project or a key of a team of theirs, and
    no larger than the team's own in the same window. What binds the team itself is not theirs to move. Raises Problem 403."""
    if caller.cell != "own_teams":
        return
    kind, value = spec.scope.kind, spec.scope.value
    key = find_key(parts.database, organization_id, value) if kind == "key" else None
    team = key.labels.get("team") if key else value.partition("/")[0] if kind == "project" else None
    within_teams(caller, team)
    try:
        span = str(parse_window(spec.window))
    except BadWindow as fault:
        raise Problem(400, "invalid_request", str(fault)) from None
    with parts.database.read() as db:
        above = rows(db, f"{_STANDING} AND kind = 'team' AND value = ? AND span = ? AND unit = ? AND mode = 'hard'",
                     (organization_id, team, span, spec.amount.unit))
    if any(spec.limit > row.budget().cap(parts.clock.now_us()) for row in above):
        raise Problem(403, "above_the_parent", "A budget within a team is no larger than the team's.")


def _seen(parts: Parts, caller: Caller, organization_id: int, budget_id: int) -> BudgetRow:
    """The budget, where this caller sees it. Raises Problem 404."""
    seen, values = of_budgets(caller.sight, organization_id)
    with parts.database.read() as db:
        found = rows(db, f"{_STANDING} AND id = ?{seen}", (organization_id, budget_id, *values))
    if not found:
        raise _no_budget()
    return found[0]


def _edited(spec: BudgetSpec, change: BudgetChange, rates: currencies.Rates) -> BudgetSpec:
    said: dict[str, Any] = change.model_dump(exclude_unset=True, exclude={"limit", "ends_at"})
    if change.limit is not None:
        read = _limit(change.limit, rates)
        said |= {"amount": read.amount, "limit": read.value, "rate": read.rate, "window": str(read.window or spec.window)}
    if "ends_at" in change.model_fields_set:
        said["ends_us"] = _us(change.ends_at)
    return replace(spec, **{name: value for name, value in said.items() if value is not None or name in _MAY_BE_NONE})


def _limit(text: str, rates: currencies.Rates) -> currencies.Limit:
    try:
        return currencies.read_limit(text, rates)
    except BadBudget as fault:
        raise Problem(400, "invalid_request", str(fault)) from None


def _changed(parts: Parts, row: BudgetRow, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """The budget as it is from now on, once every running gateway follows."""
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    now_us = parts.clock.now_us()
    with parts.database.read() as db:
        document = budget_document(row, standing(db, row, now_us), now_us)
    reply = answer({**document, "not_in_force_on": list(behind), "warnings": list(warnings)})
    reply.status_code = status
    return reply


def _no_budget() -> Problem:
    return Problem(404, "not_found", "There is no such budget.")


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else us_of(moment)


_STANDING: Final = " WHERE organization = ? AND removed_us IS NULL AND kind <> 'header'"
_MAY_BE_NONE: Final = frozenset({"ends_us", "rate"})
