"""Two gateways poll the same job at the same moment, and both see its end: one books, and the books of both agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.budget import Amount, Scope
from tallystick.core.draw import Draw, NodeKey
from tallystick.jobs.shipper import DEFERRED_MAX_AGE_US, Shipper
from tallystick.stores.disk import PosixDisk
from tallystick.stores.recovery import open_spool
from tallystick.stores.sql import leases
from tallystick.stores.sql.budget_rows import budget_rows
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines
from tests.build.journal import KEY, NOON_US, SMALL, Journal, admission, open_journal, request_id, run, settlement

pytestmark = both_engines

COST = settlement().cost_nanos
OTHER = replace(settlement(), cost_nanos=0, usage=None, lines=(), computed_nanos=0, notes=("seen by the other",))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = open_journal(tmp_path)
    Budgets(made.sequencer).set(DEFAULT, BudgetSpec(Scope("org"), Amount(10**12, "money"), limit=10**12), NOON_US, "cli")
    return made


@pytest.fixture
def other(journal: Journal) -> Journal:
    """Another gateway over the same database."""
    spool = open_spool(journal.folder / "spool" / "other", lambda: "ba9876543210", PosixDisk(), journal.clock, bounds=SMALL)
    shipper = Shipper(spool, journal.sequencer, journal.clock, journal.folder / "quarantine", alarm=journal.alarms.append)
    return replace(journal, spool=spool, shipper=shipper)


DEFERRED: dict[str, Any] = {"outcome": "deferred", "basis": "deferred", "cost_nanos": 0}
GIVEN_UP: dict[str, Any] = {"outcome": "recovered", "basis": "worst_case", "method": "estimated", "cost_nanos": 50_000_000}


def job(journal: Journal, number: int = 1, **ended: Any) -> None:
    """A job that runs, with its hold; or how else the call that made it ended."""
    with journal.database.read() as db:
        hold = (Draw(NodeKey(1, "", budget_rows(db, DEFAULT)[0].budget().span(NOON_US)[0]), 50_000_000),)
    with journal.database.write() as db:
        leases.begin(db, journal.spool.instance, 0, NOON_US)
        leases.open_node(db, hold[0].node)
        leases.lease(db, journal.spool.instance, hold)
    run(journal.spool.admit(admission(number, holds=hold)))
    run(journal.spool.settle(settlement(number, **(ended or DEFERRED), usage=None, lines=(), computed_nanos=None, draws=hold)))
    journal.ship()


def entries(journal: Journal) -> list[dict[str, Any]]:
    with journal.database.read() as db:
        return [entry for entry in map(json.loads, exact_entries(db, DEFAULT)) if entry["kind"] in ("DEFER", "SETTLE", "SEEN", "ADJUST")]


def node(journal: Journal) -> tuple[int, int]:
    with journal.database.read() as db:
        return tuple(db.execute("SELECT settled, leased FROM budget_node WHERE budget = 1").fetchone())


def test_the_first_in_the_chain_books_and_the_second_is_seen(journal: Journal, other: Journal) -> None:
    job(journal)
    for gateway in (journal, other):
        run(gateway.spool.settle(settlement(1)))
    other.ship()
    journal.ship()
    deferred, settled, seen = entries(journal)
    assert (deferred["kind"], settled["kind"], settled["cost_nanos"]) == ("DEFER", "SETTLE", str(COST))
    assert {name: seen[name] for name in ("kind", "ref", "request", "seen_nanos")} == {
        "kind": "SEEN", "ref": deferred["seq"], "request": request_id(1)[4:], "seen_nanos": str(COST)}
    assert (journal.alarms, journal.shipper.quarantined) == ([], 0)
    assert node(journal) == (COST, 0)
    call = Calls(journal.database).read_call(request_id(1))
    assert call is not None
    assert [attempt.cost_nanos for attempt in call.attempts] == [COST]
    assert verify(journal.database, KEY.public_key).findings == ()


def test_both_in_one_transaction_are_told_apart_too(journal: Journal) -> None:
    job(journal)
    run(journal.spool.settle(settlement(1)))
    run(journal.spool.settle(OTHER))
    run(journal.spool.admit(admission(2)))
    run(journal.spool.settle(settlement(2)))
    journal.ship()
    assert [entry["kind"] for entry in entries(journal)] == ["DEFER", "SETTLE", "SEEN"]
    assert node(journal) == (2 * COST, 0)
    assert verify(journal.database, KEY.public_key).findings == ()


def test_a_job_that_was_given_up_is_corrected_by_what_a_poll_shows_after_all(journal: Journal, other: Journal) -> None:
    job(journal)
    journal.clock.us += DEFERRED_MAX_AGE_US + 1_000_000
    run(other.spool.settle(settlement(1)))               # it still took the job for one that runs
    journal.ship()
    assert node(journal) == (50_000_000, 0)
    other.ship()
    assert [entry["kind"] for entry in entries(journal)] == ["DEFER", "SETTLE", "ADJUST"]
    assert node(journal) == (COST, 0)
    assert not journal.alarms
    assert verify(journal.database, KEY.public_key).findings == ()


def test_a_job_whose_gateway_was_killed_before_the_ledger_knew_of_it_is_corrected_too(journal: Journal, other: Journal) -> None:
    job(journal, **GIVEN_UP)
    assert node(journal) == (50_000_000, 0)
    run(other.spool.settle(settlement(1)))
    other.ship()
    assert [entry["kind"] for entry in entries(journal)] == ["ADJUST"]
    assert node(journal) == (COST, 0)
    assert not journal.alarms
    assert verify(journal.database, KEY.public_key).findings == ()


def test_a_seen_entry_that_speaks_of_another_call_or_of_none_is_found(journal: Journal, other: Journal) -> None:
    job(journal)
    with journal.sequencer.append(journal.clock.us) as pen:
        pen.chain(DEFAULT).append({"kind": "SEEN", "at": NOON_US, "request": request_id(1)[4:], "ref": entries(journal)[0]["seq"],
                                   "seen_nanos": "5"}, 202611)
    (found,) = verify(journal.database, KEY.public_key).findings
    assert (found.check, "no settled attempt" in found.message) == ("settlement", True)
