"""One HTTP/1.1 connection to a provider; the reply that is being read from it stands in reply.py.

Written by hand on httptools and asyncio's Protocols because money hangs on two facts that no client
library tells: whether any byte of the request was handed to the network (`written`; without it a
failed call cannot be booked at zero), and where exactly a reply ends. It also keeps the provider's
header bytes as they are, and it costs a fraction of what libraries cost (docs/adr/0005).

The rules: a connection carries one exchange at a time and is used again only when both directions
are drained; framing that two parsers could read differently is a fault, never a guess; a reply that
ends early is a fault, never a short body; nothing grows without a bound.

Callbacks do the work: data that arrives is parsed, queued and signalled in one step, so that a
buffered reply costs its task one wake-up and a streamed piece costs one as well.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tallystick.core.errors import FaultKind, UpstreamFault
from tallystick.transport.reply import Http1Reply

HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 200
INTERIM_REPLIES_MAX = 16
QUEUED_BYTES_HIGH = 256 * 1024
JOINED_BODY_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much we put up with. Times are checked by a sweep, so that a limit may be
    exceeded by an eighth of the shortest of them, or a second, whichever is less."""

    connect_s: float = 10.0                  # resolve, connect, TLS; and waiting for a free connection
    head_s: float = 600.0                    # from the request's last byte to the reply's head
    silence_s: float = 300.0                 # between two pieces of a reply, or of a stalled upload
    total_s: float = 3600.0                  # one exchange, everything included
    idle_s: float = 55.0                     # an unused connection; most providers close at 60 or later
    connections_max: int = 1000              # per origin
    reply_bytes_max: int = 1 << 30


class _Refused(Exception):
    """Stops the parser from within one of its callbacks."""


class Link(asyncio.Protocol):
    """One connection. `free` is called when it may be used again, `gone` once when it is lost."""

    def __init__(self, limits: Limits, free: Callable[[Link], None], gone: Callable[[Link], None]) -> None:
        self._limits = limits
        self._free = free
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._parser: HttpResponseParser | None = None
        self._reply: Http1Reply | None = None
        self._upload: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._keep_header: Callable[[tuple[bytes, bytes]], None] = _drop
        self._got: list[bytes] = []
        self.on_body = self._got.append          # the parser calls it for each chunk: no Python in between
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        """Forget the exchange before, so that the next starts from nothing."""
        self.written = False
        self._bodyless = False                   # this request or status has no body, whatever the head says
        self._head_done = False
        self._done = False
        self._reusable = False
        self._interim = 0
        self._in_interim = False
        self._framed = False                     # a length or chunks; otherwise the body ends with the connection
        self._quiet_bytes = 0                    # since the last piece: heads, chunk sizes, trailers
        self._reply_bytes = 0
        self._heard = False
        self._unsent_bytes = 0
        self._quiet_since = 0.0
        self._ends_at = 0.0

    # What the pool asks of a connection.

    @property
    def connected(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def is_fresh(self) -> bool:
        """Whether an idle connection is still good: open, and nothing (not even its end) waits to be read."""
        return self.connected and not self._poll.poll(0)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def send(self, method: str, head: bytes, body: bytes | AsyncIterator[bytes], length: int | None) -> Http1Reply:
        """Begin an exchange: `head` without the empty line that ends it. A body of bytes goes out with
        its head in one write; an iterator's first piece takes the head along, so that an upload which
        breaks before its first byte has written nothing. An UpstreamFault that the iterator raises is
        passed on as it is, any other error as `cancelled`."""
        transport = self._transport
        assert transport is not None
        assert self._reply is None, "a connection carries one exchange at a time"
        self._begin()
        now = asyncio.get_running_loop().time()
        self._quiet_since = now
        self._ends_at = now + self._limits.total_s
        self._bodyless = method == "HEAD"
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        reply = self._reply = Http1Reply(self)
        self._keep_header = reply.headers.append
        if isinstance(body, bytes):
            self.written = True
            if len(body) <= JOINED_BODY_BYTES_MAX:
                transport.write(b"%b\r\n%b" % (head, body))
            else:
                transport.writelines((head + b"\r\n", body))
        else:
            self._upload = asyncio.get_running_loop().create_task(self._pump(transport, head, body, length))
            self._upload.add_done_callback(self._uploaded)
        return reply

    def overdue(self, now: float) -> str | None:
        """What this exchange has waited for too long, if anything. Called by the pool's sweep."""
        reply = self._reply
        if reply is None:
            return None
        if now >= self._ends_at:
            return "the exchange took longer than allowed"
        if self._head_done:
            waiting_for, limit_s = "the reply fell silent", self._limits.silence_s
            moving = self._heard or bool(reply._pieces)          # a reader who is slow is not a provider who is silent
        else:
            waiting_for, limit_s, moving = self._sending()
        self._heard = False
        if moving:
            self._quiet_since = now
        return waiting_for if now - self._quiet_since >= limit_s else None

    def _sending(self) -> tuple[str, float, bool]:
        assert self._transport is not None
        unsent_bytes = self._transport.get_write_buffer_size()
        uploading = self._upload is not None
        if not uploading and not unsent_bytes:
            finished_now, self._unsent_bytes = self._unsent_bytes > 0, 0
            return "no reply", self._limits.head_s, finished_now
        waits_for_caller = uploading and self._writable.is_set()
        moving = waits_for_caller or unsent_bytes != self._unsent_bytes
        self._unsent_bytes = unsent_bytes
        return "the request is not being read", self._limits.silence_s, moving

    def fail(self, kind: FaultKind, message: str) -> None:
        """End the exchange, if there is one, with a fault, and the connection with it."""
        self._fail_with(UpstreamFault(kind, message, written=self.written))

    def _fail_with(self, fault: UpstreamFault) -> None:
        reply = self._reply
        if reply is not None:
            self._release(reply)
            reply._fault = fault
            reply._wake()
        self.abort()

    def resume_reading(self) -> None:
        if self._transport is not None and self.connected:
            self._transport.resume_reading()

    # The request on its way out.

    async def _pump(
        self, transport: asyncio.Transport, head: bytes, body: AsyncIterator[bytes], length: int | None
    ) -> None:
        pending, sent_bytes = head + b"\r\n", 0
        async for piece in body:
            if not piece:
                continue
            sent_bytes += len(piece)
            if length is not None and sent_bytes > length:
                raise ValueError("the request body is longer than announced")
            framed = piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece)
            self.written = True
            transport.write(pending + framed if pending else framed)
            pending = b""
            await self._writable.wait()
        if length is not None and sent_bytes != length:
            raise ValueError("the request body is shorter than announced")
        if length is None:
            pending += b"0\r\n\r\n"
        if pending:
            self.written = True
            transport.write(pending)

    def _uploaded(self, task: asyncio.Task[None]) -> None:
        if self._upload is not task:
            return                               # the exchange is over
        self._upload = None
        if task.cancelled():
            self.fail("cancelled", "the upload was given up")
        elif isinstance(error := task.exception(), UpstreamFault):
            self._fail_with(error)               # the caller's own account of what broke off
        elif error is not None:
            self.fail("cancelled", f"the request body broke off: {type(error).__name__}")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # The connection's life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)     # uvloop's do not inherit from it
        self._writable.set()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def eof_received(self) -> bool | None:
        reply = self._reply
        if reply is not None and self._head_done and not self._framed:
            self._end(reply)
        else:
            self.fail("reset", "the provider closed the connection")
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("reset", "the connection was lost" + (f": {type(exc).__name__}" if exc is not None else ""))
        self._transport = None
        self._parser = None                      # it holds our methods: without it nothing is left to collect
        self._writable.set()
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        parser = self._parser
        if reply is None or parser is None:
            self.abort()                         # nobody asked for this
            return
        self._heard = True
        self._quiet_bytes += len(data)
        broken: tuple[FaultKind, str] | None = None
        try:
            parser.feed_data(data)
        except HttpParserError as error:
            broken = _reason(error)
        except HttpParserUpgrade:
            broken = "protocol", "the provider changed the protocol"
        got = self._got
        if got:
            self._take(reply, got)
        if self._done:
            self._reusable = self._reusable and broken is None
            self._end(reply)
        elif broken is not None:
            self.fail(*broken)
        elif self._quiet_bytes > HEAD_BYTES_MAX:
            self.fail("too_large", "head, chunk sizes or trailers are larger than allowed")
        elif self._reply_bytes > self._limits.reply_bytes_max:
            self.fail("too_large", "the reply is larger than allowed")
        elif self._head_done:
            reply._wake()

    def _take(self, reply: Http1Reply, got: list[bytes]) -> None:
        """Queue what one read brought, as one piece."""
        if self._bodyless:
            self._reusable = False               # bytes where none belong
            got.clear()
            return
        piece = got[0] if len(got) == 1 else b"".join(got)
        got.clear()
        self._quiet_bytes = 0
        self._reply_bytes += len(piece)
        reply._pieces.append(piece)
        reply._queued_bytes += len(piece)
        if reply._queued_bytes > QUEUED_BYTES_HIGH and not reply._paused and not self._done and self.connected:
            assert self._transport is not None
            reply._paused = True
            self._transport.pause_reading()

    def _end(self, reply: Http1Reply) -> None:
        """The reply is complete: free the connection at once, its pieces are the reply's own."""
        transport = self._transport
        assert transport is not None
        clean = self._reusable and self._upload is None and not transport.get_write_buffer_size()
        was_paused = reply._paused
        self._release(reply)
        reply._ended = True
        reply._wake()
        if not clean or transport.is_closing():
            transport.abort()
            return
        if was_paused:
            transport.resume_reading()
        self._free(self)

    def _release(self, reply: Http1Reply) -> None:
        """Part reply and connection, and stop an upload that nobody waits for any more."""
        self._reply = None
        reply._link = None
        reply._paused = False
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()

    # The parser's callbacks, in the order of a reply. Raising in one stops the parser.

    def on_message_begin(self) -> None:
        if self._done:
            raise _Refused("protocol", "more bytes than one reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called some twenty times a reply, so it looks closer only at names as long as those that frame."""
        self._keep_header((name, value))
        size = len(name)
        if size == 14 or size == 17:             # noqa: PLR1714 – a set of two costs twice as much
            self._frame(name.lower(), value.lower())

    def _frame(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return                               # a trailer frames nothing
        if name == b"content-length":
            self._framed = True
        elif name == b"transfer-encoding":
            if self._framed or value != b"chunked":
                raise _Refused("protocol", "ambiguous framing")
            self._framed = True

    def on_headers_complete(self) -> None:
        parser, reply = self._parser, self._reply
        assert parser is not None
        assert reply is not None
        headers = reply.headers
        if len(headers) > HEADERS_MAX or (self._quiet_bytes > HEAD_BYTES_MAX and _size(headers) > HEAD_BYTES_MAX):
            raise _Refused("too_large", "the reply's head is larger than allowed")
        status = parser.get_status_code()
        if status < 200:
            self._interim_head(reply, status)
            return
        self._head_done = True
        self._keep_header = _drop                # what still comes are trailers
        reply.status = status
        if self._bodyless or status in (204, 304):
            self._bodyless = self._done = True
            self._reusable = parser.should_keep_alive()
            self._parser = None                  # it may wait for a body that never comes

    def _interim_head(self, reply: Http1Reply, status: int) -> None:
        """100 Continue, 103 Early Hints and their like say nothing about the reply: skipped, a few of them."""
        self._interim += 1
        if status < 100 or status == 101 or self._framed:
            raise _Refused("protocol", f"status {status} where a reply belongs")
        if self._interim > INTERIM_REPLIES_MAX:
            raise _Refused("protocol", "too many interim replies")
        self._in_interim = True
        reply.headers.clear()

    def on_message_complete(self) -> None:
        if self._in_interim:
            self._in_interim = False
            return
        if not self._done:
            assert self._parser is not None
            self._done = True
            self._reusable = self._parser.should_keep_alive()


def _drop(_: tuple[bytes, bytes]) -> None:
    """Where trailers go: nobody may act on what comes after the body."""


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _reason(error: HttpParserError) -> tuple[FaultKind, str]:
    """What stopped the parser: our own refusal, or what it found. Never a byte of the reply itself."""
    cause = error.__context__
    if isinstance(cause, _Refused):
        kind: FaultKind = "too_large" if cause.args[0] == "too_large" else "protocol"
        return kind, str(cause.args[1])
    return "protocol", "the reply is not valid HTTP/1.1"
