"""How a spool is opened: locked, read from end to end, cut where a crash tore its last record, and every
admission that a crash left open settled at its hold. Anything else that is not as it was written is
refused by segment and offset; a spool that is refused is left exactly as it was found.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from tallystick.core.errors import StoreFault
from tallystick.ports import Clock
from tallystick.stores import records
from tallystick.stores.disk import Disk
from tallystick.stores.records import ADMIT, SETTLE, Damage, Record
from tallystick.stores.spool import SUFFIX, Bounds, Position, Spool, SpoolBusy, segment_path

_Attempt = tuple[str, int]
_ZEROS: Final = bytes(1 << 20)


class _Ending(msgspec.Struct):
    """As much of an admission or settlement as pairing needs."""

    request_id: str
    attempt: int
    outcome: str = ""


_ending: Final[Callable[[bytes], _Ending]] = msgspec.msgpack.Decoder(_Ending).decode


def open_spool(folder: Path, new_instance: Callable[[], str], disk: Disk, clock: Clock, *,
               durability: Literal["process", "strict"] = "process", bounds: Bounds | None = None,
               ledger_segment: Callable[[str], int] = lambda _: 0) -> Spool:
    """Lock a spool, read all that is there, cut a torn tail, settle what a crash left open.

    `new_instance` names a spool that is made now; `ledger_segment` gives, for a spool's name, the
    segment up to which the database has read it (`cursor_segment`), so that no number is used
    twice even where the folder's files were lost.

    Raises SpoolBusy when another process has it; StoreFault, naming segment and offset, when bytes
    in the middle are not as they were written.
    """
    try:
        disk.make_folder(folder)
        try:
            lock = disk.lock(folder / "lock")
        except BlockingIOError:
            raise SpoolBusy(f"{folder} is in use by another process") from None
        try:
            instance = read_instance(folder, disk) or _name_instance(folder, disk, new_instance())
            segments, sequence, unsettled = _read_all(folder, disk)
            start = Position(max([ledger_segment(instance), *segments]) + 1, 0)
            spool = Spool(folder, instance, disk, clock, bounds or Bounds(), strict=durability == "strict", start=start,
                          sequence=sequence, lock=lock)
            spool.recover(segments, list(unsettled.values()))
        except BaseException:
            disk.close(lock)
            raise
    except OSError as fault:
        raise StoreFault(f"spool: {fault}") from fault
    return spool


def read_instance(folder: Path, disk: Disk) -> str | None:
    """The name of the spool in a folder, None where there is none yet."""
    if "id" not in disk.names(folder):
        return None
    file = disk.open(folder / "id")
    try:
        return disk.read(file, 64, 0).rstrip(b"\0").decode() or None
    finally:
        disk.close(file)


def _name_instance(folder: Path, disk: Disk, name: str) -> str:
    if "id" in disk.names(folder):
        disk.remove(folder / "id")                       # a crash between its making and its writing
    file = disk.create(folder / "id", 64)
    try:
        disk.write(file, name.encode(), 0)
        disk.sync(file)
    finally:
        disk.close(file)
    return name


def _read_all(folder: Path, disk: Disk) -> tuple[list[int], int, dict[_Attempt, bytes]]:
    """Segments that hold records, the next sequence number, and the admissions without an end."""
    numbers = sorted(int(name.removesuffix(SUFFIX)) for name in disk.names(folder) if name.endswith(SUFFIX))
    unsettled: dict[_Attempt, bytes] = {}
    ends: dict[int, tuple[int, int]] = {}                # segment → where its records end, its size
    expected: int | None = None
    torn: tuple[int, int] | None = None
    for number in numbers:
        (data, size), end = _whole(folder, disk, number), 0
        try:
            for record in records.scan(data, expected):
                if torn is not None:
                    raise Damage(0)
                _pair(unsettled, record)
                expected, end = record.sequence + 1, record.end
        except Damage as damage:
            segment, offset = torn or (number, damage.offset)
            raise StoreFault(f"spool segment {segment} is damaged at offset {offset}: valid records follow it") from None
        if torn is None and data[end:].strip(b"\0"):
            torn = (number, end)
        ends[number] = (end, size)
    for number, (end, size) in ends.items():             # only now: a spool that is refused is left as it was
        _cut(segment_path(folder, number), disk, end, size)
    return [number for number, (end, _) in ends.items() if end], expected or 1, unsettled


def _whole(folder: Path, disk: Disk, number: int) -> tuple[bytes, int]:
    """A segment without the zeros at its end, and its size with them."""
    file = disk.open(segment_path(folder, number))
    try:
        parts: list[bytes] = []
        size = zeros = 0
        while piece := disk.read(file, len(_ZEROS), size):
            size += len(piece)
            if piece == _ZEROS:
                zeros += len(piece)
                continue
            parts += (bytes(zeros), piece)
            zeros = 0
        return b"".join(parts), size
    finally:
        disk.close(file)


def _cut(path: Path, disk: Disk, end: int, size: int) -> None:
    """Give back what a closed segment does not hold, a torn tail included."""
    if not end:
        disk.remove(path)
    elif end < size:
        file = disk.open(path)
        try:
            disk.truncate(file, end)
        finally:
            disk.close(file)


def _pair(unsettled: dict[_Attempt, bytes], record: Record) -> None:
    if record.kind not in (ADMIT, SETTLE):
        return
    ending = _ending(record.payload)
    if record.kind == ADMIT:
        unsettled[ending.request_id, ending.attempt] = record.payload
    else:
        unsettled.pop((ending.request_id, ending.attempt), None)
