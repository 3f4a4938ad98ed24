"""A gate on loopback before a small application, and a client that sends raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import uvicorn

from tallystick.core.errors import Denied
from tallystick.edge.body import BodyLimits, read_body
from tallystick.edge.doors import Doors, Shares
from tallystick.edge.gate import GateHooks, GateLimits, server_config


class Echo:
    """Reads each body as the gateway would and answers with what it saw. `seen` are the requests
    that came through whole; `refused` what it was told of the others."""

    def __init__(self, limits: BodyLimits | None = None) -> None:
        self.limits = limits or BodyLimits()
        self.seen: list[tuple[str, str, bytes]] = []
        self.refused: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = await read_body(scope, receive, self.limits)
        if isinstance(body, Denied):
            self.refused.append(body.code)
            await answer(send, 408 if body.code == "request_timeout" else 413 if body.code == "body_too_large" else 400, {"code": body.code})
            return
        self.seen.append((scope["method"], scope["raw_path"].decode(), body))
        await answer(send, 200, {"path": scope["raw_path"].decode(), "bytes": len(body)})


async def answer(send: Any, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Gateway:
    """A listening gate. `refusals` are the codes the gate itself answered."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port = port
        self.server = server
        self.refusals: list[str] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, *pieces: bytes, eof: bool = False) -> bytes:
        """Send bytes, and read until the gate closes the connection or a reply is complete."""
        reader, writer = await self.connect()
        try:
            for piece in pieces:
                writer.write(piece)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
            if eof:
                writer.write_eof()
            return await read_replies(reader)
        finally:
            writer.close()


async def read_replies(reader: asyncio.StreamReader, count: int = 1) -> bytes:
    """The raw bytes of `count` replies with a Content-Length, or all there is until the end."""
    raw = b""
    for _ in range(count):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            return raw + end.partial
        except ConnectionError:
            return raw
        raw += head
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
        try:
            raw += await reader.read() if length is None else await reader.readexactly(length)
        except asyncio.IncompleteReadError as end:
            return raw + end.partial
    return raw


def statuses(raw: bytes) -> list[int]:
    return [int(line.split()[1]) for line in raw.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@contextlib.asynccontextmanager
async def gate(app: Any, limits: GateLimits | None = None, doors: Doors | None = None) -> AsyncIterator[Gateway]:
    """The application behind a gate on a free port."""
    numbers = itertools.count(1)
    codes: list[str] = []
    hooks = GateHooks(lambda: f"req_{next(numbers):032x}", lambda _request_id, denied: codes.append(denied.code), doors or Doors(Shares(), monotonic))
    config = server_config(app, hooks, limits or GateLimits(), host="127.0.0.1", port=0, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    gateway = Gateway(server.servers[0].sockets[0].getsockname()[1], server)
    gateway.refusals = codes
    try:
        yield gateway
    finally:
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        for task in list(server.server_state.tasks):
            task.cancel()
        for listener in server.servers:
            listener.close()
            await listener.wait_closed()
