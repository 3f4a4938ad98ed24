"""Many keys in one request: all or none. With an `Idempotency-Key` a request that is sent again, its answer lost on the way,
makes no second set: it is told which keys there are. Their texts were in the first answer and are kept nowhere.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import problems
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.key_document import key_document
from tallystick.control.keys import IssuedKey, NewKey, asked_for
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.key_sets import KEYS_MAX, MARK_CHARS_MAX, MadeBefore, create_keys


class NewKeys(BaseModel):
    """Keys to make; what all of them say alike stands in `each`."""

    model_config = ConfigDict(extra="forbid")

    each: NewKey = NewKey()
    keys: Annotated[list[NewKey], Field(min_length=1, max_length=KEYS_MAX)]


class IssuedKeys(BaseModel):
    """Keys just made, in the order in which they were asked for; each `key` is shown this once."""

    items: list[IssuedKey]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/keys", tags=["keys"])
    router.add_api_route("/bulk", create_set, methods=["POST"], response_model=IssuedKeys, status_code=201)
    return router


def create_set(
    parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewKeys,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=MARK_CHARS_MAX)] = None,
) -> Response:
    """Make up to 1,000 keys, all or none, by the rules of making one. They work at once. 409 `made_before`, with the ids,
    where a request with this Idempotency-Key made them in the last 30 days."""
    here, now_us = organization(parts.database, caller.organization), parts.clock.now_us()
    said = new.each.model_dump(exclude_unset=True)
    specs = [asked_for(caller, NewKey(**{**said, **key.model_dump(exclude_unset=True)}), now_us) for key in new.keys]
    try:
        made = create_keys(directory, here.id, specs, now_us, None if idempotency_key is None else (actor_of(caller), idempotency_key))
    except MadeBefore as before:
        return problems.answer(409, before.code, str(before), keys=list(before.keys))
    reply = answer({"items": [{"id": row.id, "key": key.reveal(), **key_document(row, now_us)} for row, key in made]})
    reply.status_code = 201
    return reply
