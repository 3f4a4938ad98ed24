"""Replies that come whole: one JSON document, read at its end.

The document is kept up to a limit. Of a longer one (vectors, inlined pictures) only both ends are
kept, and usage is looked for in the last of them, where every provider of this family puts it: an
unescaped `"usage":` cannot stand inside a JSON string, so what is found is a member.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tallystick.core.usage import Reading

WHOLE_BYTES_MAX: Final = 4 << 20
END_BYTES: Final = 64 << 10
_USAGE: Final = re.compile(rb'(?<!\\)"(usage|usage_info)"\s*:\s*\{')
_MODEL: Final = re.compile(rb'(?<!\\)"model"\s*:\s*"([^"\\]{1,200})"')


class JsonMeter:
    """A meter of a reply that is one JSON document. `read_whole` reads its bytes."""

    __slots__ = ("_head", "_pieces", "_read_whole", "_size", "_tail", "_whole_bytes_max")

    def __init__(self, read_whole: Callable[[bytes], Reading], whole_bytes_max: int = WHOLE_BYTES_MAX) -> None:
        self._read_whole = read_whole
        self._whole_bytes_max = whole_bytes_max
        self._pieces: list[bytes] = []
        self._size = 0
        self._head = b""                     # set once the document is too long to be kept
        self._tail = b""

    @property
    def ended(self) -> bool:
        """A JSON document has no end marker of its own: the transport knows its end."""
        return False

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._head:
            self._tail = (self._tail + data)[-END_BYTES:]
            return
        self._pieces.append(data)
        if self._size > self._whole_bytes_max:
            whole = b"".join(self._pieces)
            self._pieces = []
            self._head, self._tail = whole[:END_BYTES], whole[-END_BYTES:]

    def finish(self) -> Reading:
        if not self._head:
            whole = b"".join(self._pieces)
            self._pieces = [whole]
            return self._read_whole(whole)
        reading = self._read_whole(_salvage(self._head, self._tail))
        note = "the reply was too long to be read whole"
        return replace(reading, notes=(*reading.notes, note))


class KnownMeter:
    """A meter of bytes that say nothing: the reading was known before the first of them."""

    __slots__ = ("_reading",)

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @property
    def ended(self) -> bool:
        """Sound has no end marker either."""
        return False

    def feed(self, data: bytes) -> None:
        """Let them pass."""

    def finish(self) -> Reading:
        return self._reading


def _salvage(head: bytes, tail: bytes) -> bytes:
    """A small document with what the ends of a long one say: its usage and its model."""
    members: list[bytes] = []
    if models := _MODEL.findall(tail) or _MODEL.findall(head):
        members.append(b'"model":"' + models[-1] + b'"')
    for match in reversed(list(_USAGE.finditer(tail))):
        if (usage := _object_at(tail[match.end() - 1:])) is not None:
            members.append(b'"' + match.group(1) + b'":' + usage)
            break
    return b"{" + b",".join(members) + b"}"


def _object_at(data: bytes) -> bytes | None:
    """The bytes of the object that `data` begins with, if it counts anything."""
    text = data.decode("utf-8", "replace")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    counts = isinstance(value, dict) and any(type(member) is int for member in value.values())
    return text[:end].encode() if counts else None
