"""`verify` finds whatever was changed behind the ledger's back, and names the first entry that is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tallystick.jobs.runner import Job, Runner
from tallystick.stores.secrets import LedgerKey
from tallystick.stores.sql.accounts import add_first_owner
from tallystick.stores.sql.callfact import COLUMNS
from tallystick.stores.sql.directory import KeySpec
from tallystick.stores.sql.entries import exact_entries
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.vault import Vault
from tallystick.stores.sql.verify import Finding, verify
from tests.build.databases import both_engines, files_only, open_database
from tests.build.journal import KEY, Journal, admission, directory, key_refusal, open_journal, refusal, rewrite_chain, run, settlement

pytestmark = both_engines

CALLS = 30
DAY_US = 86_400_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Thirty calls, one of them open and one settled late, refusals, a key's event and two checkpoints."""
    journal = open_journal(tmp_path)
    issue_keys(journal)
    add_first_owner(journal.database, "acc_1", "ann@example.com", "hash", journal.clock.now_us())
    run(journal.spool.admit(admission(101)))
    run(journal.spool.admit(admission(102)))
    for number in range(1, CALLS + 1):
        run(journal.spool.admit(admission(number)))
        run(journal.spool.settle(settlement(number)))
    run(journal.spool.refuse(refusal(201)))
    run(journal.spool.refuse(key_refusal(202)))
    journal.ship()
    journal.clock.us += 70_000_000
    journal.ship()
    run(journal.spool.settle(settlement(102)))
    journal.clock.us += 70_000_000
    journal.ship()
    return journal


def issue_keys(journal: Journal) -> None:
    """A key in use, one revoked, one rotated at once and one with a day's grace; a project with a credential of its own."""
    keys, now_us = directory(journal.sequencer), journal.clock.now_us()
    names = {"team": "search", "project": "web", "user": "ann@example.com"}
    used, revoked, rotated, graced = (
        keys.create_key(1, KeySpec(names, {"region": "eu"}, name=name, expires_us=now_us + DAY_US * 30), now_us)[0]
        for name in ("used", "revoked", "rotated", "graced"))
    assert used.status(now_us) == "active"
    keys.revoke_key(1, revoked.id, now_us + 1, "cli")
    keys.rotate_key(1, rotated.id, now_us + 2, "cli")
    keys.rotate_key(1, graced.id, now_us + 3, "cli", DAY_US)
    assert Vault(journal.sequencer, lambda: (), {}, bytes).assign(1, "search", "web", "batch", now_us + 4, "cli")


def first(journal: Journal) -> Finding:
    result = verify(journal.database, KEY.public_key)
    assert result.exit_code == 1
    return result.findings[0]


def change(journal: Journal, statement: str, *values: object) -> None:
    with journal.database.write() as db:
        assert db.execute(statement, values).rowcount > 0


def rows(journal: Journal, table: str) -> list[tuple[int, bytes, bytes]]:
    with journal.database.read() as db:
        return db.execute(f"SELECT seq, body, leaf FROM {table} WHERE organization = 1 ORDER BY seq").fetchall()


def test_a_sound_ledger_is_sound(journal: Journal) -> None:
    told: list[tuple[int, int]] = []
    result = verify(journal.database, KEY.public_key, lambda done, total: told.append((done, total)))
    assert (result.exit_code, result.findings) == (0, ())
    with journal.database.read() as db:
        assert result.entries == db.execute("SELECT sum(next_seq) FROM chain").fetchone()[0] == told[-1][0]
        assert result.checkpoints == db.execute("SELECT count(*) FROM checkpoint").fetchone()[0] >= 2


@pytest.mark.parametrize("table", ["entry_202611", "entry_standing"])
def test_any_changed_byte_of_any_entry_is_named(journal: Journal, table: str) -> None:
    for seq, body, _ in rows(journal, table)[::5]:
        for place in range(0, len(body), 17):
            changed = bytearray(body)
            changed[place] ^= 1
            change(journal, f"UPDATE {table} SET body = ? WHERE organization = 1 AND seq = ?", bytes(changed), seq)
            found = first(journal)
            assert (found.seq, found.organization) == (seq, "default")
            assert found.check in ("bytes", "leaf")
        change(journal, f"UPDATE {table} SET body = ? WHERE organization = 1 AND seq = ?", body, seq)
    assert verify(journal.database, KEY.public_key).exit_code == 0


def test_a_changed_hash_is_named(journal: Journal) -> None:
    seq = rows(journal, "entry_202611")[7][0]
    change(journal, "UPDATE entry_202611 SET leaf = ? WHERE organization = 1 AND seq = ?", bytes(32), seq)
    assert (first(journal).check, first(journal).seq) == ("leaf", seq)


def test_a_deleted_entry_is_named(journal: Journal) -> None:
    for seq, body, leaf in rows(journal, "entry_202611")[7:10]:
        change(journal, "DELETE FROM entry_202611 WHERE organization = 1 AND seq = ?", seq)
        assert (first(journal).check, first(journal).seq) == ("sequence", seq)
        change(journal, "INSERT INTO entry_202611 (organization, seq, body, leaf) VALUES (1, ?, ?, ?)", seq, body, leaf)
    assert verify(journal.database, KEY.public_key).exit_code == 0


def test_a_cut_tail_is_named(journal: Journal) -> None:
    last = max(seq for table in ("entry_202611", "entry_standing") for seq, _, _ in rows(journal, table))
    for table in ("entry_202611", "entry_standing"):
        with journal.database.write() as db:
            db.execute(f"DELETE FROM {table} WHERE organization = 1 AND seq = ?", (last,))
    result = verify(journal.database, KEY.public_key)
    assert ("sequence", last) in [(finding.check, finding.seq) for finding in result.findings]


@files_only
def test_every_column_of_every_fact_is_compared(journal: Journal) -> None:
    with journal.database.read() as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(call_fact_202611)")]
        seqs = [row[0] for row in db.execute("SELECT seq FROM call_fact_202611 WHERE organization = 1 ORDER BY seq")]
    for number, column in enumerate(columns):
        if column in ("organization", "seq"):
            continue
        seq = seqs[number % len(seqs)]
        (before,) = _one(journal, f"SELECT {column} FROM call_fact_202611 WHERE organization = 1 AND seq = ?", seq)
        after = bytes(16) if column == "request_id" else before + 1
        change(journal, f"UPDATE call_fact_202611 SET {column} = ? WHERE organization = 1 AND seq = ?", after, seq)
        found = verify(journal.database, KEY.public_key).findings
        assert [(f.check, f.seq) for f in found] == [("columns", seq)], column
        assert column in found[0].message
        change(journal, f"UPDATE call_fact_202611 SET {column} = ? WHERE organization = 1 AND seq = ?", before, seq)
    assert verify(journal.database, KEY.public_key).exit_code == 0


def _one(journal: Journal, query: str, *values: object) -> tuple[object, ...]:
    with journal.database.read() as db:
        row: tuple[object, ...] = db.execute(query, values).fetchone()
    return row


@pytest.mark.parametrize(("statement", "check"), [
    ("DELETE FROM call_fact_202611 WHERE organization = 1 AND at_us = (SELECT min(at_us) FROM call_fact_202611)", "columns"),
    ("INSERT INTO call_fact_202611 SELECT 1, 5, 999, 1, 1, 1, x'00', 1" + ", 0" * (len(COLUMNS) - 8), "columns"),
    ("DELETE FROM later_entry", "columns"),
    ("UPDATE dictionary SET name = 'research' WHERE kind = 'team'", "dictionary"),
    ("UPDATE dictionary SET content = '{}' WHERE kind = 'price_row'", "dictionary"),
    ("INSERT INTO dictionary SELECT organization, kind, 77, 'ghost', '{}', 3 FROM dictionary WHERE kind = 'team'", "dictionary"),
    ("UPDATE dictionary_private SET value = 'bob@example.com' WHERE kind = 'user'", "dictionary"),
    ("DELETE FROM open_attempt", "settlement"),
    ("UPDATE chain SET head = zeroblob(32) WHERE organization = 1", "chain"),
    ("UPDATE chain SET frontier = zeroblob(32) WHERE organization = 1", "tree"),
    ("UPDATE checkpoint SET note = replace(note, 'default', 'defau1t')", "checkpoint"),
    ("UPDATE spool_cursor SET low_segment = 99", "cursor"),
])
@files_only
def test_what_stands_beside_the_entries_is_compared_too(journal: Journal, statement: str, check: str) -> None:
    change(journal, statement)
    assert first(journal).check == check


@pytest.mark.parametrize(("statement", "named"), [
    ("UPDATE virtual_key SET revoked_us = NULL WHERE name = 'revoked'", "revoked_us"),
    ("UPDATE virtual_key SET revoked_us = NULL WHERE name = 'rotated' AND revoked_us > 0", "revoked_us"),
    ("UPDATE virtual_key SET revoked_us = 7 WHERE name = 'used'", "revoked_us"),
    ("UPDATE virtual_key SET expires_us = NULL WHERE name = 'used'", "expires_us"),
    ("UPDATE virtual_key SET expires_us = expires_us + 1 WHERE name = 'graced'", "expires_us"),
    ("UPDATE virtual_key SET digest = zeroblob(32) WHERE name = 'used'", "digest"),
    ("UPDATE virtual_key SET digest = 'text' WHERE name = 'used'", "digest"),
    ("UPDATE virtual_key SET team = 'other' WHERE name = 'used'", "team"),
    ("UPDATE virtual_key SET project = NULL WHERE name = 'used'", "project"),
    ("UPDATE virtual_key SET user_name = 'bob@example.com' WHERE name = 'used'", "user"),
    ("UPDATE virtual_key SET cost_center = 'cc-9' WHERE name = 'used'", "cost_center"),
    ("UPDATE virtual_key SET credential = 'batch' WHERE name = 'used'", "credential"),
    ("UPDATE virtual_key SET dimensions = '{}' WHERE name = 'used'", "dimensions"),
    ("UPDATE virtual_key SET dimensions = 'no json' WHERE name = 'used'", "dimensions"),
    ("UPDATE virtual_key SET created_by = 'eve' WHERE name = 'used'", "created_by"),
    ("DELETE FROM virtual_key WHERE name = 'used'", "is missing"),
    ("UPDATE virtual_key SET id = 'another' WHERE name = 'used'", "no entry says so"),
    ("UPDATE team SET name = 'research' WHERE name = 'search'", "team search"),
    ("UPDATE project SET name = 'shop' WHERE name = 'web'", "project web"),
    ("UPDATE project SET team = (SELECT id FROM team WHERE name = 'default') WHERE name = 'web'", "project web"),
    ("UPDATE project SET organization = 0 WHERE name = 'web'", "project web"),
    ("UPDATE project SET credential = 'other' WHERE name = 'web'", "credential"),
    ("UPDATE project SET credential = 'other' WHERE name = 'default'", "credential"),
    ("INSERT INTO team SELECT 99, organization, 'ghosts', created_us FROM team WHERE name = 'search'", "team ghosts"),
    ("UPDATE membership SET role = 'viewer'", "role"),
    ("DELETE FROM membership", "role"),
    ("INSERT INTO membership_team SELECT account, organization, 'search' FROM membership", "acc_1"),
    ("UPDATE account SET disabled_us = 1 WHERE id = 'acc_1'", "acc_1"),
    ("UPDATE virtual_key SET owner = 'acc_1' WHERE name = 'used'", "owner"),
    ("UPDATE membership SET account = 'acc_2'", "acc_1"),
    ("INSERT INTO membership SELECT 'acc_2', organization, role, joined_us FROM membership", "acc_2"),
])
@files_only
def test_the_control_plane_stands_as_its_entries_say(journal: Journal, statement: str, named: str) -> None:
    with journal.database.write() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("INSERT INTO account (id, email, name, password_hash, created_us) VALUES ('acc_2', 'eve@example.com', 'eve', 'hash', 1)")
    change(journal, statement)
    result = verify(journal.database, KEY.public_key)
    assert {finding.check for finding in result.findings} == {"directory"}
    assert any(named in finding.message for finding in result.findings), result.findings


def test_a_person_who_was_erased_is_no_finding(journal: Journal) -> None:
    change(journal, "DELETE FROM dictionary_private WHERE kind = 'user'")
    assert verify(journal.database, KEY.public_key).findings == ()


def rewrite(journal: Journal, edit: Callable[[int, bytes], bytes]) -> int:
    return rewrite_chain(journal.database, edit)


def test_a_rewrite_with_every_hash_right_is_found_by_the_signed_checkpoints(journal: Journal) -> None:
    rewrite(journal, lambda seq, body: body.replace(b'"actor":"cli"', b'"actor":"eve"'))
    found = verify(journal.database, KEY.public_key).findings
    assert {finding.check for finding in found} == {"tree", "directory"}      # of keys that eve says she made
    assert (found[0].check, found[0].seq) == ("tree", 0)


def nth_attempt(journal: Journal, number: int) -> int:
    unpack = Packer().unpack
    return [seq for seq, body, _ in rows(journal, "entry_202611") if json.loads(unpack(body))["kind"] == "ATTEMPT"][number]


@pytest.mark.parametrize(("before", "after", "check"), [
    (b'"cost_nanos":"4505000"', b'"cost_nanos":"4505001"', "cost"),
    (b'["input_text",1200,1]', b'["input_text",1201,1]', "cost"),
    (b'["input_text",1200,1]', b'["input_text",1200,9]', "define"),
    (b'"team":1', b'"team":7', "define"),
    (b'"org":"default"', b'"org":"another"', "bytes"),
    (b'"kind":"ATTEMPT"', b'"kind":"GIFT"', "bytes"),
    (b'"status":200', b'"status":0.5', "bytes"),
    (b'"hold_nanos":"50000000",', b"", "bytes"),
])
def test_an_entry_that_was_written_wrong_is_named_though_its_hashes_are_right(journal: Journal, before: bytes, after: bytes, check: str) -> None:
    target = nth_attempt(journal, 4)
    unpack = Packer().unpack
    original = {seq: unpack(body) for seq, body, _ in rows(journal, "entry_202611")}[target]
    assert before in original, original
    changed = rewrite(journal, lambda seq, body: body.replace(before, after) if seq == target else body)
    assert changed == target
    found = [(finding.check, finding.seq) for finding in verify(journal.database, KEY.public_key).findings]
    assert (check, target) == found[0]


def test_a_settlement_of_nothing_is_named(journal: Journal) -> None:
    settle = next(seq for seq, body, _ in rows(journal, "entry_202611") if b'"kind":"SETTLE"' in Packer().unpack(body))
    rewrite(journal, lambda seq, body: body.replace(b'"ref":', b'"ref":1') if seq == settle else body)
    found = verify(journal.database, KEY.public_key).findings
    assert ("settlement", settle) == (found[0].check, found[0].seq)


def test_another_key_proves_nothing(journal: Journal) -> None:
    result = verify(journal.database, LedgerKey(bytes(31) + b"z").public_key)
    assert result.exit_code == 1
    assert {finding.check for finding in result.findings} == {"checkpoint"}


def test_what_cannot_be_read_cannot_be_judged(tmp_path: Path) -> None:
    database = open_database(tmp_path, 0)
    with database.write() as db:
        db.execute("DROP TABLE checkpoint")
    result = verify(database, KEY.public_key)
    assert result.exit_code == 2
    assert "checkpoint" in (result.fault or "")


@files_only
def test_findings_are_bounded(journal: Journal) -> None:
    change(journal, "UPDATE entry_202611 SET leaf = zeroblob(32)")
    assert len(verify(journal.database, KEY.public_key).findings) == 20


def test_an_outsider_checks_the_exported_lines_with_nothing_but_sha256(journal: Journal) -> None:
    previous, numbers = "0" * 64, []
    with journal.database.read() as db:
        for line in exact_entries(db, 1):
            entry = json.loads(line)
            assert entry["prev"] == previous
            numbers.append(entry["seq"])
            previous = sha256(b"\0" + line).hexdigest()
        assert previous == db.execute("SELECT head FROM chain WHERE organization = 1").fetchone()[0].hex()
    assert numbers == list(range(len(numbers)))


def test_a_chain_that_was_taken_away_as_a_whole_is_missed(journal: Journal) -> None:
    change(journal, "DELETE FROM chain WHERE organization = 1")
    finding = first(journal)
    assert (finding.check, finding.organization) == ("chain", "number 1")


def test_checkpoints_that_were_taken_away_are_missed(journal: Journal) -> None:
    change(journal, "DELETE FROM checkpoint WHERE organization = 1")
    assert first(journal).check == "checkpoint"


def test_a_rewrite_that_also_forgets_its_signatures_is_missed(journal: Journal) -> None:
    for number in (301, 302):                # twenty minutes of calls, each of which a running server would have signed
        journal.clock.us += 600_000_000
        run(journal.spool.admit(admission(number, at_us=journal.clock.us)))
        run(journal.spool.settle(settlement(number, at_us=journal.clock.us)))
        journal.ship()
    rewrite(journal, lambda _seq, body: body.replace(b'"chatcmpl-1"', b'"chatcmpl-2"'))
    change(journal, "DELETE FROM checkpoint WHERE organization = 1")
    change(journal, "UPDATE chain SET checkpoint_size = 0 WHERE organization = 1")
    found = verify(journal.database, KEY.public_key).findings
    assert [finding.check for finding in found] == ["checkpoint"]


def test_a_young_ledger_needs_no_signature_yet(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    run(journal.spool.admit(admission(1, at_us=journal.clock.us - 3_600_000_000)))      # it waited in the spool for an hour
    run(journal.spool.settle(settlement(1)))
    journal.ship()
    result = verify(journal.database, KEY.public_key)
    assert (result.checkpoints, result.findings) == (0, ())


def test_closing_the_books_signs_what_was_chained_since(journal: Journal) -> None:
    run(journal.spool.admit(admission(401)))
    run(journal.spool.settle(settlement(401)))
    runner = Runner((Job("ship", journal.shipper.step, 60, journal.shipper.close_books),))
    asyncio.run(runner.stop())
    with journal.database.read() as db:
        assert db.execute("SELECT next_seq - checkpoint_size FROM chain WHERE next_seq > 0").fetchall() == [(0,), (0,)]
        noted = db.execute("SELECT count(*) FROM checkpoint").fetchone()
    journal.shipper.close_books()            # nothing new: nothing to sign
    with journal.database.read() as db:
        assert db.execute("SELECT count(*) FROM checkpoint").fetchone() == noted
    assert runner.failing() == {}
    assert verify(journal.database, KEY.public_key).exit_code == 0


def test_a_zone_that_is_none_is_named(journal: Journal) -> None:
    change(journal, "UPDATE organization SET zone = 'Nowhere/Else' WHERE id = 1")
    assert first(journal).check == "columns"
