"""The console: the files that `web/` was built into, served to browsers. No rule lives here; pages ask the API.

Everything that is no gateway path comes by, so this looks last and at little: the API's paths go on to the API, a file
that was built is answered, and where a browser goes to any other address it gets the one page there is, which knows what
to show there. All files are read once, when the control plane loads; a call never waits for them.

Browsers are told to run nothing but our own files (Content-Security-Policy). Styles that components make on the fly
carry a value that is drawn anew with each page.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

UI: Final = Path(__file__).with_name("ui")
PAGE: Final = "index.html"
NONCE: Final = b"NONCE-OF-THIS-PAGE"         # as web/vite.config.ts has it
_API: Final = (b"/api/", b"/api")
_TYPES: Final = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8", ".svg": b"image/svg+xml"}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SHUT: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"), (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_NEVER: Final = (b"cache-control", b"no-store")
_A_DAY: Final = (b"cache-control", b"public, max-age=86400")
_NOT_BUILT: Final = b"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Tallystick</title><h1>The gateway is running</h1>
<p>This checkout has no console yet. Build it with one command, then start the gateway again:
<pre>make console</pre>
<p>No Node.js has to be installed. The API and the commands work without the console.
"""


@dataclass(frozen=True, slots=True)
class File:
    """A built file. `packed`: its gzip form."""

    content: bytes
    kind: bytes
    packed: bytes | None
    cached: tuple[bytes, bytes]


def files_in(folder: Path) -> dict[bytes, File]:
    """The built files by path ("/assets/main-x1.js"), the page apart; none where nothing was built."""
    found = {}
    for path in folder.rglob("*"):
        kind = _TYPES.get(path.suffix)
        if kind is not None:
            name = "/" + path.relative_to(folder).as_posix()
            packed = path.with_name(path.name + ".gz")
            found[name.encode()] = File(path.read_bytes(), kind, packed.read_bytes() if packed.is_file() else None,
                                        _FOREVER if name.startswith("/assets/") else _A_DAY)
    return found


class Console:
    """ASGI 3, before the API: `api` is asked for whatever is not the console's."""

    def __init__(self, api: App, folder: Path = UI) -> None:
        self._api = api
        page = folder / PAGE
        self._page = page.read_bytes() if page.is_file() else None
        self._files: Mapping[bytes, File] = files_in(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        if path.startswith(_API[0]) or path == _API[1] or scope["method"] not in ("GET", "HEAD"):
            await self._api(scope, receive, send)
        elif (file := self._files.get(path)) is not None:
            await _file(scope, send, file)
        elif path.startswith(b"/assets/"):
            await _answer(scope, send, 404, b"No such file.", [(b"content-type", b"text/plain; charset=utf-8"), _NEVER])
        elif self._page is not None and _goes_there(scope, path):
            nonce = secrets.token_urlsafe(16)
            policy = _POLICY.format(nonce=nonce).encode()
            await _answer(scope, send, 200, self._page.replace(NONCE, nonce.encode()), _document(policy))
        elif path == b"/" and self._page is None:
            await _answer(scope, send, 200, _NOT_BUILT, _document(b"default-src 'none'; frame-ancestors 'none'"))
        else:
            await self._api(scope, receive, send)


def _goes_there(scope: Scope, path: bytes) -> bool:
    """Whether this is somebody who opens an address, and no program that missed the API."""
    if path == b"/" or path.startswith(b"/o/"):
        return True
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


async def _file(scope: Scope, send: Send, file: File) -> None:
    headers: Headers = [(b"content-type", file.kind), file.cached, (b"vary", b"accept-encoding")]
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
    if file.packed is not None and b"gzip" in accepted:
        await _answer(scope, send, 200, file.packed, [*headers, (b"content-encoding", b"gzip")])
    else:
        await _answer(scope, send, 200, file.content, headers)


def _document(policy: bytes) -> Headers:
    return [(b"content-type", b"text/html; charset=utf-8"), _NEVER, (b"content-security-policy", policy)]


async def _answer(scope: Scope, send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_SHUT, length]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
