"""Ships the spool into the ledger, each record exactly once. The cursor moves in the transaction that
writes the entries, so whatever is lost, repeated or killed in between, the database alone says how
far shipping got; after any fault the shipper forgets what it believed and asks it again.

The cursor is two places. Before `high` every record was read; before `low` every one is in the ledger.
Between them stand the admissions that still wait for their settlement, and on a new start reading
from `low` to `high` finds them again: what has its settlement before `high` is in the ledger, and what
was chained alone stands in `open_attempt`.

A record that cannot be booked is put aside in a file, with an alarm, and shipping goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.entry_lines import Describe
from tallystick.core.errors import StoreFault
from tallystick.ports import Clock
from tallystick.stores.records import decode
from tallystick.stores.spool import Position, Spool, Spooled
from tallystick.stores.sql import booking
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer

ROWS_MAX: Final = 1_000
ALONE_AFTER_US: Final = 60_000_000           # an admission open for longer is chained alone
HOUSEKEEPING_EVERY_US: Final = 10_000_000
BREATH_ROWS: Final = 16                      # shipped in about a millisecond
DEFERRED_MAX_AGE_US: Final = 48 * 3_600_000_000
_POISON: Final = (ValueError, TypeError, LookupError, ArithmeticError, AssertionError, AttributeError)

_Attempt = tuple[str, int]
_CursorRow = tuple[int, int, int, int, int]


class Item(NamedTuple):
    """What is booked as one: an attempt with its settlement, an admission alone, a later settlement,
    a refusal, or bytes that say nothing known (`unreadable`)."""

    at: Position
    admission: Admission | None = None
    settlement: Settlement | None = None
    refusal: Refusal | None = None
    unreadable: bytes | None = None


class _Waiting(NamedTuple):
    """An admission read and not booked yet; `at` is where its record begins."""

    at: Position
    admission: Admission


@dataclass(slots=True)
class _State:
    """How far shipping got, as the database last said or agreed."""

    high: Position
    stored: _CursorRow | None                # the cursor row as it stands in the database
    waiting: dict[_Attempt, _Waiting]                    # in the spool's order

    @property
    def low(self) -> Position:
        first = next(iter(self.waiting.values()), None)
        return first.at if first is not None else self.high


class Shipper:
    """One spool's way into the ledger. `step` is called again and again, never beside itself."""

    def __init__(self, spool: Spool, sequencer: Sequencer, clock: Clock, quarantine: Path, *,
                 describe: Describe = lambda _: {}, alarm: Callable[[str], None] = lambda _: None,
                 rows_max: int = ROWS_MAX, deferred_max_age_us: int = DEFERRED_MAX_AGE_US,
                 breathe: Callable[[], None] = lambda: None, given_up: Callable[[Settlement], None] = lambda _: None) -> None:
        """`given_up` is told of each job that was settled because nobody fetched its result in time, once that is booked.
        `breathe` is called every few records. The calls wait for the interpreter's lock while a batch is shipped, and
        who waits gets it only after 5 ms, unless the shipper lets go by itself."""
        self._spool = spool
        self._sequencer = sequencer
        self._clock = clock
        self._quarantine_folder = quarantine
        self._describe = describe
        self._alarm = alarm
        self._rows_max = rows_max
        self._deferred_max_age_us = deferred_max_age_us
        self._breathe = breathe
        self._given_up = given_up
        self._poison: tuple[type[Exception], ...] = (*_POISON, *sequencer.database.refusals)
        self._overdue: list[Settlement] = []             # of the transaction under way
        self._state: _State | None = None
        self._house_kept_us = 0
        self.shipped_records = 0
        self.quarantined = 0

    def step(self) -> bool:
        """Ship what is there, at most a transaction's worth; whether more is waiting.

        Raises StoreFault when spool or database cannot be used; the next step starts from what the
        database says.
        """
        state, self._state = self._state or self._resume(), None
        found = self._read(state.high)
        more = len(found) >= self._rows_max
        now_us = self._clock.now_us()
        items = self._pair(state, found)
        if not more:
            items += self._overdue_alone(state, now_us)
        self._overdue = []
        housekeeping = not more and now_us - self._house_kept_us >= HOUSEKEEPING_EVERY_US
        if found or items or housekeeping:
            self._write(state, items, len(found), now_us, housekeeping)
            self._spool.shipped(state.low, state.high)
            self.shipped_records += len(found)
            if housekeeping:
                self._house_kept_us = now_us
                for settlement in self._overdue:
                    self._given_up(settlement)
        self._state = state
        return more

    def _read(self, position: Position) -> list[Spooled]:
        """The next records, at most a transaction's worth."""
        found: list[Spooled] = []
        while len(found) < self._rows_max:
            part = self._spool.read(position, min(self._rows_max - len(found), 4 * BREATH_ROWS))
            if not part:
                break
            found += part
            position = part[-1].after
            self._breathe()
        return found

    def close_books(self) -> None:
        """At a graceful stop, after the last step: sign what was chained since the last checkpoints, so that nothing
        lies unsigned until the next start. Raises StoreFault when the database cannot be used."""
        with self._sequencer.append(self._clock.now_us(), sign_all=True):
            pass

    def _resume(self) -> _State:
        """What the database says, and the admissions that wait between its two places."""
        with self._sequencer.database.read() as db:
            row = db.execute("SELECT low_segment, low_offset, high_segment, high_offset, records FROM spool_cursor WHERE instance = ?",
                             (self._spool.instance,)).fetchone()
        if row is None:
            return _State(Position(self._spool.first_segment, 0), None, {})
        position, high = Position(row[0], row[1]), Position(row[2], row[3])
        state = _State(position, tuple(row), {})
        while state.high < high and (found := self._spool.read(state.high, self._rows_max)):
            self._pair(state, [record for record in found if record.after <= high])
            state.high = min(max(state.high, found[-1].after), high)
        state.high = high
        with self._sequencer.append(self._clock.now_us()) as pen:
            for request_id, attempt in list(state.waiting):
                if booking.is_chained(pen, request_id, attempt):
                    del state.waiting[request_id, attempt]
        return state

    def _pair(self, state: _State, found: list[Spooled]) -> list[Item]:
        """Bring records together into items, and move `high` past them."""
        items: list[Item] = []
        for number, record in enumerate(found, start=1):
            if not number % (4 * BREATH_ROWS):
                self._breathe()
            at, state.high = state.high, record.after
            try:
                said = decode(record.kind, record.payload)
            except ValueError:
                items.append(Item(at, unreadable=record.payload))
                continue
            if isinstance(said, Admission):
                state.waiting[said.request_id, said.attempt] = _Waiting(at, said)
            elif isinstance(said, Settlement):
                waited = state.waiting.pop((said.request_id, said.attempt), None)
                items.append(Item(at, admission=waited.admission if waited else None, settlement=said))
            else:
                items.append(Item(at, refusal=said))
        return items

    def _overdue_alone(self, state: _State, now_us: int) -> list[Item]:
        """Admissions that have waited too long for their settlement."""
        overdue = [attempt for attempt, waiting in state.waiting.items() if now_us - waiting.admission.at_us > ALONE_AFTER_US]
        return [Item(waiting.at, admission=waiting.admission) for waiting in map(state.waiting.pop, overdue[:self._rows_max])]

    def _write(self, state: _State, items: list[Item], records: int, now_us: int, housekeeping: bool) -> None:
        """One transaction: entries, facts and the cursor. A batch with a record that cannot be booked is
        written again with a savepoint around each, which finds it."""
        try:
            with self._sequencer.append(now_us) as pen:
                pen.holder, pen.breathe = self._spool.instance, self._breathe
                for number, item in enumerate(items, start=1):
                    self._book(pen, item)
                    if not number % BREATH_ROWS:
                        self._breathe()
                stored = self._finish(pen, state, records, housekeeping)
        except self._poison:
            with self._sequencer.append(now_us) as pen:
                pen.holder, pen.breathe = self._spool.instance, self._breathe
                for item in items:
                    self._book_or_quarantine(pen, item)
                stored = self._finish(pen, state, records, housekeeping)
        state.stored = stored

    def _book(self, pen: Appending, item: Item) -> None:
        if item.unreadable is not None:
            raise ValueError("a record that says nothing known")
        if item.refusal is not None:
            booking.book_refusal(pen, item.refusal)
        elif item.settlement is None:
            assert item.admission is not None
            booking.book_admission(pen, item.admission)
        elif item.admission is None:
            booking.book_later_settlement(pen, item.settlement, self._describe)
        else:
            booking.book_attempt(pen, item.admission, item.settlement, self._describe)

    def _book_or_quarantine(self, pen: Appending, item: Item) -> None:
        pen.flush()
        mark = pen.mark()
        pen.db.execute("SAVEPOINT item")
        try:
            self._book(pen, item)
            pen.flush()
        except self._poison as reason:
            pen.db.execute("ROLLBACK TO item")
            pen.rewind(mark)
            self._quarantine(item, reason)
        pen.db.execute("RELEASE item")

    def _finish(self, pen: Appending, state: _State, records: int, housekeeping: bool) -> _CursorRow:
        if housekeeping:
            booking.close_refusal_minutes(pen)
            self._overdue = booking.settle_overdue(pen, self._deferred_max_age_us, self._describe)
        return self._move_cursor(pen, state, records)

    def _move_cursor(self, pen: Appending, state: _State, records: int) -> _CursorRow:
        """Store how far this transaction gets, if the cursor still stands where we left it."""
        held = pen.db.execute("SELECT low_segment, low_offset, high_segment, high_offset, records FROM spool_cursor WHERE instance = ?",
                              (self._spool.instance,)).fetchone()
        if (tuple(held) if held else None) != state.stored:
            raise StoreFault("another shipper has moved this spool's cursor")
        row = (*state.low, *state.high, (state.stored[4] if state.stored else 0) + records)
        pen.db.execute(
            "INSERT INTO spool_cursor (low_segment, low_offset, high_segment, high_offset, records, instance) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (instance) DO UPDATE SET low_segment = excluded.low_segment, low_offset = excluded.low_offset,"
            " high_segment = excluded.high_segment, high_offset = excluded.high_offset, records = excluded.records",
            (*row, self._spool.instance))
        return row

    def _quarantine(self, item: Item, reason: Exception) -> None:
        """Put a record aside in a file of its own, named by its place so that doing it twice is once."""
        self._quarantine_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._quarantine_folder / f"{self._spool.instance}-{item.at.segment}-{item.at.offset}.json"
        said = {"reason": f"{type(reason).__name__}: {reason}", "admission": item.admission, "settlement": item.settlement,
                "refusal": item.refusal, "unreadable": item.unreadable}
        with suppress(OSError):
            path.write_bytes(msgspec.json.encode(said))
            path.chmod(0o600)
        self.quarantined += 1
        self._alarm(f"a journal record could not be booked and stands in {path}: {type(reason).__name__}")


def cursor_segment(database: Database, instance: str) -> int:
    """The segment up to which a spool has been read, 0 for one that is new (`recovery.open_spool`)."""
    with database.read() as db:
        row = db.execute("SELECT high_segment FROM spool_cursor WHERE instance = ?", (instance,)).fetchone()
    return int(row[0]) if row else 0
