"""What holds for every request and answer of the API, whatever the route: a body of at most 64 KiB, which
is refused before anybody reads it or asks who sent it, and answers that no cache may keep.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.control.problems import answer

BODY_BYTES_MAX: Final = 64 * 1024


class Bounds:
    """ASGI middleware. A body without a length is counted as it comes; past the limit the client counts
    as gone, and the request ends as one whose body could not be read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "0")
        if not (said.isascii() and said.isdigit() and int(said[:20]) <= BODY_BYTES_MAX):
            await answer(413, "body_too_large", f"At most {BODY_BYTES_MAX} bytes.")(scope, receive, send)
            return
        left = BODY_BYTES_MAX

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        async def uncached(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("x-content-type-options", "nosniff")
                if cookie := scope.get("state", {}).get("cookie"):           # control/cookies.py: whatever the answer is
                    headers.append("set-cookie", cookie)
            await send(message)

        await self._app(scope, bounded, uncached)
