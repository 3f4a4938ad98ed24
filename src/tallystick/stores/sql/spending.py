"""What the ledger says was spent on a scope in a span of time: where a budget made in mid-window begins, and
what `verify` holds its counters against. Read from the calls' narrow rows, so it needs no counter to be right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tallystick.core.budget import EACH, Kind, Scope, Unit
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.core.windows import END_OF_TIME_US
from tallystick.stores.sql.callfact import DEFERRED, FREE, OPEN
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import DEFAULT_TEAM, month_sql, months
from tallystick.stores.sql.facts import ATTEMPTS
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import months_between, pruned_months
from tallystick.stores.sql.team_names import names_in

# A scope's kind → the column that has it, and the kind of its names in the dictionary.
_COLUMNS: Final[dict[Kind, tuple[str, str]]] = {
    "team": ("team_id", "team"), "key": ("key_id", "key"), "user": ("user_id", "user"), "agent": ("agent_id", "agent"),
    "environment": ("environment_id", "environment"), "cost_center": ("cost_center_id", "cost_center"),
    "session": ("session_id", "session"), "prompt_key": ("prompt_key_id", "prompt_key"),
    "provider": ("provider_id", "provider"), "model": ("model_id", "model"),
    "tag": ("tags_id", "tags"), "dimension": ("dimensions_id", "dimensions"),
}
# Wide sums: dollars and the nanos beyond them apart, so that no engine overflows.
_MEASURES: Final[dict[Unit, str]] = {
    "money": "sum(cost_nanos / 1000000000 + upstream_nanos / 1000000000), sum(cost_nanos % 1000000000 + upstream_nanos % 1000000000)",
    "tokens": "0, sum(input_tokens + output_tokens + worst_tokens)",
    "calls": "0, sum(CASE WHEN attempt = 1 THEN 1 ELSE 0 END)",
}
SCOPES: Final[tuple[Kind, ...]] = ("org", "project", *_COLUMNS)
_SEALED_COLUMNS: Final[dict[Unit, str]] = {"money": "dollars, nanos", "tokens": "0, tokens", "calls": "0, calls"}
_SEALED: Final = "SELECT number, other, {columns} FROM month_spend WHERE organization = ? AND month = ? AND kind = ?"
_QUERY: Final = ("SELECT {column}, {other}, {measure} FROM call_fact_{month}"
                 " WHERE organization = ? AND kind = ? AND at_us >= ? AND at_us < ? AND (flags & ?) = 0 AND outcome <> ? GROUP BY 1, 2")


def spent(db: Connection, organization: int, scope: Scope, unit: Unit, start_us: int, end_us: int) -> dict[str, int]:
    """What was settled on a scope by calls admitted in [start, end), by subject (`""` unless it is a template).
    Billable attempts count once they are settled; sandbox calls, refusals and free routes do not.

    Raises RowsPruned where the span has some calls of a month whose rows are gone, and not all of them."""
    names, totals, teams = Names(db, organization), defaultdict[str, int](int), names_in(db, organization)
    column, kind, other = grouping(scope.kind)
    query = _QUERY.replace("{column}", column).replace("{other}", other).replace("{measure}", _MEASURES[unit])
    bound = (organization, ATTEMPTS, start_us, end_us, FREE | OPEN, DEFERRED)
    sources = [db.execute(month_sql(query, month), bound) for month in months(db)]
    sources += [db.execute(_SEALED.replace("{columns}", _SEALED_COLUMNS[unit]), (organization, month, _sealed_kind(scope.kind)))
                for month in _sealed_within(db, organization, start_us, end_us)]
    for rows in sources:
        for number, second, dollars, rest in rows:
            amount = int(dollars or 0) * NANOS_PER_UNIT + int(rest or 0)
            for subject in subjects(scope, names, kind, number, second):
                totals[teams.first_subject(scope, subject)] += amount
    return dict(totals)


def spent_by(db: Connection, organization: int, kind: str, month: int) -> Iterator[tuple[int, ...]]:
    """What a month's calls count in every unit, by the numbers of one kind of scope: two numbers, dollars, nanos, tokens and
    calls; what `month_spend` keeps of them."""
    column, _, other = grouping(next(one for one in SCOPES if one == kind))
    measure = ", ".join((_MEASURES["money"], _MEASURES["tokens"].partition(", ")[2], _MEASURES["calls"].partition(", ")[2]))
    query = _QUERY.replace("{column}", column).replace("{other}", other).replace("{measure}", measure)
    for row in db.stream(month_sql(query, month), (organization, ATTEMPTS, 0, END_OF_TIME_US, FREE | OPEN, DEFERRED)):
        yield tuple(int(number or 0) for number in row)


def _sealed_within(db: Connection, organization: int, start_us: int, end_us: int) -> Iterator[int]:
    """The pruned months that a span has in it as a whole. Raises RowsPruned for one that it has a part of."""
    for one in pruned_months(db, organization):
        if one.first_us > one.last_us or one.last_us < start_us or one.first_us >= end_us:
            continue
        if not (start_us <= one.first_us and one.last_us < end_us):
            months_between(db, organization, one.month, one.month, "What calls count in this span is read from their rows.")
        yield one.month


def _sealed_kind(kind: Kind) -> str:
    return "project" if kind == "header" else kind


def grouping(kind: Kind) -> tuple[str, str, str]:
    if kind == "org":
        return "0", "", "0"
    if kind in ("project", "header"):
        return "project_id", "project", "team_id"
    return *_COLUMNS[kind], "0"


def subjects(scope: Scope, names: Names, kind: str, number: int, second: int) -> Iterator[str]:
    """Under which subjects a group of rows counts in the scope."""
    if scope.kind == "org":
        yield ""
        return
    for value in _values(scope.kind, names, kind, number, second):
        if value == scope.value:
            yield ""
        if scope.value == EACH or (scope.value.endswith("=*") and value.partition("=")[0] == scope.value[:-2]):
            yield value


def _values(kind: Kind, names: Names, named: str, number: int, second: int) -> list[str]:
    """The values that rows with this number have in the scope's sense."""
    text = names.of(named, number)
    if kind == "header":
        return [f"{names.of('team', second) or ''}/{text or ''}"]
    if text is None:
        return []
    if kind == "project":
        return [f"{names.of('team', second) or DEFAULT_TEAM}/{text}"]
    if kind in ("tag", "dimension"):
        pairs = (line.partition("\t") for line in text.split("\n"))
        return [f"{name}={value}" if value else name for name, _, value in pairs]
    return [text]
