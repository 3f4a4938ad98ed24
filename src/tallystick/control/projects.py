"""Projects of the organisation's teams: list, make, and name the credential of their calls."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from tallystick.control.call_document import moment
from tallystick.control.callers import CallerOf, DirectoryOf, PartsOf, actor_of, within_teams
from tallystick.control.figures import answer
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.teams import Name
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql import directory as store
from tallystick.stores.sql.directory import Named, organization
from tallystick.stores.sql.engine import DEFAULT_TEAM
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


class ProjectChange(BaseModel):
    """What changes of a project: the stored credential that its keys use unless they name one."""

    model_config = ConfigDict(extra="forbid")

    team: Name = DEFAULT_TEAM
    project: Name
    credential: Name = DEFAULT_NAME


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


def _document(row: Named) -> dict[str, object]:
    return {"id": row.id, "name": row.name, "team": row.team, "credential": row.credential, "created_at": moment(row.created_us)}
