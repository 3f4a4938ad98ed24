"""The books as files: calls as CSV or JSON lines by any view's days and filters, and the whole ledger with what is needed to
check it offline. A file is written as it is read, from one unchanging view of the database that no writer waits for; what it
must come to (`/api/exports/totals`) is what the explorer says of the same question.

A file that stops half-way is seen: the connection breaks instead of ending. How many are written at once is bounded, for
each holds a view, and so is how long one may take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.explore import checked_filters
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.control.requests import CallFilters, rows_asked
from tallystick.core.money import decimal_text
from tallystick.exports import CALL_EXPORTS, ledger_jsonl
from tallystick.stores.sql import exported
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.facts import beginning_with_rows, control_total
from tallystick.stores.sql.sight import Sight

AT_ONCE_MAX: Final = 3                       # of a process: each holds one of its connections for reading
WRITING_US_MAX: Final = 3_600_000_000
BLOCK_BYTES: Final = 64 * 1024
_TYPES: Final = {"calls-csv": ("csv", "text/csv; charset=utf-8"), "calls-jsonl": ("jsonl", "application/x-ndjson")}

Lines = Callable[[Connection], Iterator[bytes]]


class Ordered(CallFilters):
    """Which calls, in which order."""

    sort: Literal["newest", "oldest"] = "oldest"


class ControlTotals(BaseModel):
    """What a file of these calls comes to: rows, their attempts, and the sum of `cost_nanos` over all rows."""

    calls: int
    attempts: int
    cost_nanos: int
    cost_usd: str


class Writing:
    """How many files are being written."""

    def __init__(self) -> None:
        self.open = 0


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/exports", tags=["exports"])
    router.add_api_route("/totals", totals, methods=["GET"], response_model=ControlTotals)
    router.add_api_route("/calls.csv", calls_csv, methods=["GET"], response_class=StreamingResponse)
    router.add_api_route("/calls.jsonl", calls_jsonl, methods=["GET"], response_class=StreamingResponse)
    router.add_api_route("/ledger.jsonl", ledger, methods=["GET"], response_class=StreamingResponse)
    return router


def totals(parts: PartsOf, caller: CallerOf, view: Annotated[CallFilters, Query()]) -> Response:
    """What a file of these calls comes to; who sees their own only, what theirs do."""
    here, filters = organization(parts.database, caller.organization), checked_filters(view.filters)
    with parts.database.read() as db:
        found = control_total(db, here.id, rows_asked(db, here.id, view, filters, caller.sight))
    return answer({"calls": found.calls, "attempts": found.attempts, "cost_nanos": found.cost_nanos,
                   "cost_usd": decimal_text(found.cost_nanos)})


def calls_csv(request: Request, parts: PartsOf, caller: CallerOf, view: Annotated[Ordered, Query()]) -> StreamingResponse:
    """The calls as CSV, one row each. A text that a spreadsheet would run as a formula gets a `'` before it."""
    return _calls("calls-csv", request, parts, caller.organization, caller.sight, view)


def calls_jsonl(request: Request, parts: PartsOf, caller: CallerOf, view: Annotated[Ordered, Query()]) -> StreamingResponse:
    """The calls as JSON lines, with the columns of the CSV."""
    return _calls("calls-jsonl", request, parts, caller.organization, caller.sight, view)


def ledger(request: Request, parts: PartsOf, caller: CallerOf) -> StreamingResponse:
    """Every entry's exact bytes and every signed checkpoint, for `scripts/verify_export.py` on any machine."""
    here, key = organization(parts.database, caller.organization), parts.ledger_key
    if key is None:
        raise Problem(409, "no_ledger_key", "This process has no key that checkpoints are checked with.")

    def lines(db: Connection) -> Iterator[bytes]:
        return ledger_jsonl.render(*exported.chain(db, here.id, here.slug, key))

    return _streamed(request, parts, lines, f"tallystick-{here.slug}-ledger.jsonl", "application/x-ndjson")


def _calls(format_: str, request: Request, parts: Parts, slug: str, sight: Sight, view: Ordered) -> StreamingResponse:
    here, filters = organization(parts.database, slug), checked_filters(view.filters)
    with parts.database.read() as db:        # what cannot be asked is said before anything is written
        asked = beginning_with_rows(db, here.id, rows_asked(db, here.id, view, filters, sight), exported.EVERY_CALL)

    def lines(db: Connection) -> Iterator[bytes]:
        return CALL_EXPORTS[format_](exported.calls(db, here.id, here.slug, asked, newest_first=view.sort == "newest"))

    ending, media = _TYPES[format_]
    days = "-".join(day.isoformat() for day in (view.start, view.end) if day is not None)
    return _streamed(request, parts, lines, f"tallystick-{here.slug}-calls{days and f'-{days}'}.{ending}", media)


def _streamed(request: Request, parts: Parts, lines: Lines, name: str, media: str) -> StreamingResponse:
    writing: Writing = request.app.state.writing
    if writing.open >= AT_ONCE_MAX:
        raise Problem(503, "too_many_exports", f"{AT_ONCE_MAX} files are being written; try again when one of them is done.",
                      {"retry-after": "10"})
    ends_us = parts.clock.monotonic_us() + WRITING_US_MAX
    return StreamingResponse(
        _written(writing, _blocks(parts, lines, ends_us)), media_type=media,
        headers={"content-disposition": f'attachment; filename="{name}"', "x-accel-buffering": "no"})


async def _written(writing: Writing, blocks: Generator[bytes]) -> AsyncIterator[bytes]:
    writing.open += 1
    try:
        while (block := await run_in_threadpool(next, blocks, None)) is not None:
            yield block
    finally:
        writing.open -= 1
        blocks.close()                       # and with it the view of the database


def _blocks(parts: Parts, lines: Lines, ends_us: int) -> Generator[bytes]:
    """The file in blocks. Raises TimeoutError where it took too long: whoever reads it too slowly must not hold the view for ever."""
    block = bytearray()
    with parts.database.read() as db:
        for line in lines(db):
            block += line
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
                if parts.clock.monotonic_us() > ends_us:
                    raise TimeoutError("an export was read too slowly")
        yield bytes(block)
