"""An installation's file copied into a server's database, row by row, in one transaction of the server's: it has all of it or
nothing. Nothing is translated, for both engines have the same tables; so the chain, its signatures and every sum are
afterwards what they were, which `verify` confirms there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from tallystick.core.errors import StoreFault
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import FILE_NAME, MONTH_TABLES, MOVED_NAME, Database, ensure_month, make_tables, month_sql, months

_AT_ONCE: Final = 1_000


def copy_into(source: Database, target: Database, now_us: int, progress: Callable[[str, int], object] = lambda _table, _rows: None) -> int:
    """Copy all of a file's database into one without tables; how many rows that were. Nobody else may write meanwhile: the
    file's lock is held. `progress` is told of each table when it is done.

    Raises StoreFault where the target has tables, and where the one or the other fails; then the target is as it was.
    """
    with source.write() as old, target.write() as new:
        if target.has_tables(new):
            raise StoreFault(f"{target} has an installation already. Move into a database without tables.")
        make_tables(new, now_us)
        for month in months(old):
            ensure_month(new, month, now_us)
        tables = _tables(old)
        for table in reversed(tables):
            new.execute(f"DELETE FROM {table}")  # noqa: S608 - a table of ours
        total = 0
        for table in tables:
            rows = _copy(old, new, table)
            there = int(new.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
            if there != rows:
                raise StoreFault(f"{table}: {rows} rows were copied, and {there} are there.")
            progress(table, rows)
            total += rows
        return total


def put_aside(data: Path) -> Path:
    """Rename the file that was copied, so that nobody goes on writing into it. Every connection to it is closed."""
    aside = data / MOVED_NAME
    (data / FILE_NAME).rename(aside)
    return aside


def _copy(old: Connection, new: Connection, table: str) -> int:
    columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours
    rows, copied = old.stream(f"SELECT {', '.join(columns)} FROM {table}"), 0  # noqa: S608
    while batch := list(islice(rows, _AT_ONCE)):
        new.executemany(insert, batch)
        copied += len(batch)
    return copied


def _tables(old: Connection) -> list[str]:
    """All tables, each behind those that its rows refer to."""
    gone = {month_sql(name, month) for name in MONTH_TABLES for (month,) in old.execute(
        "SELECT month FROM journal_month WHERE pruned_us IS NOT NULL").fetchall()}     # not dropped yet, perhaps
    names = [str(name) for (name,) in old.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") if name not in gone]
    refers = {name: {str(row[2]) for row in old.execute(f"PRAGMA foreign_key_list({name})")} - {name} for name in names}
    return list(_ordered(refers))


def _ordered(refers: Mapping[str, set[str]]) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(refers):
        ready = [name for name in refers if name not in done and refers[name] <= done]
        if not ready:
            raise StoreFault("the tables of this file refer to each other in a circle; it is not one of this program's.")
        yield from ready
        done.update(ready)
