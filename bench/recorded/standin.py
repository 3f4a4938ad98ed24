"""A stand-in for every provider at once: whatever is asked, it says the one recorded reply it holds.

Calls come one at a time. A peer may be given its address, or use it as its HTTP proxy and so go on
calling providers by their own names: a gateway that knows a provider by its host then still does.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

import httptools

from tests.build.corpus import Exchange
from tests.mini_upstream import chunked, reply, split

PIECE_BYTES = 700
# They describe the recorded transfer, not the bytes that the recording kept.
NOT_KEPT = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


class StandIn:
    """A server in a thread; a context manager. `target`, `body`: what was asked last."""

    def __init__(self) -> None:
        self.url = ""
        self.target, self.body = "", b""
        self.answer = b""
        self._loop = asyncio.new_event_loop()

    def hold(self, row: Exchange) -> None:
        """Answer with this from now on."""
        headers = [(name.encode(), value.encode()) for name, value in row.headers.items() if name.lower() not in NOT_KEPT]
        pieces = split(row.body, [PIECE_BYTES] * (len(row.body) // PIECE_BYTES))
        said = chunked(row.status, headers, pieces) if row.streaming else reply(row.status, headers, row.body)
        self.answer = b"".join(step for step in said.steps if isinstance(step, bytes))
        self.target, self.body = "", b""

    def __enter__(self) -> Self:
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self._loop.run_forever, name="stand-in", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


class _Connection(asyncio.Protocol):
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._stand_in.target, self._stand_in.body = self._target.decode(), self._body
        self._transport.write(self._stand_in.answer)
