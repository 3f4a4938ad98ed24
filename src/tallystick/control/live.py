"""Calls as they end, as server-sent events: what the live view and `tallystick tail` show. An event is an item of the list
of calls, of a call with several attempts one for each; its id is the number of the ledger's entry, so who was cut off
goes on behind the last one seen (`Last-Event-ID`).

A stream lasts some minutes at most: then the client comes again, and what its proof still opens is looked at anew. A
client that is further behind than a screen can show, or behind a month whose rows are gone, is told how many entries it was
moved past.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tallystick.control.call_document import list_item
from tallystick.control.callers import CallerOf, PartsOf
from tallystick.control.explore import checked_filters
from tallystick.control.problems import Problem
from tallystick.core.errors import StoreFault
from tallystick.core.identity import LABELS
from tallystick.stores.sql import tail
from tallystick.stores.sql.breakdown_names import CUSTOM, Filter, says
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.sight import Sight

STREAMS_MAX: Final = 100                     # at once in a process
STREAM_S: Final = 300
STEP_S: Final = 0.25
QUIET_STEPS: Final = 60                      # after so many without an event a comment keeps the connection open
BATCH: Final = 200
BEHIND_MAX: Final = 2_000
_FIELDS: Final[Mapping[str, str]] = {
    **{label: label for label in LABELS}, "key": "key_id", "provider": "provider", "operation": "operation", "outcome": "outcome",
    "requested_model": "requested_model", "code": "code", "method": "method", "basis": "basis"}
_encode: Final = msgspec.json.Encoder().encode


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/live", tags=["live"])
    router.add_api_route("", live, methods=["GET"], response_class=StreamingResponse)
    return router


class Streams:
    """How many streams there are."""

    def __init__(self) -> None:
        self.open = 0


async def live(
    request: Request, parts: PartsOf, caller: CallerOf,
    filters: Annotated[str | None, Query(max_length=8_000, description="As in /api/explore; by what an item of the list says.")] = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    after: Annotated[int | None, Query(ge=0, description="Begin behind this entry; without it with what comes next.")] = None,
) -> StreamingResponse:
    """Calls as they end: events `call` (an item of the list of calls) and `skipped` (`{"entries": n}`)."""
    wanted = checked_filters(filters)
    streams: Streams = request.app.state.streams
    if streams.open >= STREAMS_MAX:
        raise Problem(503, "too_many_streams", f"{STREAMS_MAX} live views are open.", {"retry-after": "30"})
    here = await run_in_threadpool(organization, parts.database, caller.organization)
    following = _Following(parts.database, here.id, caller.sight, int(last_event_id) if last_event_id else after)
    events = _events(following, wanted, streams, parts.stopping)
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"})


class _Following:
    """How far one stream has come in a ledger."""

    def __init__(self, database: Database, organization_id: int, sight: Sight, after: int | None) -> None:
        self._database = database
        self._organization = organization_id
        self._sight = sight
        self._after = after

    def more(self) -> tuple[int, list[tuple[int, dict[str, Any]]]]:
        """How many entries had to be passed over, and the next calls with the numbers of their entries."""
        with self._database.read() as db:
            newest = tail.newest(db, self._organization)
            after = newest if self._after is None else min(self._after, newest)
            skipped = max(newest - after - BEHIND_MAX, 0)
            found, self._after = tail.learned(db, self._organization, after + skipped, self._sight, BATCH)
            skipped += tail.pruned_between(db, self._organization, after + skipped, self._after)
            names = Names(db, self._organization)
            return skipped, [(seq, attempt_item(row, names)) for seq, row in found]


async def _events(
    following: _Following, wanted: tuple[Filter, ...], streams: Streams, stopping: Callable[[], bool],
) -> AsyncIterator[bytes]:
    streams.open += 1
    try:
        quiet = 0
        yield b"retry: 1000\n\n"
        for _ in range(int(STREAM_S / STEP_S)):
            try:
                skipped, calls = await run_in_threadpool(following.more)
            except StoreFault:
                return                       # the client comes again, and is told then if it is still so
            shown = [(seq, item) for seq, item in calls if all(item_passes(item, one) for one in wanted)]
            if skipped:
                yield b"event: skipped\ndata: " + _encode({"entries": skipped}) + b"\n\n"
            if shown:
                yield b"".join(b"id: %d\nevent: call\ndata: %b\n\n" % (seq, _encode(item)) for seq, item in shown)
            quiet = 0 if shown or skipped else quiet + 1
            if quiet >= QUIET_STEPS:
                quiet = 0
                yield b": quiet\n\n"
            if stopping():
                return
            if len(calls) < BATCH:
                await asyncio.sleep(STEP_S)
    finally:
        streams.open -= 1


def attempt_item(row: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """An attempt as an item of the list of calls."""
    return list_item({**row, "attempts": row["attempt"]}, names.of)


def item_passes(item: Mapping[str, Any], asked: Filter) -> bool:
    """Whether an item of the list of calls passes a filter."""
    return says(asked, _said(item, asked.dimension)) == (asked.test != "is_not")


def _said(item: Mapping[str, Any], dimension: str) -> Sequence[str]:
    if dimension == "tag":
        return list(item["tags"])
    if dimension.startswith(CUSTOM):
        said = item["dimensions"].get(dimension[len(CUSTOM):])
    else:
        said = item["served_model"] or item["requested_model"] if dimension == "model" else item[_FIELDS[dimension]]
    return () if said is None else (said,)
