"""The first account. As long as nobody has one, the start prints a link to `/setup` with a code that
only this installation can know; whoever opens it becomes the owner. After that the code is worth
nothing. The page is one static form without scripts.
"""

from __future__ import annotations

import base64
import hashlib
from string import Template
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from tallystick.control.auth import LoginOf, fields_of
from tallystick.control.callers import PartsOf, TokensOf
from tallystick.control.passwords import CHARS_MAX, CHARS_MIN, fault_of
from tallystick.control.problems import Problem
from tallystick.stores.sql import accounts

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem}"
    "label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}"
    "button{font:inherit;padding:.4rem 1rem}"
)
_PAGE: Final = Template(
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    f"<title>Tallystick setup</title><style>{_STYLE}</style><h1>Tallystick</h1>$body</html>",
)
_FORM: Final = Template(
    "<p>Make the first account. It will own this installation.</p><form method=post action=/api/setup>"
    "<input type=hidden name=code value='$code'>"
    "<label>Address<input name=email required autocomplete=username placeholder='you@example'></label>"
    f"<label>Password<input name=password type=password required minlength={CHARS_MIN} maxlength={CHARS_MAX} "
    "autocomplete=new-password></label><button>Make the account</button></form>",
)
_DONE: Final = "<p>Done. You can log in now, and close this page.</p>"
_CLOSED: Final = "<p>This link is not valid, or it has been used. A new one is printed when Tallystick starts without an account.</p>"
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy":
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(tags=["auth"])
    router.add_api_route("/setup", form, methods=["GET"], response_class=HTMLResponse, include_in_schema=False)
    router.add_api_route("/api/setup", claim, methods=["POST"], include_in_schema=False)
    return router


def form(parts: PartsOf, tokens: TokensOf, code: str = "") -> HTMLResponse:
    """The form, if the code is right and nobody has an account yet."""
    with parts.database.read() as db:
        open_ = not accounts.exist(db)
    if not open_ or not tokens.opens_setup(code):
        return _page(_CLOSED, 403)
    return _page(_FORM.substitute(code=tokens.setup_code), 200)


async def claim(request: Request, parts: PartsOf, tokens: TokensOf, login: LoginOf) -> Response:
    """Make the first account, once."""
    fields = await fields_of(request)
    if not tokens.opens_setup(fields.get("code", "")):
        raise Problem(403, "setup_closed", "The setup code is not valid.")
    email, password = accounts.canonical_email(fields.get("email", "")), fields.get("password", "")
    fault = "This is not an address." if email is None else fault_of(password)
    if email is None or fault:
        raise Problem(400, "invalid_request", fault or "")
    hashed = await login.passwords.hash(password)
    now_us = parts.clock.now_us()
    if not await run_in_threadpool(accounts.add_first_owner, parts.database, parts.new_id(), email, hashed, now_us):
        raise Problem(403, "setup_closed", "There is an account already.")
    if "text/html" in request.headers.get("accept", ""):
        return _page(_DONE, 201)
    return JSONResponse({"email": email, "role": "owner"}, 201)


def _page(body: str, status: int) -> HTMLResponse:
    return HTMLResponse(_PAGE.substitute(body=body), status, headers=_HEADERS)
