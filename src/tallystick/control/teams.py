"""Teams of the organisation: list, make, and give another name. What was booked on a team shows under the name that it has
now; the one it had goes on meaning it, and is nobody else's (docs/adr/0023-renames-and-moves.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, actor_of
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import directory as store, renaming
from tallystick.stores.sql.directory import Named, organization
from tallystick.stores.sql.standing import not_in_force

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


class TeamChange(BaseModel):
    """A team by a name that it has or had, and the one that it shall have."""

    model_config = ConfigDict(extra="forbid")

    team: Name
    name: Name


class RenamedTeam(Team):
    """A team under its new name. `not_in_force_on`: gateways that did not follow within a second; there the new name means
    nothing yet in a caller's header."""

    not_in_force_on: list[str]


class Teams(BaseModel):
    """A page of teams."""

    items: list[Team]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/teams", tags=["teams"])
    router.add_api_route("", list_teams, methods=["GET"], response_model=Teams)
    router.add_api_route("", create_team, methods=["POST"], response_model=Team, status_code=201)
    router.add_api_route("", rename_team, methods=["PATCH"], response_model=RenamedTeam)
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


def rename_team(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, change: TeamChange) -> Response:
    """Give a team another name; 409 for one that another team has or had."""
    here = organization(parts.database, caller.organization)
    found = renaming.rename_team(directory.sequencer, here.id, change.team, change.name, parts.clock.now_us(), actor_of(caller))
    if found is None:
        raise Problem(404, "not_found", "There is no such team.")
    parts.keyring.poll()
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    return answer({**_document(found), "not_in_force_on": list(behind)})


def _document(row: Named) -> dict[str, object]:
    return {"id": row.id, "name": row.name, "created_at": moment(row.created_us)}
