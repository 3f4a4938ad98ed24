"""Who is asking, found out once per request before any handler runs, and whether the table of roles
lets them in. Deny by default: a route that is not in the table is closed.

A login token and a virtual key travel in the same header and are told apart by what proves them:
a token is signed by us, a key is found in the keyring. Neither is ever taken for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from tallystick.control import Parts
from tallystick.control.problems import Problem
from tallystick.control.roles import RoleName, roles_of
from tallystick.control.tokens import Tokens
from tallystick.core.identity import Principal
from tallystick.stores.sql import accounts
from tallystick.stores.sql.accounts import Account
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.directory import Directory

_CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, proved. `account` for a person, `principal` for a virtual key, neither for anyone."""

    role: RoleName
    account: Account | None = None
    principal: Principal | None = None

    @property
    def organization(self) -> str:
        """The one organisation this caller sees."""
        if self.account:
            return self.account.organization
        assert self.principal is not None, "routes open to anyone see no organisation"
        return self.principal.organization


def actor_of(caller: Caller) -> str:
    """Who did it, as the ledger names them: the account's id."""
    assert caller.account is not None, "the table of roles opens this to people only"
    return caller.account.id


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


def calls_of(request: Request) -> Calls:
    """What reads calls back from the ledger."""
    calls: Calls = request.app.state.calls
    return calls


PartsOf = Annotated[Parts, Depends(parts_of)]
TokensOf = Annotated[Tokens, Depends(tokens_of)]
DirectoryOf = Annotated[Directory, Depends(directory_of)]
CallsOf = Annotated[Calls, Depends(calls_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]


async def admit(request: Request) -> None:
    """Let the caller in or refuse: 401 without proof, 403 with the wrong role."""
    allowed = roles_of(request.method, request.scope["route"].path)
    caller = await _identify(request)
    if caller.role not in allowed:
        if caller.role == "anyone" and allowed:
            raise Problem(401, "unauthenticated", "Log in, or send a valid key as a bearer token.", _CHALLENGE)
        raise Problem(403, "forbidden", "This is not open to you.")
    request.state.caller = caller


async def _identify(request: Request) -> Caller:
    """Whom the credential proves; one that proves nobody leaves the caller `anyone`."""
    presented = _presented(request)
    if presented is None:
        return Caller("anyone")
    parts = parts_of(request)
    claim = tokens_of(request).read(presented, parts.clock.now_us() // 1_000_000)
    if claim is not None:
        account = await run_in_threadpool(_account, parts, *claim)
        return Caller("owner", account=account) if account and account.role == "owner" else Caller("anyone")
    principal = await parts.keyring.find(presented)
    return Caller("key", principal=principal) if principal else Caller("anyone")


def _presented(request: Request) -> str | None:
    """The one credential: `X-Tallystick-Key`, else the bearer token."""
    key = request.headers.get("x-tallystick-key")
    if key:
        return key.strip()
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def _account(parts: Parts, account_id: str, organization: str) -> Account | None:
    with parts.database.read() as db:
        return accounts.by_id(db, account_id, organization)
