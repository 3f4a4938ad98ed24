"""Virtual keys: list, make, revoke; and what a key may ask about itself. The text of a key is in one
answer, the one to the request that made it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tallystick.control.budget_document import own_budgets
from tallystick.control.callers import Caller, CallerOf, DirectoryOf, PartsOf, actor_of, check_fields, within_teams
from tallystick.control.figures import answer
from tallystick.control.key_document import key_document
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.roles import KEY_IDS, NEW_KEY
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.moments import us_of
from tallystick.stores.sql import directory as store
from tallystick.stores.sql.directory import KeyRow, KeySpec, organization

GRACE_S_MAX: Final = 90 * 86_400

Label = Annotated[str | None, Field(min_length=1, max_length=VALUE_CHARS_MAX)]
IdOfKey = Annotated[str, Path(max_length=64)]


class NewKey(BaseModel):
    """What a new key is bound to. Without team and project it is organisation-wide."""

    model_config = ConfigDict(extra="forbid")

    team: Label = None
    project: Label = None
    user: Label = None
    agent: Label = None
    environment: Label = None
    cost_center: Label = None
    prompt_key: Label = None
    prompt_version: Label = None
    dimensions: Annotated[dict[str, str], Field(max_length=32)] = {}
    name: Annotated[str, Field(max_length=VALUE_CHARS_MAX)] = ""
    credential: Label = None
    expires_at: AwareDatetime | None = None
    format: str = "tallystick"
    owner: Annotated[str | None, Field(min_length=1, max_length=64)] = None      # an account's id


class KeyId(BaseModel):
    """That a key is there, and since when: what an auditor sees of it."""

    id: str
    organization: str
    status: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class Key(KeyId):
    """An issued key, without its text."""

    prefix: str
    preview: str
    team: str | None
    project: str | None
    user: str | None
    agent: str | None
    environment: str | None
    cost_center: str | None
    credential: str | None
    name: str
    format: str
    status: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyBudget(BaseModel):
    """A budget on the key itself, its project, its team, or the user or agent it is bound to. Of an amount `x` there is
    `x_nanos` and `x_usd`, or `x_tokens`, or `x_calls`: `limit`, `spent`, `held`, `remaining`."""

    model_config = ConfigDict(extra="allow")

    id: int
    scope: str
    mode: str
    window: str
    used_percent: float | None
    resets_at: datetime | None


class OwnKey(Key):
    """The key that asks, and how its budgets stand."""

    budgets: list[KeyBudget]


class IssuedKey(Key):
    """A key just made: `key` is shown this once."""

    key: str


class Rotation(BaseModel):
    """`grace_s`: how long the old key still works; 0 ends it at once."""

    model_config = ConfigDict(extra="forbid")

    grace_s: Annotated[int, Field(ge=0, le=GRACE_S_MAX)] = 0


class Keys(BaseModel):
    """A page of keys."""

    items: list[Key | KeyId]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource, for people."""
    router = APIRouter(prefix="/api/keys", tags=["keys"])
    router.add_api_route("", list_keys, methods=["GET"], response_model=Keys)
    router.add_api_route("", create_key, methods=["POST"], response_model=IssuedKey, status_code=201)
    router.add_api_route("/{key_id}", read_key, methods=["GET"], response_model=Key | KeyId)
    router.add_api_route("/{key_id}", change_key, methods=["PATCH"], response_model=Key)
    router.add_api_route("/{key_id}", revoke_key, methods=["DELETE"], response_model=Key)
    router.add_api_route("/{key_id}/rotate", rotate_key, methods=["POST"], response_model=IssuedKey, status_code=201)
    return router


def own_routes() -> APIRouter:
    """What a virtual key asks about itself."""
    router = APIRouter(prefix="/api/keys", tags=["keys"])
    router.add_api_route("/self", read_self, methods=["GET"], response_model=OwnKey)
    return router


def list_keys(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All keys in the order they were made, revoked ones too."""
    here = organization(parts.database, caller.organization)
    rows = store.list_keys(parts.database, here.id, caller.sight, after=place_of(cursor) if cursor else None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    now_us = parts.clock.now_us()
    return answer({
        "items": [_shown(caller, row, now_us) for row in rows],
        "next_cursor": cursor_of(rows[-1].created_us, rows[-1].id) if more else None,
    })


def create_key(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewKey) -> Response:
    """Make a key, and its team and project where they are missing. It works at once. A manager makes keys of their own
    teams; a member, in teams of their own, keys that they own."""
    here = organization(parts.database, caller.organization)
    now_us = parts.clock.now_us()
    row, key = directory.create_key(here.id, asked_for(caller, new, now_us), now_us)
    reply = answer({"id": row.id, "key": key.reveal(), **key_document(row, now_us)})
    reply.status_code = 201
    return reply


def asked_for(caller: Caller, new: NewKey, now_us: int) -> KeySpec:
    """The key that somebody asks for, where all of it is theirs to say. Raises Problem."""
    check_fields(caller, new.model_fields_set, NEW_KEY)
    within_teams(caller, new.team)
    expires_us = None if new.expires_at is None else us_of(new.expires_at)
    if expires_us is not None and expires_us <= now_us:
        raise Problem(400, "invalid_request", "expires_at is in the past.")
    return KeySpec(
        labels=new.model_dump(include=_LABELS, exclude_none=True), dimensions=new.dimensions, name=new.name, credential=new.credential,
        expires_us=expires_us, format=new.format, created_by=actor_of(caller),
        owner=actor_of(caller) if caller.cell == "own" else new.owner)


def read_key(parts: PartsOf, caller: CallerOf, key_id: IdOfKey) -> Response:
    """One key."""
    here = organization(parts.database, caller.organization)
    row = store.find_key(parts.database, here.id, key_id, caller.sight)
    if row is None:
        raise _no_key()
    return answer(_shown(caller, row, parts.clock.now_us()))


def change_key(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, key_id: IdOfKey, said: NewKey) -> Response:
    """Change what a key says, by the rules of making one; what is left out stays, null takes it away. Calls are booked by it
    from now on here, within a second on every instance. Its text, and so its format, stays."""
    given = said.model_fields_set
    if "format" in given:
        raise Problem(400, "invalid_request", "A key keeps its format; make another.")
    check_fields(caller, given, NEW_KEY)
    if "team" in given:
        within_teams(caller, said.team)
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    changes: dict[str, Any] = {name: getattr(said, name) for name in given - _LABELS - {"expires_at"}}
    if "expires_at" in given:
        changes["expires_us"] = None if said.expires_at is None else us_of(said.expires_at)
    labels = {name: getattr(said, name) for name in given & _LABELS}
    row = directory.change_key(here.id, key_id, lambda old: replace(store.spec_of(old), labels={**old.labels, **labels}, **changes), now_us,
                               actor_of(caller), caller.sight)
    if row is None:
        raise _no_key()
    parts.keyring.poll()
    return answer(key_document(row, now_us))


def revoke_key(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, key_id: IdOfKey) -> Response:
    """Revoke a key for good: 401 from now on here, within a second on every instance."""
    here = organization(parts.database, caller.organization)
    row = directory.revoke_key(here.id, key_id, parts.clock.now_us(), actor_of(caller), caller.sight)
    if row is None:
        raise _no_key()
    parts.keyring.poll()
    return answer(key_document(row, parts.clock.now_us()))


def rotate_key(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, key_id: IdOfKey, asked: Rotation) -> Response:
    """Make a key that says what an existing one says; the old one ends after the grace."""
    here = organization(parts.database, caller.organization)
    now_us = parts.clock.now_us()
    made = directory.rotate_key(here.id, key_id, now_us, actor_of(caller), asked.grace_s * 1_000_000, caller.sight)
    if made is None:
        raise _no_key()
    parts.keyring.poll()
    row, key = made
    reply = answer({"id": row.id, "key": key.reveal(), **key_document(row, now_us)})
    reply.status_code = 201
    return reply


def read_self(parts: PartsOf, caller: CallerOf) -> Response:
    """The key that asks."""
    assert caller.principal is not None, "the table of roles opens this to keys only"
    here = organization(parts.database, caller.organization)
    principal, now_us = caller.principal, parts.clock.now_us()
    with parts.database.read() as db:
        budgets = own_budgets(db, here.id, principal, now_us)
    row = store.find_key(parts.database, here.id, principal.key_id)
    if row is None:
        raise _no_key()
    return answer({**key_document(row, now_us), "budgets": budgets})


def _shown(caller: Caller, row: KeyRow, now_us: int) -> dict[str, Any]:
    """As much of a key as this caller may see."""
    document = key_document(row, now_us)
    return {name: document[name] for name in KEY_IDS} if caller.cell == "ids" else document


def _no_key() -> Problem:
    return Problem(404, "not_found", "There is no such key.")


_LABELS = {"team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version"}
