"""Teams, projects, users and agents as whoever pays for them sees them: what each cost in some days beside as many before,
how many keys and people it has, and how full its fullest budget is. One shape for all four; a list is dearest first, and
what nobody was named for stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.explore import Span
from tallystick.control.explore_document import days_asked, span
from tallystick.control.figures import Day, answer, local
from tallystick.control.key_document import key_document
from tallystick.control.pages import LIMIT, Cursor, Limit, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.control.roles import KEY_IDS, cell_of
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.money import decimal_text
from tallystick.stores.sql import spenders as store
from tallystick.stores.sql.breakdown import Total
from tallystick.stores.sql.breakdown_names import TooMany
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Named, Organization, organization
from tallystick.stores.sql.engine import DEFAULT_TEAM
from tallystick.stores.sql.spenders import Kind, Place, Standing
from tallystick.stores.sql.team_names import former_names, name_now

KEYS_MAX: Final = 200
PEOPLE_MAX: Final = 200
Start = Annotated[Day | None, Query(description="First day, YYYY-MM-DD; without both the last 30.")]
End = Annotated[Day | None, Query(description="Last day, included.")]
Text = Annotated[str, Query(max_length=VALUE_CHARS_MAX)]


class SpenderBudget(BaseModel):
    """A budget on it, or its part of one that is for each. `used_percent`: spent and held, of the limit."""

    model_config = ConfigDict(extra="allow")

    id: int
    name: str
    window: str
    unit: str
    mode: str
    each: bool
    used_percent: int


class SpenderShown(BaseModel):
    """One of a kind, and what its calls came to. `team`: a project's; `members`: a team's. `moved_to`: where a project's
    calls go now."""

    name: str
    team: str | None
    cost_nanos: int
    cost_usd: str
    before_cost_nanos: int
    requests: int
    errors: int
    keys: int
    members: int | None
    budget: SpenderBudget | None
    created_at: datetime | None
    moved_to: str | None
    moved_at: datetime | None


class Sum(BaseModel):
    """What some calls come to."""

    cost_nanos: int
    cost_usd: str
    requests: int


class Spenders(BaseModel):
    """A page of them, dearest first. `count`: how many there are in all; `unattributed`: calls that name none."""

    range: Span
    before_range: Span
    items: list[SpenderShown]
    count: int
    total: Sum
    unattributed: Sum
    next_cursor: str | None


class SpenderKey(BaseModel):
    """A key that is bound to it, or that only makes calls for it (`bound` false)."""

    model_config = ConfigDict(extra="allow")

    id: str
    status: str
    bound: bool
    cost_nanos: int
    requests: int


class TeamPerson(BaseModel):
    """Somebody of a team."""

    id: str
    name: str
    email: str
    role: str


class OneSpender(SpenderShown):
    """One of them in full. `keys_listed` and `people` are null where they are not this role's to see. `former_names`: a
    team's, which still mean it."""

    range: Span
    before_range: Span
    budgets: list[SpenderBudget]
    keys_listed: list[SpenderKey] | None
    people: list[TeamPerson] | None
    former_names: list[str]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/spenders", tags=["spenders"])
    router.add_api_route("", list_spenders, methods=["GET"], response_model=Spenders)
    router.add_api_route("/one", read_spender, methods=["GET"], response_model=OneSpender)
    return router


def list_spenders(
    parts: PartsOf, caller: CallerOf, kind: Kind, start: Start = None, end: End = None, contains: Text = "",
    team: Annotated[str | None, Query(max_length=VALUE_CHARS_MAX, description="Projects of this team only.")] = None,
    limit: Limit = LIMIT, cursor: Cursor = None,
) -> Response:
    """Those of a kind that are seen, dearest first, those without calls at the end."""
    here, days = _asked(parts, caller, start, end)
    after, now_us = place_of(cursor)[0] if cursor else 0, parts.clock.now_us()
    with parts.database.read() as db:
        books = _books(db, here, kind, days, caller, now_us)
        wanted = name_now(db, here.id, team) if team else None
        every = [place for place in books.places() if wanted is None or place.team == wanted]
        found = [place for place in every if contains.casefold() in place.scope_value.casefold()]
        page = found[after:after + limit]
        items = books.documents(db, page)
    total, more = _sum(books.spent[place] for place in every if place in books.spent), len(found) > after + limit
    if wanted is None:
        total.merge(books.nobody)
    return answer({**_spans(days), "items": items, "count": len(found), "total": _sum_document(total),
                   "unattributed": _sum_document(books.nobody), "next_cursor": cursor_of(after + limit) if more else None})


def read_spender(
    parts: PartsOf, caller: CallerOf, kind: Kind, name: Annotated[str, Query(min_length=1, max_length=VALUE_CHARS_MAX)],
    team: Annotated[str, Query(max_length=VALUE_CHARS_MAX, description="A project's.")] = DEFAULT_TEAM,
    start: Start = None, end: End = None,
) -> Response:
    """One of them; a team by any name that it had, too. 404 for one that no call, key or person knows."""
    here, days = _asked(parts, caller, start, end)
    now_us = parts.clock.now_us()
    with parts.database.read() as db:
        if kind in ("team", "project"):
            name, team = (name_now(db, here.id, name) if kind == "team" else name), name_now(db, here.id, team)
        place = Place(name, team if kind == "project" else "")
        books = _books(db, here, kind, days, caller, now_us)
        if place not in books.every:
            raise Problem(404, "not_found", f"There is no such {kind} in what you see of these days.")
        (document,) = books.documents(db, [place])
        standings = store.budgets(db, here.id, kind, [place], caller.sight, now_us).get(place, [])
        return answer({
            **document, **_spans(days), "budgets": [_budget(one, now_us) for one in standings],
            "keys_listed": _keys(db, here, caller, (kind, place), days, now_us),
            "people": _people(db, here, caller, name) if kind == "team" else None,
            "former_names": former_names(db, here.id, name) if kind == "team" else []})


@dataclass(frozen=True, slots=True)
class _Books:
    """What is known of a kind in some days."""

    here: Organization
    kind: Kind
    caller: Caller
    now_us: int
    spent: dict[Place, Total]
    before: dict[Place, Total]
    nobody: Total
    made: dict[Place, Named]
    keys: dict[Place, int]

    @property
    def every(self) -> set[Place]:
        return {*self.spent, *self.made, *self.keys}

    def places(self) -> list[Place]:
        """Dearest first, then by name."""
        return sorted(self.every, key=lambda place: (-self.spent[place].cost_nanos if place in self.spent else 0, place))

    def documents(self, db: Connection, places: list[Place]) -> list[dict[str, Any]]:
        standings = store.budgets(db, self.here.id, self.kind, places, self.caller.sight, self.now_us)
        people = store.members(db, self.here.id) if self.kind == "team" else {}
        return [self._document(place, standings.get(place, []), people) for place in places]

    def _document(self, place: Place, standings: list[Standing], people: dict[str, int]) -> dict[str, Any]:
        total, named = self.spent.get(place, Total()), self.made.get(place)
        moved_us = named.moved_us if named else None
        return {
            "name": place.name, "team": place.team or None, "cost_nanos": total.cost_nanos, "cost_usd": decimal_text(total.cost_nanos),
            "before_cost_nanos": self.before.get(place, Total()).cost_nanos, "requests": total.requests, "errors": total.errors,
            "keys": self.keys.get(place, 0), "members": people.get(place.name, 0) if self.kind == "team" else None,
            "budget": _budget(standings[0], self.now_us) if standings else None,
            "created_at": moment(named.created_us) if named else None, "moved_to": named.moved_to if named else None,
            "moved_at": moment(moved_us) if moved_us is not None else None}


def _books(db: Connection, here: Organization, kind: Kind, days: tuple[int, int], caller: Caller, now_us: int) -> _Books:
    try:
        spent, nobody = store.spent(db, here.id, kind, days, caller.sight)
        before, _ = store.spent(db, here.id, kind, _before(days), caller.sight)
    except TooMany:
        raise Problem(400, "too_many_groups", "There are more than one answer holds; choose fewer days.") from None
    return _Books(here, kind, caller, now_us, spent, before, nobody, store.made(db, here.id, kind, caller.sight),
                  store.keys(db, here.id, kind, caller.sight, now_us))


def _keys(db: Connection, here: Organization, caller: Caller, whose: tuple[Kind, Place], days: tuple[int, int],
          now_us: int) -> list[dict[str, Any]] | None:
    """The keys bound to it, and those that made calls for it; as much of them as the list of keys shows this role."""
    cell = cell_of("GET", "/api/keys", caller.role)
    if cell is None:
        return None
    spent = store.by_key(db, here.id, *whose, days, caller.sight)
    bound = store.keys_of(db, here.id, *whose, caller.sight, KEYS_MAX)
    known = {row.id for row in bound}
    others = sorted(spent.keys() - known, key=lambda key: (-spent[key].cost_nanos, key))[:KEYS_MAX]
    found = [(row, True) for row in bound] + [(row, False) for row in store.seen_keys_by_id(db, here.id, caller.sight, others)]
    listed = []
    for row, is_bound in sorted(found, key=lambda one: -spent.get(one[0].id, Total()).cost_nanos):
        document = key_document(row, now_us)
        shown = {name: document[name] for name in KEY_IDS} if cell == "ids" else document
        total = spent.get(row.id, Total())
        listed.append({**shown, "bound": is_bound, "cost_nanos": total.cost_nanos, "requests": total.requests})
    return listed


def _people(db: Connection, here: Organization, caller: Caller, team: str) -> list[dict[str, str]] | None:
    if cell_of("GET", "/api/members", caller.role) is None:
        return None
    return [{"id": account, "name": name, "email": email, "role": role}
            for account, name, email, role in store.people_of(db, here.id, team, PEOPLE_MAX)]


def _budget(one: Standing, now_us: int) -> dict[str, Any]:
    row, node, limit = one.row, one.node, one.row.budget().cap(now_us)
    amounts = {"limit": limit, "spent": node.settled, "held": node.leased}
    return {"id": row.id, "name": row.name, "window": row.span, "unit": row.unit, "mode": row.mode, "each": bool(node.node.subject),
            "used_percent": store.used(one, now_us), **{f"{name}_nanos" if row.unit == "money" else f"{name}_{row.unit}": amount
                                                        for name, amount in amounts.items()}}


def _asked(parts: PartsOf, caller: Caller, start: Day | None, end: Day | None) -> tuple[Organization, tuple[int, int]]:
    here = organization(parts.database, caller.organization)
    return here, days_asked(start, end, local(parts.clock.now_us(), here.zone).date())


def _before(days: tuple[int, int]) -> tuple[int, int]:
    """As many days right before."""
    return 2 * days[0] - days[1] - 1, days[0] - 1


def _spans(days: tuple[int, int]) -> dict[str, Any]:
    return {"range": span(*days), "before_range": span(*_before(days))}


def _sum(totals: Iterable[Total]) -> Total:
    whole = Total()
    for total in totals:
        whole.merge(total)
    return whole


def _sum_document(total: Total) -> dict[str, Any]:
    return {"cost_nanos": total.cost_nanos, "cost_usd": decimal_text(total.cost_nanos), "requests": total.requests}
