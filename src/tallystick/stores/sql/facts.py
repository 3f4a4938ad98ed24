"""Lists and sums over the narrow rows of calls (`call_fact_YYYYMM`), for the API. Every statement is a
literal with bound values: what a caller may choose is a member of a literal tuple here (a filter, a
grouping, an order), never text that becomes SQL.

Sums cannot overflow: dollars and the nanos beyond them are summed apart and put together in integers
of any size. Months are tables of their own, read one after the other, each for the days asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal, NamedTuple

from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql.callfact import BASES, COLUMNS, METHODS, OUTCOMES
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import months_between, rows_from
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_calls

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
ZONES_US: Final = 14 * 3_600_000_000        # no zone is further from UTC

# Filter → (column, kind in the dictionary).
NAMED_FILTERS: Final[Mapping[str, tuple[str, str]]] = {
    "team": ("team_id", "team"), "project": ("project_id", "project"), "user": ("user_id", "user"), "agent": ("agent_id", "agent"),
    "environment": ("environment_id", "environment"), "cost_center": ("cost_center_id", "cost_center"),
    "prompt_key": ("prompt_key_id", "prompt_key"), "prompt_version": ("prompt_version_id", "prompt_version"),
    "session": ("session_id", "session"), "key": ("key_id", "key"), "provider": ("provider_id", "provider"),
    "operation": ("operation_id", "operation"), "requested_model": ("model_id", "model"), "served_model": ("served_id", "model"),
    "code": ("code_id", "code"),
}
# Filter → (column, the words whose places are its codes).
CODED_FILTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "outcome": ("outcome", OUTCOMES), "method": ("method", METHODS), "basis": ("basis", BASES),
}
Group = Literal["", "team", "project", "user", "prompt_key", "prompt_version", "served_model", "key", "agent", "provider"]
ATTEMPTS, REFUSALS, SANDBOX = 1, 2, 3        # the places of callfact.FACT_KINDS
EVERY_KIND: Final = (ATTEMPTS, REFUSALS, SANDBOX)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows: days (local, inclusive; None is open), kinds, moments, and names to match.
    `before_us` cuts the last day short (a comparison with yesterday until now), `from_us` the first. `whole`: each call once,
    found by its last attempt, with what all of them came to."""

    first_day: int | None = None
    last_day: int | None = None
    kinds: tuple[int, ...] = (ATTEMPTS,)
    filters: Mapping[str, str] = field(default_factory=dict)
    before_us: int | None = None
    from_us: int | None = None
    sight: Sight = EVERYTHING
    whole: bool = False
    narrowed: tuple[Narrowed, ...] = ()


class Narrowed(NamedTuple):
    """A column of the rows (a literal of `breakdown.py`), and whether its number is one of these or none of these."""

    column: str
    within: bool
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """What a list of calls must come to: calls, their attempts, and what all of them cost."""

    calls: int = 0
    attempts: int = 0
    cost_nanos: int = 0


@dataclass(slots=True)
class Sums:
    """What a group of rows comes to. `requests` counts calls, not attempts."""

    requests: int = 0
    cost_nanos: int = 0
    errors: int = 0
    attempts: int = 0
    latency_us: int = 0

    def add(self, row: Sequence[int]) -> None:
        requests, dollars, nanos, errors, attempts, latency_us = (int(value or 0) for value in row)
        self.requests += requests
        self.cost_nanos += dollars * NANOS_PER_UNIT + nanos
        self.errors += errors
        self.attempts += attempts
        self.latency_us += latency_us

    def merge(self, other: Sums) -> None:
        self.requests += other.requests
        self.cost_nanos += other.cost_nanos
        self.errors += other.errors
        self.attempts += other.attempts
        self.latency_us += other.latency_us


# SQLite and PostgreSQL both divide towards zero and give the remainder its sign, so the halves add up.
# Latencies are microseconds: 2^63 of them are 292,000 years of waiting.
_SUMS: Final = """
SELECT {group}, sum(CASE WHEN attempt = 1 THEN 1 ELSE 0 END), sum(cost_nanos / 1000000000), sum(cost_nanos % 1000000000),
       sum(CASE WHEN outcome IN (2, 3, 5) THEN 1 ELSE 0 END), count(*), sum(latency_us)
FROM call_fact_{month}"""
MODEL: Final = "CASE served_id WHEN 0 THEN model_id ELSE served_id END"      # the one that served, else the one asked for
_GROUPS: Final[Mapping[Group, str]] = {
    "": "0", "team": "team_id", "project": "project_id", "user": "user_id", "prompt_key": "prompt_key_id",
    "prompt_version": "prompt_version_id", "served_model": MODEL,
    "key": "key_id", "agent": "agent_id", "provider": "provider_id",
}
KIND_OF_GROUP: Final[Mapping[str, str]] = {"served_model": "model"}


def group_of(name: str) -> Group | None:
    """The grouping of that name; None where there is none."""
    return next((group for group in _GROUPS if group == name and name), None)


def sums(db: Connection, organization: int, asked: Asked, group: Group = "") -> dict[str | None, Sums]:
    """The sums of the rows asked for, by name of the grouping; None stands for the rows without one. Raises RowsPruned where
    some of them are gone."""
    names = Names(db, organization)
    where = _where(names, organization, asked)
    if where is None:
        return {}
    condition, values = where
    kind = KIND_OF_GROUP.get(group, group)
    totals: dict[str | None, Sums] = {}
    for month in months_between(db, organization, *_span(asked)):
        query = month_sql(_SUMS.replace("{group}", _GROUPS[group]) + condition + " GROUP BY 1", month)
        for number, *row in db.execute(query, values):
            totals.setdefault(names.of(kind, number), Sums()).add(row)
    return totals


def total(db: Connection, organization: int, asked: Asked) -> Sums:
    """The sums of all the rows asked for."""
    return sums(db, organization, asked).get(None, Sums())


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in time, for going on behind it."""

    at_us: int
    seq: int


def listed(
    db: Connection, organization: int, asked: Asked, *, newest_first: bool, behind: Place | None, limit: int,
) -> Iterator[dict[str, Any]]:
    """At most `limit` rows as dicts by column, in order of time, beginning behind a place. Of whole calls: with `attempts`.
    Pruned months have none; who must have every row asks `all_stand` before."""
    where = _where(Names(db, organization), organization, asked)
    if where is None:
        return
    condition, values = where
    step, order = ("<", "DESC") if newest_first else (">", "ASC")
    if behind is not None:
        condition += f" AND (at_us {step} ? OR (at_us = ? AND seq {step} ?))"
        values = (*values, behind.at_us, behind.at_us, behind.seq)
    left = limit
    first, last = _span(asked)
    found = [month for month in months(db) if first <= month <= last]
    for month in found if newest_first else reversed(found):
        later = _FOLLOWING.replace("{later}", str(_next(month))) if asked.whole and _next(month) in found else ""
        query = month_sql(_LIST + condition + later + f" ORDER BY at_us {order}, seq {order} LIMIT ?", month)
        for row in db.execute(query, (*values, left)):
            left -= 1
            found_row = dict(zip(COLUMNS, row, strict=True))
            yield _whole(db, found_row) if asked.whole else found_row
        if left <= 0:
            return


def control_total(db: Connection, organization: int, asked: Asked) -> ControlTotal:
    """What the rows asked for come to. A call counts once, however many of its attempts are among them. Without a first day, from
    the first that has rows. Raises RowsPruned where some of them are gone."""
    asked = beginning_with_rows(db, organization, asked, "This counts calls one by one.")
    where = _where(Names(db, organization), organization, asked)
    if where is None:
        return ControlTotal()
    condition, values = where
    calls = attempts = cost_nanos = 0
    newer: int | None = None
    for month in months_between(db, organization, *_span(asked)):
        sums = db.execute(month_sql(_CONTROL + condition, month), values).fetchone()
        count, retries, dollars, nanos = (int(value or 0) for value in sums)
        attempts += count
        cost_nanos += dollars * NANOS_PER_UNIT + nanos
        calls += db.execute(month_sql(_CALLS + condition, month), values).fetchone()[0] if retries else count
        if newer is not None:                # a call that was retried past the end of a month stands in both
            query = month_sql(_CALLS + condition, newer) + month_sql(_RETRIED + condition, month) + month_sql(_FROM_BEFORE, newer)
            calls -= db.execute(query, values * 2).fetchone()[0]
        newer = month
    return ControlTotal(calls, attempts, cost_nanos)


def may_be_one_of_several(row: Mapping[str, Any]) -> bool:
    """Whether an attempt's call may have others; of most one sees that it has none."""
    return bool(row["attempt"] > 1 or row["outcome"] in _MAY_BE_FOLLOWED)


def attempts_of(db: Connection, organization: int, asked: Asked, request_ids: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows asked for that belong to these calls."""
    where = _where(Names(db, organization), organization, asked)
    if where is None or not request_ids:
        return []
    condition, values = where
    condition += f" AND request_id IN ({', '.join('?' * len(request_ids))})"
    return [dict(zip(COLUMNS, row, strict=True)) for month in months_between(db, organization, *_span(asked))
            for row in db.execute(month_sql(_LIST + condition, month), (*values, *request_ids))]


def is_seen(db: Connection, organization: int, request_id: bytes, sight: Sight) -> bool:
    """Whether a call that stands in the ledger is to be seen."""
    seen = of_calls(sight, organization)
    query = _ONE + seen.sql
    return any(db.execute(month_sql(query, month), (request_id, organization, *seen.values)).fetchone() for month in months(db))


def _whole(db: Connection, last: dict[str, Any]) -> dict[str, Any]:
    """The row of a call of which this is the last attempt: amounts are those of all, the rest is the last one's."""
    rows = [last]
    if last["attempt"] > 1:
        rows += [dict(zip(COLUMNS, row, strict=True)) for month in months(db) for row in db.execute(
            month_sql(_LIST + " WHERE request_id = ? AND organization = ? AND attempt < ?", month),
            (last["request_id"], last["organization"], last["attempt"]))]
    return {**last, "attempts": len(rows), **{column: sum(row[column] for row in rows) for column in COLUMNS[_AMOUNTS]}}


_AMOUNTS: Final = slice(COLUMNS.index("input_tokens"), COLUMNS.index("latency_us"))
# Only what failed or was never reached is followed by another attempt; of all others nobody need look for one.
_MAY_BE_FOLLOWED: Final = (OUTCOMES.index("failed") + 1, OUTCOMES.index("unreached") + 1)
_FOLLOWED: Final = ", ".join(map(str, _MAY_BE_FOLLOWED))
_FOLLOWING: Final = (f" AND (outcome NOT IN ({_FOLLOWED}) OR NOT EXISTS (SELECT 1 FROM call_fact_{{later}} later"  # noqa: S608 - literals
                     " WHERE later.request_id = call_fact_{month}.request_id AND later.attempt = call_fact_{month}.attempt + 1))")
_LAST: Final = _FOLLOWING.replace("{later}", "{month}")
_ONE: Final = "SELECT 1 FROM call_fact_{month} WHERE request_id = ? AND organization = ?"
_CONTROL: Final = ("SELECT count(*), sum(CASE WHEN attempt > 1 THEN 1 ELSE 0 END), sum(cost_nanos / 1000000000),"
                   " sum(cost_nanos % 1000000000) FROM call_fact_{month}")
_RETRIED: Final = " AND attempt > 1 AND EXISTS (SELECT 1 FROM call_fact_{month} earlier"
_FROM_BEFORE: Final = " AND earlier.request_id = call_fact_{month}.request_id)"
_CALLS: Final = "SELECT count(DISTINCT request_id) FROM call_fact_{month}"
_LIST: Final = "SELECT " + ", ".join(COLUMNS) + " FROM call_fact_{month}"  # noqa: S608 - literals of callfact.py


def _where(names: Names, organization: int, asked: Asked) -> tuple[str, tuple[Any, ...]] | None:
    """The condition and its values; None when a name was never booked on, so nothing can match."""
    condition = " WHERE organization = ? AND kind IN (" + ", ".join("?" * len(asked.kinds)) + ")"
    values: list[Any] = [organization, *asked.kinds]
    if asked.first_day is not None:
        condition += " AND at_us >= ? AND day >= ?"
        values += [asked.first_day * DAY_US - ZONES_US, asked.first_day]
    if asked.last_day is not None:
        condition += " AND at_us < ? AND day <= ?"
        values += [(asked.last_day + 1) * DAY_US + ZONES_US, asked.last_day]
    if asked.from_us is not None:
        condition += " AND at_us >= ?"
        values.append(asked.from_us)
    if asked.before_us is not None:
        condition += " AND at_us < ?"
        values.append(asked.before_us)
    if asked.whole:
        condition += _LAST
    seen = of_calls(asked.sight, organization)
    condition += seen.sql
    values += seen.values
    for name, wanted in asked.filters.items():
        number = number_of(names, name, wanted)
        if number is None:
            return None
        column = (NAMED_FILTERS.get(name) or CODED_FILTERS[name])[0]
        condition += f" AND {column} = ?"
        values.append(number)
    for one in asked.narrowed:
        condition += f" AND {one.column} {'IN' if one.within else 'NOT IN'} ({', '.join('?' * len(one.numbers))})"
        values += one.numbers
    return condition, tuple(values)


def number_of(names: Names, name: str, wanted: str) -> int | None:
    """The number or code that a filter's text stands for; None for one that nothing was booked on."""
    if not wanted:
        return 0                             # the rows that name none
    if name in NAMED_FILTERS:
        return names.number(NAMED_FILTERS[name][1], wanted)
    words = CODED_FILTERS[name][1]
    return words.index(wanted) + 1 if wanted in words else None


def all_stand(db: Connection, organization: int, asked: Asked, what: str) -> None:
    """Raises RowsPruned, beginning with what needs them, where some of the rows asked for are gone."""
    months_between(db, organization, *_span(asked), what)


def beginning_with_rows(db: Connection, organization: int, asked: Asked, what: str) -> Asked:
    """The same, from the first day that has rows where no first day was said. Raises RowsPruned as `all_stand` does."""
    begin = rows_from(db, organization) if asked.first_day is None else None
    asked = asked if begin is None else replace(asked, first_day=begin.toordinal() - _EPOCH)
    all_stand(db, organization, asked, what)
    return asked


def _span(asked: Asked) -> tuple[int, int]:
    """From which month to which the days are."""
    days = [asked.first_day] if asked.first_day is not None else []
    days += [(asked.from_us - ZONES_US) // DAY_US] if asked.from_us is not None else []
    return month_of(max(days)) if days else 0, 999_999 if asked.last_day is None else month_of(asked.last_day)


def _next(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def days_around(hours: tuple[int, int]) -> tuple[int, int]:
    """The first and the last day on which a zone may count what happens from one UTC hour on and before another."""
    first, before = hours
    return (first * HOUR_US - ZONES_US) // DAY_US, (before * HOUR_US - 1 + ZONES_US) // DAY_US


def month_of(day: int) -> int:
    at = date.fromordinal(day + _EPOCH)
    return at.year * 100 + at.month
