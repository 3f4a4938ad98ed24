"""Months on their way out. A month's tables are dropped whole, never row by row under a lock that calls wait for; before
that, what they came to is sealed in the ledger, and what proofs need of them is kept (docs/adr/0022-retention.md).

One month at a time, the oldest first, in stages of bounded steps. Each step is a transaction that begins by asking where the
month stands, so any number of instances may take them, and any may be killed between two:

- *checking*: the roll-ups of each day are derived from its rows again. From here on nothing is added to the month.
- *copying*: the leaf hashes of its entries, each proved on the way from the entry's bytes and the hash before.
- *summing*: what its calls count on budgets (`month_spend`).
- *sealing*: CHECKPOINT entries with its totals by every dimension, at last the one with the digests of all that stays.
  Then the month is pruned: nobody reads its tables any more, and `verify` says so.
- *clearing*, *dropping*: the tables go, a while later, for those who had begun to read them.

What is found wrong on the way stops it, and nothing is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from time import sleep
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tallystick.core.entry import Fields, request_hex
from tallystick.core.merkle import pack
from tallystick.core.windows import bounds, parse_window
from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import MONTH_TABLES, month_sql, months
from tallystick.stores.sql.entries import RUN_MAX, StoredEntry
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.month_proofs import NotAsWritten, Proof
from tallystick.stores.sql.month_seals import TOTALS_MAX, final_fields, part_of
from tallystick.stores.sql.rollup_days import day_differences
from tallystick.stores.sql.rollups import DIMENSIONS
from tallystick.stores.sql.spending import SCOPES, spent_by

STAGES: Final = ("checking", "copying", "summing", "sealing", "clearing", "dropping")
CHECKING, COPYING, SUMMING, SEALING, CLEARING, DROPPING = range(len(STAGES))
MONTHS_MIN: Final = 2                        # besides the running one
DROP_AFTER_US: Final = 600_000_000           # how long who had begun to read a month may go on
BREATH_S: Final = 0.0005                     # between some entries, so that calls get the interpreter
TRY_AGAIN_US: Final = 24 * 3_600_000_000     # after a fault
_LAST_ZONE_US: Final = 12 * 3_600_000_000    # no zone's month ends later
_EPOCH: Final = date(1970, 1, 1).toordinal()
_BODIES: Final = "SELECT seq, body, leaf FROM entry_{month} WHERE organization = ? AND seq >= ? ORDER BY seq LIMIT ?"
_BEGUN: Final = "INSERT INTO pruning (month, stage, organization, place, proved, began_us, fault) VALUES (?, ?, -1, 0, 0, ?, ?)"
_SPEND: Final = ("INSERT INTO month_spend (organization, month, kind, number, other, dollars, nanos, tokens, calls)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization, month, kind, number, other) DO NOTHING")


class Under(NamedTuple):
    """A month on its way, and how far it has come: in which stage, at which organisation and place, and how many of that one's
    rows were proved."""

    month: int
    stage: int
    organization: int
    place: int
    proved: int
    began_us: int
    fault: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What would happen to a month now. `why`: what keeps it, though it is old enough; nothing: it goes."""

    month: int
    why: tuple[str, ...]


def is_over(month: int, months_kept: int, now_us: int) -> bool:
    """Whether a month is older than the running one, in whatever zone, and so many before it."""
    today = date.fromordinal((now_us - _LAST_ZONE_US) // (24 * 3_600_000_000) + _EPOCH)
    return (today.year - month // 100) * 12 + today.month - month % 100 > max(months_kept, MONTHS_MIN)


def due(db: Connection, months_kept: int, now_us: int) -> list[Standing]:
    """The months that are old enough, oldest first, and what keeps each of them."""
    return [Standing(month, tuple(_reasons(db, month, now_us))) for month in reversed(months(db)) if is_over(month, months_kept, now_us)]


def under_way(db: Connection) -> Under | None:
    """The month that is on its way, or stopped by a fault."""
    row = db.execute("SELECT month, stage, organization, place, proved, began_us, fault FROM pruning ORDER BY month").fetchone()
    return Under(*row) if row else None


def step(sequencer: Sequencer, months_kept: int | None, now_us: int, *, anew: bool = False) -> bool:
    """One bounded piece of pruning; whether there is more to do at once. `months_kept`: how many months stay besides the
    running one, None for all; `anew`: try again at once what a fault has stopped. Raises StoreFault."""
    with sequencer.database.read() as db:
        at, held = under_way(db), db.execute("SELECT 1 FROM legal_hold").fetchone() is not None
    if at is not None and at.fault and (anew or now_us - at.began_us >= TRY_AGAIN_US):
        with sequencer.append(now_us) as pen:        # one transaction: whoever looks meanwhile sees that it is tried again
            pen.db.execute("DELETE FROM pruning WHERE month = ?", (at.month,))
            if months_kept is not None and not held:
                _close(pen.db, months_kept, now_us)
        return True
    if held:
        return False
    if at is None:
        return months_kept is not None and _begin(sequencer, months_kept, now_us)
    if at.fault:
        return False
    try:
        return _STEPS[at.stage](sequencer, at, now_us)
    except NotAsWritten as wrong:
        _stop(sequencer, at, f"{wrong}; see `tallystick verify`", now_us)
        return False


def undo(pen: Appending, month: int) -> None:
    """Forget what was prepared for a month that is not pruned yet."""
    for table in ("leaf_run", "month_spend", "month_seal", "pruning"):
        pen.db.execute(f"DELETE FROM {table} WHERE month = ?", (month,))  # noqa: S608 - names of ours


def _stop(sequencer: Sequencer, at: Under, why: str, now_us: int) -> None:
    with sequencer.append(now_us) as pen:
        if under_way(pen.db) == at:
            undo(pen, at.month)
            pen.db.execute(_BEGUN, (at.month, at.stage, now_us, why))


def _begin(sequencer: Sequencer, months_kept: int, now_us: int) -> bool:
    """Close the oldest month that may go; whether there was one."""
    with sequencer.database.read() as db:
        if not (waiting := due(db, months_kept, now_us)) or waiting[0].why:
            return False
    with sequencer.append(now_us) as pen:
        if under_way(pen.db) is None:
            _close(pen.db, months_kept, now_us)
    return True


def _close(db: Connection, months_kept: int, now_us: int) -> None:
    waiting = due(db, months_kept, now_us)
    if waiting and not waiting[0].why:
        db.execute(_BEGUN, (waiting[0].month, CHECKING, now_us, ""))


def _reasons(db: Connection, month: int, now_us: int) -> Iterator[str]:
    for slug, reason in db.execute("SELECT o.slug, h.reason FROM legal_hold h JOIN organization o ON o.id = h.organization"
                                   " ORDER BY o.slug").fetchall():
        yield f"{slug} is under a legal hold: {reason}"
    (waiting,) = db.execute("SELECT count(*) FROM open_attempt WHERE month = ?", (month,)).fetchone()
    if waiting:
        yield f"{waiting} of its calls are not settled yet"
    if asked := sum(_has_call(db, month, organization, content) for organization, content in db.execute(
            "SELECT organization, content FROM proposal WHERE state = 'open' AND kind = 'adjustment'").fetchall()):
        yield f"{asked} corrections of its calls wait for approval"
    for organization in _organizations(db):
        first_us, last_us = db.execute(month_sql("SELECT min(at_us), max(at_us) FROM call_fact_{month} WHERE organization = ?", month),
                                       (organization,)).fetchone()
        if first_us is None:
            continue
        for row in budget_rows(db, organization):
            start_us, end_us = bounds(parse_window(row.span), ZoneInfo(row.zone), now_us)
            begins_us = max(start_us, row.starts_us)
            if first_us < begins_us <= last_us and end_us > now_us and (row.ends_us is None or row.ends_us > now_us):
                yield f"budget {row.id} counts in a window ({row.span}) that began within it"


def _has_call(db: Connection, month: int, organization: int, content: str) -> bool:
    request = bytes.fromhex(request_hex(json.loads(content)["request_id"]))
    return db.execute(month_sql("SELECT 1 FROM call_fact_{month} WHERE request_id = ? AND organization = ?", month),
                      (request, organization)).fetchone() is not None


def _organizations(db: Connection, after: int = -1) -> list[int]:
    return [int(number) for (number,) in db.execute("SELECT id FROM organization WHERE id > ? ORDER BY id", (after,)).fetchall()]


# --- the stages -------------------------------------------------------------------------------------------


def _move(pen: Appending, at: Under, to: Under) -> bool:
    """Say how far the month has come, unless somebody else has taken this step meanwhile."""
    if under_way(pen.db) != at or pen.db.execute("SELECT 1 FROM legal_hold").fetchone() is not None:
        return False
    pen.db.execute("UPDATE pruning SET stage = ?, organization = ?, place = ?, proved = ? WHERE month = ?", (*to[1:5], at.month))
    return True


def _onward(db: Connection, at: Under) -> Under:
    """The next organisation of this stage, else the next stage."""
    found = _organizations(db, at.organization)
    there = at._replace(place=0, proved=0)
    return there._replace(organization=found[0]) if found else there._replace(stage=at.stage + 1, organization=-1)


def _advance(sequencer: Sequencer, at: Under, to: Under, now_us: int, also: Callable[[Appending], object] = lambda _pen: None) -> bool:
    with sequencer.append(now_us) as pen:
        if _move(pen, at, to):
            also(pen)
    return True


def _check(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    """One day of one organisation."""
    first = date(at.month // 100, at.month % 100, 1).toordinal() - _EPOCH
    with sequencer.database.read() as db:
        if at.organization >= 0:
            wrong = next(day_differences(db, at.organization, first + at.place), None)
            if wrong is not None:
                raise NotAsWritten(wrong)
        more = at.organization >= 0 and (date.fromordinal(first + at.place + _EPOCH) + timedelta(1)).day > 1
        to = at._replace(place=at.place + 1) if more else _onward(db, at)
    return _advance(sequencer, at, to, now_us)


def _copy(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    """The next leaf hashes of one organisation, each proved; behind the last, whether there are rows of nothing."""
    runs: list[list[StoredEntry]] = []
    with sequencer.database.read() as db:
        to = _onward(db, at)
        if at.organization >= 0:
            rows = db.execute(month_sql(_BODIES, at.month), (at.organization, at.place, RUN_MAX)).fetchall()
            entries = [StoredEntry(int(seq), bytes(body), bytes(leaf), at.month) for seq, body, leaf in rows]
            proved = at.proved + Proof(db, at.organization, at.month).of(entries, _breathe)
            if entries:
                runs, to = _runs(entries), at._replace(place=entries[-1].seq + 1, proved=proved)
            elif proved != _rows_of(db, at):
                raise NotAsWritten("there are rows of calls that belong to no entry")
    return _advance(sequencer, at, to, now_us, lambda pen: pen.db.executemany(
        "INSERT INTO leaf_run (organization, first_seq, month, leaves) VALUES (?, ?, ?, ?)",
        [(at.organization, run[0].seq, at.month, pack([entry.leaf for entry in run])) for run in runs]))


def _rows_of(db: Connection, at: Under) -> int:
    return int(db.execute(month_sql("SELECT count(*) FROM call_fact_{month} WHERE organization = ?", at.month),
                          (at.organization,)).fetchone()[0])


def _breathe() -> None:
    sleep(BREATH_S)


def _runs(entries: list[StoredEntry]) -> list[list[StoredEntry]]:
    runs: list[list[StoredEntry]] = []
    for entry in entries:
        if runs and runs[-1][-1].seq == entry.seq - 1:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


def _sum(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    """What the calls of one organisation count on one kind of scope."""
    with sequencer.database.read() as db:
        if at.organization >= 0:
            rows = spent_by(db, at.organization, SCOPES[at.place], at.month)
            while some := list(islice(rows, RUN_MAX)):
                with sequencer.append(now_us) as pen:
                    if under_way(pen.db) != at:
                        return True
                    pen.db.executemany(_SPEND, [(at.organization, at.month, SCOPES[at.place], *row) for row in some])
        more = at.organization >= 0 and at.place + 1 < len(SCOPES)
        to = at._replace(place=at.place + 1) if more else _onward(db, at)
    return _advance(sequencer, at, to, now_us)


def _seal(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    """The next totals of one organisation as an entry; behind the last of them the digests. With the last organisation the
    month is pruned."""
    with sequencer.database.read() as db:
        fields: Fields | None = None
        to = _onward(db, at)
        if at.organization >= 0 and _has_entries(db, at):
            dimension, chunk = divmod(at.place, 1 << 32)
            if dimension < len(DIMENSIONS):
                totals = part_of(db, at.organization, at.month, dimension, chunk)
                full = len(totals) == TOTALS_MAX
                fields = {"of": DIMENSIONS[dimension], "chunk": chunk, "totals": totals} if totals or not chunk else None
                to = at._replace(place=at.place + 1 if full else (dimension + 1) << 32)
            else:
                fields = final_fields(db, at.organization, at.month, _breathe)

    def also(pen: Appending) -> None:
        if fields is not None:
            seq = pen.chain(at.organization).append({"kind": "CHECKPOINT", "at": now_us, "month": at.month, **fields})
            if "leaves" in fields:
                pen.db.execute("INSERT INTO month_seal (organization, month, seq, first_us, last_us) VALUES (?, ?, ?, ?, ?)",
                               (at.organization, at.month, seq, fields["first"], fields["last"]))
        if to.stage != at.stage:
            pen.db.execute("UPDATE journal_month SET pruned_us = ? WHERE month = ?", (now_us, at.month))

    return _advance(sequencer, at, to, now_us, also)


def _has_entries(db: Connection, at: Under) -> bool:
    return db.execute("SELECT 1 FROM leaf_run WHERE organization = ? AND month = ?", (at.organization, at.month)).fetchone() is not None


def _clear(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    """Forget which entries of the month speak of which, so many at a time, once nobody reads its tables any more."""
    with sequencer.database.read() as db:
        (pruned_us,) = db.execute("SELECT pruned_us FROM journal_month WHERE month = ?", (at.month,)).fetchone()
        if now_us - int(pruned_us) < DROP_AFTER_US:
            return False
        query = month_sql("SELECT seq FROM entry_{month} WHERE organization = ? AND seq >= ? ORDER BY seq LIMIT ?", at.month)
        seqs = [] if at.organization < 0 else [int(seq) for (seq,) in db.execute(query, (at.organization, at.place, RUN_MAX)).fetchall()]
        to = at._replace(place=seqs[-1] + 1) if seqs else _onward(db, at)
    forget = month_sql("DELETE FROM later_entry WHERE organization = ? AND ref >= ? AND ref <= ?"
                       " AND ref IN (SELECT seq FROM entry_{month} WHERE organization = ? AND seq >= ? AND seq <= ?)", at.month)
    span = (at.organization, seqs[0], seqs[-1]) if seqs else ()
    return _advance(sequencer, at, to, now_us, lambda pen: pen.db.execute(forget, (*span, *span)) if span else None)


def _drop(sequencer: Sequencer, at: Under, now_us: int) -> bool:
    table = month_sql(MONTH_TABLES[at.place], at.month)
    if not sequencer.database.drop_some(table):
        return True
    if at.place + 1 < len(MONTH_TABLES):
        return _advance(sequencer, at, at._replace(place=at.place + 1), now_us)
    with sequencer.append(now_us) as pen:
        pen.db.execute("DELETE FROM pruning WHERE month = ? AND stage = ?", (at.month, DROPPING))
    return True


_STEPS: Final = (_check, _copy, _sum, _seal, _clear, _drop)


# --- a legal hold -----------------------------------------------------------------------------------------


def hold(sequencer: Sequencer, organization: int, reason: str, now_us: int, by: str) -> None:
    """From now on nothing is pruned, until `release`; what was on its way and is not pruned yet stays."""
    with sequencer.append(now_us) as pen:
        pen.db.execute("INSERT INTO legal_hold (organization, reason, made_us, made_by) VALUES (?, ?, ?, ?)"
                       " ON CONFLICT (organization) DO UPDATE SET reason = excluded.reason, made_us = excluded.made_us,"
                       " made_by = excluded.made_by", (organization, reason, now_us, by))
        pen.chain(organization).append({"kind": "RETENTION", "at": now_us, "event": "held", "actor": by, "reason": reason})
        at = under_way(pen.db)
        if at is not None and at.stage < CLEARING:
            undo(pen, at.month)


def release(sequencer: Sequencer, organization: int, now_us: int, by: str) -> bool:
    """End a legal hold; whether there was one."""
    with sequencer.append(now_us) as pen:
        gone = pen.db.execute("DELETE FROM legal_hold WHERE organization = ?", (organization,)).rowcount > 0
        if gone:
            pen.chain(organization).append({"kind": "RETENTION", "at": now_us, "event": "released", "actor": by})
    return gone
