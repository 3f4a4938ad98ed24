"""What only a server can do to us: it goes away between two statements, in the middle of a transaction, or while it
commits. And that the same statements mean the same there."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import psycopg
import pytest

from tallystick.core.errors import Defect, StoreFault
from tallystick.stores.sql import postgres
from tallystick.stores.sql.engine import note_change, open_database
from tallystick.stores.sql.postgres import PostgresDatabase, numbered
from tests.build.postgres import Server


@pytest.fixture
def url(postgresql: Server, tmp_path: Path) -> str:
    """An installation's database."""
    made = postgresql.new_database()
    open_database(tmp_path, 1, url=made).close()
    return made


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    made = PostgresDatabase(url)
    yield made
    made.close()


def end_every_session(server: Server) -> None:
    server.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'")


@pytest.mark.parametrize(("said", "means"), [
    ("SELECT 1", b"SELECT 1"),
    ("SELECT a FROM t WHERE b = ? AND c IN (?, ?)", b"SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)"),
    ("SELECT '?', 'it''s ?' FROM t WHERE b % 10 = ?", b"SELECT '?', 'it''s ?' FROM t WHERE b % 10 = $1"),
])
def test_placeholders_are_numbered_outside_of_literals(said: str, means: bytes) -> None:
    assert numbered(said) == means


def test_a_value_comes_back_as_it_went(database: PostgresDatabase) -> None:
    with database.write() as db:
        db.execute("CREATE TABLE kept (number BIGINT, said TEXT, held BYTEA)")
        db.executemany("INSERT INTO kept (number, said, held) VALUES (?, ?, ?)", [(2**62, "it's %s ?", b"\0\xff"), (2**62, "", b"")])
    with database.read() as db:
        assert db.execute("SELECT number, said, held FROM kept ORDER BY said DESC").fetchone() == (2**62, "it's %s ?", b"\0\xff")
        total = db.execute("SELECT sum(number), count(*) FROM kept").fetchone()
        assert total == (2**63, 2)
        assert type(total[0]) is int
        assert db.execute("SELECT -7 / 2, -7 % 2").fetchone() == (-3, -1)
        assert [row[0] for row in db.stream("SELECT number FROM kept WHERE number > ?", (1,))] == [2**62, 2**62]


def test_no_text_holds_a_nul(database: PostgresDatabase) -> None:
    with database.read() as db:
        assert db.execute("SELECT CAST(? AS TEXT)", ("a\0b",)).fetchone() == ("a\ufffdb",)


def test_a_constraint_is_the_callers_and_the_whole_block_is_undone(database: PostgresDatabase) -> None:
    with pytest.raises(database.refusals), database.write() as db:
        note_change(db)
        db.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
    assert database.change_count() == 0


def test_a_failed_statement_that_is_passed_over_fails_the_block(database: PostgresDatabase) -> None:
    with pytest.raises(Defect), database.write() as db:
        note_change(db)
        with suppress(psycopg.IntegrityError):
            db.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
    assert database.change_count() == 0


def test_a_savepoint_saves_what_came_before(database: PostgresDatabase) -> None:
    with database.write() as db:
        note_change(db)
        db.execute("SAVEPOINT item")
        with suppress(psycopg.IntegrityError):
            db.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
        db.execute("ROLLBACK TO item")
        db.execute("RELEASE item")
    assert database.change_count() == 1


def test_whoever_writes_reads_what_the_one_before_wrote(url: str) -> None:
    def add(times: int) -> None:
        own = PostgresDatabase(url)
        for _ in range(times):
            with own.write() as db:
                value = db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0]
                db.execute("UPDATE change_counter SET value = ? WHERE id = 1", (value + 1,))
        own.close()

    workers = [threading.Thread(target=add, args=(25,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    last = PostgresDatabase(url)
    assert last.change_count() == 100
    last.close()


def test_a_reader_sees_one_view_while_others_write(database: PostgresDatabase) -> None:
    with database.read() as db:
        assert db.execute("SELECT value FROM change_counter").fetchone() == (0,)
        with database.write() as other:
            note_change(other)
        assert db.execute("SELECT value FROM change_counter").fetchone() == (0,)
    assert database.change_count() == 1


def test_a_reader_cannot_write(database: PostgresDatabase) -> None:
    with pytest.raises(StoreFault), database.read() as db:
        note_change(db)


def test_sessions_that_ended_meanwhile_are_made_anew(database: PostgresDatabase, postgresql: Server) -> None:
    with database.write() as db:
        note_change(db)
    assert database.change_count() == 1
    end_every_session(postgresql)
    with database.write() as db:
        note_change(db)
    assert database.change_count() == 2


def test_a_session_lost_in_the_middle_has_done_nothing(database: PostgresDatabase, postgresql: Server) -> None:
    with pytest.raises(StoreFault), database.write() as db:
        note_change(db)
        end_every_session(postgresql)
        note_change(db)
    assert database.change_count() == 0
    with pytest.raises(StoreFault), database.read() as db:
        end_every_session(postgresql)
        db.execute("SELECT value FROM change_counter")
    assert database.change_count() == 0


@pytest.mark.enable_socket                   # the socket file is no address at all
def test_a_commit_whose_answer_is_lost_may_have_been_done(url: str, postgresql: Server, tmp_path: Path) -> None:
    """The caller is told of a fault, and finds the truth under the lock."""
    with _Deaf(postgresql.folder / ".s.PGSQL.5432", tmp_path / ".s.PGSQL.5432") as deaf:
        database = PostgresDatabase(url.split("?", maxsplit=1)[0] + f"?host={tmp_path}")
        with database.write() as db:
            note_change(db)
        deaf.to = b"COMMIT\0"
        with pytest.raises(StoreFault), database.write() as db:
            note_change(db)
        deaf.to = b""
        with database.write() as db:
            assert db.execute("SELECT value FROM change_counter").fetchone() == (2,)
        database.close()


def test_a_server_that_is_away_is_a_fault_until_it_is_back(database: PostgresDatabase, postgresql: Server) -> None:
    assert database.change_count() == 0
    postgresql.stop()
    try:
        with pytest.raises(StoreFault):
            database.change_count()
        with pytest.raises(StoreFault), database.write():
            pass
    finally:
        postgresql.start()
    with database.write() as db:
        note_change(db)
    assert database.change_count() == 1


def test_readers_are_bounded(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PATIENCE_S", 0.01)
    with ExitStack() as held:
        for _ in range(postgres.READERS_MAX):
            held.enter_context(database.read())
        with pytest.raises(StoreFault, match="in use"):
            database.change_count()
    assert database.change_count() == 0


@pytest.mark.parametrize("wrong", ["postgresql://nobody@/missing?host=/nowhere", "postgresql://host:port:5/x"])
def test_a_url_that_leads_nowhere_says_so_without_its_password(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(StoreFault) as fault:
        open_database(tmp_path, 1, url=wrong.replace("nobody@", "nobody:geheim@"))
    assert "geheim" not in str(fault.value)


def test_another_encoding_than_utf8_is_refused(postgresql: Server, tmp_path: Path) -> None:
    postgresql.do("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(StoreFault, match="UTF8"):
        open_database(tmp_path, 1, url=postgresql.url("latin"))


class _Deaf:
    """Stands between us and the server. Once the client has said `to`, that still goes through, and then the line to
    the client is dead, once the server has answered."""

    def __init__(self, server: Path, here: Path) -> None:
        self.to = b""
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(here))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready, suppress(OSError):
            server.connect(str(self._server))
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            deaf = False
            while True:
                for key, _ in ready.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65536)
                    if not data or (deaf and key.fileobj is server):
                        return
                    deaf = deaf or (key.fileobj is client and bool(self.to) and self.to in data)
                    key.data.sendall(data)
