"""Asking a stream for its usage on the caller's behalf, and undoing every trace of it.

With `stream_options.include_usage` a chat stream carries `"usage": null` on every chunk and one more
chunk, without choices, that has the figures. A client that did not ask must see neither (a loop over
`chunk.choices[0]` would fail on it). The request is changed by a splice; of the reply only the extra
chunk and the `usage` members go, so what the caller gets is, byte for byte, what the provider sends
without the option. A chunk with choices is never dropped, nor one without choices that carries
something else than usage (some hosts open with one).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from tallystick.core.jsonbytes import append_member, remove_member, set_nested
from tallystick.providers.dialects.framing import LINE_BYTES_MAX
from tallystick.providers.dialects.wire import decoder_of, read

# A CR at the very end is no line end yet: its LF may still come.
_EVENT_END: Final = re.compile(rb"(?:\r\n|\n|\r(?=[^\n])){2}")
_DATA_LINE: Final = re.compile(rb"(?:^|[\r\n])data: ?([^\r\n]*)")
_NULL: Final = b',"usage":null'
_MEMBER: Final = b'"usage"'


def inject(body: bytes) -> bytes:
    """The request body, a JSON object that does not ask for usage in the stream, asking for it."""
    if b'"stream_options"' not in body and b"\\u" not in body:
        return append_member(body, "stream_options", b'{"include_usage":true}')
    return set_nested(body, "stream_options", "include_usage", b"true")


class UsageRemover:
    """Undoes `inject` on the reply as it passes. Only an event that has not ended yet is held back;
    one over 1 MiB is passed on as it comes."""

    __slots__ = ("_held", "_passing")

    def __init__(self) -> None:
        self._held = bytearray()
        self._passing = False                # inside an event too long to be held

    def feed(self, data: bytes) -> bytes:
        """What of the stream may go to the caller now."""
        if not self._held and not self._passing and data.endswith(b"\n\n") and b"\r" not in data:
            if _MEMBER not in data:
                return data
            return b"".join([_without_usage(block + b"\n\n") for block in data[:-2].split(b"\n\n")])
        searched = max(0, len(self._held) - 3)
        self._held += data
        kept: list[bytes] = []
        start = 0
        for end in [match.end() for match in _EVENT_END.finditer(self._held, searched)]:
            kept.append(self._event(bytes(self._held[start:end])))
            start = end
        del self._held[:start]
        if self._passing or len(self._held) > LINE_BYTES_MAX:
            self._passing = True
            kept.append(self._let_go())
        return b"".join(kept)

    def finish(self) -> bytes:
        """The rest, when the stream has ended without closing its last event."""
        rest = bytes(self._held)
        self._held.clear()
        return self._event(rest) if rest else b""

    def _event(self, event: bytes) -> bytes:
        if self._passing:                    # only the end of an event that was passed on already
            self._passing = False
            return event
        return _without_usage(event)

    def _let_go(self) -> bytes:
        """All that is held but the line ends it closes with, which may begin the event's end."""
        text = bytes(self._held).rstrip(b"\r\n")
        del self._held[:len(text)]
        return text


class _Chunk(msgspec.Struct, gc=False):
    usage: Any = msgspec.UNSET
    choices: msgspec.Raw = msgspec.Raw(b"")


_CHUNK: Final = decoder_of(_Chunk)


def _without_usage(event: bytes) -> bytes:
    """One whole event as it would be had nobody asked: without its usage, or gone."""
    if _MEMBER not in event:
        return event
    lines = list(_DATA_LINE.finditer(event))
    if len(lines) != 1:
        return event
    start, end = lines[0].span(1)
    payload = event[start:end]
    chunk = read(_CHUNK, payload)
    if chunk is None or chunk.usage is msgspec.UNSET:
        return event
    if isinstance(chunk.usage, dict) and bytes(chunk.choices).translate(None, b" \t") == b"[]":
        return b""
    at = payload.find(_NULL)
    if at >= 0 and payload.count(_MEMBER) == 1:
        return event[:start + at] + event[start + at + len(_NULL):]
    return event[:start] + remove_member(payload, "usage") + event[end:]
