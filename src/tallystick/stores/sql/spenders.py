"""Who spends: teams, projects, users and agents, with what their calls came to, the keys and people they have, and how close
they are to their limits. What there is of a kind is what somebody made, what keys are bound to, and what calls named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from tallystick.core.budget import EACH
from tallystick.stores.sql.breakdown import Question, Total, broken_down
from tallystick.stores.sql.breakdown_names import Filter
from tallystick.stores.sql.budget_rows import NO_ENVELOPES, BudgetRow, rows
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import KeyRow, Named, projects_in, seen_keys, teams_in
from tallystick.stores.sql.engine import DEFAULT_TEAM
from tallystick.stores.sql.sight import Sight, of_budgets, of_keys
from tallystick.stores.sql.standing import NodeStanding, standing

Kind = Literal["team", "project", "user", "agent"]
BUDGETS_MAX: Final = 500                     # that one answer looks at
MADE_MAX: Final = 10_000
_LABELS: Final[dict[Kind, tuple[str, ...]]] = {
    "team": ("team",), "project": ("team", "project"), "user": ("user",), "agent": ("agent",)}
_KEYS: Final[dict[Kind, str]] = {
    "team": "k.team, ''", "project": "k.team, k.project", "user": "'', k.user_name", "agent": "'', k.agent"}


class Place(NamedTuple):
    """One of a kind. `team` is a project's, else empty."""

    name: str
    team: str = ""

    @property
    def scope_value(self) -> str:
        return f"{self.team}/{self.name}" if self.team else self.name


class Standing(NamedTuple):
    """A budget, and the node that counts for somebody."""

    row: BudgetRow
    node: NodeStanding


def spent(db: Connection, organization: int, kind: Kind, days: tuple[int, int], sight: Sight) -> tuple[dict[Place, Total], Total]:
    """What the calls of each came to, and what calls came to that named none. Days are the organisation's, both included.
    Raises TooMany."""
    found: dict[Place, Total] = {}
    nobody = Total()
    for (_, group), total in broken_down(db, organization, Question(*days, _LABELS[kind], sight=sight)).items():
        if group[-1] is None:
            nobody.merge(total)
        else:
            found.setdefault(_place(kind, group), Total()).merge(total)
    return found, nobody


def made(db: Connection, organization: int, kind: Kind, sight: Sight) -> dict[Place, Named]:
    """The teams or projects that there are. Users and agents are whoever keys and calls name."""
    if kind == "team":
        return {Place(team.name): team for team in teams_in(db, organization, sight, MADE_MAX)}
    if kind == "project":
        return {Place(project.name, project.team or ""): project for project in projects_in(db, organization, sight, MADE_MAX)}
    return {}


def keys(db: Connection, organization: int, kind: Kind, sight: Sight, now_us: int) -> dict[Place, int]:
    """How many keys that are active are bound to each."""
    seen = of_keys(sight, organization)
    query = (f"SELECT {_KEYS[kind]}, count(*) FROM virtual_key k WHERE k.organization = ?{seen.sql} AND k.revoked_us IS NULL"  # noqa: S608
             " AND (k.expires_us IS NULL OR k.expires_us > ?) GROUP BY 1, 2")
    counted = db.execute(query, (organization, *seen.values, now_us)).fetchall()
    if kind == "team":
        return {Place(first): count for first, _, count in counted if first is not None}
    if kind == "project":
        return {Place(name, team or DEFAULT_TEAM): count for team, name, count in counted if name is not None}
    return {Place(name): count for _, name, count in counted if name is not None}


def members(db: Connection, organization: int) -> dict[str, int]:
    """How many people each team has."""
    rows_ = db.execute("SELECT team, count(*) FROM membership_team WHERE organization = ? GROUP BY team", (organization,))
    return {team: int(count) for team, count in rows_.fetchall()}


def budgets(
    db: Connection, organization: int, kind: Kind, places: Collection[Place], sight: Sight, now_us: int,
) -> dict[Place, list[Standing]]:
    """The budgets on each, the fullest first: its own, and its part of one that is for each of the kind."""
    wanted = {place.scope_value: place for place in places}
    seen, values = of_budgets(sight, organization)
    condition = (f" WHERE organization = ? AND kind = ? AND removed_us IS NULL AND (ends_us IS NULL OR ends_us > ?) AND {NO_ENVELOPES}"
                 f"{seen} ORDER BY id")
    found: dict[Place, list[Standing]] = {}
    own = [row for row in rows(db, condition, (organization, kind, now_us, *values)) if row.value == EACH or row.value in wanted]
    for row in own[:BUDGETS_MAX]:
        for node in standing(db, row, now_us):
            place = wanted.get(node.node.subject or row.value)
            if place is not None:
                found.setdefault(place, []).append(Standing(row, node))
    for those in found.values():
        those.sort(key=lambda one: (-used(one, now_us), one.row.id))
    return found


def used(one: Standing, now_us: int) -> int:
    """Percent of the limit that is spent or held."""
    limit = one.row.budget().cap(now_us)
    return (one.node.settled + one.node.leased) * 100 // limit if limit > 0 else 100


def keys_of(db: Connection, organization: int, kind: Kind, place: Place, sight: Sight, limit: int) -> list[KeyRow]:
    """The keys that are bound to it, the newest first, ended ones too."""
    column = {"team": "k.team", "project": "k.project", "user": "k.user_name", "agent": "k.agent"}[kind]
    condition = f" AND {column} = ?"
    values: tuple[str, ...] = (place.name,)
    if kind == "project":
        condition, values = condition + f" AND coalesce(k.team, '{DEFAULT_TEAM}') = ?", (*values, place.team)
    return seen_keys(db, organization, sight, condition, values, limit)


def seen_keys_by_id(db: Connection, organization: int, sight: Sight, ids: Sequence[str]) -> list[KeyRow]:
    """Those of these keys that are seen."""
    return seen_keys(db, organization, sight, f" AND k.id IN ({', '.join('?' * len(ids))})", tuple(ids), len(ids)) if ids else []


def filters(kind: Kind, place: Place) -> tuple[Filter, ...]:
    """What narrows calls down to its own."""
    named = (Filter(kind, "is", (place.name,)),)
    if kind != "project":
        return named
    teams = (place.team, None) if place.team == DEFAULT_TEAM else (place.team,)
    return (*named, Filter("team", "is", teams))


def by_key(db: Connection, organization: int, kind: Kind, place: Place, days: tuple[int, int], sight: Sight) -> dict[str, Total]:
    """What its calls came to, by key. Raises TooMany."""
    question = Question(*days, ("key",), filters=filters(kind, place), sight=sight)
    return {group[0]: total for (_, group), total in broken_down(db, organization, question).items() if group[0] is not None}


def people_of(db: Connection, organization: int, team: str, limit: int) -> list[tuple[str, str, str, str]]:
    """(account, name, e-mail, role) of a team's members."""
    found: Iterable[Any] = db.execute(
        "SELECT a.id, a.name, a.email, m.role FROM membership_team s JOIN account a ON a.id = s.account JOIN membership m"
        " ON m.account = s.account AND m.organization = s.organization WHERE s.organization = ? AND s.team = ?"
        " ORDER BY m.joined_us, a.id LIMIT ?", (organization, team, limit)).fetchall()
    return [(str(account), str(name), str(email), str(role)) for account, name, email, role in found]


def _place(kind: Kind, group: tuple[str | None, ...]) -> Place:
    if kind == "project":
        return Place(group[1] or "", group[0] or DEFAULT_TEAM)
    return Place(group[0] or "")
