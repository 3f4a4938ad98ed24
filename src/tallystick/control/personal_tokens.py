"""Personal access tokens: what a person's own programs come with, as a bearer token. A person sees and ends their own;
owners and admins all of the organisation, auditors see them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, PartsOf, account_of, actor_of
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.scopes import SCOPES, fault_of
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.personal_tokens import PersonalTokens, TokenRow

TokenId = Annotated[str, Path(max_length=64)]
SCOPE_CHARS_MAX: Final = 40


class NewToken(BaseModel):
    """`scopes`: what it is for, within what one's role opens. It ends at `expires_at`, after 90 days unless said, and
    after 366 at the latest."""

    model_config = ConfigDict(extra="forbid")

    scopes: Annotated[list[Annotated[str, Field(max_length=SCOPE_CHARS_MAX)]], Field(min_length=1, max_length=len(SCOPES))]
    name: Annotated[str, Field(max_length=VALUE_CHARS_MAX)] = ""
    expires_at: AwareDatetime | None = None


class TokenShown(BaseModel):
    """A token, without its text. `status`: active, expired or revoked."""

    id: str
    account: str
    name: str
    preview: str
    scopes: list[str]
    status: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class TokenMade(TokenShown):
    """A token just made. `token` is shown this once."""

    token: str


class TokenPage(BaseModel):
    """A page of tokens. `scopes`: what a token of one's own may name."""

    items: list[TokenShown]
    next_cursor: str | None
    scopes: list[str]


def tokens_of(request: Request) -> PersonalTokens:
    """What makes and revokes personal access tokens."""
    tokens: PersonalTokens = request.app.state.personal_tokens
    return tokens


PersonalOf = Annotated[PersonalTokens, Depends(tokens_of)]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/tokens", tags=["tokens"])
    router.add_api_route("", list_tokens, methods=["GET"], response_model=TokenPage)
    router.add_api_route("", make_token, methods=["POST"], response_model=TokenMade, status_code=201)
    router.add_api_route("/{token_id}", revoke_token, methods=["DELETE"], response_model=TokenShown)
    return router


def list_tokens(parts: PartsOf, caller: CallerOf, tokens: PersonalOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """Tokens in the order they were made."""
    here = organization(parts.database, caller.organization)
    rows = tokens.list(here.id, caller.sight, after=place_of(cursor) if cursor else None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    return answer({
        "items": [_shown(row, parts.clock.now_us()) for row in rows],
        "next_cursor": cursor_of(rows[-1].created_us, rows[-1].id) if more else None,
        "scopes": [scope for scope in SCOPES if fault_of([scope], account_of(caller).role) is None],
    })


def make_token(parts: PartsOf, caller: CallerOf, tokens: PersonalOf, new: NewToken) -> Response:
    """Make a token for oneself, in the organisation one is signed in to."""
    account, now_us = account_of(caller), parts.clock.now_us()
    if fault := fault_of(new.scopes, account.role):
        raise Problem(400, "scope_not_open", fault)
    here = organization(parts.database, caller.organization)
    ends_us = None if new.expires_at is None else int(new.expires_at.timestamp()) * 1_000_000
    row, text = tokens.make(here.id, account.id, new.name, new.scopes, now_us=now_us, expires_us=ends_us)
    reply = answer({**_shown(row, now_us), "token": text.reveal()})
    reply.status_code = 201
    return reply


def revoke_token(parts: PartsOf, caller: CallerOf, tokens: PersonalOf, token_id: TokenId) -> Response:
    """End a token for good, at once."""
    here = organization(parts.database, caller.organization)
    row = tokens.revoke(here.id, token_id, parts.clock.now_us(), actor_of(caller), caller.sight)
    if row is None:
        raise Problem(404, "not_found", "There is no such token.")
    return answer(_shown(row, parts.clock.now_us()))


def _shown(row: TokenRow, now_us: int) -> dict[str, Any]:
    status = "revoked" if row.revoked_us is not None else "active" if now_us < row.expires_us else "expired"
    return {
        "id": row.id, "account": row.account, "name": row.name, "preview": row.preview, "scopes": list(row.scopes), "status": status,
        "created_at": moment(row.created_us), "expires_at": moment(row.expires_us),
        "revoked_at": None if row.revoked_us is None else moment(row.revoked_us),
    }
