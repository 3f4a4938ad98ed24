"""The database of a test's folder, on the engine that the test runs on. Store tests run on both engines where their
module says `pytestmark = both_engines`; then a folder that is opened gets a PostgreSQL database of its own, and the
same one when it is opened again. Of a test with many variants PostgreSQL sees the first few, for a database takes time
to make; what looks into the file itself, edits it in SQLite's own words, or makes dozens of databases is `files_only`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.stores.sql import engine
from tallystick.stores.sql.engine import Database
from tests.build.postgres import Server

both_engines = pytest.mark.usefixtures("either_engine")
files_only = pytest.mark.files_only
VARIANTS_MAX = 3


class Engine:
    """Which engine the running test is on, and its databases by folder."""

    server: Server | None = None
    urls: dict[Path, str] = {}
    opened: list[Database] = []


def open_database(folder: Path, now_us: int) -> Database:
    """`engine.open_database` on the engine of this test."""
    if Engine.server is None:
        return engine.open_database(folder, now_us)
    url = Engine.urls.get(folder)
    if url is None:
        url = Engine.urls[folder] = Engine.server.new_schema()
    database = engine.open_database(folder, now_us, url=url)
    Engine.opened.append(database)
    return database


def chosen(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Which of the collected tests run, and which do not."""
    seen: Counter[str] = Counter()
    runs, rest = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        if "[postgresql" in item.name:
            seen[item.nodeid.split("[")[0]] += 1
        left_out = "[postgresql" in item.name and (
            seen[item.nodeid.split("[")[0]] > VARIANTS_MAX or item.get_closest_marker("files_only") is not None)
        (rest if left_out else runs).append(item)
    return runs, rest


def on_engine(server: Server | None) -> Iterator[None]:
    """For a fixture: tests run on this server, or on files."""
    Engine.server = server
    try:
        yield
    finally:
        Engine.server = None
        for database in Engine.opened:
            database.close()
        if server is not None:
            for url in Engine.urls.values():
                server.drop_schema(url)
        Engine.opened.clear()
        Engine.urls.clear()
