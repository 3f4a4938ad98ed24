"""Streams of pictures and sound: the content comes in events that are not read, and the event that
closes each part of it states what that part used.

A stream has as many closing events as things were asked for, and ends with the last of them; there is
no other end marker. A stream that was cut before its first closing event says nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec

from tallystick.core.usage import Reading
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.wire import decoder_of, read

EVENT_BYTES_MAX: Final = 24 << 20            # a closing event carries the whole picture


class ClosingEvents:
    """A meter that reads the events whose type ends in `closing` and adds up what they state.
    `silent` is the reading of a stream without any."""

    __slots__ = ("_closing", "_events", "_expected", "_read", "_reading", "_seen", "_silent", "failed")

    def __init__(self, closing: str, read_event: Callable[[bytes], Reading], silent: Reading, expected: int = 1) -> None:
        self._closing = closing
        self._read = read_event
        self._silent = silent
        self._expected = expected
        self._events = SseReader(EVENT_BYTES_MAX)
        self._reading: Reading | None = None
        self._seen = 0
        self.failed = False

    @property
    def ended(self) -> bool:
        return self._seen >= self._expected

    def feed(self, data: bytes) -> None:
        for event in self._events.feed(data):
            self._take(event.event, event.data)

    def finish(self) -> Reading:
        for event in self._events.finish():
            self._take(event.event, event.data)
        reading = self._reading or self._silent
        notes = (*reading.notes, "parts of the stream were too long to be read") if self._events.dropped else reading.notes
        return replace(reading, ended=self.ended, failed=self.failed or reading.failed, notes=notes)

    def _take(self, name: str, data: bytes) -> None:
        kind = name or _type_of(data)
        if kind.endswith(self._closing):
            self._seen += 1
            self._add(self._read(data))
        elif kind == "error":
            self.failed = True

    def _add(self, reading: Reading) -> None:
        before = self._reading
        if before is None or before.usage is None:
            self._reading = reading
        elif reading.usage is not None:
            self._reading = replace(reading, usage=before.usage.plus(reading.usage))


class _Event(msgspec.Struct, gc=False):
    type: Any = None


_EVENT: Final = decoder_of(_Event)


def _type_of(data: bytes) -> str:
    event = read(_EVENT, data)
    return event.type if event is not None and isinstance(event.type, str) else ""
