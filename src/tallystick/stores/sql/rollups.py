"""What calls come to, hour by hour and day by day: sums of the narrow rows, so that a month is read in
milliseconds however many calls it had. Two shapes: a cube of what most questions ask together, by hour and by day, and
for every dimension a sum by day. A roll-up is a function of the rows and of nothing else: a row that is
written adds to its cells, a row that changes is taken out and put in again. It commits with the row, so the
two never disagree, and whoever doubts it can derive it again (rollup_days.py).

What grows with combinations and values, not with calls, has a cell; sessions, which end after a few calls,
have none. A call stands in the organisation's day of its admission, with whatever was corrected since.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import itemgetter
from struct import Struct, error
from typing import Any, Final

from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql.callfact import COLUMNS, OUTCOMES
from tallystick.stores.sql.connection import Connection

LATENCY_BOUNDS_US: Final = tuple(25_000 << doubled for doubled in range(14))         # 25 ms … 204.8 s; the last bucket has no end
LATENCIES: Final = tuple(f"latency_{bucket}" for bucket in range(len(LATENCY_BOUNDS_US) + 1))
ERRORS: Final = frozenset(OUTCOMES.index(word) + 1 for word in ("failed", "cut", "unreached"))
_TOKENS: Final = slice(COLUMNS.index("input_tokens"), COLUMNS.index("reasoning_tokens") + 1)
_AMOUNTS: Final = slice(COLUMNS.index("cost_nanos"), COLUMNS.index("off_list_nanos") + 1)
MEASURES: Final = ("requests", "attempts", "errors", *COLUMNS[_TOKENS], *(name.replace("_nanos", "_dollars") for name in COLUMNS[_AMOUNTS]),
                   *COLUMNS[_AMOUNTS], "latency_us", *LATENCIES)

# What a call is counted under; a dimension's place is its code. Only ever append.
DIMENSIONS: Final = ("total", "team", "project", "key", "environment", "provider", "operation", "requested_model", "model", "user",
                     "agent", "cost_center", "prompt", "tags", "dimensions", "code")
HOUR_KEY: Final = ("organization", "day", "hour", "kind", "key_id", "team_id", "project_id", "environment_id", "provider_id",
                   "operation_id", "model_id", "served_id", "outcome", "status_class")
CUBE_KEY: Final = tuple(name for name in HOUR_KEY if name != "hour")
DAY_KEY: Final = ("organization", "dimension", "day", "value", "part", "kind")

Numbers = tuple[int, ...]
Cells = defaultdict[Numbers, int]            # key → measures, packed; both in the orders above

# The rows of one group stand in the same cells of all tables.
_GROUP: Final = (*HOUR_KEY[:-1], "status", "user_id", "agent_id", "cost_center_id", "prompt_key_id", "prompt_version_id",
                 "tags_id", "dimensions_id", "code_id")
_group_of: Final = itemgetter(*map(COLUMNS.index, _GROUP))
_BREATH: Final = 64
_PROMPT: Final = DIMENSIONS.index("prompt")
_ATTEMPT, _OUTCOME, _LATENCY = map(COLUMNS.index, ("attempt", "outcome", "latency_us"))
_ATTEMPTS: Final = MEASURES.index("attempts")
_WORDS: Final = Struct(f"<{len(MEASURES)}Q")
_SIGNED: Final = Struct(f"<{len(MEASURES)}q")
_HALVES: Final = sum(1 << (64 * place + 63) for place in range(len(MEASURES)))     # on top of any sum, no word borrows from the next
_NO_DOLLARS: Final = (0,) * (_AMOUNTS.stop - _AMOUNTS.start)
_NOT_MEASURED: Final = (0,) * len(LATENCIES)
_MEASURED: Final = tuple(tuple(int(place == bucket) for place in range(len(LATENCIES))) for bucket in range(len(LATENCIES)))


def _measures_in_sql() -> tuple[str, ...]:
    """The measures of a row as SQL, in their order; dollars and the nanos beyond them have the amount's sign."""
    errors = ", ".join(map(str, sorted(ERRORS)))
    bounds = (0, *LATENCY_BOUNDS_US)
    buckets = [f"latency_us > {low} AND latency_us <= {high}" for low, high in zip(bounds, LATENCY_BOUNDS_US, strict=False)]
    buckets.append(f"latency_us > {LATENCY_BOUNDS_US[-1]}")
    return (
        "CASE WHEN attempt = 1 THEN 1 ELSE 0 END", "1", f"CASE WHEN outcome IN ({errors}) THEN 1 ELSE 0 END",
        *COLUMNS[_TOKENS], *(f"{name} / {NANOS_PER_UNIT}" for name in COLUMNS[_AMOUNTS]),
        *(f"{name} % {NANOS_PER_UNIT}" for name in COLUMNS[_AMOUNTS]), "latency_us",
        *(f"CASE WHEN {bucket} THEN 1 ELSE 0 END" for bucket in buckets))


MEASURES_IN_SQL: Final = dict(zip(MEASURES, _measures_in_sql(), strict=True))       # of one of the narrow rows
GROUPS: Final = ("SELECT " + ", ".join((*_GROUP, *(f"sum({measure})" for measure in MEASURES_IN_SQL.values()))) +  # noqa: S608 - literals of callfact.py
                 " FROM call_fact_{month} WHERE organization = ? AND at_us >= ? AND at_us < ? AND day = ? GROUP BY " + ", ".join(_GROUP))


def _upsert(table: str, key: tuple[str, ...]) -> str:
    names = ", ".join((*key, *MEASURES))
    places = ", ".join("?" * (len(key) + len(MEASURES)))
    moved = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in MEASURES)
    return f"INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT ({', '.join(key)}) DO UPDATE SET {moved}"  # noqa: S608


def _delete_empty(table: str, key: tuple[str, ...]) -> str:
    return f"DELETE FROM {table} WHERE " + " AND ".join(f"{name} = ?" for name in key) + " AND attempts = 0"  # noqa: S608


_TABLES: Final = {table: (_upsert(table, key), _delete_empty(table, key))
                  for table, key in (("rollup_hour", HOUR_KEY), ("rollup_cube", CUBE_KEY), ("rollup_day", DAY_KEY))}


class Tally:
    """What some rows come to, by cell of the tables."""

    __slots__ = ("cubes", "days", "hours")

    def __init__(self) -> None:
        self.hours: Cells = defaultdict(int)
        self.cubes: Cells = defaultdict(int)
        self.days: Cells = defaultdict(int)

    def add(self, facts: Iterable[tuple[Any, ...]], sign: int = 1, breathe: Callable[[], None] = lambda: None) -> None:
        """Count rows in, or with -1 out. A row is as `callfact.COLUMNS` orders it; `breathe` is called about every
        half millisecond."""
        groups: Cells = defaultdict(int)
        for number, fact in enumerate(facts):
            groups[_group_of(fact)] += packed(_measures_of(fact))
            if not number % _BREATH:
                breathe()
        for number, (group, sums) in enumerate(groups.items()):
            self._add_group(group, sign * sums)
            if not number % _BREATH:
                breathe()

    def add_groups(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Count in what `GROUPS` found: rows that stand in the same cells, added up by the database."""
        for row in rows:
            self._add_group(row[:len(_GROUP)], packed(tuple(map(int, row[len(_GROUP):]))))

    def _add_group(self, group: Numbers, sums: int) -> None:
        status_class = group[13] // 100
        self.hours[(*group[:13], status_class)] += sums
        self.cubes[(*group[:2], *group[3:13], status_class)] += sums
        for key in _days_of(group):
            self.days[key] += sums


class RollUps:
    """What a transaction does to the roll-ups, gathered until its end: the rows it adds, and those it takes out."""

    __slots__ = ("added", "taken")

    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []
        self.taken: list[tuple[Any, ...]] = []

    def adjust(self, fact: tuple[Any, ...], delta_nanos: int) -> None:
        """A row has moved by a correction; `fact` is how it stands now."""
        self.added.append(fact)
        self.taken.append(tuple(value - delta_nanos if name in ("cost_nanos", "adjusted_nanos") else value
                                for name, value in zip(COLUMNS, fact, strict=True)))

    def write(self, db: Connection, breathe: Callable[[], None]) -> None:
        """Move every cell once."""
        tally = Tally()
        tally.add(self.added, breathe=breathe)
        tally.add(self.taken, -1, breathe)
        write(db, tally)
        self.added.clear()
        self.taken.clear()


def write(db: Connection, tally: Tally) -> None:
    """Add what a tally says to the cells; a cell that comes to nothing goes."""
    for table, cells in (("rollup_hour", tally.hours), ("rollup_cube", tally.cubes), ("rollup_day", tally.days)):
        upsert, delete_empty = _TABLES[table]
        moved = [(key, unpacked(sums)) for key, sums in sorted(cells.items()) if sums]
        db.executemany(upsert, [(*key, *measures) for key, measures in moved])
        db.executemany(delete_empty, [key for key, measures in moved if measures[_ATTEMPTS] < 0])


def packed(measures: Numbers) -> int:
    """Measures as one number of as many words, so that adding up two cells is one addition: Σ measure × 2^(64 × place)."""
    try:
        return int.from_bytes(_WORDS.pack(*measures), "little")
    except error:                            # one is below zero, as few are
        return sum(measure << (64 * place) for place, measure in enumerate(measures))


def unpacked(sums: int) -> Numbers:
    """The measures of a packed sum, each in 64 bits with its sign."""
    return _SIGNED.unpack(((sums + _HALVES) ^ _HALVES).to_bytes(_WORDS.size, "little"))


def _measures_of(fact: tuple[Any, ...]) -> Numbers:
    latency_us = fact[_LATENCY]
    return (int(fact[_ATTEMPT] == 1), 1, int(fact[_OUTCOME] in ERRORS), *fact[_TOKENS], *_in_halves(fact[_AMOUNTS]), latency_us,
            *(_MEASURED[bisect_left(LATENCY_BOUNDS_US, latency_us)] if latency_us else _NOT_MEASURED))


def _in_halves(amounts: Numbers) -> Numbers:
    """The whole dollars of each, then the nanos beyond them; both have the amount's sign."""
    if max(amounts) < NANOS_PER_UNIT and min(amounts) > -NANOS_PER_UNIT:
        return (*_NO_DOLLARS, *amounts)
    wholes = [amount // NANOS_PER_UNIT if amount >= 0 else -(-amount // NANOS_PER_UNIT) for amount in amounts]
    return (*wholes, *(amount - whole * NANOS_PER_UNIT for amount, whole in zip(amounts, wholes, strict=True)))


def _days_of(group: Numbers) -> list[Numbers]:
    """The cells by day, one for each of `DIMENSIONS`."""
    (organization, day, _, kind, key, team, project, environment, provider, operation, model, served, _, _,
     user, agent, cost_center, prompt, version, tags, dimensions, code) = group
    values = (0, team, project, key, environment, provider, operation, model, served or model, user,
              agent, cost_center, prompt, tags, dimensions, code)
    return [(organization, dimension, day, value, version if dimension == _PROMPT else 0, kind) for dimension, value in enumerate(values)]

