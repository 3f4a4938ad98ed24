"""A project goes to another team. It counts from its date: what was booked stays with the team that it was booked on, budgets
of either team included, and calls from now on are the new team's. So it is two projects of one name, of which the
earlier one says where it went.

It happens in two steps, so that no call falls between the rules of the one and of the other: first the limits and policies
of the project stand in the new team too, and every gateway follows them; then its keys change over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from tallystick.core.budget import Scope
from tallystick.core.windows import END_OF_TIME_US, bounds, parse_window
from tallystick.stores.sql.budget_rows import NO_ENVELOPES, BudgetRow, rows
from tallystick.stores.sql.budgets import Budgets, spec_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Directory, Refused
from tallystick.stores.sql.engine import ensure_project, ensure_team, note_change
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.policies import Policies, PolicySpec
from tallystick.stores.sql.policy_rows import policy_rows
from tallystick.stores.sql.team_names import name_now

WITH_IT = "moved here with its project"


@dataclass(frozen=True, slots=True)
class Move:
    """Which project goes where; teams by their names of now."""

    organization: int
    team: str
    project: str
    to: str

    @property
    def scope(self) -> Scope:
        return Scope("project", f"{self.team}/{self.project}")

    @property
    def scope_there(self) -> Scope:
        return Scope("project", f"{self.to}/{self.project}")


def prepare(directory: Directory, move: Move, now_us: int, by: str) -> Move | None:
    """Let what is set on the project stand in the other team too; the move to be finished, None where there is no such
    project. Raises Refused, and then nothing is changed."""
    with directory.sequencer.together(now_us) as one, one.append(now_us) as pen:
        move = replace(move, team=name_now(pen.db, move.organization, move.team), to=name_now(pen.db, move.organization, move.to))
        if _project(pen.db, move.organization, move.team, move.project) is None:
            return None
        _check(pen.db, move, now_us)
        budgets, policies = Budgets(one), Policies(one)
        for row in _budgets(pen.db, move, now_us):
            made = budgets.set(move.organization, replace(spec_of(row), scope=move.scope_there), now_us, by)
            for extra in row.raises if made.version == 1 and not made.raises else ():
                if extra.until_us > now_us:
                    budgets.raise_for(move.organization, made.id, extra.amount, extra.until_us, WITH_IT, now_us, by)
        for policy in policy_rows(pen.db, move.organization):
            if policy.scope == move.scope:
                policies.set(move.organization, PolicySpec(
                    policy.kind, move.scope_there, policy.said, policy.mode, policy.name, policy.owner, policy.note, policy.starts_us,
                    policy.ends_us), now_us, by)
    return move


def finish(directory: Directory, move: Move, now_us: int, by: str) -> int:
    """Change the keys over, and say where the project went; how many keys there were."""
    with directory.sequencer.append(now_us) as pen:
        old = _project(pen.db, move.organization, move.team, move.project)
        if old is None:
            raise Refused("not_found", "There is no such project.")
        chain = pen.chain(move.organization)
        numbers = {"team": chain.define("team", move.team), "project": chain.define("project", move.project),
                   "to": chain.define("team", move.to)}
        new = ensure_project(pen.db, move.organization, ensure_team(pen.db, move.organization, move.to, now_us), move.project, now_us)
        keys = directory.move_keys(pen, move.organization, (move.team, move.project), move.to, by)
        if old[1] is not None:
            pen.db.execute("UPDATE project SET credential = ? WHERE id = ?", (old[1], new))
            chain.append({"kind": "CREDENTIAL", "at": now_us, "event": "assigned", "actor": by, "team": numbers["to"],
                          "project": numbers["project"], "credential": chain.define("credential", old[1])})
        pen.db.execute("DELETE FROM project_moved WHERE project IN (?, ?)", (old[0], new))
        pen.db.execute("INSERT INTO project_moved (project, successor, moved_us) VALUES (?, ?, ?)", (old[0], new, now_us))
        chain.append({"kind": "SCOPE", "at": now_us, "event": "moved", "actor": by, **numbers})
        _end_budgets(pen, directory, move, by)
        note_change(pen.db)
    return keys


def _check(db: Connection, move: Move, now_us: int) -> None:
    """Raises Refused where it cannot go there."""
    if move.team == move.to:
        raise Refused("invalid_request", "The project is in that team.")
    if db.execute("SELECT 1 FROM team WHERE organization = ? AND name = ?", (move.organization, move.to)).fetchone() is None:
        raise Refused("unknown_team", f"There is no team {move.to}; make it first.")
    there = _project(db, move.organization, move.to, move.project)
    if there is not None and db.execute("SELECT 1 FROM project_moved WHERE project = ?", (there[0],)).fetchone() is None:
        raise Refused("exists", f"{move.to} has a project of that name.")
    place = move.organization, move.scope.value
    if db.execute("SELECT 1 FROM envelope WHERE organization = ? AND kind = 'project' AND value = ? AND ends_us > ?"
                  " AND state IN ('requested', 'signed')"
                  " UNION SELECT 1 FROM envelope_required WHERE organization = ? AND kind = 'project' AND value = ?",
                  (*place, now_us, *place)).fetchone():
        raise Refused("has_envelope", "This project spends under an envelope, which was signed for this team; end it first.")


def _end_budgets(pen: Appending, directory: Directory, move: Move, by: str) -> None:
    """The limits that stood where the project was end with the window that runs; one without windows ends now."""
    for row in _budgets(pen.db, move, pen.now_us):
        boundary_us = bounds(parse_window(row.span), ZoneInfo(row.zone), pen.now_us)[1]
        if row.ends_us is None or row.ends_us > boundary_us:
            Budgets(directory.sequencer).end(pen, row, boundary_us if boundary_us < END_OF_TIME_US else pen.now_us, by)


def _budgets(db: Connection, move: Move, now_us: int) -> list[BudgetRow]:
    return rows(db, " WHERE organization = ? AND kind = 'project' AND value = ? AND removed_us IS NULL AND (ends_us IS NULL OR ends_us > ?)"
                f" AND {NO_ENVELOPES} ORDER BY id", (move.organization, move.scope.value, now_us))


def _project(db: Connection, organization: int, team: str, project: str) -> tuple[int, str | None] | None:
    row = db.execute("SELECT p.id, p.credential FROM project p JOIN team t ON t.id = p.team WHERE t.organization = ? AND t.name = ?"
                     " AND p.name = ?", (organization, team, project)).fetchone()
    return None if row is None else (int(row[0]), row[1])
