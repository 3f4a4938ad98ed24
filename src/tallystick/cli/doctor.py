"""`tallystick doctor`: is this installation, on this machine, fit to run? It looks and changes nothing, with
the server running or not. Exit 0: all is well; 1: something was found; 2: something could not be judged.
"""

from __future__ import annotations

import shutil
import site
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import typer

from tallystick.cli.answers import CANNOT_JUDGE, FOUND_WRONG, AsJson, Config, Data, print_json, print_table

if TYPE_CHECKING:
    from tallystick.config import Settings

State = Literal["good", "wrong", "unknown"]
_SECRETS: Final = ("pepper", "kek", "ledger.key")
_BOOK_DAYS_MAX: Final = 60                   # older, and some list price has changed since
_FREE_BYTES_MIN: Final = 1 << 30
_AHEAD_US_MAX: Final = 120_000_000           # the ledger may be this much later than the clock, no more
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_CONNECT_S: Final = 1.0


class Found(NamedTuple):
    """What one look came to."""

    check: str
    state: State
    message: str


def doctor(as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Look for what keeps an installation from running well: settings, files, disk, port, clock, prices."""
    from tallystick.config import load
    from tallystick.config_sources import BadSettings

    try:
        settings = load(data=data, config=config)
        found = [Found("settings", "good", "can be used"), *_looked(settings)]
    except BadSettings as error:
        found = [Found("settings", "wrong", str(error))]
    if as_json:
        print_json({"ok": all(one.state == "good" for one in found), "checks": [one._asdict() for one in found]})
    else:
        print_table("", ("check", "state", "what"), found)
    states = {one.state for one in found}
    if states != {"good"}:
        raise typer.Exit(FOUND_WRONG if "wrong" in states else CANNOT_JUDGE)


def _looked(settings: Settings) -> Iterator[Found]:
    """Every look in turn; one that cannot be had says so and stops no other."""
    looks: tuple[tuple[str, Callable[[Settings], tuple[State, str]]], ...] = (
        ("providers", _providers), ("data directory", _directory), ("secrets", _secrets), ("disk", _disk), ("database", _database),
        ("spool", _spool), ("quarantine", _quarantine), ("port", _port), ("clock", _clock), ("price book", _book), ("code", _code),
    )
    for name, look in looks:
        try:
            yield Found(name, *look(settings))
        except (OSError, sqlite3.Error) as reason:
            yield Found(name, "unknown", str(reason))


def _providers(settings: Settings) -> tuple[State, str]:
    from tallystick.configured import origins_of
    from tallystick.config import secret_from_env
    from tallystick.config_sources import BadSettings

    try:
        known = origins_of(settings)
    except BadSettings as error:
        return "wrong", str(error)
    missing = [credential.env for provider in settings.providers.values() for credential in provider.credentials.values()
               if secret_from_env(credential.env) is None]
    if missing:
        return "wrong", f"not in this environment: {', '.join(missing)} (a server may have been started with another)"
    return "good", f"{len(known)} can be called"


def _directory(settings: Settings) -> tuple[State, str]:
    if not settings.data.is_dir():
        return "unknown", f"{settings.data} is not there yet; the first start makes it"
    mode = _mode(settings.data)
    if mode & 0o077:
        return "wrong", f"{settings.data} is open to others (mode {mode:04o}); set it to 0700"
    return "good", f"{settings.data}, mode {mode:04o}"


def _secrets(settings: Settings) -> tuple[State, str]:
    missing = [name for name in _SECRETS if not (settings.data / name).exists()]
    if missing:
        if _database_file(settings).exists():
            return "wrong", f"missing: {', '.join(missing)}; restore them from a backup"
        return "unknown", "there are none yet"
    weak = [f"{name} ({mode:04o})" for name in _SECRETS if (mode := _mode(settings.data / name)) != 0o400]
    short = [name for name in _SECRETS if (settings.data / name).stat().st_size != 32]
    if weak:
        return "wrong", f"not 0400: {', '.join(weak)}"
    if short:
        return "wrong", f"not 32 bytes: {', '.join(short)}; restore them from a backup"
    return "good", "three files, mode 0400"


def _disk(settings: Settings) -> tuple[State, str]:
    folder = settings.data
    while not folder.exists():
        folder = folder.parent
    free, least = shutil.disk_usage(folder).free, max(_FREE_BYTES_MIN, 4 * settings.journal.segment_bytes)
    return ("good" if free >= least else "wrong"), f"{free >> 20} MiB free, {least >> 20} wanted"


def _database(settings: Settings) -> tuple[State, str]:
    from tallystick.stores.sql.engine import SCHEMA_VERSION

    if settings.database.url is not None:
        return _server(settings.database.url)
    path = _database_file(settings)
    if not path.exists():
        return "unknown", "there is none yet"
    if _mode(path) & 0o077:
        return "wrong", f"{path} is open to others (mode {_mode(path):04o}); set it to 0600"
    try:
        with closing(_opened(path)) as db:
            schema = int(db.execute("SELECT version FROM schema_version").fetchone()[0])
            entries = int(db.execute("SELECT sum(next_seq) FROM chain").fetchone()[0])
    except sqlite3.DatabaseError as damage:
        return "wrong", f"{path}: {damage}"
    if schema != SCHEMA_VERSION:
        return "wrong", f"schema {schema}; this program knows {SCHEMA_VERSION}"
    return "good", f"schema {schema}, {entries} entries (`tallystick verify` checks them)"


def _server(url: str) -> tuple[State, str]:
    """PostgreSQL, asked as a gateway asks it, for reading."""
    from tallystick.core.errors import StoreFault
    from tallystick.stores.sql import engine

    try:
        with closing(engine.server_at(url)) as database, database.read() as db:
            version = str(db.execute("SHOW server_version").fetchone()[0]).split()[0]
            if not database.has_tables(db):
                return "unknown", f"{database} (PostgreSQL {version}) has no installation yet; the first start makes it"
            schema = int(db.execute("SELECT version FROM schema_version").fetchone()[0])
            entries = int(db.execute("SELECT sum(next_seq) FROM chain").fetchone()[0])
            may_write = db.execute("SELECT has_table_privilege('chain', 'UPDATE') AND has_schema_privilege(current_schema(), 'CREATE')"
                                   ).fetchone()[0]
    except StoreFault as fault:
        return "wrong", str(fault)
    if schema != engine.SCHEMA_VERSION:
        return "wrong", f"schema {schema}; this program knows {engine.SCHEMA_VERSION}"
    if not may_write:
        return "wrong", f"{database}: its role may not write the tables, or make those of a new month; let the role that made them own them"
    return "good", f"PostgreSQL {version}, schema {schema}, {entries} entries (`tallystick verify` checks them)"


def _spool(settings: Settings) -> tuple[State, str]:
    locks = _spool_locks(settings)
    if not locks:
        return "good", "there is none yet; the first start makes it"
    held = sum(map(_is_locked, locks))
    waiting = sum(path.stat().st_blocks * 512 for lock in locks for path in lock.parent.glob("*.seg"))
    if held == len(locks):
        return "good", "held by a running server" if held == 1 else f"{held}, held by a running server's workers"
    if held:
        return "unknown", f"a running server holds {held} of {len(locks)}; a worker may just be starting"
    return "good", f"no server runs; {waiting >> 10} KiB of segments, which the next start reads"


def _quarantine(settings: Settings) -> tuple[State, str]:
    folder = settings.data / "quarantine"
    count = len(list(folder.iterdir())) if folder.is_dir() else 0
    return ("wrong", f"{count} records could not be booked; they stand in {folder}") if count else ("good", "empty")


def _port(settings: Settings) -> tuple[State, str]:
    server = settings.server
    where = f"{server.host}:{server.port}"
    if server.port == 0:
        return "good", "a free one is taken at the start"
    if any(map(_is_locked, _spool_locks(settings))):
        try:
            with socket.create_connection((server.host, server.port), _CONNECT_S):
                return "good", f"something answers at {where}, and a server has the spool"
        except OSError:
            return "unknown", f"a server has the spool, and nothing answers at {where}: was it started with another --port?"
    try:
        with socket.create_server((server.host, server.port)):
            return "good", f"{where} is free"
    except OSError as reason:
        return "wrong", f"{where} cannot be had ({reason.strerror})"


def _clock(settings: Settings) -> tuple[State, str]:
    now_us = time.time_ns() // 1000
    said = datetime.fromtimestamp(now_us // 1_000_000, UTC).isoformat()
    compared = _book_day()
    if now_us < (compared.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000_000:
        return "wrong", f"{said} is before this release's price book ({compared})"
    if _database_file(settings).exists():
        with closing(_opened(_database_file(settings))) as db:
            signed_us = int(db.execute("SELECT max(checkpoint_us) FROM chain").fetchone()[0])
        if signed_us > now_us + _AHEAD_US_MAX:
            return "wrong", f"{said} is before the ledger's last checkpoint"
    return "good", said


def _book(_settings: Settings) -> tuple[State, str]:
    compared = _book_day()
    days = (datetime.now(UTC).date() - compared).days
    return ("wrong" if days > _BOOK_DAYS_MAX else "good"), f"compared with its sources on {compared}, {max(days, 0)} days ago"


def _code(_settings: Settings) -> tuple[State, str]:
    import tallystick

    root = Path(tallystick.__file__).parent
    open_to_others = [path for path in (root, *root.rglob("*.py")) if _mode(path) & _OTHERS_WRITE]
    if open_to_others:
        return "wrong", f"{len(open_to_others)} files of the program can be written by others, first {open_to_others[0]}"
    running = [path.name for folder in site.getsitepackages() for path in sorted(Path(folder).glob("*.pth"))
               if any(line.startswith(("import ", "import\t")) for line in path.read_text("utf-8", "replace").splitlines())]
    return "good", f"run before the program: {', '.join(running)}" if running else "writable by its owner only"


def _book_day() -> date:
    from tallystick.stores.price_files import book_version, price_files, shipped

    return date.fromisoformat(book_version(price_files(shipped())).partition(".")[0])


def _spool_locks(settings: Settings) -> list[Path]:
    return sorted((settings.data / "spool").glob("*/lock"))


def _database_file(settings: Settings) -> Path:
    from tallystick.stores.sql.engine import FILE_NAME

    return settings.data / FILE_NAME


def _opened(path: Path) -> sqlite3.Connection:
    """The database for reading; looking makes and changes nothing."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_CONNECT_S)


def _is_locked(lock: Path) -> bool:
    """Whether another process holds the spool."""
    from tallystick.stores.disk import PosixDisk

    if not lock.exists():
        return False
    disk = PosixDisk()
    try:
        disk.close(disk.lock(lock))
    except BlockingIOError:
        return True
    return False


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
