"""Are teams called, and do projects stand, as the entries say? What a DEFINE called a team's number, or a scope's that names
one, is what the dictionary calls it, unless SCOPE entries renamed it: then the last of them. The names that a team had
before must be those of its earlier entries, so that nobody can lead calls to another team by editing a row, and a
project has left its team only where an entry moved it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.verify_directory import Difference

RENAMED: Final = frozenset(("team", "scope_team", "scope_project", "scope_header"))
"""Kinds of the dictionary whose names may change."""

_FORMER: Final = "SELECT t.name, f.name, f.first FROM team_former_name f JOIN team t ON t.id = f.team WHERE f.organization = ?"
_MOVED: Final = ("SELECT t.name, p.name, n.name FROM project_moved m JOIN project p ON p.id = m.project JOIN team t ON t.id = p.team"
                 " JOIN project s ON s.id = m.successor JOIN team n ON n.id = s.team WHERE p.organization = ?")


class Scopes:
    """What one chain's entries say of names that may change, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._names: dict[tuple[str, int], list[str]] = {}
        self._seqs: dict[tuple[str, int], int] = {}
        self._moved: dict[tuple[int, int], int | None] = {}      # (team, project) by number → the team it went to

    def define(self, kind: str, number: int, name: str, seq: int) -> None:
        """A DEFINE of a kind that may be renamed."""
        self._names[kind, number], self._seqs[kind, number] = [name], seq

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A SCOPE entry. Raises KeyError for one that lacks what it must say, or names nothing that was defined."""
        if fields["event"] == "moved":
            self._moved[fields["team"], fields["project"]] = fields["to"]
            self._moved.pop((fields["to"], fields["project"]), None)
            return
        place = fields["of"], fields["id"]
        self._names[place].append(fields["name"])
        self._seqs[place] = seq

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        for (kind, number), names in self._names.items():
            row = self._db.execute("SELECT name FROM dictionary WHERE organization = ? AND kind = ? AND id = ?",
                                   (self._organization, kind, number)).fetchone()
            if row is None or row[0] != names[-1]:
                yield Difference(self._seqs[kind, number], f"{kind} {number} stands otherwise in the dictionary than it was named last")
        yield from self._former()
        yield from self._of_projects()

    def _former(self) -> Iterator[Difference]:
        said = {(names[-1], name, name == names[0]) for (kind, _), names in self._names.items() if kind == "team"
                for name in (*names[:-1],) if name != names[-1] or name == names[0]}
        stands = {(now, name, bool(first)) for now, name, first in self._db.execute(_FORMER, (self._organization,)).fetchall()}
        for now, name, _ in sorted(said ^ stands):
            yield Difference(None, f"whether team {now} was called {name} before stands otherwise than the entries say")

    def _of_projects(self) -> Iterator[Difference]:
        moved = {(self._name("team", team), self._name("project", project), self._name("team", to))
                 for (team, project), to in self._moved.items() if to is not None}
        stands = {(team, project, to) for team, project, to in self._db.execute(_MOVED, (self._organization,)).fetchall()}
        for team, project, to in sorted(moved ^ stands):
            yield Difference(None, f"whether project {project} went from {team} to {to} stands otherwise than the entries say")

    def _name(self, kind: str, number: int) -> str:
        row = self._db.execute("SELECT name FROM dictionary WHERE organization = ? AND kind = ? AND id = ?",
                               (self._organization, kind, number)).fetchone()
        return str(row[0]) if row else f"{kind} {number}"
