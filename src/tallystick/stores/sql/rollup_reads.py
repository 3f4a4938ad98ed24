"""Sums as `facts.py` gives them, from the roll-ups wherever those can say it: by day where one dimension is
asked for, from the cube where that knows all of them, else from the rows. Which of the three it was changes
how long an answer takes and nothing else.

A day that is cut short by a moment is the whole hours of the cube by hour and the rows of the hour that was begun. Who
sees only some teams or keys gets what the cube has of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tallystick.stores.sql import facts
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.facts import HOUR_US, KIND_OF_GROUP, MODEL, Asked, Group, Sums, number_of
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.rollups import DIMENSIONS, LATENCY_BOUNDS_US
from tallystick.stores.sql.sight import of_calls

_CUBE: Final[Mapping[str, str]] = {
    "team": "team_id", "project": "project_id", "key": "key_id", "environment": "environment_id", "provider": "provider_id",
    "operation": "operation_id", "requested_model": "model_id", "served_model": "served_id", "model": MODEL, "outcome": "outcome",
}
# By day: what each dimension's cells can be told apart by.
_DAYS: Final[tuple[tuple[int, Mapping[str, str]], ...]] = tuple(
    (code, {} if name == "total" else {"prompt_key": "value", "prompt_version": "part"} if name == "prompt" else {name: "value"})
    for code, name in enumerate(DIMENSIONS) if name not in ("tags", "dimensions"))

_MEASURES: Final = ("requests", "cost_dollars", "cost_nanos", "errors", "attempts", "latency_us")


def sums(db: Connection, organization: int, asked: Asked, group: Group = "") -> dict[str | None, Sums]:
    """The sums of the calls asked for, by name of the grouping; None stands for the calls without one."""
    named = "model" if group == "served_model" else group
    wanted = {*asked.filters, named} - {""}
    whole = asked.from_us is None and asked.before_us is None and asked.sight.reach == "all"
    by_day = next((found for found in _DAYS if whole and wanted <= found[1].keys()), None)
    if by_day is not None:
        dimension, columns = by_day
        source = f"rollup_day WHERE organization = ? AND dimension = {dimension}"
    elif wanted <= _CUBE.keys() and asked.from_us is None:
        columns, source = _CUBE, f"rollup_{'cube' if asked.before_us is None else 'hour'} WHERE organization = ?"
    else:
        return facts.sums(db, organization, asked, group)
    names = Names(db, organization)
    where = _where(names, organization, asked, columns)
    if where is None:
        return {}
    condition, values = where
    kind = KIND_OF_GROUP.get(group, group)
    totals: dict[str | None, Sums] = {}
    keys = [columns[named]] if named else []
    for row in db.added_up(keys, _MEASURES, source + condition, values):
        number = int(row[0]) if keys else 0
        totals.setdefault(names.of(kind, number), Sums()).add(row[len(keys):])
    if asked.before_us is not None:
        begun = replace(asked, from_us=asked.before_us // HOUR_US * HOUR_US)
        for name, more in facts.sums(db, organization, begun, group).items():
            totals.setdefault(name, Sums()).merge(more)
    return totals


def total(db: Connection, organization: int, asked: Asked) -> Sums:
    """The sums of all the calls asked for."""
    return sums(db, organization, asked).get(None, Sums())


def _where(names: Names, organization: int, asked: Asked, columns: Mapping[str, str]) -> tuple[str, tuple[Any, ...]] | None:
    """The condition and its values; None when a name was never booked on, so nothing can match."""
    condition = " AND kind IN (" + ", ".join("?" * len(asked.kinds)) + ")"
    values: list[Any] = [organization, *asked.kinds]
    before = None if asked.before_us is None else asked.before_us // HOUR_US
    for bound, value in (("day >= ?", asked.first_day), ("day <= ?", asked.last_day), ("hour < ?", before)):
        if value is not None:
            condition += f" AND {bound}"
            values.append(value)
    seen = of_calls(asked.sight, organization)
    condition += seen.sql
    values += seen.values
    for name, text in asked.filters.items():
        number = number_of(names, name, text)
        if number is None:
            return None
        condition += f" AND {columns[name]} = ?"
        values.append(number)
    return condition, tuple(values)


def quantile_us(buckets: tuple[int, ...], share: float) -> int | None:
    """Below which latency this share of calls lies, by straight line within its bucket; None for no calls, the last
    bound for what lies above it. Buckets of several cells are added up before."""
    count, upto = sum(buckets), 0
    for bucket, here in enumerate(buckets[:-1]):
        if count and upto + here >= share * count:
            low, high = (LATENCY_BOUNDS_US[bucket - 1] if bucket else 0), LATENCY_BOUNDS_US[bucket]
            return low + round((high - low) * max(0.0, share * count - upto) / here) if here else low
        upto += here
    return LATENCY_BOUNDS_US[-1] if count else None
