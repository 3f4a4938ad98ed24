"""Signing in with a browser: a session in a cookie that no script can read (control/cookies.py), for one organisation
at a time. Each sign-in and each change of organisation is a new session; the one before ends. What is kept of a browser
is its kind, never its address.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from tallystick.control import cookies
from tallystick.control.auth import LoginOf
from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf, SessionsOf, TokensOf, account_of, peer_of
from tallystick.control.figures import answer
from tallystick.control.passwords import CHARS_MAX
from tallystick.control.problems import Problem
from tallystick.control.second_factor import CODE_CHARS_MAX
from tallystick.stores.sql import accounts
from tallystick.stores.sql.accounts import EMAIL_CHARS_MAX, Account
from tallystick.stores.sql.sessions import Session
from tallystick.stores.sql.signing_out import end_session, end_sessions_of

SLUG_CHARS_MAX: Final = 63
SessionId = Annotated[str, Path(max_length=64)]
Slug = Annotated[str, Field(min_length=1, max_length=SLUG_CHARS_MAX)]
_BROWSERS: Final = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS: Final = (("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("Mac OS X", "macOS"),
                   ("Linux", "Linux"))


class SignIn(BaseModel):
    """`organization`: which of one's own; without it the first. `code`: of the second factor, where there is one (401
    `totp_required` without)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Annotated[str, Field(max_length=EMAIL_CHARS_MAX)]
    password: Annotated[SecretStr, Field(max_length=CHARS_MAX)]
    organization: Slug | None = None
    code: Annotated[SecretStr | None, Field(max_length=CODE_CHARS_MAX)] = None


class Switch(BaseModel):
    """Another of one's own organisations."""

    model_config = ConfigDict(extra="forbid")

    organization: Slug


class Person(BaseModel):
    """Whose account it is."""

    id: str
    email: str
    name: str


class Place(BaseModel):
    """An organisation one belongs to, and as what."""

    organization: str
    name: str
    role: str


class SessionShown(BaseModel):
    """Who is signed in, where and as what. `csrf` goes with every change as `X-CSRF-Token`; it and `expires_at` are null for
    who came with a token instead of a cookie. `second_factor_missing`: the organisation asks for one; until it is set up
    (POST /api/auth/totp), nothing else is open."""

    account: Person
    organization: str
    role: str
    teams: list[str]
    organizations: list[Place]
    csrf: str | None
    expires_at: datetime | None
    second_factor_missing: bool


class OpenSession(BaseModel):
    """One of one's own sessions. `agent`: the kind of browser. `current`: the one that asks."""

    id: str
    organization: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool


class OpenSessions(BaseModel):
    """One's own sessions, the newest first."""

    items: list[OpenSession]


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/auth", tags=["auth"])
    router.add_api_route("/session", sign_in, methods=["POST"], response_model=SessionShown)
    router.add_api_route("/session", read, methods=["GET"], response_model=SessionShown)
    router.add_api_route("/session", sign_out, methods=["DELETE"], response_model=Ended)
    router.add_api_route("/session/organization", switch, methods=["POST"], response_model=SessionShown)
    router.add_api_route("/sessions", list_sessions, methods=["GET"], response_model=OpenSessions)
    router.add_api_route("/sessions", end_others, methods=["DELETE"], response_model=Ended)
    router.add_api_route("/sessions/{session_id}", end_one, methods=["DELETE"], response_model=Ended)
    return router


async def sign_in(request: Request, parts: PartsOf, login: LoginOf, asked: SignIn) -> Response:
    """Sign in with a browser; the answer brings the session's cookie, and ends the session that the browser had."""
    cookies.check_origin(request, parts, missing=True)
    opened = await login.check(asked.email, asked.password.get_secret_value(), peer_of(request),
                               asked.code.get_secret_value() if asked.code else None)
    if asked.organization is not None and asked.organization not in opened.organizations:
        raise Problem(403, "not_a_member", "You do not belong to that organization.")
    return await run_in_threadpool(open_session, request, opened.account, asked.organization or opened.organizations[0])


def read(parts: PartsOf, caller: CallerOf, sessions: SessionsOf, tokens: TokensOf) -> Response:
    """Who is signed in."""
    return answer(_document(parts, sessions, tokens, account_of(caller), caller.session))


def sign_out(request: Request, parts: PartsOf, caller: CallerOf) -> Response:
    """End this session."""
    session = _session_of(caller)
    with parts.database.write() as db:
        end_session(db, session.account, session.id)
    cookies.given(request, parts, "")
    return answer({"ended": 1})


def switch(request: Request, caller: CallerOf, asked: Switch) -> Response:
    """Go on in another of one's organisations, in a new session; this one ends."""
    return open_session(request, _session_of(caller).account, asked.organization)


def list_sessions(parts: PartsOf, caller: CallerOf, sessions: SessionsOf) -> Response:
    """One's own sessions, in every organisation."""
    found = sessions.list(account_of(caller).id, parts.clock.now_us())
    return answer({"items": [_item(caller, sessions, session) for session in found]})


def end_others(parts: PartsOf, caller: CallerOf) -> Response:
    """End all of one's own sessions and login tokens, save the session that asks."""
    with parts.database.write() as db:
        ended = end_sessions_of(db, account_of(caller).id, keep=caller.session.id if caller.session else None)
    return answer({"ended": ended})


def end_one(parts: PartsOf, caller: CallerOf, session_id: SessionId) -> Response:
    """End one of one's own sessions."""
    with parts.database.write() as db:
        if not end_session(db, account_of(caller).id, session_id):
            raise Problem(404, "not_found", "There is no such session.")
    return answer({"ended": 1})


def open_session(request: Request, account_id: str, organization: str) -> Response:
    """A new session of an account that was just proved, and its cookie; the one that the browser had ends. Raises Problem 403."""
    parts, sessions, tokens = request.app.state.parts, request.app.state.sessions, request.app.state.tokens
    cookie = cookies.cookie_of(request, parts)
    before = sessions.find(cookie, parts.clock.now_us()) if cookie else None
    with sessions.sequencer.append(parts.clock.now_us()) as pen:
        account = accounts.by_id(pen.db, account_id, organization)
        if account is None:
            raise Problem(403, "not_a_member", "You do not belong to that organization.")
        if before is not None:
            end_session(pen.db, before.session.account, before.session.id)
        session, cookie = sessions.open(pen, account, agent_of(request.headers.get("user-agent", "")))
    cookies.given(request, parts, cookie)
    return answer(_document(parts, sessions, tokens, account, session))


def agent_of(text: str) -> str:
    """The kind of browser behind a User-Agent header: enough to know one's own again, too little to know somebody by."""
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    return f"{browser} on {system}" if browser and system else browser or "another program"


def _session_of(caller: Caller) -> Session:
    if caller.session is None:
        raise Problem(404, "no_session", "A token is no session; it ends by itself.")
    return caller.session


def _document(parts: PartsOf, sessions: SessionsOf, tokens: TokensOf, account: Account, session: Session | None) -> dict[str, Any]:
    with parts.database.read() as db:
        places = accounts.places_of(db, account.id)
    return {
        "account": {"id": account.id, "email": account.email, "name": account.name},
        "organization": account.organization, "role": account.role, "teams": sorted(account.teams),
        "organizations": [{"organization": slug, "name": name, "role": role} for slug, name, role in places],
        "csrf": cookies.csrf_token(tokens.csrf_key, session.id) if session else None,
        "expires_at": moment(sessions.expires_us(session)) if session else None, "second_factor_missing": account.lacks_factor,
    }


def _item(caller: Caller, sessions: SessionsOf, session: Session) -> dict[str, Any]:
    return {
        "id": session.id, "organization": session.organization, "agent": session.agent, "created_at": moment(session.created_us),
        "seen_at": moment(session.seen_us), "expires_at": moment(sessions.expires_us(session)),
        "current": caller.session is not None and caller.session.id == session.id,
    }
