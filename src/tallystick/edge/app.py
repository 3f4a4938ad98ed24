"""The one listener: gateway paths go to the gateway, the rest to the control plane, which loads after
the listener is open, so that the first call does not wait for a web framework. Health and metrics are
answered here, because they must work while everything else does not.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tallystick.config import Role
from tallystick.edge.paths import serves
from tallystick.edge.readiness import Readiness
from tallystick.telemetry import Telemetry

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

AGGREGATIONS = b"/api/aggregations/"
JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` must not block."""

    ready: Callable[[], Readiness]
    metrics_token: str | None
    metrics_open: bool                       # loopback: no token asked


class Edge:
    """ASGI 3. `control` waits for the control plane and returns its app."""

    def __init__(
        self, gateway: App, control: Callable[[], Awaitable[App]], health: Health, telemetry: Telemetry, role: Role,
        lifespan: tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]],
    ) -> None:
        self._gateway = gateway
        self._control = control
        self._health = health
        self._telemetry = telemetry
        self._role = role
        self._start, self._stop = lifespan

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            serve = self._gateway if self._role != "console" and serves(scope["raw_path"]) else self._http
            return serve(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        return send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no call: health, metrics, and the control plane."""
        path: bytes = scope["raw_path"]
        if path in (b"/healthz", b"/health/liveliness"):
            await _answer(send, 200, b'{"status":"ok"}')
        elif path in (b"/readyz", b"/health/readiness"):
            await self._ready(send)
        elif path == b"/metrics":
            await self._metrics(scope, send)
        elif self._role != "gateway" or path.startswith(AGGREGATIONS):
            await (await self._control())(scope, receive, send)
        else:
            await _answer(send, 404, b'{"error":{"message":"This instance serves gateway paths only.","type":"not_found"}}')

    async def _ready(self, send: Send) -> None:
        found = self._health.ready()
        body = json.dumps({"status": found.status, "reasons": dict(found.reasons)}).encode()
        await _answer(send, 503 if found.status == "not ready" else 200, body)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        token = self._health.metrics_token
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if token is not None:
            allowed = hmac.compare_digest(given, b"Bearer " + token.encode())
        else:
            allowed = self._health.metrics_open
        if not allowed:
            await _answer(send, 401, b'{"error":{"message":"/metrics asks for its token off loopback.","type":"unauthorized"}}')
            return
        await _answer(send, 200, self._telemetry.exposition(), TEXT)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Send, status: int, body: bytes, content_type: tuple[bytes, bytes] = JSON) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [content_type, length]})
    await send({"type": "http.response.body", "body": body})
