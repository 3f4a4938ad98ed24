"""Exports leave the house: every call once, every nano there, and a ledger that an outsider can check with
one file of the standard library. The outsider's script runs here as they would run it, alone."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Line
from scripts import verify_export
from tallystick.core.ledger import KINDS, leaf_of
from tallystick.exports import CALL_EXPORTS, calls_csv
from tallystick.exports.call_row import CallRow
from tallystick.stores.secrets import open_secrets
from tallystick.stores.sql import exported
from tallystick.stores.sql.adjusting import Correction, adjust
from tallystick.stores.sql.booking import book_attempt
from tallystick.stores.sql.facts import EVERY_KIND, Asked
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.journal import Sequencer
from tests.build.commands import document, tallystick
from tests.build.control import NOON, Desk, describe, us

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"
DAY_US = 86_400_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Three days of calls: settled, open, in the sandbox, refused; some cost less than a nano-cent."""
    open_secrets(tmp_path)
    desk = Desk(tmp_path)
    desk.sequencer = Sequencer(desk.database, open_secrets(tmp_path).ledger_key)
    for number in range(7):
        desk.book(1_500_001 + number, us(NOON) - number % 3 * DAY_US, labels={"team": f"team{number % 2}", "user": "=2+2"})
    desk.book(0, settled={"method": "sandbox", "would_be_nanos": 5_000, "lines": (Line("input_text", 5, "r", 1, 1_000_000),)}, sandbox=True)  # type: ignore[arg-type]
    desk.refuse(team="team0")
    desk.settle(desk.admit(), 777)
    desk.admit()
    desk.clock.at_us += 120_000_000          # the next write signs what is there
    desk.book(9, us(NOON))
    yield desk
    desk.close()


def calls(desk: Desk, first: int | None = None, last: int | None = None, page: int = 1_000) -> list[CallRow]:
    with desk.database.read() as db:
        return list(exported.calls(db, DEFAULT, "default", Asked(first, last, EVERY_KIND), page))


def second_attempt(desk: Desk, cost_nanos: int, later_us: int) -> str:
    """A call whose first attempt was in time and whose second came so much later."""
    first = desk.admission(us(NOON))
    second = replace(first, attempt=2, at_us=first.at_us + later_us)
    with desk.sequencer.append(desk.clock.at_us) as pen:
        book_attempt(pen, first, desk.settlement(first, cost_nanos, outcome="failed", status=500), describe)
        book_attempt(pen, second, desk.settlement(second, cost_nanos + 1, model="the-other"), describe)
    return first.request_id


def test_every_call_is_there_once_however_small_the_pages(desk: Desk) -> None:
    several = second_attempt(desk, 50, 1_000_000)
    all_at_once = calls(desk)
    assert len({row.request_id for row in all_at_once}) == len(all_at_once) == 13
    for page in (1, 2, 5):
        assert calls(desk, page=page) == all_at_once
    row = next(row for row in all_at_once if row.request_id == several)
    assert (row.attempts, row.cost_nanos, row.status, row.served_model) == (2, 101, 200, "the-other")


def test_a_call_that_went_on_past_midnight_is_counted_where_its_money_is(desk: Desk) -> None:
    second_attempt(desk, 50, DAY_US)
    today = us(NOON) // DAY_US
    whole = sum(row.cost_nanos for row in calls(desk))
    assert sum(row.cost_nanos for row in calls(desk, None, today)) + sum(row.cost_nanos for row in calls(desk, today + 1, None)) == whole


async def test_totals_are_the_ledgers_to_the_nano(desk: Desk) -> None:
    with desk.database.read() as db:
        _, lines = exported.chain(db, DEFAULT, "default", b"k" * 32)
        entries = [json.loads(line) for line in lines if isinstance(line, bytes)]
    booked = sum(int(entry["cost_nanos"]) for entry in entries if entry["kind"] in ("ATTEMPT", "SETTLE"))
    async with desk.owner() as owner:
        said = json.loads((await owner.get("/api/aggregations/monthly")).text, parse_float=Decimal)
    for name, render in CALL_EXPORTS.items():
        text = b"".join(render(calls(desk))).decode()
        rows = list(csv.DictReader(io.StringIO(text))) if name == "calls-csv" else [json.loads(line) for line in text.splitlines()]
        assert sum(int(row["cost_nanos"]) for row in rows) == booked == said["total_cost"] * 10**9 > 0
        assert {row["state"] for row in rows} == {"settled", "refused", "open"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1"])
def test_a_name_is_no_formula(desk: Desk, text: str) -> None:
    row = replace(calls(desk)[0], served_model=text, tags=[(text, "v")], dimensions={text: 'a,"b"\n'})
    (cells,) = csv.DictReader(io.StringIO(b"".join(calls_csv.render([row])).decode(), newline=""))
    assert (cells["served_model"], cells["tags"]) == (f"'{text}", f"'{text}=v")
    assert cells["dimensions"] == f"'{text}=a,\"b\"\n"


def test_columns_are_those_of_a_row(desk: Desk) -> None:
    lines = b"".join(CALL_EXPORTS["calls-jsonl"](calls(desk)[:1]))
    assert tuple(json.loads(lines)) == calls_csv.COLUMNS


# --- the command, and the outsider -----------------------------------------------------------------

def export(desk: Desk) -> list[bytes]:
    done = tallystick("export", "ledger-jsonl", data=desk.database.path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.encode().splitlines(keepends=True)


def judged(folder: Path, lines: list[bytes], *options: str) -> tuple[int, str]:
    """What the verifier says, run with no path to our code."""
    file = folder / "export.jsonl"
    file.write_bytes(b"".join(lines))
    done = subprocess.run([sys.executable, "-I", "-S", str(VERIFIER), str(file), *options], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_sound_export_is_checked_without_us(desk: Desk, tmp_path: Path) -> None:
    lines = export(desk)
    code, said = judged(tmp_path, lines)
    assert (code, "agrees with itself" in said) == (0, True), said
    assert " 0 signed checkpoints" not in said
    key = json.loads(lines[0])["public_key"]
    assert judged(tmp_path, lines, "--key", key)[0] == 0
    assert judged(tmp_path, lines, "--key", "0" * 64)[0] == 1


def test_any_changed_or_missing_line_is_found(desk: Desk, tmp_path: Path) -> None:
    lines = export(desk)
    for number in range(len(lines)):
        without = lines[:number] + lines[number + 1:]
        assert judged(tmp_path, without)[0] == 1, lines[number]
    for number in range(0, len(lines), 3):
        middle = len(lines[number]) // 2
        changed = lines[number][:middle] + bytes([lines[number][middle] ^ 1]) + lines[number][middle + 1:]
        assert judged(tmp_path, [*lines[:number], changed, *lines[number + 1:]])[0] == 1, changed


def test_the_verifier_knows_every_kind_of_entry_and_no_newer_one_makes_a_sound_export_wrong(desk: Desk, tmp_path: Path) -> None:
    assert set(KINDS) <= verify_export.KINDS
    with desk.sequencer.append(desk.clock.at_us) as pen:
        pen.chain_of("default").append({"kind": "ATTEMPT-2", "at": desk.clock.at_us})
    code, said = judged(tmp_path, export(desk))
    assert (code, "only the bytes were checked: ATTEMPT-2" in said) == (0, True), said


def rewritten(lines: list[bytes], old: bytes, new: bytes) -> list[bytes]:
    """A forger's work: one amount changed, and every hash after it made right again."""
    out, previous = [], bytes(32)
    for line in lines:
        fields = json.loads(line)
        if "seq" not in fields:
            out.append(line)
            continue
        body = line.rstrip(b"\n").replace(f'"prev":"{fields["prev"]}"'.encode(), b'"prev":""').replace(old, new)
        out.append(body.replace(b'"prev":""', f'"prev":"{previous.hex()}"'.encode(), 1) + b"\n")
        previous = leaf_of(body, previous)
    return out


def test_a_rewrite_with_every_hash_right_is_found_by_the_signature(desk: Desk, tmp_path: Path) -> None:
    lines = export(desk)
    assert rewritten(lines, b"", b"") == lines
    code, said = judged(tmp_path, rewritten(lines, b'"latency_us":250000', b'"latency_us":250001'))
    assert (code, "not the ones that were signed" in said) == (1, True), said


def test_a_cost_that_its_lines_do_not_come_to_is_found(desk: Desk, tmp_path: Path) -> None:
    code, said = judged(tmp_path, rewritten(export(desk), b'"cost_nanos":"1500001"', b'"cost_nanos":"1500000"'))
    assert (code, "what it rests on gives" in said) == (1, True), said


def corrected(desk: Desk) -> str:
    """A call with a correction; what it cost before is 1,500,001 nanos."""
    request_id = calls(desk)[-1].request_id
    (before,) = {row.cost_nanos for row in calls(desk) if row.request_id == request_id}
    assert before > 0
    with desk.sequencer.append(desk.clock.at_us) as pen:
        assert adjust(pen, DEFAULT, Correction(request_id, 1, "evidence", 7, "acc_1", "invoice"), describe) is not None
    return request_id


def test_a_correction_is_in_the_exports_and_adds_up(desk: Desk, tmp_path: Path) -> None:
    request_id = corrected(desk)
    row = next(row for row in calls(desk) if row.request_id == request_id)
    (cells,) = csv.DictReader(io.StringIO(b"".join(calls_csv.render([row])).decode()))
    assert cells["cost_nanos"] == "7"
    assert int(cells["booked_cost_nanos"]) + int(cells["adjusted_nanos"]) == 7
    code, said = judged(tmp_path, export(desk))
    booked = sum(one.cost_nanos for one in calls(desk))
    assert (code, f"booked {booked} nanos, corrections of {row.adjusted_nanos} nanos included" in said) == (0, True), said


@pytest.mark.parametrize(("old", "new", "why"), [
    (b'"cost_nanos":"7","delta_nanos"', b'"cost_nanos":"8","delta_nanos"', "the delta is"),
    (b'"delta_nanos":"-', b'"delta_nanos":"-1', "the delta is"),
    (b'"reason":"evidence"', b'"reason":"goodwill"', "who corrected what"),
    (b'"call_day":', b'"attempt":2,"call_day":', "another attempt"),
    (b'"reason":"evidence","ref":', b'"reason":"evidence","ref":9', "no settled attempt"),
])
def test_a_forged_correction_is_found_though_its_hashes_are_right(desk: Desk, tmp_path: Path, old: bytes, new: bytes, why: str) -> None:
    corrected(desk)
    lines = export(desk)
    assert any(old in line for line in lines)
    code, said = judged(tmp_path, rewritten(lines, old, new))
    assert (code, why in said) == (1, True), said


def test_who_kept_a_checkpoint_sees_a_ledger_that_was_begun_anew(desk: Desk, tmp_path: Path) -> None:
    """Signed by the right key, sound in itself, and another history."""
    lines = export(desk)
    note = next(json.loads(line)["note"] for line in lines if b'"note"' in line)
    (tmp_path / "kept").write_text(note)
    assert judged(tmp_path, lines, "--kept", str(tmp_path / "kept"))[0] == 0
    shorter = tmp_path / "anew"
    shorter.mkdir()
    for name in ("pepper", "kek", "ledger.key"):
        (shorter / name).write_bytes((tmp_path / name).read_bytes())
        (shorter / name).chmod(0o400)
    anew = Desk(shorter)
    anew.book(1)
    anew.close()
    code, said = judged(tmp_path, export(anew), "--kept", str(tmp_path / "kept"))
    assert (code, "shorter than the checkpoint you kept" in said) == (1, True), said


def test_a_file_is_written_whole_and_described(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "calls.csv"
    said = document("export", "calls-csv", "--out", str(out), "--from", "2026-11-19", "--to", "2026-11-20", data=tmp_path)
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert (len(rows), sum(int(row["cost_nanos"]) for row in rows)) == (said["calls"], said["cost_nanos"])
    assert {row["at"][:10] for row in rows} == {"2026-11-19", "2026-11-20"}
    assert (out.stat().st_mode & 0o777, list(tmp_path.glob(".calls*"))) == (0o600, [])
    again = tallystick("export", "calls-csv", "--from", "2026-11-19", "--to", "2026-11-20", data=tmp_path).stdout
    assert again.replace("\n", "\r\n") == out.read_bytes().decode() or again == out.read_bytes().decode()


@pytest.mark.parametrize("arguments", [
    ("parquet",), ("calls-csv", "--json"), ("ledger-jsonl", "--from", "2026-01-01"), ("calls-csv", "--from", "yesterday"),
    ("calls-csv", "--organization", "nobody"),
])
def test_what_cannot_be_done_is_said(desk: Desk, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert tallystick("export", *arguments, data=tmp_path).returncode == 2


def test_every_column_is_described() -> None:
    page = (VERIFIER.parents[1] / "docs" / "reference" / "exports.md").read_text(encoding="utf-8")
    assert [column for column in calls_csv.COLUMNS if f"`{column}`" not in page] == []
