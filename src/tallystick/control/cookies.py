"""The one cookie of the API, and what a browser must show beside it. A page of somebody else's can make a browser send
the cookie, but neither read the session's CSRF token nor lie about its own Origin: whatever changes something is asked
for both, in constant time.

Where TLS ends at us or at a trusted proxy the cookie is `Secure` under the prefix `__Host-`, so that no other host and
no plain connection can set it (RFC 6265bis, 4.1.3.2), and no other name is read.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

from tallystick.control import Parts
from tallystick.control.problems import Problem
from tallystick.core.peers import is_within

NAME: Final = "tallystick_session"
CSRF_HEADER: Final = "x-csrf-token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHARS_MAX: Final = 200


def over_tls(request: Request, parts: Parts) -> bool:
    """Whether what the browser spoke was TLS: with us, or with a proxy that the operator trusts to end it."""
    connected = request.client.host if request.client else ""
    return request.url.scheme == "https" or is_within(connected, parts.trusted_proxies)


def cookie_of(request: Request, parts: Parts) -> str | None:
    """The session's cookie, if one came."""
    value = request.cookies.get(_name(secure=over_tls(request, parts)))
    return value if value and len(value) <= _CHARS_MAX else None


def given(request: Request, parts: Parts, cookie: str) -> None:
    """Give this cookie with the answer, whatever the answer is; an empty one takes it away."""
    secure = over_tls(request, parts)
    request.state.cookie = (f"{_name(secure=secure)}={cookie}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
                            + ("" if cookie else "; Max-Age=0"))


def csrf_token(secret: bytes, session_id: str) -> str:
    """What a page of ours sends with whatever it changes. It follows from the session, and outlives its cookies."""
    return urlsafe_b64encode(hmac.digest(secret, b"csrf\0" + session_id.encode(), "sha256")).decode().rstrip("=")


def check_page(request: Request, parts: Parts, token: str) -> None:
    """A page of ours asks for a change, with the session's token. Raises Problem 403."""
    check_origin(request, parts, missing=False)
    if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), token.encode()):
        raise Problem(403, "csrf_token_wrong", "Send the session's csrf token as X-CSRF-Token.")


def check_origin(request: Request, parts: Parts, *, missing: bool) -> None:
    """The page that asks is ours; `missing`: so is a program, which names no Origin. Raises Problem 403."""
    origin = request.headers.get("origin")
    if not (missing if origin is None else origin in origins(request, parts)):
        raise Problem(403, "foreign_origin", "This must be asked for by a page of this installation (Origin).")


def origins(request: Request, parts: Parts) -> tuple[str, ...]:
    """Where pages of ours come from: the address that was asked, and `server.public_url`; the latter first."""
    asked = f"{'https' if over_tls(request, parts) else 'http'}://{request.headers.get('host', '')}"
    if parts.public_url is None:
        return (asked,)
    public = urlsplit(parts.public_url)
    return f"{public.scheme}://{public.netloc}".lower(), asked


def _name(*, secure: bool) -> str:
    return "__Host-" + NAME if secure else NAME
