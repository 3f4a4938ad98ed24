"""Teams of the organisation: list and make. Names stand in the ledger; a team is not renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import directory as store
from tallystick.stores.sql.directory import Named, organization

Name = Annotated[str, Field(min_length=1, max_length=VALUE_CHARS_MAX)]


class NewTeam(BaseModel):
    """A team to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class Team(BaseModel):
    """A team."""

    id: int
    name: str
    created_at: datetime


class Teams(BaseModel):
    """A page of teams."""

    items: list[Team]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/teams", tags=["teams"])
    router.add_api_route("", list_teams, methods=["GET"], response_model=Teams)
    router.add_api_route("", create_team, methods=["POST"], response_model=Team, status_code=201)
    return router


def list_teams(parts: PartsOf, caller: CallerOf, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All teams in the order they were made; who sees their own only, those."""
    here = organization(parts.database, caller.organization)
    rows = store.list_teams(parts.database, here.id, caller.sight, after=place_of(cursor)[0] if cursor else 0, limit=limit + 1)
    return answer({
        "items": [_document(row) for row in rows[:limit]],
        "next_cursor": cursor_of(rows[limit - 1].id) if len(rows) > limit else None,
    })


def create_team(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewTeam) -> Response:
    """Make a team; 409 when there is one of that name."""
    here = organization(parts.database, caller.organization)
    reply = answer(_document(directory.create_team(here.id, new.name, parts.clock.now_us())))
    reply.status_code = 201
    return reply


def _document(row: Named) -> dict[str, object]:
    return {"id": row.id, "name": row.name, "created_at": moment(row.created_us)}
