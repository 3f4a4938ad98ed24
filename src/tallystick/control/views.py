"""Saved views: a screen of the console with its filters, under a name. Everybody keeps their own; a shared one is read by all
members and changed by who made it, and may be removed by owners and admins.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf, account_of
from tallystick.control.figures import answer
from tallystick.control.problems import Problem
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import organization
from tallystick.stores.sql.views import View, ViewSpec, find_view, keep_view, list_views, remove_view

ViewId = Annotated[str, Path(pattern="^[0-9A-Za-z_]{1,64}$")]
Screen = Literal["overview", "explore", "live", "requests", "keys", "budgets", "policies", "alerts", "prompts", "audit"]


class Kept(BaseModel):
    """What is kept: `state` is the query part of the screen's address."""

    model_config = ConfigDict(extra="forbid")

    screen: Screen
    name: Annotated[str, Field(min_length=1, max_length=80)]
    state: Annotated[str, Field(max_length=8_000)]
    shared: bool = False
    default: Annotated[bool, Field(description="My screen opens with it.")] = False


class SavedView(Kept):
    """A view. `mine`: I made it, so I may change it."""

    id: str
    mine: bool
    owner: str
    changed_at: datetime


class SavedViews(BaseModel):
    """All views that I see."""

    items: list[SavedView]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/views", tags=["views"])
    router.add_api_route("", list_all, methods=["GET"], response_model=SavedViews)
    router.add_api_route("", make, methods=["POST"], response_model=SavedView, status_code=201)
    router.add_api_route("/{view_id}", change, methods=["PUT"], response_model=SavedView)
    router.add_api_route("/{view_id}", remove, methods=["DELETE"], status_code=204)
    return router


def list_all(parts: PartsOf, caller: CallerOf) -> Response:
    """My views, and those that others share."""
    here, me = organization(parts.database, caller.organization), account_of(caller).id
    with parts.database.read() as db:
        return answer({"items": [_document(view, me) for view in list_views(db, here.id, me)]})


def make(parts: PartsOf, caller: CallerOf, asked: Kept) -> Response:
    """Keep a view; 409 where I have one of that name."""
    here, me = organization(parts.database, caller.organization), account_of(caller).id
    with parts.database.write() as db:
        view = keep_view(db, here.id, me, parts.new_id(), _spec(asked), parts.clock.now_us())
    reply = answer(_document(view, me))
    reply.status_code = 201
    return reply


def change(parts: PartsOf, caller: CallerOf, view_id: ViewId, asked: Kept) -> Response:
    """Keep one of mine anew."""
    here, me = organization(parts.database, caller.organization), account_of(caller).id
    with parts.database.write() as db:
        _own(db, here.id, caller, view_id)
        return answer(_document(keep_view(db, here.id, me, view_id, _spec(asked), parts.clock.now_us()), me))


def remove(parts: PartsOf, caller: CallerOf, view_id: ViewId) -> Response:
    """Forget one of mine; owners and admins may take away what others share."""
    here = organization(parts.database, caller.organization)
    with parts.database.write() as db:
        _own(db, here.id, caller, view_id, others=caller.role in ("owner", "admin"))
        remove_view(db, here.id, view_id)
    return Response(status_code=204)


def _own(db: Connection, organization_id: int, caller: Caller, view_id: str, *, others: bool = False) -> None:
    """Whether this view is theirs to act on. Raises Problem 404, or 403 for one that is only shared with them."""
    view = find_view(db, organization_id, view_id)
    if view.account != account_of(caller).id and not (others and view.shared):
        if view.shared:
            raise Problem(403, "forbidden", "Somebody else shares this view; keep one of your own.")
        raise Problem(404, "not_found", "There is no such view.")


def _spec(asked: Kept) -> ViewSpec:
    return ViewSpec(asked.screen, asked.name, asked.state, asked.shared, asked.default)


def _document(view: View, me: str) -> dict[str, Any]:
    mine = view.account == me
    return {"id": view.id, "screen": view.screen, "name": view.name, "state": view.state, "shared": view.shared,
            "default": view.standard and mine, "mine": mine, "owner": view.owner, "changed_at": moment(view.changed_us)}
