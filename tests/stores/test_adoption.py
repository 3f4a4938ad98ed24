"""What a worker left that is run no more is shipped once, however often whoever takes it over dies at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.core.draw import Draw, NodeKey
from tallystick.jobs import adoption
from tallystick.jobs.adoption import adopt, left_behind
from tallystick.stores.sql import leases
from tallystick.stores.sql.engine import month_sql, months
from tests.build.journal import NOON_US, Journal, admission, open_journal, run, settlement


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A worker's spool with a settled call and one that was left open, and a lease."""
    journal = open_journal(tmp_path)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 1, NOON_US)
        db.execute("INSERT INTO budget_node (budget, subject, start_us, end_us, settled, leased) VALUES (1, '', 0, ?, 0, 0)", (NOON_US * 2,))
        leases.lease(db, journal.spool.instance, [Draw(NodeKey(1, "", 0), 500)])
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1)))
    run(journal.spool.admit(admission(2)))
    return journal.restart()


def settled(journal: Journal) -> int:
    with journal.database.read() as db:
        return sum(db.execute(month_sql("SELECT count(*) FROM call_fact_{month} WHERE kind = 1", month)).fetchone()[0] for month in months(db))


def take_over(journal: Journal) -> None:
    adopt(journal.folder / "spool", journal.spool, journal.shipper, journal.database, journal.clock)


@pytest.mark.parametrize("dies_at", ["step", "begin", "rename", "rmtree"])
def test_whoever_dies_at_it_again_and_again_ships_it_once(journal: Journal, dies_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    for _ in range(3):
        with monkeypatch.context() as patched:
            where = {"step": type(journal.shipper), "begin": leases, "rename": Path, "rmtree": adoption}[dies_at]
            patched.setattr(where, dies_at, die)
            with pytest.raises(Died):
                take_over(journal)
        if not (journal.folder / "spool").exists():
            break                            # shipped, and only its remains lie about
        journal = journal.restart()
    else:
        take_over(journal)
    assert not list(left_behind(journal.folder, 0))
    assert not list(journal.folder.glob("spool*")), "nothing is left of it"
    with journal.database.read() as db:
        assert (leases.leases_of(db, journal.spool.instance), settled(journal), journal.shipper.quarantined) == ((), 2, 0)
