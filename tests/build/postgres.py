"""A real PostgreSQL for the length of a test run: a server of our own in a temporary folder, reachable by its socket
file only, and a database of its own for whoever asks. It forgets what it promises the disk (`fsync=off`), so it is
quick, and good for nothing else.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

PATIENCE_S = 30.0
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "autovacuum=off", "max_connections=120")


def programs() -> Path | None:
    """Where `initdb` and `postgres` lie: on the path, or where Debian puts them; None where there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return debian[-1].parent if debian else None


class Server:
    """A running PostgreSQL. It refuses to run as root, so root runs it as somebody else."""

    def __init__(self) -> None:
        found = programs()
        if found is None:
            pytest.skip("NO POSTGRESQL HERE: the stores are not tested on it (Debian: apt-get install postgresql)")
        self._bin = found
        self.folder = Path(tempfile.mkdtemp(prefix="tallystick-pg-"))
        self._who = _somebody() if os.geteuid() == 0 else None
        if self._who is not None:
            os.chown(self.folder, self._who, -1)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        made = subprocess.run(
            [self._bin / "initdb", "-D", self.folder / "data", "-U", "test", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
            user=self._who, cwd=self.folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = [word for setting in _QUICK for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses=", *settings],
                user=self._who, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Every connection ends at once."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None, "it runs"
        return self._process.pid

    def end(self) -> None:
        """Stop for good."""
        self.stop(signal.SIGQUIT)            # without saving anything
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://test@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """An empty database; its URL."""
        name = f"test_{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def new_schema(self) -> str:
        """Less than a database, and made in a tenth of the time: a schema of its own; its URL."""
        name = f"test_{next(self._numbers)}"
        self.do(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}&options=-csearch_path%3D{name}"

    def drop_schema(self, url: str) -> None:
        """Nobody is connected to it any more."""
        self.do(f"DROP SCHEMA {url.rsplit('%3D', 1)[1]} CASCADE")

    def do(self, statement: str) -> list[tuple[object, ...]]:
        """A statement of the server's owner; its rows."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def running() -> Iterator[Server]:
    """For a fixture: a server, ended behind the last test."""
    server = Server()
    try:
        yield server
    finally:
        server.end()


def _somebody() -> int:
    """A user who is not root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("NO USER BUT ROOT HERE: PostgreSQL does not run, and the stores are not tested on it")
