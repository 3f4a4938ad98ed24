"""Where one event of a streamed reply ends and the next begins: server-sent events and JSON lines.

Providers cut their replies anywhere (inside a line end, inside a character), so every reader gives
the same events however the bytes were split. Memory is bounded: a line over the limit is dropped up
to its end and counted in `dropped`, and nothing here ever raises.
Source of the rules: WHATWG HTML, section 9.2 "Server-sent events".
"""

from __future__ import annotations

from typing import Final, NamedTuple

LINE_BYTES_MAX: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One dispatched event. `event` is empty where the stream named none (plain `data:` lines)."""

    event: str
    data: bytes


class SseReader:
    """Reads server-sent events. Unlike a browser it also delivers a last event whose blank line
    never came (`finish`): the usage of a reply that was cut there has still been billed."""

    __slots__ = ("_begun", "_data", "_data_bytes", "_event", "_idle", "_lines", "dropped")

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._lines = _Lines(line_bytes_max)
        self._begun = False
        self._idle = False                   # the next byte begins a line of a new event
        self._event = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self.dropped = 0

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes, in order."""
        if self._idle and data.endswith(b"\n\n") and b"\r" not in data and len(data) <= self._lines.bytes_max:
            return self._whole_events(data)
        events = self._read(self._lines.feed(data))
        self._idle = self._begun and not self._data and not self._event and self._lines.is_idle
        return events

    def finish(self) -> list[SseEvent]:
        """The event that was still open when the bytes ended, if any. A second call gives none."""
        return self._read([*self._lines.finish(), b""])

    def _whole_events(self, data: bytes) -> list[SseEvent]:
        """The common case: the piece is whole events of one `data: …` line, or an `event: …` line
        and one `data: …` line."""
        events: list[SseEvent] = []
        for block in data[:-2].split(b"\n\n"):
            name, _, rest = block.partition(b"\n")
            if not rest and name.startswith(b"data: "):
                events.append(SseEvent("", name[6:]))
            elif name.startswith(b"event: ") and rest.startswith(b"data: ") and b"\n" not in rest:
                events.append(SseEvent(name[7:].decode("utf-8", "replace"), rest[6:]))
            else:
                events += self._read([*block.split(b"\n"), b""])
        return events

    def _read(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        for line in lines:
            if not self._begun:
                self._begun = True
                line = line.removeprefix(_BOM)
            if line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if self._data:
                    events.append(SseEvent(self._event.decode("utf-8", "replace"), b"\n".join(self._data)))
                self._event, self._data, self._data_bytes = b"", [], 0
            elif line.startswith(b"event:"):
                self._event = line[6:].removeprefix(b" ")
            elif line == b"data":
                self._add(b"")
        self.dropped += self._lines.take_dropped()
        return events

    def _add(self, value: bytes) -> None:
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._lines.bytes_max + 1:
            self.dropped += 1
        else:
            self._data.append(value)


class SseData:
    """The data of server-sent events alone, as documents: for formats that have no event to end them."""

    __slots__ = ("_events",)

    ended: Final = False

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._events = SseReader(line_bytes_max)

    @property
    def dropped(self) -> int:
        return self._events.dropped

    def feed(self, data: bytes) -> list[bytes]:
        return [event.data for event in self._events.feed(data)]

    def finish(self) -> list[bytes]:
        return [event.data for event in self._events.finish()]


class JsonLines:
    """Reads newline-delimited JSON (one document a line, as Ollama streams); blank lines are skipped."""

    __slots__ = ("_lines", "dropped")

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._lines = _Lines(line_bytes_max)
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The documents that `data` completes, undecoded."""
        return self._kept(self._lines.feed(data))

    def finish(self) -> list[bytes]:
        """The document after the last line end, if any. A second call gives none."""
        return self._kept(self._lines.finish())

    def _kept(self, lines: list[bytes]) -> list[bytes]:
        self.dropped += self._lines.take_dropped()
        return [line for line in lines if line and not line.isspace()]


class _Lines:
    """Cuts bytes into lines at LF, CR or CRLF."""

    __slots__ = ("_dropped", "_dropping", "_size", "_skip_lf", "_tail", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._tail: list[bytes] = []         # pieces of the line that has not ended yet
        self._size = 0                       # their bytes
        self._skip_lf = False                # the last piece ended in CR: a leading LF belongs to it
        self._dropping = False               # the open line is over the limit
        self._dropped = 0

    @property
    def is_idle(self) -> bool:
        return not self._tail and not self._skip_lf and not self._dropping

    def take_dropped(self) -> int:
        """Lines dropped since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def feed(self, data: bytes) -> list[bytes]:
        if self._skip_lf and data:
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, *rest = data.split(b"\n")
        if not rest:
            self._keep(head)
            return []
        self._keep(head)
        lines = self._close()
        last = rest.pop()
        for line in rest:
            if len(line) > self.bytes_max:
                self._dropped += 1
            else:
                lines.append(line)
        self._keep(last)
        return lines

    def finish(self) -> list[bytes]:
        self._skip_lf = False
        return self._close() if self._tail or self._dropping else []

    def _keep(self, piece: bytes) -> None:
        """Add to the open line, giving it up once it is too long."""
        if self._dropping or not piece:
            return
        self._size += len(piece)
        if self._size <= self.bytes_max:
            self._tail.append(piece)
        else:
            self._tail, self._dropping = [], True
            self._dropped += 1

    def _close(self) -> list[bytes]:
        """The open line, now ended; nothing when it was dropped."""
        lines = [] if self._dropping else [b"".join(self._tail)]
        self._tail, self._size, self._dropping = [], 0, False
        return lines
