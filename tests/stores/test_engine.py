"""The database opens, is made once, refuses a newer schema, and lets one writer in at a time."""

import sqlite3
from pathlib import Path

import pytest

from tallystick.core.errors import Defect, StoreFault
from tallystick.stores.sql import engine


def test_first_start_makes_the_default_names_and_the_second_keeps_them(tmp_path: Path) -> None:
    engine.open_database(tmp_path, 7).close()
    database = engine.open_database(tmp_path, 8)
    with database.read() as db:
        assert db.execute("SELECT id, slug, zone, currency FROM organization ORDER BY id").fetchall() == [
            (engine.SYSTEM, "system", "UTC", "USD"), (engine.DEFAULT, "default", "UTC", "USD")]
        assert db.execute("SELECT team.name, project.name, project.created_us FROM project JOIN team ON team.id = project.team"
                          ).fetchall() == [("default", "default", 7)]


@pytest.mark.parametrize("schema", [1, 99])
def test_another_schema_is_refused_by_name(tmp_path: Path, schema: int) -> None:
    database = engine.open_database(tmp_path, 0)
    with database.write() as db:
        db.execute("UPDATE schema_version SET version = ?", (schema,))
    database.close()
    with pytest.raises(StoreFault, match=f"schema {schema}"):
        engine.open_database(tmp_path, 0)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / engine.FILE_NAME).write_bytes(b"not a database, certainly not one" * 100)
    with pytest.raises(StoreFault, match="not a database"):
        engine.open_database(tmp_path, 0)


def test_what_raises_is_rolled_back_and_the_next_writer_gets_in(tmp_path: Path) -> None:
    database = engine.open_database(tmp_path, 0)
    with pytest.raises(KeyError), database.write() as db:
        engine.note_change(db)
        engine.ensure_month(db, 202611, 0)
        raise KeyError
    assert database.change_count() == 0
    with database.write() as db:
        engine.note_change(db)
        engine.ensure_month(db, 202611, 0)
        engine.ensure_month(db, 202611, 0)
    assert database.change_count() == 1
    with database.read() as db:
        assert engine.months(db) == [202611]


def test_a_write_inside_a_write_is_a_defect_that_is_said_and_no_wait_for_ever(tmp_path: Path) -> None:
    database = engine.open_database(tmp_path, 0)
    with pytest.raises(Defect, match="inside another"), database.write(), database.write():
        pass
    with database.write() as db:
        engine.note_change(db)
    assert database.change_count() == 1


def test_two_openings_share_one_truth(tmp_path: Path) -> None:
    server, command = engine.open_database(tmp_path, 0), engine.open_database(tmp_path, 0)
    with command.write() as db:
        engine.ensure_team(db, engine.DEFAULT, "search", 5)
        engine.note_change(db)
    assert server.change_count() == 1


def test_a_broken_file_is_a_store_fault_and_a_broken_rule_is_not(tmp_path: Path) -> None:
    database = engine.open_database(tmp_path, 0)
    with pytest.raises(sqlite3.IntegrityError), database.write() as db:
        db.execute("INSERT INTO organization (id, slug, name, created_us) VALUES (9, 'default', '', 0)")
    with pytest.raises(StoreFault, match="no such table"), database.write() as db:
        db.execute("SELECT 1 FROM nowhere")
    with pytest.raises(StoreFault, match="no such table"), database.read() as db:
        db.execute("SELECT 1 FROM nowhere")
