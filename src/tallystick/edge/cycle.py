"""One request and its reply on a connection of the gate: uvicorn's cycle with a cheaper, stricter way
out and a reason where a body broke off. The reply's head leaves with its first body bytes, in one
write, if they are there in the same turn of the event loop; alone otherwise, so that nobody waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from tallystick.core.errors import Denied
from tallystick.edge.heads import Head

App = Callable[[Any, Any, Any], Awaitable[None]]

_ONE_WRITE_BYTES_MAX: Final = 64 * 1024      # up to here copying costs less than a second system call


class Connection(Protocol):
    """What a cycle needs of the connection it stands on."""

    transport: asyncio.Transport
    flow: FlowControl
    loop: asyncio.AbstractEventLoop
    logger: logging.Logger
    access_logger: logging.Logger
    expect_100_continue: bool

    def on_response_complete(self) -> None: ...

    def close_after_reply(self) -> None: ...

    def refusing(self, denied: Denied) -> App:
        """The application that answers with a refusal."""


class Cycle(RequestResponseCycle):
    """One request and its reply."""

    head: Head | None                        # None: the gate refuses it
    fields: Mapping[bytes, bytes]            # the request's headers by name, the last of each
    fault: Denied | None = None              # why the request's body will never be complete
    uploading: bool = False
    _when_left: Callable[[], None] | None = None
    _head: bytes = b""
    _delimited_by_close: bool = False

    def __init__(
        self, connection: Connection, scope: dict[str, Any], head: Head | None, fields: Mapping[bytes, bytes], *, keep_alive: bool,
    ) -> None:
        super().__init__(
            scope=scope, transport=connection.transport, flow=connection.flow,  # type: ignore[arg-type]
            logger=connection.logger, access_logger=connection.access_logger, access_log=False, default_headers=[],
            message_event=asyncio.Event(), expect_100_continue=connection.expect_100_continue,
            keep_alive=keep_alive, on_response=connection.on_response_complete,
        )
        self.head = head
        self.fields = fields
        self._connection = connection

    async def run_asgi(self, app: Any) -> None:
        """Let the application answer, with a reply that has its end. The cycle stands in its own scope: it is taken out
        at the end, so that a call leaves nothing for the garbage collector to find."""
        try:
            await app(self.scope, self.receive, self.send)
            if not (self.response_complete or self.disconnected):
                raise RuntimeError("the application ended before its reply")
        except BaseException:
            self.logger.exception("an application failed")
            if self.response_started:
                self.transport.close()
            else:
                await self.send_500_response()
        finally:
            self.on_response = _nothing
            self.scope["extensions"].clear()
            self._when_left = None

    # --- for applications

    def gone(self) -> bool:
        """Whether nobody reads the reply any more."""
        return self.disconnected or self.transport.is_closing()

    def watch(self, left: Callable[[], None] | None) -> None:
        """Call this when the client goes; None: no more."""
        self._when_left = left

    def left(self) -> None:
        """The client has gone."""
        self.disconnected = True
        self.message_event.set()
        if self._when_left is not None:
            self._when_left()

    def uploads(self) -> None:
        """The body streams through: only its rate is watched, not its whole time."""
        self.uploading = True

    def abort(self) -> None:
        """End the connection after what was sent, without the reply's end: the client sees a cut."""
        self._flush()
        self.disconnected = True
        self.transport.close()

    def whole_body(self) -> bytes | None:
        """The request's body, if all of it has come: nearly every one has, in the read that brought its head. None
        where `receive` must be asked, which brings it piece by piece."""
        if self.more_body or self._over():
            return None
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return body

    # --- ASGI

    async def receive(self) -> Any:
        if self.waiting_for_100_continue:
            self.waiting_for_100_continue = False
            if self.more_body and not self.body and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._over():
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self._over():
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._head = self._render_head(message["status"], message.get("headers", ()))
            self._connection.loop.call_soon(self._flush)
        elif self.response_complete:
            raise RuntimeError("a reply was sent on after its end")
        else:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))

    async def answer(self, status: int, headers: Any, body: bytes) -> None:
        """The whole reply at once, as `send` takes it in two messages."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        assert not self.response_started, "a reply is answered once"
        self.response_started = True
        self.waiting_for_100_continue = False
        self._head = self._render_head(status, headers)
        self._send_body(body, more=False)

    async def send_500_response(self) -> None:
        """What the server says for an application that said nothing: why the body broke off, if
        that is the reason."""
        failure = self.fault or Denied("internal_error", "The gateway failed on this call.")
        await self._connection.refusing(failure)(self.scope, self.receive, self.send)

    # --- within

    def _over(self) -> bool:
        return self.disconnected or self.response_complete or self.fault is not None

    def _render_head(self, status: int, headers: Any) -> bytes:
        lines = [STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status]
        length = None
        for name, value in headers:
            lines.append(b"%b: %b\r\n" % (name, value))
            size = len(name)                     # of the two names looked for
            if size == 14 and name.lower() == b"content-length":
                length = int(value)
            elif size == 10 and name.lower() == b"connection" and b"close" in value.lower():
                self.keep_alive = False
        self.chunked_encoding = False
        if self.scope["method"] == "HEAD" or status in (204, 304):
            self.expected_content_length = 0
        elif length is not None:
            self.expected_content_length = length
        elif self.scope["http_version"] == "1.1":
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self._delimited_by_close = True
            self.keep_alive = False
        if not self.keep_alive or self.more_body:        # an unread rest of the request must not be read as the next
            self.keep_alive = False
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a reply's header holds a line break")
        return head + b"\r\n"

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self.chunked_encoding:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = framed if more else framed + b"0\r\n\r\n"
        elif not self._delimited_by_close:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("a reply's body is not as long as its Content-Length")
        if self._head and len(body) <= _ONE_WRITE_BYTES_MAX:
            body, self._head = self._head + body, b""
        self._flush()
        if body:
            self.transport.write(body)
        if not more:
            self._complete()

    def _flush(self) -> None:
        """The head goes alone when its first body bytes are still to come."""
        if self._head:
            head, self._head = self._head, b""
            self.transport.write(head)

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._connection.close_after_reply()
        self.on_response()


def _nothing() -> None:
    """What an application that has ended is told."""
