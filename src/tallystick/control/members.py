"""Who belongs to the organisation, and as what: list, take in, change, let go. What may be given to whom is judged
where it is written (stores/sql/members.py), by what the one who asks is at that moment.

A new account without a password gets one made for it, shown in the one answer that made it.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from tallystick.control.auth import LoginOf
from tallystick.control.callers import Caller, CallerOf, MembersOf, PartsOf, account_of, actor_of
from tallystick.control.figures import answer
from tallystick.control.member_document import member_document
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.passwords import CHARS_MAX, fault_of
from tallystick.control.problems import Problem
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.membership import TEAMS_MAX, Membership, Role
from tallystick.stores.sql import members as store
from tallystick.stores.sql.accounts import EMAIL_CHARS_MAX, canonical_email
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.members import Member, Newcomer

AccountId = Annotated[str, Path(max_length=64)]
Teams = Annotated[list[Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]], Field(max_length=TEAMS_MAX)]
_MADE_BYTES: Final = 12


class NewMember(BaseModel):
    """Somebody to take in. `teams` are those a manager manages and a member makes keys in. `password` is for an address
    that has no account yet; without one, one is made and shown once."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: Annotated[str, Field(min_length=3, max_length=EMAIL_CHARS_MAX)]
    role: Role
    teams: Teams = []
    name: Annotated[str, Field(max_length=VALUE_CHARS_MAX)] = ""
    password: Annotated[SecretStr | None, Field(max_length=CHARS_MAX)] = None


class MemberChange(BaseModel):
    """What somebody is from now on, at once; what is left out stays, save that a role without teams ends them."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    teams: Teams | None = None


class MemberShown(BaseModel):
    """A member. `seen_at`: when a session or a login of theirs was last used here, to the minute."""

    id: str
    email: str
    name: str
    role: str
    teams: list[str]
    status: str
    joined_at: datetime
    seen_at: datetime | None


class MemberMade(MemberShown):
    """A member just taken in. `password` only where one was made: shown this once."""

    password: str | None = None


class MemberPage(BaseModel):
    """A page of members."""

    items: list[MemberShown]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/members", tags=["members"])
    router.add_api_route("", list_members, methods=["GET"], response_model=MemberPage)
    router.add_api_route("", add_member, methods=["POST"], response_model=MemberMade, status_code=201)
    router.add_api_route("/{account_id}", change_member, methods=["PATCH"], response_model=MemberShown)
    router.add_api_route("/{account_id}", remove_member, methods=["DELETE"], response_model=MemberShown)
    return router


def list_members(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All members in the order they joined; a manager sees who shares a team with them."""
    here = organization(parts.database, caller.organization)
    rows = store.list_members(parts.database, here.id, caller.sight, after=place_of(cursor) if cursor else None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    return answer({
        "items": [_shown(caller, row) for row in rows],
        "next_cursor": cursor_of(rows[-1].joined_us, rows[-1].account) if more else None,
    })


async def add_member(parts: PartsOf, caller: CallerOf, members: MembersOf, login: LoginOf, new: NewMember) -> Response:
    """Take somebody in; 409 for who is a member, and for who has an account that only the installation's host may use."""
    email = canonical_email(new.email)
    fault = "This is not an address." if email is None else fault_of(new.password.get_secret_value()) if new.password else None
    if email is None or fault:
        raise Problem(400, "invalid_request", fault or "")
    here = await run_in_threadpool(organization, parts.database, caller.organization)
    known = await run_in_threadpool(_has_account, parts, email)
    made = None if new.password or known else secrets.token_urlsafe(_MADE_BYTES)
    password = new.password.get_secret_value() if new.password else made
    newcomer = Newcomer(email, new.name, Membership(new.role, frozenset(new.teams)),
                        None if password is None else await login.passwords.hash(password))
    member, _ = await run_in_threadpool(members.add, here.id, newcomer, parts.clock.now_us(), actor_of(caller))
    reply = answer({**_shown(caller, member), **({} if made is None else {"password": made})})
    reply.status_code = 201
    return reply


def change_member(parts: PartsOf, caller: CallerOf, members: MembersOf, account_id: AccountId, change: MemberChange) -> Response:
    """Give a member another role or other teams; tokens that are out follow at once. 409 for the last owner."""
    here = organization(parts.database, caller.organization)
    now_us, by = parts.clock.now_us(), actor_of(caller)
    changed = members.change(here.id, account_id, lambda before: _changed(before, change), now_us, by, caller.sight)
    if changed is None:
        raise _no_member()
    return answer(_shown(caller, changed))


def remove_member(parts: PartsOf, caller: CallerOf, members: MembersOf, account_id: AccountId) -> Response:
    """Let a member go; their tokens open nothing here from now on. Their keys stay. 409 for the last owner."""
    here = organization(parts.database, caller.organization)
    gone = members.remove(here.id, account_id, parts.clock.now_us(), actor_of(caller), caller.sight)
    if gone is None:
        raise _no_member()
    return answer(_shown(caller, gone))


def _changed(before: Membership, change: MemberChange) -> Membership:
    role = change.role or before.role
    if change.teams is not None:
        return Membership(role, frozenset(change.teams))
    return Membership.of(role, before.teams)


def _has_account(parts: PartsOf, email: str) -> bool:
    with parts.database.read() as db:
        return store.has_account(db, email)


def _shown(caller: Caller, member: Member) -> dict[str, Any]:
    """As much of a member as this caller may see: of teams, a manager sees their own."""
    return member_document(member, account_of(caller).teams if caller.cell == "own_teams" else None)


def _no_member() -> Problem:
    return Problem(404, "not_found", "There is no such member.")
