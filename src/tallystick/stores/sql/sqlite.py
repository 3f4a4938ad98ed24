"""The embedded database: one SQLite file in write-ahead mode, one writer at a time, readers never wait.
Several processes may share the file: the write lock is the file's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tallystick.core.errors import StoreFault
from tallystick.stores.sql.connection import Connection, Held, WriterLock

_BUSY_TIMEOUT_MS = 10_000
_READERS_KEPT_MAX = 8
_KEY_BITS: Final = 31
_DROPPED_AT_ONCE: Final = 1_000              # about 3 ms
_WORLD: Final = (sqlite3.OperationalError, sqlite3.DatabaseError)        # locked, full, broken; not their subclasses


class _Session(sqlite3.Connection):
    """A connection as the stores know it."""

    clustered = "WITHOUT ROWID"
    _held = 0                                # tables of sums that are open

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> Iterator[Any]:
        """Rows as they are read: SQLite reads no other way."""
        return self.execute(sql, parameters)

    def added_up(self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = (), /) -> Sequence[Any]:
        if not keys:
            row = self.execute(f"SELECT {', '.join(f'sum({value})' for value in values)} FROM {source}", parameters).fetchone()  # noqa: S608
            return [row] if row[0] is not None else []
        with self.held(keys, values, source, parameters) as held:
            return self.execute(f"SELECT {', '.join((*held.keys, *held.values))} FROM {held.source}").fetchall()  # noqa: S608

    @contextmanager
    def held(self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = (), /) -> Iterator[Held]:
        """In a table by key instead of by GROUP BY, which sorts all rows first: six times as fast on millions, most so where the
        key is the row's own number. A sum beyond 64 bits is an error, as it is for `sum`: STRICT takes no other number."""
        self._held += 1
        table = f"held_{self._held}"
        parts = [_packed(keys[place:place + 2]) for place in range(0, len(keys), 2)]
        names, sums = [f"k{place}" for place in range(len(parts))], [f"s{place}" for place in range(len(values))]
        columns = ", ".join(f"{name} INTEGER NOT NULL" for name in (*names, *sums))
        kind = "STRICT, WITHOUT ROWID" if parts[1:] else "STRICT"
        self.execute(f"CREATE TEMP TABLE {table} ({columns}, PRIMARY KEY ({', '.join(names)})) {kind}")
        try:
            moved = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
            rows = f"SELECT {', '.join((*parts, *values))} FROM {source}"  # noqa: S608 - literals of the callers
            self.execute(f"INSERT INTO temp.{table} {rows} ON CONFLICT DO UPDATE SET {moved}", parameters)
            yield Held(_unpacked(names, len(keys)), sums, f"temp.{table} WHERE 1 = 1", ())
        finally:
            self.execute(f"DROP TABLE temp.{table}")
            self._held -= 1


def _packed(keys: Sequence[str]) -> str:
    """Two keys as one number."""
    return keys[0] if len(keys) == 1 else f"({keys[0]}) << {_KEY_BITS} | ({keys[1]})"


def _unpacked(names: Sequence[str], count: int) -> list[str]:
    """Each key again, as an expression."""
    halves = [half for name in names for half in (f"{name} >> {_KEY_BITS}", f"{name} & {(1 << _KEY_BITS) - 1}")]
    return halves if count % 2 == 0 else [*halves[:count - 1], names[-1]]


class SqliteDatabase:
    """engine.Database over a file. Safe to share between threads: `write` admits one at a time, `read` lends each
    caller a connection of its own."""

    refusals = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)

    def __init__(self, path: Path, *, strict: bool = False) -> None:
        """`strict`: commits reach the disk before they return (power loss), not only the file. Raises StoreFault for a
        file that is no database."""
        self.path = path
        self._strict = strict
        self._lock = WriterLock()
        self._readers: list[_Session] = []
        try:
            self._writer = self._connect()
        except sqlite3.DatabaseError as fault:
            raise StoreFault(f"{path}: {fault}") from fault

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction: commits at the end of the block, rolls back when it raises.

        Raises StoreFault when the database cannot be written (locked too long, disk full, broken).
        """
        with self._lock:
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as fault:
                if type(fault) not in _WORLD:            # a constraint is the caller's, not the world's
                    raise
                raise StoreFault(f"database: {fault}") from fault

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection with one unchanging view of the committed state for the whole block.

        Raises StoreFault when the database cannot be read.
        """
        try:
            db = self._readers.pop()
        except IndexError:
            db = self._connect()
        try:
            db.execute("BEGIN")
            yield db
        except sqlite3.DatabaseError as fault:
            raise StoreFault(f"database: {fault}") from fault
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(self._readers) < _READERS_KEPT_MAX:
                self._readers.append(db)
            else:
                db.close()

    def change_count(self) -> int:
        """How often the control plane has changed."""
        with self.read() as db:
            return int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])

    def has_tables(self, db: Connection) -> bool:
        """Whether an installation was made here."""
        return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is not None

    def drop_some(self, table: str) -> bool:
        """Dropping a full table would read and journal every page of it under the lock; so it is emptied first, piece by
        piece. Its free pages are used again."""
        with self.write() as db:
            key = ", ".join(row[0] for row in db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)))
            if not key:
                return True
            piece = f"SELECT {key} FROM {table} ORDER BY {key} LIMIT {_DROPPED_AT_ONCE}"  # noqa: S608 - names of our own tables
            if db.execute(f"DELETE FROM {table} WHERE ({key}) IN ({piece})").rowcount:  # noqa: S608
                return False
            db.execute(f"DROP TABLE {table}")
            return True

    def close(self) -> None:
        with self._lock:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()

    @property
    def place(self) -> dict[str, str]:
        return {"path": str(self.path.absolute())}

    def __str__(self) -> str:
        return str(self.path)

    def _connect(self) -> _Session:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256, factory=_Session)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if self._strict else 'NORMAL'}")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        return db
