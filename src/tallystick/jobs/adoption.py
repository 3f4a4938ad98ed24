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
_SHIPPED: Final = ".shipped"


def left_behind(spools: Path, workers: int) -> Iterator[Path]:
    """The spools of workers beyond the number that is run now. What an earlier start had shipped and did not get to
    remove goes first."""
    if spools.is_dir():
        for folder in spools.glob(f"*{_SHIPPED}"):
            rmtree(folder)
        yield from sorted(folder for folder in spools.iterdir() if folder.name.isdigit() and int(folder.name) >= workers)


def adopt(folder: Path, spool: Spool, shipper: Shipper, database: Database, clock: Clock) -> None:
    """Ship an open spool, give back its leases, and remove it. Raises StoreFault; then it is there at the next start. Whoever
    dies in here any number of times loses nothing and ships nothing twice: the cursor stands in the database, and a
    spool that is shipped loses its name first, for one that is removed by half would pass for a new one."""
    for _ in range(_TURNS_MAX):
        if not shipper.step():
            break
    if spool.behind():
        raise StoreFault(f"the ledger does not take what {folder} still holds")
    with database.write() as db:
        leases.begin(db, spool.instance, 0, clock.now_us())
        leases.give_back(db, spool.instance, leases.leases_of(db, spool.instance))
        leases.end(db, spool.instance, clock.now_us())
    shipped = folder.rename(folder.with_suffix(_SHIPPED))
    rmtree(shipped)
    spool.close()
