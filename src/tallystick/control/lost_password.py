"""A password that was lost: a link goes to the account's address, where the installation can send mail, and whoever opens it
sets another. Asking is answered before anything is looked up, so neither the answer nor its time says who has an account;
each address of callers may ask a few times. Where no mail can be sent the answer says so, for then the host has to help.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from tallystick.channels.email import recipients
from tallystick.control import Parts, cookies
from tallystick.control.auth import LoginOf
from tallystick.control.callers import PartsOf, peer_of
from tallystick.control.figures import answer
from tallystick.control.passwords import CHARS_MAX, fault_of
from tallystick.control.problems import Problem
from tallystick.control.throttle import Throttle
from tallystick.core.errors import StoreFault, UpstreamFault
from tallystick.core.peers import network_of
from tallystick.stores.sql.accounts import EMAIL_CHARS_MAX, canonical_email
from tallystick.stores.sql.password_resets import LINK_S, PasswordResets, gone
from tallystick.transport.mail import send

PATH: Final = "/reset/"                      # of the console; the token follows
ASKS_FREE: Final = 10                        # of one address of callers, on all workers
Token = Annotated[SecretStr, Field(min_length=1, max_length=100)]


class Forgotten(BaseModel):
    """Whose password was lost."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Annotated[str, Field(max_length=EMAIL_CHARS_MAX)]


class Asked(BaseModel):
    """`by_mail`: whoever has an account under that address gets a link. False where this installation sends no mail: then who
    runs it sets another password (`tallystick members reset-password`)."""

    by_mail: bool


class Reset(BaseModel):
    """What the link ends with, and the password from now on; without one the answer only says that the link still stands."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Token
    new_password: Annotated[SecretStr | None, Field(max_length=CHARS_MAX)] = None


class WasReset(BaseModel):
    """How many sessions and personal access tokens ended."""

    sessions_ended: int
    tokens_revoked: int


def resets_of(request: Request) -> PasswordResets:
    """What makes and takes links."""
    resets: PasswordResets = request.app.state.password_resets
    return resets


ResetsOf = Annotated[PasswordResets, Depends(resets_of)]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/auth", tags=["auth"])
    router.add_api_route("/forgot", forgot, methods=["POST"], response_model=Asked, status_code=202)
    router.add_api_route("/reset", reset, methods=["POST"], response_model=WasReset)
    return router


def asking(parts: Parts) -> Throttle:
    """Counts who asks; workers share an address's free asks."""
    return Throttle(max(1, ASKS_FREE // parts.workers))


def sends_mail(parts: Parts) -> bool:
    """Whether this installation can send somebody a link."""
    return parts.mail is not None and parts.public_url is not None


async def forgot(request: Request, parts: PartsOf, resets: ResetsOf, said: Forgotten) -> Response:
    """Send a link to an account's address, if there is one under it; the answer is the same either way."""
    cookies.check_origin(request, parts, missing=True)
    throttle: Throttle = request.app.state.asking
    network, monotonic_us = network_of(peer_of(request)), parts.clock.monotonic_us()
    if wait_s := throttle.wait_s(network, monotonic_us):
        raise Problem(429, "too_many_attempts", "Too many links were asked for; wait.", {"retry-after": str(wait_s)})
    throttle.failed(network, monotonic_us)
    reply = answer({"by_mail": sends_mail(parts)})
    reply.status_code = 202
    if sends_mail(parts):
        reply.background = BackgroundTask(_send, parts, resets, said.email)
    return reply


async def reset(request: Request, parts: PartsOf, resets: ResetsOf, login: LoginOf, said: Reset) -> Response:
    """Set another password by a link, once. It ends all sessions, login tokens and personal access tokens, and signs nobody in."""
    cookies.check_origin(request, parts, missing=True)
    token, now_us = said.token.get_secret_value(), parts.clock.now_us()
    if not await run_in_threadpool(resets.stands, token, now_us):
        raise gone()
    if said.new_password is None:
        return answer({"sessions_ended": 0, "tokens_revoked": 0})
    if fault := fault_of(said.new_password.get_secret_value()):
        raise Problem(400, "invalid_request", fault)
    hashed = await login.passwords.hash(said.new_password.get_secret_value())
    email, ended = await run_in_threadpool(resets.use, token, hashed, now_us)
    await run_in_threadpool(login.forgive, email)
    return answer({"sessions_ended": ended.sessions, "tokens_revoked": ended.tokens})


def _send(parts: Parts, resets: PasswordResets, said: str) -> None:
    """Behind the answer: what goes wrong here only the log can say."""
    email, log = canonical_email(said), structlog.get_logger()
    if email is None:
        return
    try:
        token = resets.ask(email, parts.clock.now_us())
        if token is None:
            return
        assert parts.mail is not None
        assert parts.public_url is not None, "looked at before"
        link = parts.public_url.rstrip("/") + PATH + token.reveal()
        status, _ = send(parts.mail, _message(email, link, parts.clock.now_us()), recipients(email))
        if status >= 300:
            log.warning("the mail server refused a link for a lost password", status=status)
    except (ValueError, UpstreamFault, StoreFault) as fault:
        log.warning("a link for a lost password was not sent", fault=type(fault).__name__)


def _message(email: str, link: str, now_us: int) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Another password for Tallystick"
    message["To"] = email
    message["Date"] = formatdate(now_us // 1_000_000)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"Somebody, you we hope, asked for another password for {email}.\n\n{link}\n\n"
        f"The link works once, for {LINK_S // 60} minutes. It ends all sessions and personal access tokens of the account.\n"
        "If it was not you, do nothing: the password stays as it is.\n")
    return message
