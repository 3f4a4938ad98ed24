"""The way to every provider: `ports.Upstreams` over kept-alive HTTP/1.1 connections.

Each origin has its own bounded pool. A connection that went stale while it lay idle is replaced
before a byte is written, which costs nobody an attempt; one that breaks after a byte was written is
a fault, for only a policy may decide to send the same POST twice. Redirects are not followed and
neither proxies nor credentials are read from the environment: an upstream comes from configuration
alone. One sweep per pool watches all time limits, since a timer per call would cost more than the call.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tallystick.core.errors import Defect, UpstreamFault
from tallystick.ports import UpstreamRequest
from tallystick.transport.http1 import Limits, Link
from tallystick.transport.reply import Http1Reply

_BODYLESS_METHODS = ("GET", "HEAD", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are. Without `ca_file` the system's authorities are trusted; the
    server's certificate and name are always verified."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Reads files. Raises OSError or ssl.SSLError when they are missing or wrong."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@dataclass(slots=True)
class _Origin:
    """Where a base URL points to, and the connections to it. The last idle is the first used."""

    host: str
    port: int
    tls: Tls | None
    host_line: bytes
    base_path: str
    context: ssl.SSLContext | None = None
    idle: list[Link] = field(default_factory=list)
    open: int = 0
    waiting: deque[asyncio.Future[Link | None]] = field(default_factory=deque)


class Http1Upstreams:
    """`ports.Upstreams`. `tls` holds the settings of single origins, by the text of the origin.
    Bound to the event loop of its first call; `close()` on that loop ends it."""

    def __init__(self, limits: Limits | None = None, tls: Mapping[str, Tls] | None = None) -> None:
        self._limits = limits or Limits()
        self._tls = dict(tls or {})
        self._origins: dict[str, _Origin] = {}
        self._links: set[Link] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, request: UpstreamRequest) -> Http1Reply:
        """See `ports.Upstreams`. Raises Defect on a request that cannot stand on the wire."""
        origin = self._origins.get(request.origin)
        if origin is None:
            origin = self._origins[request.origin] = _origin(request.origin, self._tls.get(request.origin))
        head = _head(origin, request)
        link = self._idle(origin) or await self._new_or_freed(origin)
        reply = link.send(request.method, head, request.body, request.body_length)
        await reply.head()
        return reply

    async def close(self) -> None:
        """Cut every connection. Replies under way fail with `reset`."""
        for link in tuple(self._links):
            link.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _idle(self, origin: _Origin) -> Link | None:
        while origin.idle:
            link = origin.idle.pop()
            if link.is_fresh():
                return link
            link.abort()
        return None

    async def _new_or_freed(self, origin: _Origin) -> Link:
        try:
            async with asyncio.timeout(self._limits.connect_s):
                while origin.open >= self._limits.connections_max:
                    link = await self._wait(origin)
                    if link is not None:
                        return link
                return await self._connect(origin)
        except TimeoutError:
            raise UpstreamFault("timeout", "no connection in time", written=False) from None

    async def _wait(self, origin: _Origin) -> Link | None:
        """A connection that another exchange freed; None when one may be opened in place of a lost one."""
        turn: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        origin.waiting.append(turn)
        try:
            link = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on(origin, turn.result())
            raise
        return link if link is None or link.is_fresh() else None

    async def _connect(self, origin: _Origin) -> Link:
        loop = asyncio.get_running_loop()
        link = Link(self._limits, lambda freed: self._freed(origin, freed), lambda lost: self._lost(origin, lost))
        origin.open += 1
        self._links.add(link)
        try:
            if origin.tls is not None and origin.context is None:
                origin.context = await asyncio.to_thread(origin.tls.context)
            await loop.create_connection(lambda: link, origin.host, origin.port, ssl=origin.context)
        except (OSError, ssl.SSLError, UnicodeError) as error:
            self._abandon(origin, link)
            raise UpstreamFault("connect", f"cannot connect: {type(error).__name__}", written=False) from error
        except asyncio.CancelledError:
            self._abandon(origin, link)
            raise
        if not link.connected:
            raise UpstreamFault("connect", "closed as soon as it was open", written=False)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._tick_s(), self._sweep)
        return link

    def _abandon(self, origin: _Origin, link: Link) -> None:
        """A connection that did not come about, or came about as we gave it up."""
        link.abort()
        self._lost(origin, link)

    def _freed(self, origin: _Origin, link: Link) -> None:
        link.idle_since = asyncio.get_running_loop().time()
        self._hand_on(origin, link)

    def _lost(self, origin: _Origin, link: Link) -> None:
        if link not in self._links:
            return                               # abandoned before
        self._links.remove(link)
        origin.open -= 1
        if link in origin.idle:
            origin.idle.remove(link)
        if origin.waiting:
            self._hand_on(origin, None)

    def _hand_on(self, origin: _Origin, link: Link | None) -> None:
        """A connection, or room for one, goes to whoever waited longest, else to the idle ones."""
        while origin.waiting:
            turn = origin.waiting.popleft()
            if not turn.done():
                turn.set_result(link)
                return
        if link is not None:
            origin.idle.append(link)

    def _tick_s(self) -> float:
        limits = self._limits
        shortest_s = min(limits.head_s, limits.silence_s, limits.total_s, limits.idle_s)
        return max(0.01, min(1.0, shortest_s / 8))

    def _sweep(self) -> None:
        """Cut what is overdue. Runs only while there are connections."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for link in tuple(self._links):
            overdue = link.overdue(now)
            if overdue is not None:
                link.fail("timeout", overdue)
        for origin in self._origins.values():
            for link in tuple(origin.idle):
                if now - link.idle_since >= self._limits.idle_s:
                    link.abort()
        self._sweeper = loop.call_later(self._tick_s(), self._sweep) if self._links else None


def _origin(text: str, tls: Tls | None) -> _Origin:
    """`https://host[:port][/base path]`. Raises Defect: origins come from configuration, which checks them."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Defect(f"not an origin: {parts.scheme}://{parts.hostname}")
    secure = parts.scheme == "https"
    return _Origin(
        host=parts.hostname,
        port=parts.port or (443 if secure else 80),
        tls=(tls or Tls()) if secure else None,
        host_line=b"Host: " + parts.netloc.encode("ascii"),
        base_path=parts.path.rstrip("/"),
    )


def _head(origin: _Origin, request: UpstreamRequest) -> bytes:
    """The request's head without its closing empty line. All but the framing is made once for headers that go out
    again and again. Raises Defect as `_lines` does."""
    kept = request.kept
    if kept is None:
        return _lines(origin, request) + _framing(request)
    of = kept.made_of
    if of is None or of[3] is not request.headers or of[2] != request.url_path or of[1] != request.method or of[0] != request.origin:
        kept.head = _lines(origin, request)
        kept.made_of = request.origin, request.method, request.url_path, request.headers
    return kept.head + _framing(request)


def _lines(origin: _Origin, request: UpstreamRequest) -> bytes:
    """The request's head without its framing. Raises Defect where a name, a value or the path would break out of its
    line: the gateway has refused such input long before."""
    method, path = request.method, request.url_path
    if not method.isalpha() or " " in path:
        raise Defect("a request line of other than three words")
    lines = [
        f"{method} {origin.base_path}{path} HTTP/1.1".encode("ascii"), origin.host_line,
        *[b": ".join(header) for header in request.headers], b"",
    ]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise Defect("a line break in a request header")
    return head


def _framing(request: UpstreamRequest) -> bytes:
    """The framing header with its line's end; nothing for a method that needs no body and has none."""
    body = request.body
    if not isinstance(body, bytes):
        length = request.body_length
        return b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
    if not body and request.method in _BODYLESS_METHODS:
        return b""
    return b"Content-Length: %d\r\n" % len(body)
