"""The other way to a provider: `ports.Upstreams` on aiohttp's client, in one file.

It is not shipped. It proves that the seam is narrow enough for a library to stand behind it, and it
is the second opinion in the conformance suite: what both do is HTTP, what only one does is an
opinion. What it cannot do stands in `CANNOT`, each seen to fail there. It also cannot tell whether
a byte was written: its faults after connecting all say yes.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tallystick.core.errors import FaultKind, UpstreamFault
from tallystick.ports import UpstreamRequest
from tallystick.transport.http1 import Limits
from tallystick.transport.pool import Tls

CANNOT = {
    "name_case": "aiohttp does not keep repeated request headers as they were given",
    "joins_reads": "aiohttp holds the provider back as well, but hides how much it has queued",
    "bounded_interim": "aiohttp skips interim replies without end",
    "bounded_silence_of_upload": "aiohttp has no limit for an upload that is not being read",
    "no_body_of_head": "aiohttp takes bytes after a reply to HEAD for the next reply",
    "bounded_reply": "aiohttp has no limit for a whole reply's bytes",
    "one_encoding": "aiohttp accepts other transfer codings than chunked, and status 101",
    "body_trouble": "aiohttp reports a body that breaks off as a lost connection and waits on one that is too short",
}


class AiohttpReply:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = list(response.raw_headers)
        self._response = response
        self._ended = False

    async def next(self) -> bytes | None:
        if self._ended:
            return None
        try:
            piece = await self._response.content.readany()
        except TimeoutError as error:
            self._response.close()
            raise UpstreamFault("timeout", "the reply fell silent", written=True) from error
        except (aiohttp.ClientError, OSError) as error:
            self._response.close()
            raise UpstreamFault(_kind(error), "the reply broke off", written=True) from error
        if not piece:
            self._ended = True
            return None
        return piece

    @property
    def at_end(self) -> bool:
        return self._ended or self._response.content.at_eof()

    async def close(self) -> None:
        self._response.close()                   # a connection that was drained has left it already


class AiohttpUpstreams:
    def __init__(self, limits: Limits | None = None, tls: Mapping[str, Tls] | None = None) -> None:
        self._limits = limits or Limits()
        self._contexts = {origin: one.context() for origin, one in (tls or {}).items()}
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: UpstreamRequest) -> AiohttpReply:
        session = self._session = self._session or self._open()
        headers = CIMultiDict((name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
                              for name, value in request.headers)
        if request.body_length is not None:
            headers["Content-Length"] = str(request.body_length)
        empty = not request.body and request.method in ("GET", "HEAD", "DELETE", "OPTIONS")
        try:
            async with asyncio.timeout(self._limits.head_s):
                response = await session.request(
                    request.method, URL(request.origin + request.url_path, encoded=True), headers=headers,
                    data=None if empty else _payload(request), allow_redirects=False,
                    ssl=self._contexts.get(request.origin, True),
                    skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            kind: FaultKind = "timeout" if isinstance(error, TimeoutError) else "connect"
            raise UpstreamFault(kind, "cannot connect", written=False) from error
        except TimeoutError as error:
            raise UpstreamFault("timeout", "no reply", written=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFault(_kind(error), "no reply", written=True) from error
        return AiohttpReply(response)

    def _open(self) -> aiohttp.ClientSession:
        limits = self._limits
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=limits.connections_max,
                                           keepalive_timeout=limits.idle_s),
            timeout=aiohttp.ClientTimeout(total=limits.total_s, connect=limits.connect_s, sock_read=limits.silence_s),
            auto_decompress=False, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _payload(request: UpstreamRequest) -> object:
    body = request.body
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > 1 << 20 else body


def _kind(error: Exception) -> FaultKind:
    return "protocol" if isinstance(error, aiohttp.ClientResponseError) else "reset"
