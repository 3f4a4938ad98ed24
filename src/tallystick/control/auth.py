"""Logging in: `POST /api/auth/token` changes an address and a password for a token of one hour, in the
form OAuth2 gives it (`username`, `password`; `grant_type` may be missing) or as JSON (`email` or
`username`); `GET /api/auth/me` says who it is. A token is for one organisation; an account that belongs to
several says which (`organization`). Where there is a second factor, its `code` comes too.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts
from tallystick.control.callers import CallerOf, PartsOf, TokensOf, account_of, peer_of
from tallystick.control.login import Login
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.control.problems import Problem
from tallystick.control.tokens import LIFETIME_S
from tallystick.stores.sql.access_log import note_access
from tallystick.stores.sql.accounts import Opened, set_name
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.organizations import organization_number
from tallystick.stores.sql.sessions import note_seen
from tallystick.stores.sql.signing_out import generation_of


class Token(BaseModel):
    """A login. Send it as `Authorization: Bearer …`."""

    access_token: str
    token_type: str
    expires_in: int


class Me(BaseModel):
    """The person who asks."""

    id: str
    email: str
    name: str
    role: str
    organization: str


class MyName(BaseModel):
    """What others see one called."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


def login_of(request: Request) -> Login:
    """The one door for passwords."""
    login: Login = request.app.state.login
    return login


LoginOf = Annotated[Login, Depends(login_of)]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/auth", tags=["auth"])
    router.add_api_route("/token", token, methods=["POST"], response_model=Token, openapi_extra=_TOKEN_BODY)
    router.add_api_route("/me", me, methods=["GET"])
    router.add_api_route("/me", rename, methods=["PATCH"])
    return router


async def token(request: Request, login: LoginOf, tokens: TokensOf, parts: PartsOf) -> JSONResponse:
    """Log in with an address and a password."""
    fields = await fields_of(request)
    email, password = fields.get("username") or fields.get("email"), fields.get("password")
    if not email or not password or fields.get("grant_type", "password") != "password":
        raise Problem(400, "invalid_request", "Send username and password, as a form or as JSON.")
    opened = await login.check(email, password, peer_of(request), fields.get("code"))
    organization = _one_of(opened, fields.get("organization"))
    generation = await run_in_threadpool(_enter, parts, opened.account, organization)
    signed = tokens.sign(opened.account, organization, parts.clock.now_us() // 1_000_000, generation)
    return JSONResponse({"access_token": signed, "token_type": "bearer", "expires_in": LIFETIME_S})


async def me(caller: CallerOf) -> Me:
    """Who is logged in."""
    account = account_of(caller)
    return Me(id=account.id, email=account.email, name=account.name, role=account.role, organization=account.organization)


def rename(parts: PartsOf, caller: CallerOf, asked: MyName) -> Me:
    """Call oneself otherwise, in every organisation. The address stays: it is what one signs in with."""
    account = account_of(caller)
    set_name(parts.database, account.id, asked.name.strip())
    return Me(id=account.id, email=account.email, name=asked.name.strip(), role=account.role, organization=account.organization)


def _enter(parts: Parts, account_id: str, slug: str) -> int:
    """Chain that somebody came in; the generation of their logins."""
    with Sequencer(parts.database).append(parts.clock.now_us()) as pen:
        number = organization_number(pen.db, slug)
        assert number is not None, "the account was found in it"
        note_access(pen, number, "signed_in", account_id, opened="token")
        note_seen(pen.db, account_id, number, pen.now_us)
        return generation_of(pen.db, account_id)


def _one_of(opened: Opened, wanted: str | None) -> str:
    """The organisation that a login is for. Raises Problem 400 or 403; the password was right by then."""
    if wanted is None and len(opened.organizations) > 1:
        raise Problem(400, "organization_required", f"Say which organization: {', '.join(opened.organizations)}.")
    if wanted is not None and wanted not in opened.organizations:
        raise Problem(403, "not_a_member", "You do not belong to that organization.")
    return wanted or opened.organizations[0]


async def fields_of(request: Request) -> dict[str, str]:
    """The text fields of a small form or JSON object. Raises Problem 400."""
    body = await request.body()
    try:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            return msgspec.json.decode(body, type=dict[str, str])
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except (msgspec.DecodeError, ValueError):
        raise Problem(400, "invalid_request", "The body is neither a form nor a JSON object of texts.") from None


_FIELDS: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "required": ["username", "password"],
        "properties": {
            "grant_type": {"type": "string", "enum": ["password"]},
            "username": {"type": "string"},
            "password": {"type": "string", "format": "password"},
            "organization": {"type": "string"},
            "code": {"type": "string", "description": "Of the second factor, where there is one; 401 totp_required without."},
        },
    },
}
_TOKEN_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": _FIELDS, "application/json": _FIELDS}},
}
