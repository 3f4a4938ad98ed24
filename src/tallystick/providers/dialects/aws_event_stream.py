"""Binary event streams (`application/vnd.amazon.eventstream`): where a message ends and what it says.

A message is a prelude of 12 bytes (its length, the length of its headers, a checksum of these two),
its headers, its payload, and a checksum of all before. Both checksums are verified: after a damaged
prelude no length can be trusted, so nothing more is read (`lost`); a damaged message is passed over.
Memory is bounded: a message over the limit is skipped to its end and counted in `dropped`. Nothing
here raises, and the same messages are read however the bytes were split.
Source: the AWS SDKs' description of the encoding ("Amazon event stream").
"""

from __future__ import annotations

from typing import Final, NamedTuple
from zlib import crc32

MESSAGE_BYTES_MAX: Final = 16 << 20
_PRELUDE: Final = 12
_CHECKSUM: Final = 4
_MESSAGE_MIN: Final = _PRELUDE + _CHECKSUM

# Bytes of a header's value by the number of its type; 6 and 7 carry their length in two bytes.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_TEXT: Final = 7


class EventMessage(NamedTuple):
    """One message. `kind`: `event`, `exception` or `error`; `event`: the name of either of the first two."""

    kind: str
    event: str
    payload: bytes


class EventStreamReader:
    """Reads the messages of one reply as its bytes pass."""

    __slots__ = ("_buffer", "_bytes_max", "_skip", "dropped", "lost")

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = message_bytes_max
        self._buffer = bytearray()
        self._skip = 0                       # bytes still to come of a message that is too long
        self.dropped = 0
        self.lost = False

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that `data` completes, in order."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        if self.lost or not data:
            return []
        self._buffer += data
        messages: list[EventMessage] = []
        start = 0
        while (length := self._length_at(start)) is not None:
            if length > self._bytes_max:
                self.dropped += 1
                self._skip = max(0, length - (len(self._buffer) - start))
                start = min(start + length, len(self._buffer))
                continue
            if start + length > len(self._buffer):
                break
            message = _message(bytes(self._buffer[start:start + length]))
            if message is None:
                self.dropped += 1
            else:
                messages.append(message)
            start += length
        del self._buffer[:start]
        return messages

    def _length_at(self, start: int) -> int | None:
        """The length of the message that begins there; None where its prelude is not there yet, or
        is damaged."""
        if len(self._buffer) - start < _PRELUDE:
            return None
        prelude = self._buffer[start:start + _PRELUDE]
        length, headers = _number(prelude[:4]), _number(prelude[4:8])
        if crc32(prelude[:8]) != _number(prelude[8:]) or length < _MESSAGE_MIN + headers:
            self.lost = True
            self._buffer.clear()
            return None
        return length


def _message(data: bytes) -> EventMessage | None:
    """One whole message; None where its checksum or its headers are wrong."""
    if crc32(data[:-_CHECKSUM]) != _number(data[-_CHECKSUM:]):
        return None
    end = _PRELUDE + _number(data[4:8])
    headers = _headers(data[_PRELUDE:end])
    if headers is None:
        return None
    kind = headers.get(b":message-type", "event")
    name = headers.get(b":event-type" if kind == "event" else b":exception-type", "")
    return EventMessage(kind, name, data[end:-_CHECKSUM])


def _headers(data: bytes) -> dict[bytes, str] | None:
    """The headers that are text. Of one name the last counts."""
    found: dict[bytes, str] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        if name_end >= len(data):
            return None
        name, kind = data[at + 1:name_end], data[name_end]
        at = name_end + 1
        if kind in _FIXED:
            at += _FIXED[kind]
        elif kind in (6, _TEXT):
            value = data[at + 2:at + 2 + _number(data[at:at + 2])]
            if kind == _TEXT:
                found[name] = value.decode("utf-8", "replace")
            at += 2 + _number(data[at:at + 2])
        else:
            return None
    return found if at == len(data) else None


def _number(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "big")
