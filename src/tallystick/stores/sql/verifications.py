"""Which verifications there were: begun, how far they are, what came of them. The row is what all processes of an installation
agree by, so at most one runs of a chain and few at once, and whoever cancels need not know which process runs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused

State = Literal["running", "sound", "wrong", "cannot", "cancelled", "lost"]

LOST_AFTER_US: Final = 30_000_000            # without a sign its process is gone
AT_ONCE_MAX: Final = 2                       # of an installation: each takes a core
KEPT: Final = 20                             # of an organisation
_COLUMNS: Final = "id, organization, state, started_us, started_by, seen_us, done, total, ended_us, found"


@dataclass(frozen=True, slots=True)
class Run:
    """A verification. `found`: entries, checkpoints, head, findings, fault. `lost`: its process went without a word."""

    id: str
    organization: int
    state: State
    started_us: int
    started_by: str
    seen_us: int
    done: int
    total: int
    ended_us: int | None
    found: Mapping[str, Any]


def begin(db: Connection, organization: int, run_id: str, now_us: int, by: str) -> Run:
    """Note that one begins, in an open write transaction. Raises Refused where one of this chain runs, or too many do."""
    running = [run for run in _read(db, "state = 'running'", ()) if _stands(run, now_us).state == "running"]
    if any(run.organization == organization for run in running):
        raise Refused("exists", "This ledger is being verified already; wait for it, or cancel it.")
    if len(running) >= AT_ONCE_MAX:
        raise Refused("busy", "Other ledgers are being verified; try again in a minute.")
    run = Run(run_id, organization, "running", now_us, by, now_us, 0, 0, None, {})
    db.execute(f"INSERT INTO ledger_verification ({_COLUMNS}) VALUES (?, ?, 'running', ?, ?, ?, 0, 0, NULL, NULL)",  # noqa: S608 - literals
               (run_id, organization, now_us, by, now_us))
    for old in runs(db, organization, now_us)[KEPT:]:
        db.execute("DELETE FROM ledger_verification WHERE id = ?", (old.id,))
    return run


def go_on(db: Connection, run_id: str, done: int, total: int, now_us: int) -> bool:
    """Note how far it is; False where it was cancelled meanwhile."""
    db.execute("UPDATE ledger_verification SET done = ?, total = ?, seen_us = ? WHERE id = ? AND state = 'running'",
               (done, total, now_us, run_id))
    row = db.execute("SELECT state FROM ledger_verification WHERE id = ?", (run_id,)).fetchone()
    return row is not None and row[0] == "running"


def end(db: Connection, run_id: str, state: State, now_us: int, found: Mapping[str, Any]) -> None:
    """Note what came of it, unless it was cancelled."""
    db.execute("UPDATE ledger_verification SET state = ?, ended_us = ?, seen_us = ?, found = ? WHERE id = ? AND state = 'running'",
               (state, now_us, now_us, json.dumps(found, ensure_ascii=False), run_id))


def cancel(db: Connection, organization: int, run_id: str, now_us: int) -> Run | None:
    """Cancel one; its process sees it within seconds. None: there is no such one."""
    found = find(db, organization, run_id, now_us)
    if found is not None and found.state in ("running", "lost"):
        db.execute("UPDATE ledger_verification SET state = 'cancelled', ended_us = ? WHERE id = ?", (now_us, run_id))
        return find(db, organization, run_id, now_us)
    return found


def find(db: Connection, organization: int, run_id: str, now_us: int) -> Run | None:
    """One of an organisation."""
    found = _read(db, "organization = ? AND id = ?", (organization, run_id))
    return _stands(found[0], now_us) if found else None


def runs(db: Connection, organization: int, now_us: int) -> list[Run]:
    """Those of an organisation, the latest first."""
    return [_stands(run, now_us) for run in _read(db, "organization = ? ORDER BY started_us DESC, id DESC", (organization,))]


def _read(db: Connection, where: str, values: tuple[Any, ...]) -> list[Run]:
    query = f"SELECT {_COLUMNS} FROM ledger_verification WHERE {where}"  # noqa: S608 - literals of this module
    return [_run(*row) for row in db.execute(query, values).fetchall()]


def _run(run_id: str, organization: int, state: State, started_us: int, started_by: str, seen_us: int, done: int, total: int,
         ended_us: int | None, found: str | None) -> Run:
    return Run(run_id, organization, state, started_us, started_by, seen_us, done, total, ended_us, json.loads(found or "{}"))


def _stands(run: Run, now_us: int) -> Run:
    """As it stands by now."""
    gone = run.state == "running" and now_us - run.seen_us > LOST_AFTER_US
    return replace(run, state="lost", ended_us=run.seen_us) if gone else run
