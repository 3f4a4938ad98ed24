"""What a worker left that this installation does not run any more: its spool is shipped to the end, calls it left open
at their hold, and what it had leased is free for all again. A worker that is only started anew does this itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Final

from tallystick.core.errors import StoreFault
from tallystick.jobs.shipper import Shipper
from tallystick.ports import Clock
from tallystick.stores.spool import Spool
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import Database

_TURNS_MAX: Final = 100_000


def left_behind(spools: Path, workers: int) -> Iterator[Path]:
    """The spools of workers beyond the number that is run now."""
    if spools.is_dir():
        yield from sorted(folder for folder in spools.iterdir() if folder.name.isdigit() and int(folder.name) >= workers)


def adopt(folder: Path, spool: Spool, shipper: Shipper, database: Database, clock: Clock) -> None:
    """Ship an open spool, give back its leases, and remove it. Raises StoreFault; then it is there at the next start."""
    for _ in range(_TURNS_MAX):
        if not shipper.step():
            break
    if spool.behind():
        raise StoreFault(f"the ledger does not take what {folder} still holds")
    with database.write() as db:
        leases.begin(db, spool.instance, 0, clock.now_us())
        leases.give_back(db, spool.instance, leases.leases_of(db, spool.instance))
        leases.end(db, spool.instance, clock.now_us())
    rmtree(folder)
    spool.close()
