"""The embedded database: one SQLite file in write-ahead mode, one writer at a time, readers never wait.

`write()` is the installation's one lock: a transaction that begins by taking the write lock, so
whoever is inside it may read, decide and append without racing anybody, in this process or another
(the CLI beside a running server). Everything a decision changes commits with it or not at all.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from tallystick.core.errors import Defect, StoreFault

FILE_NAME: Final = "tallystick.db"
SCHEMA_VERSION: Final = 2
SYSTEM: Final = 0                            # the organisation `system`: the installation's own chain
DEFAULT: Final = 1                           # the organisation `default`, made at first start
DEFAULT_TEAM: Final = "default"              # where a project without a team belongs
_BUSY_TIMEOUT_MS = 10_000
_READERS_KEPT_MAX = 8
_WORLD: Final = (sqlite3.OperationalError, sqlite3.DatabaseError)        # locked, full, broken; not their subclasses
_MONTH = re.compile(r"[0-9]{6}")


class Database:
    """Connections to one installation's database. Made by `open_database`; safe to share between
    threads: `write` admits one at a time, `read` lends each caller a connection of its own."""

    def __init__(self, path: Path, *, strict: bool = False) -> None:
        """`strict`: commits reach the disk before they return (power loss), not only the file."""
        self.path = path
        self._strict = strict
        self._lock = threading.Lock()
        self._writer = self._connect()
        self._readers: list[sqlite3.Connection] = []

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
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
    def read(self) -> Iterator[sqlite3.Connection]:
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
        """How often the control plane has changed; a running server polls it (every 250 ms)."""
        with self.read() as db:
            return int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if self._strict else 'NORMAL'}")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        return db


def open_database(data: Path, now_us: int, *, strict: bool = False) -> Database:
    """Open the database of a data directory, making directory, tables and first names as needed.

    `now_us` stamps what is made. Raises StoreFault for another schema than this program's, and for
    a file that is not a database.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / FILE_NAME
    try:
        database = Database(path, strict=strict)
        path.chmod(0o600)
        with database.write() as db:
            version = _version(db)
            if version is None:
                _create(db, now_us)
            _run(db, _resource("prices.sql"))
    except sqlite3.DatabaseError as fault:
        raise StoreFault(f"{path}: {fault}") from fault
    if version is not None and version > SCHEMA_VERSION:
        database.close()
        raise StoreFault(f"{path} has schema {version}; this program knows up to {SCHEMA_VERSION}. Use a newer release.")
    if version is not None and version < SCHEMA_VERSION:
        database.close()
        raise StoreFault(f"{path} has schema {version}, from before the first release; this program begins with {SCHEMA_VERSION}. "
                         "Make a new data directory.")
    return database


def note_change(db: sqlite3.Connection) -> None:
    """Tell running servers that the control plane changed; in the transaction that changes it."""
    db.execute("UPDATE change_counter SET value = value + 1 WHERE id = 1")


def next_id(db: sqlite3.Connection, table: str) -> int:
    """The next free id of `organization`, `team` or `project`, inside a write transaction."""
    query = {"organization": "SELECT max(id) FROM organization", "team": "SELECT max(id) FROM team",
             "project": "SELECT max(id) FROM project"}[table]
    return int(db.execute(query).fetchone()[0] or 0) + 1


def ensure_month(db: sqlite3.Connection, month: int, now_us: int) -> None:
    """Make the tables of a month (YYYYMM) unless they are there."""
    if db.execute("SELECT 1 FROM journal_month WHERE month = ?", (month,)).fetchone():
        return
    _run(db, month_sql(_resource("month.sql"), month))
    db.execute("INSERT INTO journal_month (month, created_us) VALUES (?, ?)", (month, now_us))


def months(db: sqlite3.Connection) -> list[int]:
    """The months that have tables, newest first."""
    rows = db.execute("SELECT month FROM journal_month WHERE pruned_us IS NULL ORDER BY month DESC")
    return [int(row[0]) for row in rows]


def month_sql(template: str, month: int) -> str:
    """A statement for one month's tables: `{month}` is the only thing ever put into SQL as text."""
    text = str(month)
    if not _MONTH.fullmatch(text):
        raise Defect(f"not a month: {month}")
    return template.replace("{month}", text)


def ensure_team(db: sqlite3.Connection, organization: int, name: str, now_us: int) -> int:
    """The team's id, made when it is new."""
    row = db.execute("SELECT id FROM team WHERE organization = ? AND name = ?", (organization, name)).fetchone()
    if row:
        return int(row[0])
    team = next_id(db, "team")
    db.execute("INSERT INTO team (id, organization, name, created_us) VALUES (?, ?, ?, ?)", (team, organization, name, now_us))
    return team


def ensure_project(db: sqlite3.Connection, organization: int, team: int, name: str, now_us: int) -> int:
    """The project's id within its team, made when it is new."""
    row = db.execute("SELECT id FROM project WHERE team = ? AND name = ?", (team, name)).fetchone()
    if row:
        return int(row[0])
    project = next_id(db, "project")
    db.execute("INSERT INTO project (id, organization, team, name, created_us) VALUES (?, ?, ?, ?, ?)",
               (project, organization, team, name, now_us))
    return project


def ensure_organization(db: sqlite3.Connection, slug: str, name: str, now_us: int, zone: str = "UTC") -> int:
    """The organisation's id, made with an empty chain when it is new."""
    row = db.execute("SELECT id FROM organization WHERE slug = ?", (slug,)).fetchone()
    if row:
        return int(row[0])
    return _add_organization(db, next_id(db, "organization"), slug, name, now_us, zone)


def _add_organization(db: sqlite3.Connection, organization: int, slug: str, name: str, now_us: int, zone: str) -> int:
    db.execute("INSERT INTO organization (id, slug, name, zone, created_us) VALUES (?, ?, ?, ?, ?)",
               (organization, slug, name, zone, now_us))
    db.execute("INSERT INTO chain (organization, next_seq, head, frontier, checkpoint_size, checkpoint_us) VALUES (?, 0, ?, ?, 0, ?)",
               (organization, bytes(32), b"", now_us))
    return organization


def _version(db: sqlite3.Connection) -> int | None:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone():
        return None
    row = db.execute("SELECT version FROM schema_version").fetchone()
    return int(row[0]) if row else None


def _create(db: sqlite3.Connection, now_us: int) -> None:
    _run(db, _resource("schema.sql"))
    _run(db, _resource("budgets.sql"))
    db.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
    db.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
    _add_organization(db, SYSTEM, "system", "Installation", now_us, "UTC")
    _add_organization(db, DEFAULT, "default", "Default", now_us, "UTC")
    team = ensure_team(db, DEFAULT, "default", now_us)
    ensure_project(db, DEFAULT, team, "default", now_us)


def _run(db: sqlite3.Connection, script: str) -> None:
    """Each statement of a script inside the open transaction (`executescript` would commit it)."""
    bare = "\n".join(line.split("--")[0] for line in script.splitlines())
    for statement in bare.split(";"):
        if statement.strip():
            db.execute(statement)


def _resource(name: str) -> str:
    return resources.files("tallystick.stores.sql").joinpath(name).read_text("utf-8")
