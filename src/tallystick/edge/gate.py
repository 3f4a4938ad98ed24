"""The HTTP gate: the connection itself, before any application. It refuses what cannot be read in
one way only, bounds what a client may send and how slowly, and never lets a request through short
(books.md §4; B1–B5, L6). uvicorn's httptools protocol does the rest; its version is pinned, because
this builds on its callbacks.

A refusal is an answer like any other: it runs as a small application of its own, so that on a
pipelined connection it waits for its turn. After it nothing of that connection is read as a request
again. An answer that leaves part of a body unread closes the connection, but lingers long enough
for the client to read it.

Who offers another protocol beside a whole HTTP/1.1 request (Java's HttpClient and `curl --http2` offer h2c over
plain HTTP) gets an HTTP/1.1 answer, as RFC 9110 7.8 allows and as providers do. The parser would take the
request's body for that other protocol, so it reads such a head once more, without the offer.

Applications find a `Cycle` in `scope["extensions"]["tallystick"]`: whether the client is gone, why a
body broke off, and the way to cut a reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tallystick.core.errors import Denied
from tallystick.edge.cycle import App, Cycle
from tallystick.edge.doors import CROWDED, Doors, Seat, Shares
from tallystick.edge.heads import Head
from tallystick.edge.paths import error_shape
from tallystick.edge.replies import refuse
from tallystick.edge.request_head import judge, judge_framing

PIPELINED_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What a client may send, and how slowly. Sizes in bytes, times in seconds."""

    head_bytes_max: int = 32 * 1024
    headers_max: int = 100
    head_timeout_s: float = 10
    body_timeout_s: float = 120              # whole body; uploads that stream through have only the rate
    body_rate_bytes_per_s_min: int = 1024
    body_window_s: float = 10                # the rate is judged over windows of this length
    write_timeout_s: float = 60              # how long a client may leave a reply unread
    linger_s: float = 2                      # how long a refused client may go on sending
    keep_alive_s: int = 75
    connections_max: int = 4096


@dataclass(frozen=True, slots=True)
class GateHooks:
    """request_id: a fresh id for a refusal of the gate's own. refused: told of each. doors: who has how many
    connections."""

    request_id: Callable[[], str]
    refused: Callable[[str, Denied], None] = lambda _request_id, _denied: None
    doors: Doors = field(default_factory=lambda: Doors(Shares(), monotonic))


def server_config(app: App, hooks: GateHooks, limits: GateLimits, **options: Any) -> uvicorn.Config:
    """The server's configuration with the gate in front: no headers added, no forwarding header
    believed, no WebSockets. `options` are uvicorn's own (host, port, ssl_certfile…)."""
    protocol = partial(Gate, limits=limits, hooks=hooks)
    return uvicorn.Config(
        app, http=protocol, ws="none", proxy_headers=False, server_header=False, date_header=False, access_log=False,  # type: ignore[arg-type]
        log_config=None, timeout_keep_alive=limits.keep_alive_s, **options,
    )


class _Refusing:
    """The application that answers for the gate."""

    def __init__(self, hooks: GateHooks, denied: Denied) -> None:
        self._hooks = hooks
        self._denied = denied

    async def __call__(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        request_id = self._hooks.request_id()
        self._hooks.refused(request_id, self._denied)
        reply = refuse(self._denied, error_shape(scope["raw_path"], dict(scope["headers"])), request_id)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})


class _Stop(Exception):
    """Raised into the parser to end its work on this connection."""


class Gate(HttpToolsProtocol):
    """One connection. `_deadline` is its one timer for what the client sends: the head's until that
    is complete, then the body's. A request that arrives in one piece never arms it."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None, *, limits: GateLimits, hooks: GateHooks) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._hooks = hooks
        self._seat = Seat(None)
        self.expect_100_continue = False
        self.url = b""
        self._limits = limits
        self._in_head = True
        self._head: Head | None = None       # the last that could be read in one way only
        self._line: dict[str, Any] | None = None     # the last request's first line, and its url
        self._line_url = b""
        self._offering: Head | None = None   # the last that asked for another protocol
        self._idle_since = 0.0
        self._head_fed = 0                   # bytes received for the head so far, an unfinished line included
        self._head_size = 0                  # the same, of complete lines
        self._ended = False                  # nothing more is read as HTTP on this connection
        self._eof = False
        self._lingering = False
        self._active: Cycle | None = None
        self._body_began = 0.0
        self._window_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    # --- the connection

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._seat = self._hooks.doors.enter(self.client)
        if self._seat.overrun:
            transport.abort()
            return
        self._arm(self._limits.head_timeout_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hooks.doors.leave(self._seat)
        self._disarm()
        self._unset_keepalive_if_required()
        self._stop_write_deadline()
        self.pipeline.clear()
        if self._active is not None and not self._active.response_complete:
            self._active.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        if self._in_head:
            self._head_fed += len(data)
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                self._read_past(offer.args[0], data)
        except httptools.HttpParserError:
            if not self._ended:
                self._break_off(Denied("bad_request", "The request is not valid HTTP/1.1."))
        else:
            if self._in_head and self._head_fed > self._limits.head_bytes_max:
                self._break_off(_HEAD_TOO_LARGE)
        if self._deadline is None and not self._ended:
            if not self._in_head:
                self._arm(self._limits.body_window_s, self._body_is_late)
            elif self._head_fed:
                self._arm(self._limits.head_timeout_s, self._head_is_late)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client has sent all it will. A body that lacks its end is an error that is still to be
        answered; else nobody waits for one."""
        self._eof = True
        if self._lingering or self.scheme == "https":
            self._break_off(_INCOMPLETE)
            return None
        if not self._in_head and not self._ended:
            self._break_off(_INCOMPLETE)
        newest = self._newest
        return self._ended and newest is not None and not newest.response_complete

    def close_after_reply(self) -> None:
        """Close, once the last reply is written. Where the client is still sending, closing at once
        would reset the connection under the reply: stop writing, and read on into nothing a while."""
        if self._eof or self._in_head or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._ended = self._lingering = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._arm(self._limits.linger_s, self.transport.close)

    def refusing(self, denied: Denied) -> App:
        """The application that answers with a refusal of the gate's own."""
        return _Refusing(self._hooks, denied)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingering or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long enough. The timer runs on through the calls and looks
        back when it fires: to set it anew for each call would cost more than the call's own deadlines."""
        self.timeout_keep_alive_task = None
        newest = self._newest
        if self._head_fed or not self._in_head or newest is None or not newest.response_complete:
            return                           # a call is on its way; its end sets the timer again
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        elif not self.transport.is_closing():
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_deadline()
        self._write_deadline = self.loop.call_later(self._limits.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_deadline()
        super().resume_writing()

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        self.url, self.headers, self._head_size = b"", [], 0
        self.scope = {}  # type: ignore[typeddict-item]  # this request's, filled in when its head is complete

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._head_size += len(url)
        if self._head_size > self._limits.head_bytes_max:
            self._break_off(_HEAD_TOO_LARGE)
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._break_off(Denied("bad_request", "Trailers after a body are not read here."))
            raise _Stop
        self._head_size += len(name) + len(value) + 4
        headers = self.headers
        headers.append((name.lower(), value))
        if len(headers) > self._limits.headers_max or self._head_size > self._limits.head_bytes_max:
            self._break_off(_HEAD_TOO_LARGE)
            raise _Stop

    def on_headers_complete(self) -> None:
        self._disarm()
        self._in_head = False
        self._body_began, self._window_bytes = self.loop.time(), 0
        method, version = self.parser.get_method().decode("ascii"), self.parser.get_http_version()
        url, headers, head = self.url, self.headers, self._head
        fields = dict(headers)
        if head is not None and head.says(method, url, version, headers):
            denied = judge_framing(version, fields)
        else:
            head = Head(method, url, version, headers)
            denied = judge(method, url, version, headers, fields)
            if denied is None and b"upgrade" in fields and self.parser.should_upgrade():
                self._offering, self._in_head = head, True
                return                       # `_read_past` brings it again
        if denied is None and len(self.connections) > self._limits.connections_max:
            denied = Denied("overloaded", "The gateway has more connections than it can carry.", retry_after_s=1)
        if denied is None and self._seat.crowded:
            denied = CROWDED
        if denied is not None:
            self._break_off(denied, method, version)
            raise _Stop
        self._head = head
        self.expect_100_continue = b"expect" in fields
        self._enqueue(self._cycle(method, version, head, fields, keep_alive=version == "1.1" and self.parser.should_keep_alive()), self.app)

    def on_body(self, body: bytes) -> None:
        self._window_bytes += len(body)
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._in_head:
            return                           # a head that comes again
        self._disarm()
        self._in_head, self._head_fed = True, 0
        self.cycle.more_body = False
        self.cycle.message_event.set()

    # --- within

    def _read_past(self, offset: int, data: bytes) -> None:
        """Read on in HTTP/1.1 after a head that offers another protocol and ends at `offset`. A parser of its own gets that
        head again without the offer, and then what follows: the body is framed as any other's."""
        rest = memoryview(data)
        while not self._ended:
            head, rest = self._offering, rest[offset:]
            assert head is not None
            lines = [b"%b: %b\r\n" % header for header in head.headers if header[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)      # as uvicorn's
            self.parser.feed_data(b"%b %b HTTP/%b\r\n%b\r\n" % (head.method.encode(), head.url, head.version.encode(), b"".join(lines)))
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                offset = offer.args[0]       # pipelined behind the first
            else:
                return

    @property
    def _newest(self) -> Cycle | None:
        """The request whose head was read last."""
        return cast("Cycle | None", self.cycle)

    def _cycle(self, method: str, version: str, head: Head | None, fields: Mapping[bytes, bytes], *, keep_alive: bool) -> Cycle:
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        cycle = Cycle(self, scope, head, fields, keep_alive=keep_alive)
        line = self._line
        if line is None or line["method"] != method or line["http_version"] != version or self._line_url != self.url:
            line = self._line = self._request_line(method, version)
            self._line_url = self.url
        scope.update(line)
        scope["headers"] = self.headers
        scope["state"] = self.app_state.copy()
        scope["extensions"] = {"tallystick": cycle}
        return cycle

    def _request_line(self, method: str, version: str) -> dict[str, Any]:
        """What a scope says of the connection and of a request's first line, which most often is the one before again."""
        raw_path, _, query = self.url.partition(b"?")
        return {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": version,
            "server": self.server, "client": self.client, "scheme": self.scheme, "method": method, "root_path": self.root_path,
            "path": _decoded(raw_path), "raw_path": raw_path, "query_string": query,
        }

    def _enqueue(self, cycle: Cycle, app: App) -> None:
        before, self.cycle = self._newest, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)
        elif len(self.pipeline) < PIPELINED_MAX:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
        else:
            self._ended = True
            self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cast("Cycle", cycle)
        super()._start_asgi_task(cycle, app)

    def _break_off(self, denied: Denied, method: str = "GET", version: str = "1.1") -> None:
        """Read no more on this connection. A body under way ends in a fault, which its application
        answers; a head is answered here."""
        newest = self._newest
        handed_over = newest is not None and newest.scope is self.scope
        self._ended = True
        self._disarm()
        if newest is not None and handed_over and newest.more_body:
            newest.fault = denied
            newest.keep_alive = False
            newest.message_event.set()
        elif not self._eof:
            if handed_over or not self.url:  # nothing of the next request was read yet
                self.on_message_begin()
            self._in_head = False            # what is left of the request stays unread
            self._enqueue(self._cycle(method, version, None, {}, keep_alive=False), self.refusing(denied))

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._head_fed:
            self._break_off(Denied("request_timeout", "The request's headers took too long to arrive."))
        elif not self.transport.is_closing():
            self.transport.close()

    def _body_is_late(self) -> None:
        """Judge one window. Where we ourselves stopped reading, the client is not to blame."""
        self._deadline = None
        limits, elapsed_s = self._limits, self.loop.time() - self._body_began
        uploading = self._newest is not None and self._newest.uploading
        slow = self._window_bytes < limits.body_rate_bytes_per_s_min * limits.body_window_s and not self.flow.read_paused
        if slow or (elapsed_s >= limits.body_timeout_s and not uploading):
            self._break_off(Denied("request_timeout", "The request's body took too long to arrive."))
            return
        self._window_bytes = 0
        self._arm(limits.body_window_s, self._body_is_late)

    def _arm(self, delay_s: float, late: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(delay_s, late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None


_HEAD_TOO_LARGE: Final = Denied("head_too_large", "The request's headers are too many or too long.")
_INCOMPLETE: Final = Denied("incomplete_body", "The connection ended before the whole request body had arrived.")


def _decoded(raw_path: bytes) -> str:
    """The path with escapes decoded, for applications that route on it (the control plane)."""
    path = raw_path.decode("latin-1")
    return unquote(path) if "%" in path else path
