"""A stream that is one JSON array, element by element: how Gemini streams unless asked for events.

The array arrives in any pieces; an element is handed on when its last byte is there. Only strings
and brackets are looked at, so the reader stays ahead of the network, and whether an element is valid
JSON is left to whoever decodes it. A top-level object counts as an array of one: errors come bare.
Memory is bounded: an element over the limit is skipped to its end and counted in `dropped`.
"""

from __future__ import annotations

import re
from typing import Final

DOCUMENT_BYTES_MAX: Final = 32 << 20

_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'["\\]')
_OPENING: Final = b"{["


class JsonDocuments:
    """Reads the objects of a streamed array. Never raises; what is no object is passed over."""

    __slots__ = ("_depth", "_escaped", "_in_array", "_in_string", "_pieces", "_size", "bytes_max", "dropped", "ended")

    def __init__(self, bytes_max: int = DOCUMENT_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.dropped = 0
        self.ended = False                   # the array's own `]` was seen
        self._in_array = False
        self._in_string = False
        self._escaped = False                # the byte to come is escaped
        self._depth = 0                      # brackets open within the element
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The elements that `data` completes, undecoded."""
        done: list[bytes] = []
        start = at = 0                       # the element's first byte in this piece; where we look
        while not self.ended:
            mark = self._next(data, at)
            if mark is None:
                break
            at = mark + 1
            opens = self._depth == 0
            if self._turn(data[mark:at]):
                if opens:
                    start = mark
                elif self._depth == 0:
                    self._keep(data[start:at])
                    done += self._close()
        if self._depth:
            self._keep(data[start:])
        return done

    def finish(self) -> list[bytes]:
        """Nothing: an element that was not closed is not one."""
        return []

    def _next(self, data: bytes, at: int) -> int | None:
        """The next byte that may change where we are; an escaped byte within a string never does."""
        while True:
            if self._escaped:
                if at >= len(data):
                    return None
                self._escaped = False
                at += 1
            found = (_INSIDE if self._in_string else _OUTSIDE).search(data, at)
            if found is None:
                return None
            if found.group() != b"\\":
                return found.start()
            self._escaped = True
            at = found.end()

    def _turn(self, byte: bytes) -> bool:
        """Take one quote or bracket; whether it opened or closed something within the array."""
        if byte == b'"':
            self._in_string = not self._in_string
            return False
        if byte in _OPENING:
            if self._depth == 0 and byte == b"[" and not self._in_array:
                self._in_array = True
                return False
            self._depth += 1
            return True
        if self._depth == 0:
            self.ended = self._in_array and byte == b"]"
            return False
        self._depth -= 1
        return True

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self.bytes_max:
            self._pieces.append(piece)
        else:
            self._pieces = []

    def _close(self) -> list[bytes]:
        element, size = b"".join(self._pieces), self._size
        self._pieces, self._size = [], 0
        if not self._in_array:
            self.ended = True
        if size > self.bytes_max:
            self.dropped += 1
            return []
        return [element]
