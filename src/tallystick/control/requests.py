"""Calls: a list of narrow rows, newest first, and the whole document of one. A call that has just ended
may still be on its way from the spool to the ledger; asking for it waits up to a second.

An item of the list is an attempt; calls have one, unless a policy retries them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tallystick.control.call_document import call_document, list_item
from tallystick.control.callers import CallerOf, CallsOf, PartsOf
from tallystick.control.explore import FiltersText, Hours, Since, checked_filters
from tallystick.control.explore_document import hours_asked
from tallystick.control.figures import Day, answer, day_number
from tallystick.control.pages import LIMIT, LIMIT_MAX, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core.attempt import Basis, Method, Outcome
from tallystick.core.entry import request_hex
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.breakdown_names import Filter, TooMany, narrowed
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.facts import (
    ATTEMPTS, CODED_FILTERS, EVERY_KIND, HOUR_US, NAMED_FILTERS, REFUSALS, SANDBOX, Asked, Place, days_around, is_seen, listed,
)
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import check_call, rows_from
from tallystick.stores.sql.sight import Sight

WAIT_S: Final = 1.0
_STEP_S: Final = 0.05
KINDS: Final = {"calls": (ATTEMPTS,), "refused": (REFUSALS,), "sandbox": (SANDBOX,), "all": EVERY_KIND}
_NAMES: Final = {*NAMED_FILTERS, *CODED_FILTERS}

Text = Annotated[str | None, Field(max_length=VALUE_CHARS_MAX)]


class CallFilters(BaseModel):
    """Which calls. Names match whole; `filters` is what the cost explorer takes, so that every sum of it leads to its rows."""

    model_config = ConfigDict(extra="forbid")

    team: Text = None
    project: Text = None
    user: Text = None
    agent: Text = None
    environment: Text = None
    cost_center: Text = None
    prompt_key: Text = None
    prompt_version: Text = None
    session: Text = None
    key: Text = None
    provider: Text = None
    operation: Text = None
    requested_model: Text = None
    served_model: Text = None
    code: Text = None
    outcome: Outcome | None = None
    method: Method | None = None
    basis: Basis | None = None
    filters: FiltersText = None
    start: Day | None = None
    end: Day | None = None
    since: Since = None
    hours: Hours = 24
    kind: Literal["calls", "refused", "sandbox", "all"] = "all"

    def names(self) -> dict[str, str]:
        """The names to match, by filter."""
        return self.model_dump(include=_NAMES, exclude_none=True)


class Filters(CallFilters):
    """Which calls, in which order."""

    sort: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: Annotated[str | None, Field(max_length=200)] = None


class Item(BaseModel):
    """A call in a list: of several attempts it has the last one's outcome and what all of them came to."""

    model_config = ConfigDict(extra="allow")

    id: str
    attempts: int
    at: datetime
    cost_nanos: int
    cost_usd: str


class Items(BaseModel):
    """A page of calls. `rows_from`: the first day that has the rows of its calls; null where none was ever dropped."""

    items: list[Item]
    next_cursor: str | None
    rows_from: date | None


class Call(BaseModel):
    """One call. docs/reference describes every field."""

    model_config = ConfigDict(extra="allow")

    id: str
    at: datetime
    organization: str
    provider: str | None
    requested_model: str | None
    served_model: str | None
    status: int | None
    outcome: str | None
    method: str | None
    basis: str | None
    usage: dict[str, int | str] | None
    cost_nanos: int
    cost_usd: str
    currency: str
    cost_in_currency_nanos: int
    list_cost_nanos: int | None = None
    list_cost_usd: str | None = None
    fx_rate_id: str | None
    adjustments: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    budget: Annotated[dict[str, str] | None, Field(description="Of a refusal: the budget it did not fit, and how that stood.")] = None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/requests", tags=["requests"])
    router.add_api_route("", list_calls, methods=["GET"], response_model=Items)
    router.add_api_route("/{request_id}", read_one, methods=["GET"], response_model=Call)
    return router


def list_calls(parts: PartsOf, caller: CallerOf, filters: Annotated[Filters, Query()]) -> Response:
    """Calls in order of time."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        asked = replace(rows_asked(db, here.id, filters, checked_filters(filters.filters), caller.sight), whole=True)
        rows = list(listed(
            db, here.id, asked, newest_first=filters.sort == "newest", behind=_place(filters.cursor), limit=filters.limit + 1,
        ))
        names = Names(db, here.id)
        items = [list_item(row, names.of) for row in rows[:filters.limit]]
        begin = rows_from(db, here.id)
    last = rows[filters.limit - 1] if len(rows) > filters.limit else None
    return answer({"items": items, "next_cursor": cursor_of(last["at_us"], str(last["seq"])) if last else None, "rows_from": begin})


def rows_asked(db: Connection, organization_id: int, asked: CallFilters, filters: Sequence[Filter], sight: Sight) -> Asked:
    """The rows that a list or a file of calls is about. Raises Problem 400."""
    try:
        found = narrowed(db, organization_id, filters)
    except TooMany as many:
        raise Problem(400, "too_many_groups", f"A filter stands for more {many} than one answer holds; say more of the name.") from None
    hours = hours_asked(asked.since, asked.hours, asked.start, asked.end)
    if hours is not None:
        first_us, before_us = (hour * HOUR_US for hour in hours)
        return Asked(*days_around(hours), KINDS[asked.kind], asked.names(), before_us, first_us, sight, narrowed=found)
    first, last = (day_number(day) if day else None for day in (asked.start, asked.end))
    return Asked(first, last, KINDS[asked.kind], asked.names(), sight=sight, narrowed=found)


async def read_one(
    parts: PartsOf, caller: CallerOf, calls: CallsOf, request_id: Annotated[str, Path(pattern="^req_[0-9a-f]{32}$")],
) -> Response:
    """One call with its arithmetic; `state` is `open` until it is settled. 410 `pruned` for one whose month was dropped."""
    here = organization(parts.database, caller.organization)
    document = None
    await run_in_threadpool(_check_month, parts.database, here.id, request_id)
    for _ in range(int(WAIT_S / _STEP_S)):
        document = await run_in_threadpool(_document, calls, parts.database, here.id, request_id, caller.sight)
        if document is not None and document["state"] != "open":
            break
        await asyncio.sleep(_STEP_S)
    if document is None:
        raise Problem(404, "not_found", "There is no such call.")
    return answer(document)


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    at_us, seq = place_of(cursor)
    if not seq.isascii() or not seq.isdigit() or len(seq) > 18:
        raise Problem(400, "invalid_cursor", "This is no cursor of this list.")
    return Place(at_us, int(seq))


def _check_month(database: Database, organization_id: int, request_id: str) -> None:
    with database.read() as db:
        check_call(db, organization_id, request_id)


def _document(calls: Calls, database: Database, organization_id: int, request_id: str, sight: Sight) -> dict[str, Any] | None:
    record = calls.read_call(request_id, organization_id)
    if record is None:
        return None
    with database.read() as db:
        if not is_seen(db, organization_id, bytes.fromhex(request_hex(request_id)), sight):
            return None
        return call_document(record, Names(db, organization_id).price_row)
