"""A gateway that is gone for good is booked, not freed; what turns up of it later counts once."""

from __future__ import annotations

import json
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
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.verify import verify
from tallystick.stores.sql.write_off import WrittenOff, release, write_off
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, Journal, admission, open_journal, run, settlement

pytestmark = both_engines

MONTH = bounds(parse_window("month"), ZoneInfo("UTC"), NOON_US)[0]
NODE = NodeKey(1, "ann@example.com", MONTH)
COST = settlement().cost_nanos
HOLD = admission().hold_nanos
LEASED = 200_000_000
LATER_US = NOON_US + 61_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An instance that has leased 200 million nanos of the users' budgets. One of its calls is settled, one has been open for
    so long that the ledger knows it, one is still under way; all but the second stand in its spool alone."""
    journal = open_journal(tmp_path)
    amount, _ = parse_limit("5")
    Budgets(journal.sequencer).set(DEFAULT, BudgetSpec(Scope("user", "*"), amount, limit=amount.value), NOON_US, "cli")
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 1, NOON_US)
        leases.open_node(db, NODE)
        leases.lease(db, journal.spool.instance, [Draw(NODE, LEASED)])
    run(journal.spool.admit(admission(2, holds=(Draw(NODE, HOLD),))))
    journal.clock.us = LATER_US
    journal.ship()
    run(journal.spool.admit(admission(1, at_us=LATER_US, holds=(Draw(NODE, HOLD),))))
    run(journal.spool.settle(settlement(1, draws=(Draw(NODE, COST),))))
    run(journal.spool.admit(admission(3, at_us=LATER_US, holds=(Draw(NODE, HOLD),))))
    return journal


def off(journal: Journal, why: str = "its disk is lost") -> WrittenOff:
    return write_off(journal.sequencer, journal.spool.instance, why, LATER_US, "cli")


def node(journal: Journal) -> tuple[int, int, int]:
    """Settled, leased, and the sum of the holders' rows."""
    with journal.database.read() as db:
        settled, leased = db.execute("SELECT settled, leased FROM budget_node WHERE budget = 1").fetchone()
        return settled, leased, db.execute("SELECT coalesce(sum(amount), 0) FROM budget_lease").fetchone()[0]


def whole(journal: Journal) -> bool:
    return verify(journal.database, KEY.public_key).findings == ()


def test_what_the_ledger_knows_as_open_is_settled_at_its_hold_and_the_rest_stays_drawn(journal: Journal) -> None:
    done = off(journal)
    assert (done.settled, [(one.node, one.amount) for one in done.kept]) == (1, [(NODE, LEASED - HOLD)])
    assert node(journal) == (HOLD, LEASED - HOLD, LEASED - HOLD), "no more is free than before"
    with journal.database.read() as db:
        said = [json.loads(entry) for entry in exact_entries(db, DEFAULT)]
        assert db.execute("SELECT count(*) FROM open_attempt").fetchone()[0] == 0
    ended = next(entry for entry in said if entry["kind"] == "SETTLE")
    written = next(entry for entry in said if entry["kind"] == "WRITE-OFF")
    assert (ended["basis"], ended["cost_nanos"]) == ("worst_case", str(HOLD))
    assert (written["actor"], written["reason"], written["nodes"][0][3]) == ("cli", "its disk is lost", str(LEASED - HOLD))
    assert whole(journal)


def test_a_spool_that_is_shipped_after_its_write_off_is_counted_once(journal: Journal) -> None:
    off(journal)
    run(journal.spool.settle(settlement(2, draws=(Draw(NODE, COST),))))
    run(journal.spool.settle(settlement(3, draws=(Draw(NODE, COST),))))
    journal.ship()
    assert node(journal) == (3 * COST, LEASED - HOLD - 2 * COST, LEASED - HOLD - 2 * COST), "what was settled at its hold is adjusted"
    assert (journal.shipper.quarantined, whole(journal)) == (0, True)


def test_its_own_recovery_says_nothing_new_of_what_was_settled_at_its_hold(journal: Journal) -> None:
    off(journal)
    journal = journal.restart()
    journal.ship()
    assert node(journal)[0] == COST + 2 * HOLD
    assert (journal.shipper.quarantined, whole(journal)) == (0, True)


def test_what_stays_drawn_is_released_by_who_has_seen_the_bill(journal: Journal) -> None:
    with pytest.raises(Refused, match="Write it off first"):
        release(journal.sequencer, journal.spool.instance, "too early", LATER_US + 15_000_000, "cli")
    off(journal)
    freed = release(journal.sequencer, journal.spool.instance, "invoice 7 shows nothing more", LATER_US, "cli")
    assert ([one.amount for one in freed], node(journal)) == ([LEASED - HOLD], (HOLD, 0, 0))
    journal.ship()
    assert node(journal) == (HOLD + COST, 0, 0), "a spool that turns up even then takes nothing out of leases that are gone"
    assert whole(journal)


def test_done_again_it_goes_on(journal: Journal) -> None:
    assert (off(journal).settled, off(journal).settled) == (1, 0)
    assert node(journal) == (HOLD, LEASED - HOLD, LEASED - HOLD)


def test_an_instance_that_starts_again_takes_up_what_stayed_drawn(journal: Journal) -> None:
    off(journal, "thought to be lost")
    journal.ship()
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 1, LATER_US)
        assert leases.leases_of(db, journal.spool.instance) == (Draw(NODE, LEASED - HOLD - COST),)
    run(journal.spool.settle(settlement(3, draws=(Draw(NODE, COST),))))
    journal.ship()
    assert node(journal) == (HOLD + 2 * COST, LEASED - HOLD - 2 * COST, LEASED - HOLD - 2 * COST)


def test_whoever_still_speaks_for_it_is_fenced(journal: Journal) -> None:
    with journal.database.read() as db:
        epoch = db.execute("SELECT epoch FROM instance").fetchone()[0]
    off(journal)
    with pytest.raises(leases.Fenced), journal.database.write() as db:
        leases.fence(db, journal.spool.instance, epoch)


@pytest.mark.parametrize(("instance", "reason", "at_us", "code"), [
    ("", "gone", NOON_US + 1_000_000, "alive"), ("", "", LATER_US, "invalid_request"), ("nobody", "gone", LATER_US, "not_found")])
def test_what_is_alive_unknown_or_without_a_reason_is_not_written_off(
        journal: Journal, instance: str, reason: str, at_us: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        write_off(journal.sequencer, instance or journal.spool.instance, reason, at_us, "cli")
    assert refused.value.code == code
    assert node(journal)[1] == LEASED


def test_who_may_be_silent_for_longer_is_gone_later(journal: Journal) -> None:
    with journal.database.write() as db:
        db.execute("UPDATE instance SET staleness_us = 120000000")
    with pytest.raises(Refused, match="120 seconds"):
        off(journal)
