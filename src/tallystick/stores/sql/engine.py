"""The installation's database, whichever engine keeps it: a file beside the gateway (sqlite.py) or a PostgreSQL
server that several gateways share (postgres.py). Statements are written once and run on both.

`write()` is the installation's one lock: a transaction that begins by taking the write lock, so
whoever is inside it may read, decide and append without racing anybody, in this process or another
(the CLI beside a running server, a second gateway). Everything a decision changes commits with it or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from tallystick.core.errors import Defect, StoreFault
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.sqlite import SqliteDatabase

FILE_NAME: Final = "tallystick.db"
MOVED_NAME: Final = "tallystick.moved.db"    # what `tallystick move` leaves of it
SCHEMA_VERSION: Final = 2
SYSTEM: Final = 0                            # the organisation `system`: the installation's own chain
DEFAULT: Final = 1                           # the organisation `default`, made at first start
DEFAULT_TEAM: Final = "default"              # where a project without a team belongs
MONTH_TABLES: Final = ("entry_{month}", "call_fact_{month}")
_MONTH = re.compile(r"[0-9]{6}")


class Database(Protocol):
    """Connections to one installation's database. Made by `open_database`; safe to share between threads."""

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What a connection raises for a row that cannot stand (a constraint, a value out of its range), which is the
        caller's fault and not the world's."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """One write transaction: commits at the end of the block, rolls back when it raises.

        Raises StoreFault when the database cannot be written. If a server was lost while it committed, the block may
        have been written all the same.
        """
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A connection with one unchanging view of the committed state for the whole block.

        Raises StoreFault when the database cannot be read.
        """
        ...

    def change_count(self) -> int:
        """How often the control plane has changed; a running server polls it (every 250 ms)."""
        ...

    def has_tables(self, db: Connection) -> bool:
        """Whether an installation was made here."""
        ...

    def drop_some(self, table: str) -> bool:
        """Take away a bounded part of a table that nobody reads any more; whether it is gone. Nobody who writes waits for it
        longer than for any other transaction. Raises StoreFault."""
        ...

    @property
    def place(self) -> dict[str, str]:
        """Where it is, for a process of our own that reads it too (`opened_at`); it may hold a password."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...


def open_database(data: Path, now_us: int, *, url: str | None = None, strict: bool = False, mark: str | None = None) -> Database:
    """Open the database at `url` (`postgresql://…`), else the file in the data directory, making directory, tables and
    first names as needed.

    `now_us` stamps what is made; `strict`: the file's commits survive a power loss (a server is told so itself); `mark`:
    of the secrets that belong to it. Raises StoreFault for another schema than this program's, for a file that is not a
    database, for a server that cannot be reached, and for the database of an installation with other secrets.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = server_at(url) if url is not None else _file(data / FILE_NAME, strict=strict)
    try:
        with database.write() as db:
            version = int(db.execute("SELECT version FROM schema_version").fetchone()[0]) if database.has_tables(db) else None
            if version is None:
                make_tables(db, now_us)
            elif version > SCHEMA_VERSION:
                raise StoreFault(f"{database} has schema {version}; this program knows up to {SCHEMA_VERSION}. Use a newer release.")
            elif version < SCHEMA_VERSION:
                raise StoreFault(f"{database} has schema {version}, from before the first release; this program begins with "
                                 f"{SCHEMA_VERSION}. Make a new one.")
            _make_missing(db)
            if mark is not None:
                _claim(db, mark, f"{database}")
    except BaseException:
        database.close()
        raise
    return database


def _claim(db: Connection, mark: str, where: str) -> None:
    """A second gateway with secrets of its own would know none of the keys, so it is told before it starts."""
    row = db.execute("SELECT secrets FROM installation WHERE id = 1").fetchone()
    if row is None:
        db.execute("INSERT INTO installation (id, secrets) VALUES (1, ?)", (mark,))
    elif row[0] != mark:
        raise StoreFault(f"{where} belongs to an installation with other secrets. Copy its pepper, kek and ledger.key into the "
                         "data directory (docs/operations.md, Several instances).")


def _file(path: Path, *, strict: bool) -> Database:
    if not path.exists() and path.with_name(MOVED_NAME).exists():
        raise StoreFault(f"This installation was moved to a PostgreSQL server: set database.url to it. To go back to what was here "
                         f"then, rename {MOVED_NAME} to {FILE_NAME}.")
    database = SqliteDatabase(path, strict=strict)
    path.chmod(0o600)
    return database


def opened_at(place: Mapping[str, str]) -> Database:
    """The database of a running installation, once more. Raises StoreFault."""
    return server_at(place["url"]) if "url" in place else SqliteDatabase(Path(place["path"]))


def server_at(url: str) -> Database:
    """A PostgreSQL server's database, not connected yet. Raises StoreFault without the driver, or for a URL that says nothing."""
    try:
        from tallystick.stores.sql.postgres import PostgresDatabase  # noqa: PLC0415 - an extra, which most installations lack
    except ImportError:
        raise StoreFault("database.url needs the driver for PostgreSQL: pip install 'tallystick[postgres]'.") from None
    return PostgresDatabase(url)


def note_change(db: Connection) -> None:
    """Tell running servers that the control plane changed; in the transaction that changes it."""
    db.execute("UPDATE change_counter SET value = value + 1 WHERE id = 1")


def next_id(db: Connection, table: str) -> int:
    """The next free id of `organization`, `team` or `project`, inside a write transaction."""
    query = {"organization": "SELECT max(id) FROM organization", "team": "SELECT max(id) FROM team",
             "project": "SELECT max(id) FROM project"}[table]
    return int(db.execute(query).fetchone()[0] or 0) + 1


class MonthClosed(ValueError):
    """What would stand in a month whose rows are gone, or going: nothing can be added to it any more."""


def ensure_month(db: Connection, month: int, now_us: int) -> None:
    """Make the tables of a month (YYYYMM) unless they are there. Raises MonthClosed for one that is pruned or on its way."""
    row = db.execute("SELECT m.pruned_us, p.month FROM journal_month m LEFT JOIN pruning p ON p.month = m.month AND p.fault = ''"
                     " WHERE m.month = ?", (month,)).fetchone()
    if row is not None and (row[0] is not None or row[1] is not None):
        raise MonthClosed(f"the month {month_text(month)} is closed: its rows were dropped, or are about to be")
    if row is not None:
        return
    _run(db, month_sql(_resource("month.sql"), month))
    db.execute("INSERT INTO journal_month (month, created_us) VALUES (?, ?)", (month, now_us))


def months(db: Connection) -> list[int]:
    """The months that have tables, newest first."""
    rows = db.execute("SELECT month FROM journal_month WHERE pruned_us IS NULL ORDER BY month DESC")
    return [int(row[0]) for row in rows]


def month_text(month: int) -> str:
    """YYYYMM as people write it."""
    return f"{month // 100:04d}-{month % 100:02d}"


def month_sql(template: str, month: int) -> str:
    """A statement for one month's tables: `{month}` is the only thing ever put into SQL as text."""
    text = str(month)
    if not _MONTH.fullmatch(text):
        raise Defect(f"not a month: {month}")
    return template.replace("{month}", text)


def ensure_team(db: Connection, organization: int, name: str, now_us: int) -> int:
    """The team's id, made when it is new; by a name that it had before, too."""
    row = (db.execute("SELECT id FROM team WHERE organization = ? AND name = ?", (organization, name)).fetchone()
           or db.execute("SELECT team FROM team_former_name WHERE organization = ? AND name = ?", (organization, name)).fetchone())
    if row:
        return int(row[0])
    team = next_id(db, "team")
    db.execute("INSERT INTO team (id, organization, name, created_us) VALUES (?, ?, ?, ?)", (team, organization, name, now_us))
    return team


def ensure_project(db: Connection, organization: int, team: int, name: str, now_us: int) -> int:
    """The project's id within its team, made when it is new."""
    row = db.execute("SELECT id FROM project WHERE team = ? AND name = ?", (team, name)).fetchone()
    if row:
        return int(row[0])
    project = next_id(db, "project")
    db.execute("INSERT INTO project (id, organization, team, name, created_us) VALUES (?, ?, ?, ?, ?)",
               (project, organization, team, name, now_us))
    return project


def ensure_organization(db: Connection, slug: str, name: str, now_us: int, zone: str = "UTC") -> int:
    """The organisation's id, made with an empty chain when it is new."""
    row = db.execute("SELECT id FROM organization WHERE slug = ?", (slug,)).fetchone()
    if row:
        return int(row[0])
    return _add_organization(db, next_id(db, "organization"), slug, name, now_us, zone)


def _add_organization(db: Connection, organization: int, slug: str, name: str, now_us: int, zone: str) -> int:
    db.execute("INSERT INTO organization (id, slug, name, zone, created_us) VALUES (?, ?, ?, ?, ?)",
               (organization, slug, name, zone, now_us))
    db.execute("INSERT INTO chain (organization, next_seq, head, frontier, checkpoint_size, checkpoint_us) VALUES (?, 0, ?, ?, 0, ?)",
               (organization, bytes(32), b"", now_us))
    return organization


def make_tables(db: Connection, now_us: int) -> None:
    """All tables and the first names, in a database without any."""
    _run(db, _resource("schema.sql"))
    _run(db, _resource("accounts.sql"))
    _run(db, _resource("key_sets.sql"))
    _run(db, _resource("proposals.sql"))
    _run(db, _resource("budgets.sql"))
    _run(db, _resource("envelopes.sql"))
    _run(db, _resource("alerts.sql"))
    _run(db, _resource("policies.sql"))
    _run(db, _resource("credential_health.sql"))
    _run(db, _resource("rollups.sql"))
    _run(db, _resource("views.sql"))
    _run(db, _resource("prompts.sql"))
    _run(db, _resource("library.sql"))
    _make_missing(db)
    db.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
    db.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
    _add_organization(db, SYSTEM, "system", "Installation", now_us, "UTC")
    _add_organization(db, DEFAULT, "default", "Default", now_us, "UTC")
    team = ensure_team(db, DEFAULT, "default", now_us)
    ensure_project(db, DEFAULT, team, "default", now_us)


def _make_missing(db: Connection) -> None:
    """The tables that came later, where they are not there."""
    _run(db, _resource("prices.sql"))
    _run(db, _resource("identity.sql"))
    _run(db, _resource("verifications.sql"))
    _run(db, _resource("people.sql"))
    _run(db, _resource("teams.sql"))
    _run(db, _resource("dimensions.sql"))
    _run(db, _resource("retention.sql"))


def _run(db: Connection, script: str) -> None:
    """Each statement of a script inside the open transaction (`executescript` would commit it). `{clustered}` is the engine's own word
    for a table whose rows lie in the order of its key."""
    bare = "\n".join(line.split("--")[0] for line in script.splitlines()).replace("{clustered}", db.clustered)
    for statement in bare.split(";"):
        if statement.strip():
            db.execute(statement)


def _resource(name: str) -> str:
    return resources.files("tallystick.stores.sql").joinpath(name).read_text("utf-8")
