"""Who is asking, found out once per request before any handler runs, and whether the table of roles
lets them in. Deny by default: a route that is not in the table is closed.

A login token and a virtual key travel in the same header and are told apart by what proves them:
a token is signed by us, a key is found in the keyring. Neither is ever taken for the other; a personal access token is
known by its prefix. Where that header is
missing, a browser's session is looked for (control/cookies.py), and what it changes must come from a page of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts, cookies, scopes
from tallystick.control.guessing import Guessing
from tallystick.control.problems import Problem
from tallystick.control.roles import WITHOUT_FACTOR, Cell, RoleName, cell_of
from tallystick.control.tokens import Claim, Tokens
from tallystick.core.identity import Principal
from tallystick.core.keyformat import PERSONAL
from tallystick.core.peers import peer_address
from tallystick.stores.sql import accounts
from tallystick.stores.sql.accounts import Account
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.directory import Directory
from tallystick.stores.sql.members import Members
from tallystick.stores.sql.personal_tokens import PersonalTokens
from tallystick.stores.sql.proposals import Proposals
from tallystick.stores.sql.sessions import Session, Sessions
from tallystick.stores.sql.signing_out import generation_of
from tallystick.stores.sql.sight import Reach, Sight

_CHALLENGE: Final = {"www-authenticate": "Bearer"}
_REACH: Final[Mapping[Cell, Reach]] = {
    "all": "all", "ids": "all", "names": "all", "propose": "all", "own_teams": "own_teams", "own": "own"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, proved. `account` for a person, `principal` for a virtual key, neither for anyone. `cell`: how far the
    route that was asked for is open to them. `session`: the browser's, for a person who came with one; `scopes`: the
    personal access token's, for a program of theirs."""

    role: RoleName
    account: Account | None = None
    principal: Principal | None = None
    cell: Cell | None = None
    session: Session | None = None
    scopes: frozenset[str] | None = None

    @property
    def sight(self) -> Sight:
        """Which rows they see on this route."""
        return Sight(_REACH[self.cell or "self"], self.account.id if self.account else "")

    @property
    def organization(self) -> str:
        """The one organisation this caller sees."""
        if self.account:
            return self.account.organization
        assert self.principal is not None, "routes open to anyone see no organisation"
        return self.principal.organization


def actor_of(caller: Caller) -> str:
    """Who did it, as the ledger names them: the account's id."""
    return account_of(caller).id


def account_of(caller: Caller) -> Account:
    """The person who asks."""
    assert caller.account is not None, "the table of roles opens this to people only"
    return caller.account


def within_teams(caller: Caller, team: str | None) -> None:
    """Whether somebody who may act on their teams only may act on this one. Raises Problem 403."""
    if caller.cell in ("own_teams", "own") and team not in account_of(caller).teams:
        raise Problem(403, "outside_own_teams", "Name one of your own teams.")


def check_fields(caller: Caller, given: Collection[str], table: Mapping[str, frozenset[RoleName]]) -> None:
    """Whether this role may fill in every field that was given. Raises Problem 403."""
    if closed := sorted(field for field in given if caller.role not in table.get(field, frozenset())):
        raise Problem(403, "field_not_open", f"This is not yours to say: {', '.join(closed)}.")


def parts_of(request: Request) -> Parts:
    """What the application was built from."""
    parts: Parts = request.app.state.parts
    return parts


def tokens_of(request: Request) -> Tokens:
    """What signs and reads login tokens."""
    tokens: Tokens = request.app.state.tokens
    return tokens


def caller_of(request: Request) -> Caller:
    """Who was let in by `admit`."""
    caller: Caller = request.state.caller
    return caller


def directory_of(request: Request) -> Directory:
    """What changes keys, teams and projects."""
    directory: Directory = request.app.state.directory
    return directory


def members_of(request: Request) -> Members:
    """What changes who belongs to an organisation."""
    members: Members = request.app.state.members
    return members


def proposals_of(request: Request) -> Proposals:
    """What waits for somebody's approval."""
    proposals: Proposals = request.app.state.proposals
    return proposals


def sessions_of(request: Request) -> Sessions:
    """What opens and finds the sessions of browsers."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def calls_of(request: Request) -> Calls:
    """What reads calls back from the ledger."""
    calls: Calls = request.app.state.calls
    return calls


PartsOf = Annotated[Parts, Depends(parts_of)]
TokensOf = Annotated[Tokens, Depends(tokens_of)]
MembersOf = Annotated[Members, Depends(members_of)]
DirectoryOf = Annotated[Directory, Depends(directory_of)]
ProposalsOf = Annotated[Proposals, Depends(proposals_of)]
SessionsOf = Annotated[Sessions, Depends(sessions_of)]
CallsOf = Annotated[Calls, Depends(calls_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]


def peer_of(request: Request) -> str:
    """The caller's address."""
    connected = request.client.host if request.client else ""
    return peer_address(connected, request.headers.getlist("x-forwarded-for"), parts_of(request).trusted_proxies)


async def admit(request: Request) -> None:
    """Let the caller in or refuse: 401 without proof, 403 with the wrong role."""
    method, path = request.method, request.scope["route"].path
    # A route that asks for no proof takes none: whoever signs in may still send an old cookie.
    caller = Caller("anyone") if cell_of(method, path, "anyone") else await _identify(request)
    cell = cell_of(method, path, caller.role)
    if cell is None:
        if caller.role == "anyone":
            raise Problem(401, "unauthenticated", "Log in, or send a valid key as a bearer token.", _CHALLENGE)
        raise Problem(403, "forbidden", "This is not open to you.")
    if caller.account is not None and caller.account.lacks_factor and (method, path) not in WITHOUT_FACTOR:
        raise Problem(403, "second_factor_required", "Your organization asks for a second factor; set it up first (POST /api/auth/totp).")
    if caller.scopes is not None and not scopes.opens(caller.scopes, method, path):
        raise Problem(403, "outside_token_scope", "This token's scopes do not open this.")
    request.state.caller = replace(caller, cell=cell)


async def _identify(request: Request) -> Caller:
    """Whom the credential proves; one that proves nobody leaves the caller `anyone`."""
    presented = _presented(request)
    if presented is None:
        return await _by_cookie(request)
    parts = parts_of(request)
    claim = tokens_of(request).read(presented, parts.clock.now_us() // 1_000_000)
    if claim is not None:
        account = await run_in_threadpool(_account, parts, claim)
        return Caller(account.role, account=account) if account else Caller("anyone")
    guessing: Guessing = request.app.state.guessing
    peer, monotonic_us = peer_of(request), parts.clock.monotonic_us()
    guessing.check(presented, peer, monotonic_us)
    is_personal = presented.startswith(PERSONAL.prefix)
    caller = await _by_personal_token(request, presented) if is_personal else await _by_key(parts, presented)
    guessing.found(presented, peer, monotonic_us, good=caller.role != "anyone")
    return caller


def _presented(request: Request) -> str | None:
    """The one credential: `X-Tallystick-Key`, else the bearer token."""
    key = request.headers.get("x-tallystick-key")
    if key:
        return key.strip()
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


async def _by_key(parts: Parts, presented: str) -> Caller:
    principal = await parts.keyring.find(presented)
    return Caller("key", principal=principal) if principal else Caller("anyone")


async def _by_personal_token(request: Request, presented: str) -> Caller:
    personal: PersonalTokens = request.app.state.personal_tokens
    found = await run_in_threadpool(personal.find, presented, parts_of(request).clock.now_us())
    return Caller(found[0].role, account=found[0], scopes=found[1]) if found else Caller("anyone")


async def _by_cookie(request: Request) -> Caller:
    """Whose session it is. Raises Problem 403 for a change that no page of ours asks for."""
    parts = parts_of(request)
    cookie = cookies.cookie_of(request, parts)
    found = await run_in_threadpool(sessions_of(request).find, cookie, parts.clock.now_us()) if cookie else None
    if found is None:
        return Caller("anyone")
    if found.cookie is not None:
        cookies.given(request, parts, found.cookie)
    if request.method not in cookies.SAFE:
        cookies.check_page(request, parts, cookies.csrf_token(tokens_of(request).csrf_key, found.session.id))
    return Caller(found.account.role, account=found.account, session=found.session)


def _account(parts: Parts, claim: Claim) -> Account | None:
    with parts.database.read() as db:
        return accounts.by_id(db, claim.account, claim.organization) if generation_of(db, claim.account) == claim.generation else None
