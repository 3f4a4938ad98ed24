"""What a budget that is not set yet would have refused in the last days: the settled calls in the order of their admission,
each counted as the budget would have counted it. A call is taken to have been held for exactly what it came to, so what a
running gateway refuses, which holds the worst case, is never less. What it would have refused has spent nothing in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.budget import Budget, Unit
from tallystick.stores.sql.callfact import DEFERRED, FREE, OPEN
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.spending import grouping, spent, subjects
from tallystick.stores.sql.team_names import names_in

CALLS_MAX: Final = 200_000                   # of one answer, some two seconds
_AMOUNTS: Final[dict[Unit, str]] = {
    "money": "cost_nanos + upstream_nanos", "tokens": "input_tokens + output_tokens + worst_tokens",
    "calls": "CASE WHEN attempt = 1 THEN 1 ELSE 0 END"}
_ROWS: Final = ("SELECT at_us, request_id, cost_nanos, {column}, {other}, {amount} FROM call_fact_{month}"
                " WHERE organization = ? AND kind = ? AND at_us >= ? AND at_us < ? AND (flags & ?) = 0 AND outcome <> ?"
                " ORDER BY at_us, seq")


@dataclass(slots=True)
class Refused:
    """What it would have refused: calls, what they cost, and the moment of the first."""

    calls: int = 0
    cost_nanos: int = 0
    first_us: int | None = None


@dataclass(slots=True)
class Trial:
    """`calls`: those it would have counted. `by_subject`: of what it would have refused, whose it was (`""` unless it is a
    template). `until_us`: where counting stopped, None where all calls of the span were counted."""

    calls: int = 0
    refused: Refused = field(default_factory=Refused)
    by_subject: dict[str, Refused] = field(default_factory=lambda: defaultdict(Refused))
    until_us: int | None = None


def try_budget(db: Connection, organization: int, budget: Budget, days: int, now_us: int) -> Trial:
    """The trial over the last days. Raises RowsPruned where they reach into months whose rows are gone."""
    start_us = now_us - days * DAY_US
    trial, seen, refused = Trial(), set[bytes](), set[bytes]()
    used = _before(db, organization, budget, start_us)
    for at_us, request, cost_nanos, amount, whose in _counted(db, organization, budget, start_us, now_us):
        if request not in seen:
            if len(seen) == CALLS_MAX:
                trial.until_us = at_us
                break
            seen.add(request)
        first_us = budget.span(at_us)[0]
        full = [subject for subject in whose if used[subject, first_us] + amount > budget.limit]
        if request not in refused and not full:
            for subject in whose:
                used[subject, first_us] += amount
            continue
        for one in (trial.refused, *(trial.by_subject[subject] for subject in full or whose)):
            one.calls += request not in refused
            one.cost_nanos += cost_nanos
            one.first_us = one.first_us or at_us
        refused.add(request)
    trial.calls = len(seen)
    return trial


def _before(db: Connection, organization: int, budget: Budget, start_us: int) -> defaultdict[tuple[str, int], int]:
    """What the window that runs at the beginning had counted by then."""
    first_us = budget.span(start_us)[0]
    counted = spent(db, organization, budget.scope, budget.unit, first_us, start_us) if first_us < start_us else {}
    return defaultdict(int, {(subject, first_us): amount for subject, amount in counted.items()})


def _counted(
    db: Connection, organization: int, budget: Budget, start_us: int, end_us: int,
) -> Iterator[tuple[int, bytes, int, int, list[str]]]:
    """Each attempt with the subjects that it counts in: its moment, call, cost and amount."""
    names, teams = Names(db, organization), names_in(db, organization)
    column, kind, other = grouping(budget.scope.kind)
    query = _ROWS.replace("{column}", column).replace("{other}", other).replace("{amount}", _AMOUNTS[budget.unit])
    bound: tuple[Any, ...] = (organization, ATTEMPTS, start_us, end_us, FREE | OPEN, DEFERRED)
    known: dict[tuple[int, int], list[str]] = {}
    for month in reversed(months(db)):
        for at_us, request, cost_nanos, number, second, amount in db.stream(month_sql(query, month), bound):
            if (number, second) not in known:
                known[number, second] = [teams.first_subject(budget.scope, one)
                                         for one in subjects(budget.scope, names, kind, number, second)]
            if known[number, second]:
                yield int(at_us), bytes(request), int(cost_nanos), int(amount), known[number, second]
