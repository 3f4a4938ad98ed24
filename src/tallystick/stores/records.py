"""The spool's bytes: records one after another in segments of zeros, and how a segment is read back.

A record is length, CRC-32, kind, sequence number, payload. The sequence number runs through all
segments, so a record that was once valid elsewhere cannot pass for one here. A segment ends where
its zeros begin. Bytes that are no record are a *torn tail* if nothing valid follows them, which is
what a crash leaves behind and may be cut; with a valid record after them they are damage, and the
spool refuses to start rather than skip what was acknowledged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from tallystick.core.attempt import Admission, Refusal, Settlement

ADMIT: Final = 1
SETTLE: Final = 2
REFUSE: Final = 3

RECORD_BYTES_MAX: Final = 1 << 20
_LEAD = struct.Struct("<II")                 # its first two members, which the CRC does not cover
_HEAD = struct.Struct("<IIBQ")               # payload length, CRC of kind+sequence+payload, kind, sequence
_TAIL = struct.Struct("<BQ")
HEAD_BYTES: Final = _HEAD.size

encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder(decimal_format="string").encode


class Record(NamedTuple):
    kind: int
    sequence: int
    payload: bytes
    end: int                                 # offset of the byte after it


class Damage(Exception):
    """Bytes at `offset` that are no record although valid ones follow."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged at offset {offset}")
        self.offset = offset


def frame(kind: int, sequence: int, payload: bytes) -> bytes:
    """The bytes of one record."""
    covered = _TAIL.pack(kind, sequence) + payload
    return _LEAD.pack(len(payload), zlib.crc32(covered)) + covered


def record_at(data: bytes, offset: int) -> Record | None:
    """The record that begins at an offset, None when none does."""
    start = offset + HEAD_BYTES
    if start > len(data):
        return None
    length, checksum, kind, sequence = _HEAD.unpack_from(data, offset)
    end = start + length
    if not kind or length > RECORD_BYTES_MAX or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[offset + _LEAD.size:end]) != checksum:
        return None
    return Record(kind, sequence, data[start:end], end)


def scan(data: bytes, expected: int | None) -> Iterator[Record]:
    """The records of one whole segment, in order. `expected`: the first one's sequence number, None
    where any will do.

    Raises Damage for a byte that is not as it was written while something valid follows in the
    segment. A torn tail simply ends the iteration: `Record.end` says where.
    """
    offset = 0
    while (record := record_at(data, offset)) is not None and expected in (None, record.sequence):
        yield record
        expected = record.sequence + 1
        offset = record.end
    if _valid_after(data, offset, expected or 0):
        raise Damage(offset)


def _valid_after(data: bytes, offset: int, expected: int) -> bool:
    """Whether any record stands whole at or after an offset, at whatever byte. One *at* the offset has
    a sequence number that does not continue what was read: a segment between is missing."""
    last = len(data.rstrip(b"\0"))
    if last <= offset:
        return False
    for start in range(offset, last - HEAD_BYTES + 1):
        record = record_at(data, start) if data[start + 8] in (ADMIT, SETTLE, REFUSE) else None
        if record is not None and record.sequence >= expected:
            return True
    return False


_DECODE: Final[dict[int, Callable[[bytes], Any]]] = {
    ADMIT: msgspec.msgpack.Decoder(Admission).decode,
    SETTLE: msgspec.msgpack.Decoder(Settlement).decode,
    REFUSE: msgspec.msgpack.Decoder(Refusal).decode,
}


def decode(kind: int, payload: bytes) -> Admission | Settlement | Refusal:
    """What a record says. Raises ValueError (msgspec's DecodeError is one) when it says nothing known."""
    reader = _DECODE.get(kind)
    if reader is None:
        raise ValueError(f"record of unknown kind {kind}")
    found: Admission | Settlement | Refusal = reader(payload)
    return found
