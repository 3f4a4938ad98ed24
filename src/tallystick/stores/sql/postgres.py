"""PostgreSQL behind the same interface: the same statements, the same one lock.

A write transaction holds one advisory lock of the database from its first statement to its end, so whoever is inside
reads what the one before committed and races nobody, on this machine or another. The lock is the transaction's: a
gateway that vanishes lets go of it when the server notices (`idle_in_transaction_session_timeout` at the latest).

What the world does becomes StoreFault, and the next use connects again. A connection that is lost while a commit is
on its way leaves open whether it was done: the caller must ask the database, and ask under the lock, for only that
waits until the lost transaction has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from itertools import count
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap, Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from tallystick.core.errors import Defect, StoreFault
from tallystick.stores.sql.connection import Connection, Cursor, Held, WriterLock

READERS_MAX: Final = 8
_PATIENCE_S: Final = 10
_LOCK: Final = 0x7461_6C6C_7973_7469         # "tallysti": one lock for one installation, and one installation in a database
_BEGIN_WRITE: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{_PATIENCE_S}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '60s'; SELECT pg_advisory_xact_lock({_LOCK})")
_BEGIN_DROP: Final = "BEGIN; SET LOCAL lock_timeout = '100ms'"
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_STREAMED_AT_ONCE: Final = 1_000
# Where the URL does not say otherwise: a server that is gone is noticed within seconds, not hours.
_CONNECTION: Final = {
    "application_name": "tallystick", "client_encoding": "utf8", "connect_timeout": 5, "tcp_user_timeout": 10_000,
    "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
}

_Raw = psycopg.Connection[tuple[Any, ...]]


class PostgresDatabase:
    """engine.Database over a server. Safe to share between threads: `write` admits one at a time, `read` lends each
    caller a connection of its own, at most `READERS_MAX` at once."""

    refusals = (psycopg.IntegrityError, psycopg.DataError)

    def __init__(self, url: str) -> None:
        """`url`: `postgresql://user:password@host/database`, or libpq's other spellings. Nothing is connected yet.
        Raises StoreFault for a URL that says nothing."""
        try:
            said = conninfo_to_dict(url)
        except psycopg.ProgrammingError as fault:
            raise StoreFault(f"database.url: {_sentence(fault)}") from None
        self._url = url
        self._said: dict[str, Any] = {**_CONNECTION, **said}
        self._adapters = _adapters()
        self._lock = WriterLock()
        self._writer: _Raw | None = None
        self._readers: list[_Raw] = []
        self._places = threading.BoundedSemaphore(READERS_MAX)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction under the installation's lock: commits at the end of the block, rolls back when it
        raises.

        Raises StoreFault when the database cannot be written (away, locked too long, full). Where that happened while
        it was committed, it may have been written.
        """
        with self._lock:
            raw = self._locked()
            done = False
            try:
                yield _Session(raw)
                done = raw.execute("COMMIT").statusmessage == "COMMIT"
                if not done:                             # the server's word for it: an earlier statement had failed
                    raise Defect("a statement failed in a transaction that went on without it")
            except psycopg.Error as fault:
                if isinstance(fault, self.refusals):     # a constraint is the caller's, not the world's
                    raise
                raise StoreFault(f"database: {_sentence(fault)}") from fault
            finally:
                self._writer = raw if done or _rolled_back(raw) else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection with one unchanging view of the committed state for the whole block.

        Raises StoreFault when the database cannot be read.
        """
        if not self._places.acquire(timeout=_PATIENCE_S):
            raise StoreFault(f"database: all {READERS_MAX} connections for reading have been in use for {_PATIENCE_S} s")
        try:
            raw = self._viewing()
            try:
                yield _Session(raw)
            except psycopg.Error as fault:
                raise StoreFault(f"database: {_sentence(fault)}") from fault
            finally:
                if _rolled_back(raw):
                    self._readers.append(raw)
        finally:
            self._places.release()

    def change_count(self) -> int:
        """How often the control plane has changed."""
        with self.read() as db:
            return int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])

    def has_tables(self, db: Connection) -> bool:
        """Whether an installation was made here."""
        return db.execute("SELECT to_regclass('schema_version')").fetchone()[0] is not None

    def drop_some(self, table: str) -> bool:
        """The whole table at once, without the installation's lock: who still reads it is not waited for, and nobody waits."""
        raw = self._connected(_BEGIN_DROP)
        try:
            raw.execute(f"DROP TABLE IF EXISTS {table}".encode())
            raw.execute("COMMIT")
        except psycopg.errors.LockNotAvailable:
            return False
        except psycopg.Error as fault:
            raise StoreFault(f"database: {_sentence(fault)}") from fault
        finally:
            raw.close()
        return True

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            while self._readers:
                self._readers.pop().close()

    @property
    def place(self) -> dict[str, str]:
        return {"url": self._url}

    def __str__(self) -> str:
        """Where it is; never with its password."""
        return f"PostgreSQL database {self._said.get('dbname', '')} at {self._said.get('host', 'the local socket')}"

    def _locked(self) -> _Raw:
        """The writer's connection inside a transaction that holds the lock. One that broke since it was last used is
        made anew: nothing had been said on it. Raises StoreFault."""
        raw, self._writer = self._writer, None
        if raw is not None and _began(raw, _BEGIN_WRITE):
            return raw
        return self._connected(_BEGIN_WRITE)

    def _viewing(self) -> _Raw:
        while True:
            try:
                raw = self._readers.pop()
            except IndexError:
                return self._connected(_BEGIN_READ)
            if _began(raw, _BEGIN_READ):
                return raw

    def _connected(self, begin: str) -> _Raw:
        try:
            raw = psycopg.connect(**self._said, autocommit=True, cursor_factory=psycopg.RawCursor, context=_Context(self._adapters))
        except psycopg.Error as fault:
            raise StoreFault(f"database: {_sentence(fault)}") from fault
        try:
            if raw.info.parameter_status("server_encoding") != "UTF8":
                raise StoreFault("database: its encoding must be UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)")
            raw.execute(begin.encode())
        except psycopg.Error as fault:
            raw.close()
            raise StoreFault(f"database: {_sentence(fault)}") from fault
        except StoreFault:
            raw.close()
            raise
        return raw


class _Session:
    """A connection in a transaction, as the stores know it (`connection.Connection`)."""

    __slots__ = ("_raw", "_streams")
    clustered = ""                           # it has none

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._streams = count(1)

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        return self._raw.execute(numbered(sql), parameters or None)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        cursor = self._raw.cursor()
        cursor.executemany(numbered(sql), parameters)
        return cursor

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> Iterator[Any]:
        """By a cursor of the server's, which ends with the transaction."""
        name = f"stream_{next(self._streams)}"
        self.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", parameters)
        while rows := self.execute(f"FETCH {_STREAMED_AT_ONCE} FROM {name}").fetchall():
            yield from rows

    def added_up(self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = (), /) -> Iterable[Any]:
        """The server groups by a hash table of its own."""
        sums = ", ".join(f"sum({value})" for value in values)
        if not keys:
            row = self.execute(f"SELECT {sums} FROM {source}", parameters).fetchone()  # noqa: S608 - literals of the callers
            return [row] if row[0] is not None else []
        places = ", ".join(str(place + 1) for place in range(len(keys)))
        return self.execute(f"SELECT {', '.join(keys)}, {sums} FROM {source} GROUP BY {places}", parameters)  # noqa: S608 - literals of the callers

    def held(
        self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = (), /,
    ) -> AbstractContextManager[Held]:
        return nullcontext(Held(keys, values, source, parameters))


class _Context:
    """How psycopg takes a map of adapters along (`psycopg.abc.AdaptContext`)."""

    def __init__(self, adapters: AdaptersMap) -> None:
        self.adapters = adapters
        self.connection = None


class _Whole(Loader):
    """NUMERIC as `int`: nothing here is a fraction, and a sum of BIGINT comes as NUMERIC."""

    def load(self, data: Any) -> int:
        return int(bytes(data))


class _Text(StrDumper):
    """Text as TEXT. PostgreSQL has no NUL in its text; neither has any name we store (journal.py)."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


@lru_cache(maxsize=1024)
def numbered(sql: str) -> bytes:
    """A statement with PostgreSQL's placeholders: each `?` outside a literal becomes `$1`, `$2`…"""
    number = count(1)
    parts = sql.split("'")                               # every second part stands within quotes
    for place in range(0, len(parts), 2):
        said = parts[place].split("?")
        parts[place] = said[0] + "".join(f"${next(number)}{rest}" for rest in said[1:])
    return "'".join(parts).encode()


def _adapters() -> AdaptersMap:
    """Each Python type as one type of the server's, so that a statement is prepared once and means the same on both
    engines."""
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_dumper(str, _Text)
    adapters.register_loader("numeric", _Whole)
    return adapters


def _began(raw: _Raw, begin: str) -> bool:
    """Whether a connection from earlier is still one. Raises StoreFault where the server itself says no."""
    try:
        raw.execute(begin.encode())
    except psycopg.Error as fault:
        if raw.closed:
            return False
        _rolled_back(raw)
        raise StoreFault(f"database: {_sentence(fault)}") from fault
    return True


def _rolled_back(raw: _Raw) -> bool:
    """End whatever transaction there is; False when the connection is of no more use."""
    with suppress(psycopg.Error):
        if not raw.closed:
            raw.execute("ROLLBACK")
            return True
    raw.close()
    return False


def _sentence(fault: psycopg.Error) -> str:
    """The server's words on one line."""
    return " ".join(str(fault).split()) or type(fault).__name__
