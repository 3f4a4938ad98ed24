"""Verifying a ledger from the console: what `tallystick verify` does, for one organisation's chain, in a process of its own
beside the gateway. One at a time; it can be watched and cancelled, and what came of the last ones is kept.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from tallystick.control import Parts
from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, PartsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.core.errors import StoreFault
from tallystick.stores.sql import verifications as store
from tallystick.stores.sql.accounts import emails_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.verifications import Run
from tallystick.stores.sql.verify_apart import Apart

log = structlog.get_logger(__name__)

TELL_EVERY_US: Final = 1_000_000
RUNNING_US_MAX: Final = 4 * 3_600_000_000
_DIED: Final = "its process ended without a word; `tallystick verify` on the host says more"
RunId = Annotated[str, Path(pattern="^[0-9A-Za-z_]{1,64}$")]


class FindingShown(BaseModel):
    """Something that is not as it was written; `seq`: the entry."""

    check: str
    seq: int | None
    message: str


class VerificationShown(BaseModel):
    """A verification. `state`: running, sound, wrong, cannot (`fault` says why), cancelled, or lost where its process was ended.
    `head`: the hash of the last entry; `findings`: the first bad entry first, at most 20."""

    id: str
    state: str
    started_at: datetime
    started_by: str
    ended_at: datetime | None
    done: int
    total: int
    entries: int | None
    checkpoints: int | None
    head: str | None
    findings: list[FindingShown]
    fault: str | None


class VerificationList(BaseModel):
    """The last ones, the latest first."""

    items: list[VerificationShown]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/ledger/verifications", tags=["ledger"])
    router.add_api_route("", list_runs, methods=["GET"], response_model=VerificationList)
    router.add_api_route("", start, methods=["POST"], response_model=VerificationShown, status_code=202)
    router.add_api_route("/{run_id}", read_run, methods=["GET"], response_model=VerificationShown)
    router.add_api_route("/{run_id}", cancel, methods=["DELETE"], response_model=VerificationShown)
    return router


def list_runs(parts: PartsOf, caller: CallerOf) -> Response:
    """Verifications of this ledger, the latest first."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        found = store.runs(db, here.id, parts.clock.now_us())
        return answer({"items": _documents(db, found)})


def start(parts: PartsOf, caller: CallerOf) -> Response:
    """Verify this ledger from its first entry to its last: bytes, hashes, chain, signed checkpoints, names, columns, costs,
    postings and sums. 409 while one runs."""
    here, key, now_us = organization(parts.database, caller.organization), parts.ledger_key, parts.clock.now_us()
    if key is None:
        raise Problem(409, "no_ledger_key", "This process has no key that checkpoints are checked with.")
    if parts.stopping():
        raise Problem(503, "stopping", "The server is stopping; try again when it is back.", {"retry-after": "10"})
    with parts.database.write() as db:
        run = store.begin(db, here.id, parts.new_id(), now_us, actor_of(caller))
    threading.Thread(target=_run, args=(parts, here.slug, key, run.id), daemon=True, name="verification").start()
    with parts.database.read() as db:
        reply = answer(_documents(db, [run])[0])
    reply.status_code = 202
    return reply


def read_run(parts: PartsOf, caller: CallerOf, run_id: RunId) -> Response:
    """How far one is, or what came of it."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        return _answer(db, store.find(db, here.id, run_id, parts.clock.now_us()))


def cancel(parts: PartsOf, caller: CallerOf, run_id: RunId) -> Response:
    """Stop one that runs; one that has ended stays as it is."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        return _answer(db, store.cancel(db, here.id, run_id, parts.clock.now_us()))


def _run(parts: Parts, slug: str, key: bytes, run_id: str) -> None:
    """Start the process, pass on what it says, and end it where it was cancelled. Nobody waits for this thread, so what it cannot
    do is logged."""
    try:
        apart = Apart(parts.database, slug, key)
    except OSError as fault:
        _end(parts, run_id, "cannot", {"fault": f"no process can be started: {fault.strerror}"})
        return
    try:
        _follow(parts, apart, run_id)
    except StoreFault as fault:
        log.warning("a verification cannot be noted", fault=str(fault))
    finally:
        apart.stop()


def _follow(parts: Parts, apart: Apart, run_id: str) -> None:
    began_us = told_us = parts.clock.monotonic_us()
    done = total = 0
    for event in apart.events():
        if "found" in event:
            found = event["found"]
            state: store.State = "cannot" if found["fault"] else "wrong" if found["findings"] else "sound"
            _end(parts, run_id, state, found)
            return
        done, total, now_us = event.get("done", done), event.get("total", total), parts.clock.monotonic_us()
        if now_us - told_us < TELL_EVERY_US:
            continue
        told_us = now_us
        with parts.database.write() as db:
            wanted = store.go_on(db, run_id, done, total, parts.clock.now_us())
        if not wanted:
            return
        if now_us - began_us > RUNNING_US_MAX or parts.stopping():
            _end(parts, run_id, "cannot", {"fault": "the server was stopped, or it took longer than four hours"})
            return
    _end(parts, run_id, "cannot", {"fault": _DIED})


def _end(parts: Parts, run_id: str, state: store.State, found: dict[str, Any]) -> None:
    with parts.database.write() as db:
        store.end(db, run_id, state, parts.clock.now_us(), found)


def _answer(db: Connection, found: Run | None) -> Response:
    if found is None:
        raise Problem(404, "not_found", "There is no such verification.")
    return answer(_documents(db, [found])[0])


def _documents(db: Connection, runs: list[Run]) -> list[dict[str, Any]]:
    return [_document(db, run) for run in runs]


def _document(db: Connection, run: Run) -> dict[str, Any]:
    found, by = run.found, emails_of(db, {run.started_by}).get(run.started_by, run.started_by)
    total = found.get("entries") or run.total
    return {
        "id": run.id, "state": run.state, "started_at": moment(run.started_us), "started_by": by,
        "ended_at": moment(run.ended_us), "done": total if "entries" in found else run.done, "total": total,
        "entries": found.get("entries"), "checkpoints": found.get("checkpoints"), "head": found.get("head"),
        "findings": [{name: one[name] for name in ("check", "seq", "message")} for one in found.get("findings", ())],
        "fault": found.get("fault")}
