"""From spool to ledger: each record exactly once, whatever is lost, repeated or killed in between."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.attempt import Settlement
from tallystick.core.errors import StoreFault
from tallystick.core.identity import Attribution
from tallystick.core.ledger import canonical, open_checkpoint
from tallystick.core.usage import usage_of
from tallystick.jobs.shipper import Shipper
from tallystick.stores.memory import MemoryJournal
from tallystick.stores.secrets import signature_holds
from tallystick.stores.spool import Bounds
from tallystick.stores.sql.calls import ERASED, Calls
from tallystick.stores.sql.directory import KeySpec
from tallystick.stores.sql.engine import ensure_organization
from tallystick.stores.sql.journal import Appending, Sequencer, canonical_quickly
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.verify import verify
from tests.build.databases import both_engines, files_only, open_database
from tests.build.journal import (
    KEY,
    Journal,
    admission,
    cost_of,
    directory,
    key_refusal,
    lines,
    open_journal,
    refusal,
    request_id,
    run,
    settlement,
)

pytestmark = both_engines


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path)


def entries(journal: Journal, organization: int = 1) -> list[dict[str, object]]:
    """All entries of a chain in order, those that define names left out."""
    unpack = Packer().unpack
    with journal.database.read() as db:
        tables = ["entry_standing", *(f"entry_{month}" for (month,) in db.execute("SELECT month FROM journal_month"))]
        rows = [row for table in tables for row in db.execute(f"SELECT seq, body FROM {table} WHERE organization = ?", (organization,))]
    found = [json.loads(unpack(body)) for _, body in sorted(rows)]
    assert [entry["seq"] for entry in found] == list(range(len(found)))
    return [entry for entry in found if entry["kind"] != "DEFINE"]


def kinds(journal: Journal, organization: int = 1) -> list[object]:
    return [entry["kind"] for entry in entries(journal, organization)]


def sound(journal: Journal) -> bool:
    result = verify(journal.database, KEY.public_key)
    assert result.findings == ()
    assert result.exit_code == 0
    return True


def test_an_attempt_is_one_entry_and_reads_back_as_it_was_journaled(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    assert kinds(journal) == ["ATTEMPT"]
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert [(a.admission, a.settlement) for a in record.attempts] == [(admission(1), settlement(1))]
    assert sound(journal)


def test_a_call_of_another_organisation_or_none_is_not_there(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    calls = Calls(journal.database)
    assert calls.read_call(request_id(1), organization=1) is not None
    assert calls.read_call(request_id(1), organization=2) is None
    assert calls.read_call(request_id(2)) is None
    assert calls.read_call("' OR 1=1 --") is None


def test_attempts_of_one_call_stand_together(journal: Journal) -> None:
    for attempt in (1, 2):
        run(journal.spool.admit(admission(1, attempt=attempt)))
        run(journal.spool.settle(settlement(1, attempt=attempt)))
    journal.ship()
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert [a.admission.attempt for a in record.attempts] == [1, 2]
    assert sound(journal)


def test_a_name_with_a_nul_is_booked_on_every_engine(journal: Journal) -> None:
    run(journal.spool.admit(admission(1, model="gpt\0x")))
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.attempts[0].admission.model == "gpt\ufffdx"
    assert sound(journal)
    assert journal.alarms == []


def test_an_admission_open_for_a_minute_is_chained_alone_and_settled_later(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    journal.ship()
    assert kinds(journal) == []
    journal.clock.us += 60_000_001 + 1
    journal.ship()
    assert kinds(journal) == ["ADMIT"]
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.attempts[0].settlement is None
    assert sound(journal)
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    assert kinds(journal) == ["ADMIT", "SETTLE"]
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.attempts[0].settlement == settlement(1)
    with journal.database.read() as db:
        assert db.execute("SELECT count(*), sum(cost_nanos) FROM call_fact_202611").fetchone() == (1, settlement(1).cost_nanos)
    assert sound(journal)


def test_a_job_is_deferred_and_settled_by_its_poll(journal: Journal) -> None:
    deferred = settlement(1, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(), computed_nanos=None)
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(deferred))
    journal.ship()
    assert kinds(journal) == ["DEFER"]
    assert sound(journal)
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    assert kinds(journal) == ["DEFER", "SETTLE"]
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert (record.attempts[0].deferred, record.attempts[0].settlement) == (deferred, settlement(1))
    assert sound(journal)


def test_a_job_nobody_asks_for_is_settled_at_its_hold(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1, outcome="deferred", basis="deferred", cost_nanos=0, usage=None, lines=(), computed_nanos=None)))
    journal.ship()
    journal.clock.us += 48 * 3_600_000_000 + 2
    told: list[Settlement] = []
    shipper = Shipper(journal.spool, journal.sequencer, journal.clock, journal.folder / "q", given_up=told.append)
    for _ in range(2):
        shipper.step()
        journal.clock.us += 60_000_000
    assert kinds(journal) == ["DEFER", "SETTLE"]
    assert entries(journal)[1]["cost_nanos"] == "50000000"
    assert [(each.request_id, each.cost_nanos, each.basis) for each in told] == [(request_id(1), 50_000_000, "worst_case")]      # once
    assert sound(journal)


def test_a_second_settlement_is_put_aside_with_an_alarm_and_shipping_goes_on(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    for number in (1, 1):
        run(journal.spool.settle(settlement(number)))
    run(journal.spool.admit(admission(2)))
    run(journal.spool.settle(settlement(2)))
    journal.ship()
    assert [entry["request"] for entry in entries(journal)] == [request_id(1)[4:], request_id(2)[4:]]
    (aside,) = (journal.folder / "quarantine").iterdir()
    assert json.loads(aside.read_text())["settlement"]["request_id"] == request_id(1)
    assert "LookupError" in journal.alarms[0]
    assert journal.shipper.quarantined == 1
    assert sound(journal)


@pytest.mark.parametrize("poison", [
    admission(5, attribution=Attribution("k", "nobody", {})), admission(5, request_id="req_short"), admission(5, at_us=2**60),
])
def test_a_record_that_cannot_be_booked_leaves_no_trace_in_the_ledger(journal: Journal, poison: object) -> None:
    assert hasattr(poison, "request_id")
    for number in (1, 2, 3):
        run(journal.spool.admit(admission(number)))
    run(journal.spool.settle(settlement(1)))
    run(journal.spool.admit(poison))  # type: ignore[arg-type]
    run(journal.spool.settle(settlement(5, request_id=poison.request_id)))
    run(journal.spool.settle(settlement(2)))
    run(journal.spool.settle(settlement(3)))
    journal.ship()
    assert len(entries(journal)) == 3
    assert journal.shipper.quarantined == 1
    assert sound(journal)


def test_refusals_without_a_key_are_ten_a_minute_and_then_a_count(journal: Journal) -> None:
    for number in range(1, 26):
        run(journal.spool.refuse(refusal(number)))
    journal.ship()
    assert kinds(journal, 0) == ["REFUSED"] * 10
    journal.clock.us += 120_000_000
    journal.ship()
    assert kinds(journal, 0) == ["REFUSED"] * 10 + ["REFUSALS"]
    assert entries(journal, 0)[-1]["count"] == 15
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.refusal == refusal(1)
    assert sound(journal)


def test_refusals_with_a_key_are_entries_of_their_organisation(journal: Journal) -> None:
    for number in range(1, 71):
        run(journal.spool.refuse(key_refusal(number)))
    run(journal.spool.refuse(key_refusal(71, code="bad_attribution")))
    journal.ship()
    journal.clock.us += 120_000_000
    journal.ship()
    assert kinds(journal) == ["REFUSED"] * 61 + ["REFUSALS"]
    assert entries(journal)[-1]["count"] == 10
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.refusal == key_refusal(1)
    assert sound(journal)


def test_people_and_tags_stand_in_the_ledger_as_hmacs_only(journal: Journal) -> None:
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    unpack = Packer().unpack
    with journal.database.read() as db:
        ledger = b"".join(unpack(body) for table in ("entry_standing", "entry_202611") for (body,) in db.execute(f"SELECT body FROM {table}"))
        names = str(db.execute("SELECT * FROM dictionary").fetchall())
    for private in ("ann@example.com", "eu-17", "answers"):
        assert private.encode() not in ledger
        assert private not in names
    with journal.database.write() as db:
        db.execute("DELETE FROM dictionary_private WHERE kind = 'user'")
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert record.attempts[0].admission.attribution.labels["user"] == ERASED
    assert sound(journal)


def test_a_call_belongs_to_the_month_of_its_admission_in_its_organisations_zone(journal: Journal) -> None:
    with journal.database.write() as db:
        ensure_organization(db, "west", "West", 0, "America/Los_Angeles")
    new_year = 1_798_761_600_000_000                     # 2027-01-01 00:00 UTC, still 2026 in Los Angeles
    there = Attribution("k", "west", {})
    for number, who in ((1, admission(1).attribution), (2, there)):
        run(journal.spool.admit(admission(number, at_us=new_year, attribution=who)))
        run(journal.spool.settle(settlement(number, at_us=new_year + 1)))
    journal.clock.us = new_year
    journal.ship()
    with journal.database.read() as db:
        assert db.execute("SELECT organization, day FROM call_fact_202701").fetchall() == [(1, 20_819)]
        assert db.execute("SELECT organization, day FROM call_fact_202612").fetchall() == [(2, 20_818)]
    assert sound(journal)


members = st.recursive(st.text() | st.integers(-2**53, 2**63) | st.booleans(),
                       lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20)


@given(st.dictionaries(st.text(), members))
def test_the_quick_encoder_writes_the_canonical_bytes(fields: dict[str, object]) -> None:
    assert canonical_quickly(fields) == canonical(fields)


def test_checkpoints_are_signed_every_minute_in_which_something_was_chained(journal: Journal) -> None:
    for number in range(1, 4):
        run(journal.spool.admit(admission(number, at_us=journal.clock.us)))
        run(journal.spool.settle(settlement(number)))
        journal.ship()
        journal.clock.us += 61_000_000
        journal.ship()
        journal.clock.us += 61_000_000
        journal.ship()
    with journal.database.read() as db:
        notes = db.execute("SELECT size, note FROM checkpoint WHERE organization = 1 ORDER BY size").fetchall()
    assert len(notes) == 3
    for size, note in notes:
        checkpoint = open_checkpoint(note, KEY.public_key, lambda signature, text: signature_holds(KEY.public_key, signature, text))
        assert checkpoint.size == size
        assert checkpoint.origin.endswith("/default")
    assert sound(journal)


def test_the_cli_and_the_server_write_one_chain(journal: Journal) -> None:
    command = Sequencer(open_journal_database(journal))
    run(journal.spool.admit(admission(1)))
    keys = directory(command)
    key, _ = keys.create_key(1, KeySpec({"team": "search"}), journal.clock.now_us())
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    keys.revoke_key(1, key.id, journal.clock.now_us(), "cli")
    assert kinds(journal) == ["KEY", "ATTEMPT", "KEY"]
    assert sound(journal)


def open_journal_database(journal: Journal):  # type: ignore[no-untyped-def]
    return open_database(journal.folder, 0)


def test_what_a_failed_transaction_defined_is_forgotten(journal: Journal) -> None:
    with pytest.raises(KeyError), journal.sequencer.append(1) as pen:
        pen.key_event(1, "created", "k1", actor="cli")
        raise KeyError
    with journal.sequencer.append(1) as pen:
        pen.key_event(1, "created", "k1", actor="cli")
    assert kinds(journal) == ["KEY"]
    assert [finding.message for finding in verify(journal.database, KEY.public_key).findings] == ["key k1 is missing"]   # it has no row


class Unlucky(Sequencer):
    """A database whose replies are lost: before the commit, or after it."""

    def __init__(self, journal: Journal, chance: random.Random) -> None:
        super().__init__(journal.database, KEY)
        self.chance = chance
        self.lost = 0

    @contextmanager
    def append(self, now_us: int) -> Iterator[Appending]:
        luck = self.chance.random()
        with super().append(now_us) as pen:
            yield pen
            if luck < 0.3:
                self.lost += 1
                raise StoreFault("lost before the commit")
        if luck > 0.7:
            self.lost += 1
            raise StoreFault("lost after the commit")


@pytest.mark.parametrize("seed", range(12))
def test_every_record_is_shipped_once_though_replies_are_lost_and_processes_die(tmp_path: Path, seed: int) -> None:
    """Against the memory journal as oracle."""
    chance = random.Random(seed)
    journal, oracle = open_journal(tmp_path, rows_max=7), MemoryJournal()
    unlucky = journal.shipper._sequencer = Unlucky(journal, chance)  # type: ignore[assignment]
    waiting: list[int] = []
    lost = 0
    for number in range(1, 121):
        for store in (journal.spool, oracle):
            run(store.admit(admission(number, at_us=journal.clock.us)))
        waiting.append(number)
        while len(waiting) > chance.randrange(1, 10):
            done = waiting.pop(chance.randrange(len(waiting)))
            for store in (journal.spool, oracle):
                run(store.settle(settlement(done)))
        journal.clock.us += chance.choice((1_000, 3_000_000, 20_000_000))
        if chance.random() < 0.4:
            try:
                journal.shipper.step()
            except StoreFault:
                pass
        if chance.random() < 0.05:                       # the process dies; a new one recovers what was open
            lost += unlucky.lost
            journal = journal.restart()
            unlucky = journal.shipper._sequencer = Unlucky(journal, chance)  # type: ignore[assignment]
            for gone in waiting:
                run(oracle.settle(settlement(gone, outcome="recovered")))
            waiting = []
    journal.shipper._sequencer = journal.sequencer
    journal.clock.us += 100_000_000
    journal.ship()
    journal.ship()
    assert lost + unlucky.lost > 10
    assert journal.alarms == []
    calls = Calls(journal.database)
    for (request, attempt), admitted in oracle.admissions.items():
        record = calls.read_call(request)
        assert record is not None
        (found,) = record.attempts
        assert found.admission == admitted
        expected = oracle.settlements.get((request, attempt))
        assert (found.settlement and found.settlement.outcome) == (expected and expected.outcome)
    with journal.database.read() as db:
        assert db.execute("SELECT count(*) FROM call_fact_202611").fetchone() == (120,)
    assert sound(journal)
    journal.spool.close()


def test_two_shippers_of_one_spool_do_not_double(journal: Journal) -> None:
    other = Shipper(journal.spool, journal.sequencer, journal.clock, journal.folder / "q")
    run(journal.spool.refuse(refusal(1)))
    journal.ship()
    other.step()
    run(journal.spool.admit(admission(1)))
    run(journal.spool.settle(settlement(1)))
    other.step()
    with pytest.raises(StoreFault, match="another shipper"):
        journal.shipper.step()
    journal.ship()
    assert kinds(journal) == ["ATTEMPT"]
    assert sound(journal)


def test_shipped_segments_are_deleted(journal: Journal) -> None:
    for number in range(1, 60):
        run(journal.spool.admit(admission(number)))
        run(journal.spool.settle(settlement(number)))
    assert journal.spool.durable.segment > 5
    journal.ship()
    assert journal.spool.backlog_bytes == 0
    assert journal.spool.first_segment == journal.spool.durable.segment
    assert len(list((journal.folder / "spool" / "main").glob("*.seg"))) == 2


def test_an_admission_comes_back_with_its_changes(journal: Journal) -> None:
    """The rarer members of an admission and a settlement survive the way."""
    asked = admission(1, sandbox=True, credential="default", budget_nanos=500_000_000_000, route_name="cheap", billable=False, dialect=None,
                      model=None, hold_priced=False, facts=replace(admission(1).facts, model=None))
    ended = settlement(1, method="sandbox", cost_nanos=0, would_be_nanos=settlement(1).cost_nanos, code="upstream_timeout",
                       notes=("two words",), drift=True)
    run(journal.spool.admit(asked))
    run(journal.spool.settle(ended))
    journal.ship()
    record = Calls(journal.database).read_call(request_id(1))
    assert record is not None
    assert (record.attempts[0].admission, record.attempts[0].settlement) == (asked, ended)
    assert sound(journal)


@files_only
def test_a_settled_call_takes_less_than_a_kibibyte_on_disk(tmp_path: Path) -> None:
    """Entries, facts, indexes, names and checkpoints together, for calls that differ as real ones do."""
    journal, chance, calls = open_journal(tmp_path, bounds=Bounds(), rows_max=1_000), random.Random(7), 2_000
    with journal.database.read() as db:      # tables that hold nothing take a page each, however many calls there are
        empty = db.execute("PRAGMA page_count").fetchone()[0]
    for number in range(1, calls + 1):
        model = chance.choice(("gpt-4o", "gpt-4o-mini", "o4-mini"))
        who = Attribution(f"k{chance.randrange(40)}", "default", {"team": f"team-{chance.randrange(9)}", "project": f"project-{chance.randrange(30)}",
                          "user": f"user{chance.randrange(300)}@example.com", "environment": "production"}, claimed=frozenset({"user"}))
        request = f"req_{chance.getrandbits(128):032x}"
        used = tuple(replace(line, quantity=chance.randrange(1, 20_000), row=f"openai:{model}:{line.unit}") for line in lines())
        run(journal.spool.admit(admission(number, request_id=request, model=model, attribution=who, body_bytes=chance.randrange(90_000),
                                          hold_nanos=chance.randrange(10**8))))
        run(journal.spool.settle(settlement(
            number, request_id=request, lines=used, usage=usage_of(**{line.unit: line.quantity for line in used}), cost_nanos=cost_of(used),
            computed_nanos=cost_of(used), response_id=f"chatcmpl-{chance.getrandbits(96):024x}", latency_us=chance.randrange(10**7),
            first_byte_us=chance.randrange(10**6), reply_bytes=chance.randrange(9_000))))
    journal.ship()
    with journal.database.read() as db:
        pages, size = db.execute("PRAGMA page_count").fetchone()[0], db.execute("PRAGMA page_size").fetchone()[0]
    assert sound(journal)
    with journal.database.write() as db:
        db.execute("DROP TABLE rollup_hour")
        db.execute("DROP TABLE rollup_cube")
        db.execute("DROP TABLE rollup_day")
        roll_ups = db.execute("PRAGMA freelist_count").fetchone()[0]
    assert (pages - empty - roll_ups) * size / calls < 650
    assert roll_ups * size / calls < 260     # though nearly every one of these calls is alone in its cells of both cubes
