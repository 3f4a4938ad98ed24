"""`tallystick move`: an installation's file into a PostgreSQL database, with no server running. The ledger goes along as it
is, and is verified where it has arrived before the file is put aside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, fail, print_json, settings_of

if TYPE_CHECKING:
    from tallystick.config import Settings

To = Annotated[str | None, typer.Option(
    metavar="URL", help="postgresql://… of a database without tables [database.url]; better set there, where no other user sees it.")]


def move(to: To = None, as_json: AsJson = False, data: Data = None, config: Config = None) -> None:
    """Move from SQLite to PostgreSQL: keys, people, rules and the whole ledger. The file stays, renamed."""
    settings = settings_of(data, config)
    from msgspec.structs import replace

    from tallystick.cli import installation
    from tallystick.stores.sql.engine import FILE_NAME, server_at
    from tallystick.stores.sql.moving import copy_into, put_aside
    from tallystick.stores.sql.verify import verify

    url = to or settings.database.url
    if url is None:
        fail("Say where to: --to postgresql://…, or set database.url.")
    if not (settings.data / FILE_NAME).exists():
        fail(f"There is no {FILE_NAME} in {settings.data} to move.")
    on_file = replace(settings, database=replace(settings.database, url=None))
    with _nobody_serving(settings), ExitStack() as open_:
        with installation.opened(on_file, make=False) as here:
            target = server_at(url)
            open_.callback(target.close)
            rows = copy_into(here.database, target, here.now_us(), _told)
            found = verify(target, here.secrets.ledger_key.public_key)
        wrong = [finding.message for finding in found.findings]
        aside = None if wrong or found.fault else put_aside(settings.data)
    document = {"rows": rows, "entries": found.entries, "findings": wrong, "put_aside": str(aside) if aside else None}
    if as_json:
        print_json(document)
    elif aside is not None:
        print(f"{rows} rows moved and {found.entries} entries of the ledger verified in {target}.\n{FILE_NAME} is now {aside.name}."
              + ("" if settings.database.url == url else "\nSet database.url before you start the server."))
    if found.fault is not None:
        fail(f"{found.fault} The copy could not be verified; {FILE_NAME} is as it was.")
    if wrong:
        fail(f"The ledger that arrived does not verify ({wrong[0]}). {FILE_NAME} is as it was: `tallystick verify` says whether it was"
             " wrong before. Drop the database's tables before you try again.", FOUND_WRONG)


@contextmanager
def _nobody_serving(settings: Settings) -> Iterator[None]:
    """Hold every spool of the data directory; ends the command where a server does."""
    from tallystick.stores.disk import PosixDisk

    disk = PosixDisk()
    with ExitStack() as held:
        for lock in sorted((settings.data / "spool").glob("*/lock")):
            try:
                held.callback(disk.close, disk.lock(lock))
            except BlockingIOError:
                fail("A server is running on this data directory. Stop it first.")
        yield


def _told(table: str, rows: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{table}: {rows}\n")
