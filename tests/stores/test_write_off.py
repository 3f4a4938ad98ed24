"""What a gateway that is gone has leased is freed, and a spool that turns up later counts nothing twice."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tallystick.core.budget import Scope, parse_limit
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.windows import bounds, parse_window
from tallystick.stores.sql import leases
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.verify import verify
from tallystick.stores.sql.write_off import write_off
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, Journal, admission, open_journal, run, settlement

pytestmark = both_engines

MONTH = bounds(parse_window("month"), ZoneInfo("UTC"), NOON_US)[0]
COST = settlement().cost_nanos
LATER_US = NOON_US + 60_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An instance that has leased 200 million nanos of the users' budgets, and settled one call that is still in its spool."""
    journal = open_journal(tmp_path)
    amount, _ = parse_limit("5")
    Budgets(journal.sequencer).set(DEFAULT, BudgetSpec(Scope("user", "*"), amount, limit=amount.value), NOON_US, "cli")
    node = NodeKey(1, "ann@example.com", MONTH)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 1, NOON_US)
        leases.open_node(db, node)
        leases.lease(db, journal.spool.instance, [Draw(node, 200_000_000)])
    run(journal.spool.admit(admission(1, holds=(Draw(node, 50_000_000),))))
    run(journal.spool.settle(settlement(1, draws=(Draw(node, COST),))))
    return journal


def node(journal: Journal) -> tuple[int, int, int]:
    """Settled, leased, and the sum of the holders' rows."""
    with journal.database.read() as db:
        settled, leased = db.execute("SELECT settled, leased FROM budget_node WHERE budget = 1").fetchone()
        return settled, leased, db.execute("SELECT coalesce(sum(amount), 0) FROM budget_lease").fetchone()[0]


def test_a_spool_that_is_shipped_after_its_write_off_is_counted_once(journal: Journal) -> None:
    freed = write_off(journal.sequencer, journal.spool.instance, "its disk is lost", LATER_US, "cli")
    assert [(one.node.subject, one.amount) for one in freed] == [("ann@example.com", 200_000_000)]
    assert node(journal) == (0, 0, 0)
    journal.ship()
    assert node(journal) == (COST, 0, 0)
    assert verify(journal.database, KEY.public_key).findings == ()


def test_an_instance_that_starts_again_leases_anew_and_releases_again(journal: Journal) -> None:
    write_off(journal.sequencer, journal.spool.instance, "thought to be lost", LATER_US, "cli")
    journal.ship()
    held = Draw(NodeKey(1, "ann@example.com", MONTH), COST)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 1, LATER_US)
        leases.lease(db, journal.spool.instance, [replace_amount(held, 90_000_000)])
    run(journal.spool.admit(admission(2, holds=(held,))))
    run(journal.spool.settle(settlement(2, draws=(held,))))
    journal.ship()
    assert node(journal) == (2 * COST, 90_000_000 - COST, 90_000_000 - COST)


def test_whoever_still_speaks_for_it_is_fenced(journal: Journal) -> None:
    with journal.database.read() as db:
        epoch = db.execute("SELECT epoch FROM instance").fetchone()[0]
    write_off(journal.sequencer, journal.spool.instance, "gone", LATER_US, "cli")
    with pytest.raises(leases.Fenced), journal.database.write() as db:
        leases.fence(db, journal.spool.instance, epoch)


@pytest.mark.parametrize(("instance", "reason", "at_us", "code"), [
    ("", "gone", NOON_US + 1_000_000, "alive"), ("", "", LATER_US, "invalid_request"), ("nobody", "gone", LATER_US, "not_found")])
def test_what_is_alive_unknown_or_without_a_reason_is_not_written_off(
        journal: Journal, instance: str, reason: str, at_us: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        write_off(journal.sequencer, instance or journal.spool.instance, reason, at_us, "cli")
    assert refused.value.code == code
    assert node(journal)[1] == 200_000_000


def replace_amount(draw: Draw, amount: int) -> Draw:
    return Draw(draw.node, amount)
