"""Invitations: made by whoever may take members in, sent by mail where the installation can, and accepted by whoever has
the link: with a new password, or with the password (and second factor) of the account that the address has. Who accepts
is signed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts, cookies
from tallystick.control.auth import LoginOf
from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf, account_of, actor_of, peer_of
from tallystick.control.figures import answer
from tallystick.control.invitation_document import PATH, invitation_document, mail_fault
from tallystick.control.members import Teams
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.passwords import CHARS_MAX, fault_of
from tallystick.control.problems import Problem
from tallystick.control.second_factor import CODE_CHARS_MAX
from tallystick.control.sessions import SessionShown, open_session
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.membership import Membership, Role
from tallystick.stores.sql.accounts import EMAIL_CHARS_MAX, canonical_email
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.invitations import DAYS, DAYS_MAX, Invitation, Invitations
from tallystick.stores.sql.members import has_account
from tallystick.stores.sql.organizations import named

InvitationId = Annotated[str, Path(max_length=64)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=100)]


class NewInvitation(BaseModel):
    """Somebody to invite. `mail`: send them the link; it is in the answer either way."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Annotated[str, Field(min_length=3, max_length=EMAIL_CHARS_MAX)]
    role: Role
    teams: Teams = []
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = DAYS
    mail: bool = False


class InvitationShown(BaseModel):
    """An invitation. `status`: pending, accepted, revoked or expired."""

    id: str
    email: str
    role: str
    teams: list[str]
    status: str
    invited_by: str
    created_at: datetime
    expires_at: datetime


class InvitationMade(InvitationShown):
    """An invitation just made. `link` is shown this once; `mailed`: whether it went out by mail, and `mail_fault` why not."""

    link: str
    mailed: bool
    mail_fault: str | None


class InvitationPage(BaseModel):
    """A page of invitations."""

    items: list[InvitationShown]
    next_cursor: str | None


class Link(BaseModel):
    """What the link ends with."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Token


class Opened(BaseModel):
    """What an invitation is to. `has_account`: the address signs in with the password it has."""

    organization: str
    name: str
    email: str
    role: str
    teams: list[str]
    expires_at: datetime
    has_account: bool


class Acceptance(Link):
    """`password`: the new account's, or the one the address has; then `code`, where it has a second factor."""

    password: Annotated[SecretStr, Field(max_length=CHARS_MAX)]
    code: Annotated[SecretStr | None, Field(max_length=CODE_CHARS_MAX)] = None
    name: Annotated[str, Field(max_length=VALUE_CHARS_MAX)] = ""


def invitations_of(request: Request) -> Invitations:
    """What makes and accepts invitations."""
    invitations: Invitations = request.app.state.invitations
    return invitations


InvitationsOf = Annotated[Invitations, Depends(invitations_of)]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(tags=["members"])
    router.add_api_route("/api/invitations", list_invitations, methods=["GET"], response_model=InvitationPage)
    router.add_api_route("/api/invitations", invite, methods=["POST"], response_model=InvitationMade, status_code=201)
    router.add_api_route("/api/invitations/{invitation_id}", revoke, methods=["DELETE"], response_model=InvitationShown)
    router.add_api_route("/api/auth/invitation", look, methods=["POST"], response_model=Opened)
    router.add_api_route("/api/auth/invitation/accept", accept, methods=["POST"], response_model=SessionShown)
    return router


def list_invitations(parts: PartsOf, caller: CallerOf, invitations: InvitationsOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All invitations in the order they were made; a manager sees those to a team of theirs."""
    here = organization(parts.database, caller.organization)
    rows = invitations.list(here.id, caller.sight, after=place_of(cursor) if cursor else None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    return answer({
        "items": [_shown(caller, row, parts.clock.now_us()) for row in rows],
        "next_cursor": cursor_of(rows[-1].created_us, rows[-1].id) if more else None,
    })


def invite(request: Request, parts: PartsOf, caller: CallerOf, invitations: InvitationsOf, new: NewInvitation) -> Response:
    """Invite somebody to no more than one has; an earlier invitation of that address is taken back. 409 for who is a member."""
    email = canonical_email(new.email)
    if email is None:
        raise Problem(400, "invalid_request", "This is not an address.")
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    made, token = invitations.invite(here.id, email, Membership(new.role, frozenset(new.teams)), days=new.days, now_us=now_us,
                                     by=actor_of(caller))
    fault = mail_fault(parts.mail, parts.public_url, made, here.name, account_of(caller).name, token.reveal()) if new.mail else None
    link = cookies.origins(request, parts)[0] + PATH + token.reveal()
    reply = answer({**_shown(caller, made, now_us), "link": link, "mailed": new.mail and fault is None, "mail_fault": fault})
    reply.status_code = 201
    return reply


def revoke(parts: PartsOf, caller: CallerOf, invitations: InvitationsOf, invitation_id: InvitationId) -> Response:
    """Take an invitation back; one that was accepted or has expired stays as it is."""
    here = organization(parts.database, caller.organization)
    found = invitations.revoke(here.id, invitation_id, parts.clock.now_us(), actor_of(caller), caller.sight)
    if found is None:
        raise Problem(404, "not_found", "There is no such invitation.")
    return answer(_shown(caller, found, parts.clock.now_us()))


def look(parts: PartsOf, invitations: InvitationsOf, link: Link) -> Response:
    """What a link invites to; 404 for one that is used, taken back or expired."""
    found = invitations.find(link.token.get_secret_value(), parts.clock.now_us())
    with parts.database.read() as db:
        here = named(db, found.organization)
        return answer({
            "organization": here[0], "name": here[1], "email": found.email, "role": found.membership.role,
            "teams": sorted(found.membership.teams), "expires_at": moment(found.expires_us), "has_account": has_account(db, found.email)})


async def accept(request: Request, parts: PartsOf, invitations: InvitationsOf, login: LoginOf, said: Acceptance) -> Response:
    """Become a member, once, and be signed in. 403 where whoever invited could not do so any more."""
    cookies.check_origin(request, parts, missing=True)
    token, password = said.token.get_secret_value(), said.password.get_secret_value()
    found = await run_in_threadpool(invitations.find, token, parts.clock.now_us())
    hashed = None
    if await run_in_threadpool(_has_account, parts, found.email):
        await login.check(found.email, password, peer_of(request), said.code.get_secret_value() if said.code else None, of_nowhere=True)
    elif fault := fault_of(password):
        raise Problem(400, "invalid_request", fault)
    else:
        hashed = await login.passwords.hash(password)
    member = await run_in_threadpool(invitations.accept, token, said.name, hashed, parts.clock.now_us())
    slug = (await run_in_threadpool(_place, parts, found))[0]
    return await run_in_threadpool(open_session, request, member.account, slug)


def _has_account(parts: Parts, email: str) -> bool:
    with parts.database.read() as db:
        return has_account(db, email)


def _place(parts: Parts, found: Invitation) -> tuple[str, str]:
    with parts.database.read() as db:
        return named(db, found.organization)


def _shown(caller: Caller, row: Invitation, now_us: int) -> Mapping[str, Any]:
    """As much of an invitation as this caller may see: of teams, a manager sees their own."""
    mine = account_of(caller).teams if caller.cell == "own_teams" else row.membership.teams
    return invitation_document(row, now_us) | {"teams": sorted(row.membership.teams & mine)}
