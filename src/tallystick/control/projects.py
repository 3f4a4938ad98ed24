"""Projects of the organisation's teams: list, make, name the credential of their calls, and move to another team."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, actor_of, within_teams
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.teams import Name
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import directory as store, moving_projects
from tallystick.stores.sql.directory import Named, organization
from tallystick.stores.sql.engine import DEFAULT_TEAM
from tallystick.stores.sql.moving_projects import Move
from tallystick.stores.sql.standing import not_in_force
from tallystick.stores.sql.vault import DEFAULT_NAME


class NewProject(BaseModel):
    """A project to make. Its team is made too where it is missing."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    team: Name = DEFAULT_TEAM


class Project(BaseModel):
    """A project of a team."""

    id: int
    name: str
    team: str
    credential: str | None
    created_at: datetime
    moved_to: str | None = Field(None, description="The team that its calls are now; what was booked before stays here.")
    moved_at: datetime | None = None


class ProjectChange(BaseModel):
    """What changes of a project: the stored credential that its keys use unless they name one."""

    model_config = ConfigDict(extra="forbid")

    team: Name = DEFAULT_TEAM
    project: Name
    credential: Name = DEFAULT_NAME


class ProjectMove(BaseModel):
    """A project, and the team that its calls are from now on."""

    model_config = ConfigDict(extra="forbid")

    team: Name = DEFAULT_TEAM
    project: Name
    to: Name


class MovedProject(Project):
    """The project in its new team. `keys`: how many changed over. `not_in_force_on`: gateways that did not follow yet."""

    keys: int
    not_in_force_on: list[str]


class Projects(BaseModel):
    """A page of projects."""

    items: list[Project]
    next_cursor: str | None


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/projects", tags=["projects"])
    router.add_api_route("", list_projects, methods=["GET"], response_model=Projects)
    router.add_api_route("", create_project, methods=["POST"], response_model=Project, status_code=201)
    router.add_api_route("", change_project, methods=["PATCH"], response_model=Project)
    router.add_api_route("/move", move_project, methods=["POST"], response_model=MovedProject)
    return router


def list_projects(
    parts: PartsOf, caller: CallerOf, team: Annotated[str | None, Query(max_length=VALUE_CHARS_MAX)] = None,
    limit: Limit = LIMIT, cursor: Cursor = None,
) -> Response:
    """All projects, or one team's, in the order they were made; of teams of one's own, where one sees no others."""
    here = organization(parts.database, caller.organization)
    after = place_of(cursor)[0] if cursor else 0
    rows = store.list_projects(parts.database, here.id, caller.sight, team=team, after=after, limit=limit + 1)
    return answer({
        "items": [_document(row) for row in rows[:limit]],
        "next_cursor": cursor_of(rows[limit - 1].id) if len(rows) > limit else None,
    })


def create_project(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, new: NewProject) -> Response:
    """Make a project; 409 when that team has one of that name."""
    within_teams(caller, new.team)
    here = organization(parts.database, caller.organization)
    reply = answer(_document(directory.create_project(here.id, new.team, new.name, parts.clock.now_us())))
    reply.status_code = 201
    return reply


def change_project(parts: PartsOf, caller: CallerOf, change: ProjectChange) -> Response:
    """Name the credential of a project's calls."""
    here = organization(parts.database, caller.organization)
    if not parts.vault.assign(here.id, change.team, change.project, change.credential, parts.clock.now_us(), actor_of(caller)):
        raise Problem(404, "not_found", "There is no such project.")
    parts.keyring.poll()
    found = store.find_project(parts.database, here.id, change.team, change.project)
    assert found is not None, "it was just changed"
    return answer(_document(found))


def move_project(parts: PartsOf, caller: CallerOf, directory: DirectoryOf, asked: ProjectMove) -> Response:
    """Let a project's calls be another team's from now on: its keys change over, and what is set on it stands there too. What
    was booked stays where it is; a caller's own header still says where it means."""
    within_teams(caller, asked.team)
    within_teams(caller, asked.to)
    here, by = organization(parts.database, caller.organization), actor_of(caller)
    move = moving_projects.prepare(directory, Move(here.id, asked.team, asked.project, asked.to), parts.clock.now_us(), by)
    if move is None:
        raise Problem(404, "not_found", "There is no such project.")
    if behind := not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us):
        raise Problem(503, "not_in_force", f"{', '.join(behind)} did not follow within a second, so nothing has moved yet; try again.",
                      {"retry-after": "5"})
    keys = moving_projects.finish(directory, move, parts.clock.now_us(), by)
    parts.keyring.poll()
    found = store.find_project(parts.database, here.id, move.to, move.project)
    assert found is not None, "it was just moved there"
    behind = not_in_force(parts.database, parts.database.change_count(), parts.clock.now_us)
    return answer({**_document(found), "keys": keys, "not_in_force_on": list(behind)})


def _document(row: Named) -> dict[str, object]:
    return {"id": row.id, "name": row.name, "team": row.team, "credential": row.credential, "created_at": moment(row.created_us),
            "moved_to": row.moved_to, "moved_at": None if row.moved_us is None else moment(row.moved_us)}
