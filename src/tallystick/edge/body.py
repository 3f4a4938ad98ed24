"""A request's body, whole or as it comes, within its limits. The declared length is judged before
memory is spent on it, and an incomplete body is an error, never a short request (books.md §4):
`http.disconnect` ends no body here. How slowly a client may send is the gate's business
(`edge/gate.py`), which leaves its reason where `_cut` finds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.errors import Denied, UpstreamFault

Receive = Callable[[], Awaitable[dict[str, Any]]]
Scope = dict[str, Any]
Hold = Callable[[int], Denied | None]
"""Takes room for so many more bytes of a body, or says why there is none."""

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Largest bodies in bytes: read whole, and streamed through (files, audio, images, batches)."""

    body_bytes_max: int = 32 * _MIB
    upload_bytes_max: int = 512 * _MIB


class BodyFault(UpstreamFault):
    """A body that broke off, or grew too long, while it was already streaming to the provider."""

    def __init__(self, denied: Denied) -> None:
        super().__init__("cancelled", denied.message, written=True)
        self.denied = denied


async def read_body(scope: Scope, receive: Receive, limits: BodyLimits, hold: Hold = lambda _size: None) -> bytes | Denied:
    """The whole body, or `body_too_large`, `unsupported_encoding`, `incomplete_body`,
    `request_timeout`, `bad_request`. `hold` is asked for a body that comes in several pieces; one that
    comes in a single piece is bounded by the gate."""
    control = _control(scope)
    headers = control.fields if control is not None else dict(scope["headers"])
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        return b""
    if denied := _judge_head(headers, limits.body_bytes_max):
        return denied
    if control is not None and (whole := control.whole_body()) is not None:
        return whole if len(whole) <= limits.body_bytes_max else _too_large(limits.body_bytes_max)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _cut(scope)
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limits.body_bytes_max:
            return _too_large(limits.body_bytes_max)
        more = message.get("more_body", False)
        if (more or pieces) and (denied := hold(len(piece))):
            return denied
        if not more:
            return b"".join(pieces) + piece if pieces else piece
        pieces.append(piece)


def stream_body(scope: Scope, receive: Receive, limits: BodyLimits) -> AsyncIterator[bytes] | Denied:
    """The body piece by piece, or why its head already refuses it. The iterator raises `BodyFault`
    when the body does not come to its end."""
    control = _control(scope)
    if denied := _judge_head(control.fields if control is not None else dict(scope["headers"]), limits.upload_bytes_max):
        return denied
    if control is not None:
        control.uploads()
    return _pieces(scope, receive, limits.upload_bytes_max)


async def watched(stream: AsyncIterator[bytes], see: Callable[[bytes], None]) -> AsyncIterator[bytes]:
    """The same pieces, each seen before it is passed on."""
    async for piece in stream:
        see(piece)
        yield piece


async def _pieces(scope: Scope, receive: Receive, size_max: int) -> AsyncIterator[bytes]:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyFault(_cut(scope))
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > size_max:
            raise BodyFault(_too_large(size_max))
        more = message.get("more_body", False)
        if piece:
            yield piece


def _judge_head(headers: Mapping[bytes, bytes], size_max: int) -> Denied | None:
    if b"content-encoding" in headers and headers[b"content-encoding"].strip().lower() not in (b"identity", b""):
        return Denied("unsupported_encoding", "Request bodies must not be compressed: send them without Content-Encoding.")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > size_max:
        return _too_large(size_max)
    return None


def _cut(scope: Scope) -> Denied:
    """Why the body ended before its end: the gate's reason, or that the client left."""
    control = _control(scope)
    return (control.fault if control is not None else None) or Denied("incomplete_body", "The request body ended before its end.")


def _too_large(size_max: int) -> Denied:
    return Denied("body_too_large", f"The request body is longer than {size_max} bytes.")


def _control(scope: Scope) -> Any:
    return scope.get("extensions", {}).get("tallystick")
