"""One day of the roll-ups derived again from that day's rows, to compare with what stands there and to write
anew. A day at a time, its rows added up by the database: memory is bounded by a day's cells, whatever its calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database, month_sql, months
from tallystick.stores.sql.facts import DAY_US, ZONES_US, month_of
from tallystick.stores.sql.rollups import CUBE_KEY, DAY_KEY, DIMENSIONS, GROUPS, HOUR_KEY, MEASURES, Cells, Tally, packed, unpacked, write

_EACH: Final = "dimension IN (" + ", ".join(map(str, range(len(DIMENSIONS)))) + ")"      # the key begins with it
_STORED_HOURS: Final = "SELECT " + ", ".join((*HOUR_KEY, *MEASURES)) + " FROM rollup_hour WHERE organization = ? AND day = ?"  # noqa: S608
_STORED_CUBES: Final = "SELECT " + ", ".join((*CUBE_KEY, *MEASURES)) + " FROM rollup_cube WHERE organization = ? AND day = ?"  # noqa: S608
_STORED_DAYS: Final = ("SELECT " + ", ".join((*DAY_KEY, *MEASURES)) +  # noqa: S608
                       f" FROM rollup_day WHERE organization = ? AND {_EACH} AND day = ?")


def differences(db: Connection, organization: int) -> Iterator[str]:
    """Where the roll-ups say something else than the rows they were made of."""
    for day in _days(db, organization):
        yield from day_differences(db, organization, day)


def day_differences(db: Connection, organization: int, day: int) -> Iterator[str]:
    """Where the roll-ups of one day say something else than its rows."""
    derived = _derived(db, organization, day)
    stored_hours = _cells(db, _STORED_HOURS, len(HOUR_KEY), organization, day)
    yield from _compared(f"hour of day {day}", HOUR_KEY, derived.hours, stored_hours)
    yield from _compared(f"cube of day {day}", CUBE_KEY, derived.cubes, _cells(db, _STORED_CUBES, len(CUBE_KEY), organization, day))
    yield from _compared(f"sum of day {day}", DAY_KEY, derived.days, _cells(db, _STORED_DAYS, len(DAY_KEY), organization, day))


def rebuild(database: Database) -> int:
    """Write all roll-ups anew, each day of an organisation in a transaction of its own, beside a running server or
    not; how many days. Roll-ups of months whose rows are gone stay. Raises StoreFault."""
    with database.read() as db:
        organizations = [int(row[0]) for row in db.execute("SELECT id FROM organization ORDER BY id").fetchall()]
        days = [(organization, day) for organization in organizations for day in _days(db, organization)]
    for organization, day in days:
        with database.write() as db:
            for table in ("rollup_hour", "rollup_cube"):
                db.execute(f"DELETE FROM {table} WHERE organization = ? AND day = ?", (organization, day))  # noqa: S608 - literals, above
            db.execute(f"DELETE FROM rollup_day WHERE organization = ? AND {_EACH} AND day = ?", (organization, day))  # noqa: S608
            write(db, _derived(db, organization, day))
    return len(days)


def _days(db: Connection, organization: int) -> list[int]:
    """The days that have rows or roll-ups, without those of months whose rows were dropped."""
    tables = ["rollup_hour", "rollup_cube", "rollup_day", *(month_sql("call_fact_{month}", month) for month in months(db))]
    days = {int(day) for table in tables
            for (day,) in db.execute(f"SELECT DISTINCT day FROM {table} WHERE organization = ?", (organization,)).fetchall()}  # noqa: S608
    pruned = {int(row[0]) for row in db.execute("SELECT month FROM journal_month WHERE pruned_us IS NOT NULL").fetchall()}
    return sorted(day for day in days if month_of(day) not in pruned)


def _derived(db: Connection, organization: int, day: int) -> Tally:
    """What the rows of one day come to."""
    tally = Tally()
    if month_of(day) in months(db):
        span = (organization, day * DAY_US - ZONES_US, (day + 1) * DAY_US + ZONES_US, day)
        tally.add_groups(db.stream(month_sql(GROUPS, month_of(day)), span))
    return tally


def _cells(db: Connection, query: str, key: int, organization: int, day: int) -> Cells:
    return defaultdict(int, {tuple(row[:key]): packed(row[key:]) for row in db.execute(query, (organization, day)).fetchall()})


def _compared(what: str, names: tuple[str, ...], derived: Cells, stored: Cells) -> Iterator[str]:
    for key in sorted(derived.keys() | stored.keys()):
        proper, found = derived.get(key), stored.get(key)
        if proper == found:
            continue
        place = ", ".join(f"{name} {number}" for name, number in zip(names, key, strict=True) if number)
        if found is None or proper is None:
            yield f"the {what} ({place}) {'is missing' if found is None else 'has no calls'}"
        else:
            both = zip(MEASURES, unpacked(found), unpacked(proper), strict=True)
            wrong = ", ".join(name for name, has, should in both if has != should)
            yield f"the {what} ({place}) differs from its calls: {wrong}"
