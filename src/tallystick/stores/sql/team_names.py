"""A team's names. The one it was made with, its *first* name, is what the line goes by for good: keys are answered with
it, records in the spool say it, and counters of templates stand under it, so that nothing of a call under way changes
when somebody renames a team. The name it has *now* is what every table of the control plane and the ledger's dictionary
show. Whoever says any name that a team has or had means that team (docs/adr/0023-renames-and-moves.md).

Where the control plane's rows are compiled for the line, names become first names; where the line's come back, they
become those of now. A project's scope is `team/project`, so it follows its team.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.core.budget import Scope
from tallystick.core.identity import Attribution
from tallystick.stores.sql.connection import Connection

_OF_PROJECTS: Final = ("project", "header")
_SELECT: Final = ("SELECT f.organization, f.name, f.first, t.name, t.id FROM team_former_name f JOIN team t ON t.id = f.team"
                  " ORDER BY f.organization, f.name")


@dataclass(frozen=True, slots=True)
class TeamNames:
    """The renamed teams of an organisation. `first`: by every name such a team has or had; `now`: by the same."""

    first: Mapping[str, str] = field(default_factory=dict)
    now: Mapping[str, str] = field(default_factory=dict)

    def first_scope(self, scope: Scope) -> Scope:
        """A scope as the line's books have it."""
        return replace(scope, value=_changed(scope.kind, scope.value, self.first)) if self.first else scope

    def first_subject(self, scope: Scope, subject: str) -> str:
        """Under what a template's counter stands."""
        return _changed(scope.kind, subject, self.first)

    def shown(self, kind: str, value: str) -> str:
        """A scope's value, or a counter's subject, as people read it."""
        return _changed(kind, value, self.now)

    def first_of(self, attribution: Attribution) -> Attribution:
        """What a past call was booked on, as the line's books have it."""
        team = attribution.labels.get("team", "")
        if team not in self.first:
            return attribution
        return replace(attribution, labels={**attribution.labels, "team": self.first[team]})


NONE: Final = TeamNames()


def team_names(db: Connection) -> dict[int, TeamNames]:
    """By organisation; one that never renamed a team is not there."""
    rows = db.execute(_SELECT).fetchall()
    made = {team: name for _, name, first, _, team in rows if first}
    found: dict[int, tuple[dict[str, str], dict[str, str]]] = {}
    for organization, name, _, now, team in rows:
        first_names, names_now = found.setdefault(int(organization), ({}, {}))
        first = made.get(team, now)          # renamed back: what it has is what it was made with
        for one in (name, now, first):
            first_names[one], names_now[one] = first, now
    return {organization: TeamNames(*both) for organization, both in found.items()}


def names_by_slug(db: Connection) -> dict[str, TeamNames]:
    """By the organisation's name in records."""
    found = team_names(db)
    if not found:
        return {}
    return {slug: found[number] for number, slug in db.execute("SELECT id, slug FROM organization").fetchall() if number in found}


def names_in(db: Connection, organization: int) -> TeamNames:
    """Of one organisation."""
    return team_names(db).get(organization, NONE)


def name_now(db: Connection, organization: int, name: str) -> str:
    """The name of the team that is meant; what nobody was called before is returned as it is."""
    row = db.execute("SELECT t.name FROM team_former_name f JOIN team t ON t.id = f.team WHERE f.organization = ? AND f.name = ?",
                     (organization, name)).fetchone()
    return str(row[0]) if row else name


def former_names(db: Connection, organization: int, name: str) -> list[str]:
    """What the team of that name was called before, the latest first."""
    rows = db.execute("SELECT f.name FROM team_former_name f JOIN team t ON t.id = f.team WHERE f.organization = ? AND t.name = ?"
                      " AND f.name <> t.name ORDER BY f.until_us DESC, f.name", (organization, name))
    return [str(former) for (former,) in rows.fetchall()]


def scope_now(db: Connection, organization: int, scope: Scope) -> Scope:
    """A scope that somebody named, by the names of now."""
    return replace(scope, value=names_in(db, organization).shown(scope.kind, scope.value))


def _changed(kind: str, value: str, names: Mapping[str, str]) -> str:
    if kind == "team":
        return names.get(value, value)
    if kind in _OF_PROJECTS:
        team, slash, project = value.partition("/")
        return f"{names.get(team, team)}{slash}{project}" if slash else value
    return value
