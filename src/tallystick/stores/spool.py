"""The write-ahead record of every attempt, on the local disk: the one thing a call waits for.

An admission is in the file before a byte goes upstream, its settlement before the last byte goes to
the client. `process` durability means: handed to the kernel, so it survives this process; `strict`
means: on the platter, by group commit, so it survives the machine. Four rules keep it honest:

- A full disk is met when a segment is allocated, never in mid-settlement: the next segment always
  stands ready, and without it nothing new is admitted while running calls settle into what is there.
- A failed write is as if it never was: what it left is wiped out before anything is written in its place, and
  until that succeeds every method raises StoreFault.
- A failed sync is never tried again (the kernel may have dropped the pages and forgotten): from then
  on every method raises StoreFault, and only a restart, which reads what is really there, goes on.
- After a crash every admission without a settlement is settled at its hold, marked worst_case.

Segments are numbered files; each start begins a new one. Nothing here makes a thread: `read` and
`shipped` may be called from the shipper's, the rest belongs to the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.errors import Defect, MayStand, StoreFault, Unwritable
from tallystick.ports import Clock
from tallystick.stores import records
from tallystick.stores.disk import Disk
from tallystick.stores.records import ADMIT, REFUSE, SETTLE

SEGMENT_BYTES: Final = 64 << 20
SETTLE_RESERVE_BYTES: Final = 8 << 10        # room kept in the ready segment for each open admission
ALLOCATE_AGAIN_AFTER_US: Final = 1_000_000
_READ_BYTES: Final = 1 << 20
_RECORD_BYTES_USUAL: Final = 1 << 10
SUFFIX: Final = ".seg"


class SpoolBusy(StoreFault):
    """Another process has this spool; `serve` ends with exit code 73."""


class Position(NamedTuple):
    """A place between two records. Positions compare as they follow each other."""

    segment: int
    offset: int


class Spooled(NamedTuple):
    """A record read back, and where the next one begins."""

    kind: int
    payload: bytes
    after: Position


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large segments are, how much of one is kept for each open call's settlement, and how much
    may wait unshipped before nothing new is admitted."""

    segment_bytes: int = SEGMENT_BYTES
    settle_reserve_bytes: int = SETTLE_RESERVE_BYTES
    backlog_bytes_max: int = 2 << 30
    backlog_age_us_max: int = 24 * 3_600_000_000


_Attempt = tuple[str, int]


class Spool:
    """An open spool; `recovery.open_spool` makes it. Implements `ports.Journal`."""

    def __init__(self, folder: Path, instance: str, disk: Disk, clock: Clock, bounds: Bounds, *,
                 strict: bool, start: Position, sequence: int, lock: int) -> None:
        self.instance = instance
        self._folder = folder
        self._disk = disk
        self._clock = clock
        self._bounds = bounds
        self._strict = strict
        self._sequence = sequence
        self._lock = lock
        self._fault: StoreFault | None = None
        self._open: dict[_Attempt, int] = {}             # admission → its segment
        self._open_in: dict[int, int] = {}               # segment → its open admissions
        self._own_segment = self._first_segment = start.segment
        self._low = self._read_upto = start
        self._earlier: frozenset[int] = frozenset()
        self.recovered = 0                               # admissions that this start settled at their hold
        self._shipped_until_us = clock.now_us()          # all that was written by then is shipped
        self._mark = (start, self._shipped_until_us)     # where writing stood, and when
        self._spare: int | None = None
        self._allocate_after_us = 0
        self._written = Position(start.segment, 0)
        self._spoiled = 0                                # where what a failed write may have left ends, 0: nothing is left
        self._file = disk.create(self._path(start.segment), bounds.segment_bytes)
        self._last_file: int | None = None
        self._synced = self._written
        self._sync_lock = asyncio.Lock()
        self._allocate()

    # --- ports.Journal -------------------------------------------------------------------------

    async def admit(self, admission: Admission) -> None:
        """Raises StoreFault when it cannot be made durable; nothing may go upstream then. Where it is `MayStand`, the next
        start may find it and book its hold."""
        self._check_admits()
        attempt = (admission.request_id, admission.attempt)
        if attempt in self._open:
            raise Defect(f"{attempt} is admitted already")
        segment = self._append(ADMIT, _encoded(admission))
        self._open[attempt] = segment
        self._open_in[segment] = self._open_in.get(segment, 0) + 1
        if self._strict:
            try:
                await self._wait_synced()
            except StoreFault as fault:
                raise MayStand(str(fault)) from fault

    async def settle(self, settlement: Settlement) -> Position:
        """Where the record ends. Raises StoreFault when it cannot be made durable; the admission then stays
        open: it may be settled again, else the next start settles it at its hold. Raises Unwritable where it never can."""
        self._check_whole()
        self._append(SETTLE, _encoded(settlement))
        ended = self._written
        self._close_attempt((settlement.request_id, settlement.attempt))
        if self._strict:
            await self._wait_synced()
        return ended

    async def refuse(self, refusal: Refusal) -> None:
        """Raises StoreFault when it cannot be made durable."""
        self._check_admits()
        self._append(REFUSE, _encoded(refusal))
        if self._strict:
            await self._wait_synced()

    # --- the shipper's side --------------------------------------------------------------------

    @property
    def durable(self) -> Position:
        """Everything before it may be shipped."""
        return self._synced if self._strict else self._written

    @property
    def first_segment(self) -> int:
        """The oldest segment there is."""
        return self._first_segment

    def read(self, position: Position, records_max: int) -> list[Spooled]:
        """The next durable records from a position, at most so many.

        Raises StoreFault where the file does not hold what was written.
        """
        upto, found = self.durable, list[Spooled]()
        position = max(position, Position(self._first_segment, 0))
        try:
            while len(found) < records_max and position < upto:
                part = self._read_segment(position, upto, records_max - len(found))
                found += part
                position = part[-1].after if part else Position(position.segment + 1, 0)
        except OSError as fault:
            raise StoreFault(f"spool: {fault}") from fault
        return found

    def shipped(self, low: Position, high: Position) -> None:
        """Everything before `low` is in the ledger for good, everything before `high` was read.
        Segments that nobody needs any more are deleted."""
        self._low, self._read_upto = low, high
        if high >= self._mark[0]:
            self._shipped_until_us = self._mark[1]
            self._mark = (self._written, self._clock.now_us())
        keep_from = min([low.segment, self._written.segment, *self._open_in.copy()])
        while self._first_segment < keep_from:
            with contextlib.suppress(OSError):           # tried again at the next start
                self._disk.remove(self._path(self._first_segment))
            self._first_segment += 1

    def fault(self) -> str | None:
        """Why nothing new is admitted just now; None while all is well."""
        try:
            self._check_admits()
        except StoreFault as fault:
            return str(fault)
        return None

    def behind(self) -> bool:
        """Whether there are durable records that no shipment has reached. Raises StoreFault."""
        return bool(self.read(self._read_upto, 1))

    def waiting(self) -> tuple[int, int]:
        """What no shipment has reached: its bytes, counting whole segments between, and how old its oldest record is, in
        microseconds. Raises StoreFault."""
        found, read, written = self.read(self._read_upto, 1), self._read_upto, self._written
        if not found:
            return 0, 0
        waiting_bytes = (written.segment - read.segment) * self._bounds.segment_bytes + written.offset - read.offset
        return waiting_bytes, max(0, self._clock.now_us() - records.decode(found[0].kind, found[0].payload).at_us)

    @property
    def backlog_bytes(self) -> int:
        """Bytes written and not shipped, counting whole segments between."""
        low, written = self._low, self._written
        return max(0, (written.segment - low.segment) * self._bounds.segment_bytes + written.offset - low.offset)

    @property
    def strain(self) -> float:
        """How much of its bounds the unshipped part has used, by size or by age: from 0 to 1, then nothing is admitted."""
        waited_us = self._clock.now_us() - self._shipped_until_us if self._low < self._written else 0
        return max(self.backlog_bytes / self._bounds.backlog_bytes_max, waited_us / self._bounds.backlog_age_us_max)

    def recover(self, earlier: Sequence[int], unsettled: Sequence[bytes]) -> None:
        """Part of opening: take over the segments of earlier starts, and settle what they left open at
        its hold, for bytes may have gone upstream (books.md §2.2)."""
        self._earlier = frozenset(earlier)
        self._first_segment = min([*earlier, self._written.segment])
        self._low = self._read_upto = Position(self._first_segment, 0)
        for payload in unsettled:
            admission = records.decode(ADMIT, payload)
            assert isinstance(admission, Admission)
            self._append(SETTLE, _encoded(worst_case(admission, self._clock.now_us())))
        self.recovered = len(unsettled)
        if self._strict:
            self._disk.sync(self._file)
            self._synced = self._written

    def close(self) -> None:
        """Let go of files and lock. What is open stays open; the next start settles it."""
        for file in (self._file, self._spare, self._last_file, self._lock):
            if file is not None:
                self._let_go(file)
        self._fault = self._fault or StoreFault("the spool is closed")

    # --- inside --------------------------------------------------------------------------------

    def _check_whole(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _check_admits(self) -> None:
        self._check_whole()
        self._wipe()
        if self._spare is None and not self._allocate():
            raise StoreFault("no room for the next spool segment; running calls settle, new ones wait for space")
        if (len(self._open) + 1) * self._bounds.settle_reserve_bytes > self._bounds.segment_bytes:
            raise StoreFault("more calls are open than the ready segment has room to settle")
        if self.backlog_bytes > self._bounds.backlog_bytes_max:
            raise StoreFault("the spool's backlog is at its limit: the ledger has been away for too long")
        if self._low < self._written and self._clock.now_us() - self._shipped_until_us > self._bounds.backlog_age_us_max:
            raise StoreFault("the spool's oldest record has waited too long for the ledger")

    def _append(self, kind: int, payload: bytes) -> int:
        """Write one record; the segment it went to."""
        record = records.frame(kind, self._sequence, payload)
        size = len(record)
        if size > min(records.RECORD_BYTES_MAX, self._bounds.segment_bytes):
            raise Unwritable(f"a record of {size} bytes is too large for the spool")
        self._wipe()
        if self._written.offset + size > self._bounds.segment_bytes:
            self._next_segment()
        segment, offset = self._written
        try:
            self._write(record, offset)
        except OSError as fault:
            self._spoiled = offset + size
            raise StoreFault(f"spool: {fault.strerror or fault}; it is tried again") from fault
        self._sequence += 1
        self._written = Position(segment, offset + size)
        return segment

    def _write(self, data: bytes, offset: int) -> None:
        done = 0
        while done < len(data):
            took = self._disk.write(self._file, data[done:] if done else data, offset + done)
            if not took:
                raise OSError(errno.EIO, "the disk takes nothing")
            done += took

    def _wipe(self) -> None:
        """Wipe out what a failed write left, so that a segment ends where its zeros begin. Raises StoreFault while the disk
        takes nothing."""
        if not self._spoiled:
            return
        try:
            self._write(bytes(self._spoiled - self._written.offset), self._written.offset)
        except OSError as fault:
            raise StoreFault(f"spool: {fault.strerror or fault}; it is tried again") from fault
        self._spoiled = 0

    def _next_segment(self) -> None:
        if self._spare is None and not self._allocate():
            raise StoreFault("the spool is full and has no next segment")
        assert self._spare is not None
        if self._strict:
            try:
                self._disk.sync(self._file)
            except OSError as fault:
                self._break(fault)
        if self._last_file is not None:                  # a group commit may still hold the one before
            self._let_go(self._last_file)
        self._last_file, self._file, self._spare = self._file, self._spare, None
        self._written = Position(self._written.segment + 1, 0)
        if self._strict:
            self._synced = self._written
        self._allocate_after_us = 0
        self._allocate()

    def _allocate(self) -> bool:
        """Make the next segment stand ready; a failure is no fault yet, and is tried again after a second."""
        now_us = self._clock.now_us()
        if now_us < self._allocate_after_us:
            return False
        try:
            self._spare = self._disk.create(self._path(self._written.segment + 1), self._bounds.segment_bytes)
        except OSError:
            self._allocate_after_us = now_us + ALLOCATE_AGAIN_AFTER_US
            return False
        return True

    async def _wait_synced(self) -> None:
        """Group commit: whoever gets the lock first syncs for all who wrote before it did."""
        mine = self._written
        async with self._sync_lock:
            self._check_whole()
            if self._synced >= mine:
                return
            upto = self._written
            try:
                await self._disk.sync_aside(self._file)
            except OSError as fault:
                self._break(fault)
            self._synced = max(self._synced, upto)

    def _break(self, fault: OSError) -> NoReturn:
        self._fault = StoreFault(f"spool: {fault.strerror or fault}; restart to recover")
        raise self._fault from fault

    def _let_go(self, file: int) -> None:
        """What is written is written (`strict` has synced it): a file that closes badly loses nothing."""
        with contextlib.suppress(OSError):
            self._disk.close(file)

    def _close_attempt(self, attempt: _Attempt) -> None:
        segment = self._open.pop(attempt, None)
        if segment is None:                              # a deferred job's end: its admission is long closed
            return
        self._open_in[segment] -= 1
        if not self._open_in[segment]:
            del self._open_in[segment]

    def _read_segment(self, position: Position, upto: Position, records_max: int) -> list[Spooled]:
        """What stands in one segment from a position on; empty at its end."""
        segment = position.segment
        if self._own_segment > segment not in self._earlier:
            return []                                    # a number that was passed over
        last = upto.offset if segment == upto.segment else None
        file = self._disk.open(self._path(segment))
        try:
            end = self._disk.size(file) if last is None else last
            size = min(_READ_BYTES, records_max * _RECORD_BYTES_USUAL)
            while True:
                data = self._disk.read(file, min(size, end - position.offset), position.offset)
                found, offset = list[Spooled](), 0
                while len(found) < records_max and (record := records.record_at(data, offset)) is not None:
                    kind, _, payload, offset = record
                    found.append(Spooled(kind, payload, Position(segment, position.offset + offset)))
                if found or position.offset + len(data) >= end or size > records.RECORD_BYTES_MAX:
                    break
                size *= 2                                # one record larger than the piece read
        finally:
            self._disk.close(file)
        if not found and data.strip(b"\0"):
            raise StoreFault(f"spool segment {segment} is damaged at offset {position.offset}")
        return found

    def _path(self, segment: int) -> Path:
        return segment_path(self._folder, segment)


def _encoded(said: Admission | Settlement | Refusal) -> bytes:
    try:
        return records.encode(said)
    except (ValueError, OverflowError, TypeError) as fault:      # a lone surrogate, a number beyond 64 bits
        raise Unwritable(f"a record cannot be written: {fault}") from fault


def worst_case(admission: Admission, at_us: int) -> Settlement:
    """How an admission ends that nobody will settle any more: at its hold, until evidence corrects it."""
    hold = admission.hold_nanos
    return Settlement(
        admission.request_id, admission.attempt, at_us, outcome="recovered",
        method="sandbox" if admission.sandbox else "estimated" if admission.hold_priced else "unpriced",
        basis="worst_case",
        cost_nanos=0 if admission.sandbox else hold,
        would_be_nanos=hold if admission.sandbox else None,
        draws=admission.holds,
    )


def segment_path(folder: Path, segment: int) -> Path:
    return folder / f"{segment:08d}{SUFFIX}"
