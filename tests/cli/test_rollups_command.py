"""`tallystick rollups rebuild`: what `verify` finds in the roll-ups is written anew from the rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.build.commands import document, tallystick
from tests.build.control import Desk


def test_a_roll_up_that_differs_is_found_and_written_anew(tmp_path: Path) -> None:
    document("keys", "create", "--team", "search", data=tmp_path)
    desk = Desk(tmp_path, admin=False)
    desk.book(277_678, labels={"team": "search"}, settled={"method": "stated", "stated_nanos": 277_678, "lines": ()})
    desk.close()
    with closing(sqlite3.connect(tmp_path / "tallystick.db")) as db, db:
        db.execute("UPDATE rollup_hour SET cost_nanos = 1")
    found = tallystick("verify", data=tmp_path)
    assert found.returncode == 1
    assert "[roll-ups]" in found.stdout
    assert document("rollups", "rebuild", data=tmp_path) == {"days": 1}
    done = tallystick("verify", data=tmp_path)
    assert done.returncode == 0, done.stdout
