"""`tallystick explain` and `tallystick verify`: the arithmetic of one call and the state of the whole
ledger, and the exit codes that scripts judge by."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Line
from tests.build.commands import document, tallystick
from tests.build.control import Desk


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A data directory with secrets and one key."""
    document("keys", "create", "--team", "search", data=tmp_path)
    return tmp_path


def booked(house: Path, cost_nanos: int, **settled: object) -> str:
    desk = Desk(house, admin=False)
    request_id = desk.book(cost_nanos, labels={"team": "search"}, settled=settled)
    desk.close()
    return request_id


LINES = (
    Line("input_text", 1_000, "openai:m:input_text", Decimal("0.15"), 1_000_000),
    Line("output_text", 333, "openai:m:output_text", Decimal("0.60"), 1_000_000, Decimal("0.5"), "openai:tier=flex"),
    Line("predict_seconds", Decimal("2.5"), "openai:m:predict_seconds", Decimal("0.04"), 3_600),
)
# 0.00015 + 333 × 0.6 × 0.5 / 10⁶ = 0.0000999 + 2.5 × 0.04 / 3600 = 0.0000277777… → 277,677.8 nanos
SUM_NANOS = 277_678


def test_the_lines_are_printed_and_come_to_what_was_booked(house: Path) -> None:
    request_id = booked(house, SUM_NANOS, lines=LINES)
    done = tallystick("explain", request_id, data=house)
    assert done.returncode == 0, done.stderr
    assert "1,000 × 0.15 / 1,000,000 = $0.00015" in done.stdout
    assert "333 × 0.60 / 1,000,000 × 0.5 (openai:tier=flex) = $0.0000999" in done.stdout
    assert "2.5 × 0.04 / 3,600 = $0.000027777" in done.stdout
    assert "openai:m:input_text · a price list, in force from 2026-01-01" in done.stdout
    assert "277678 nanos (rounded once, half to even)" in done.stdout


def test_a_wrong_sum_is_found(house: Path) -> None:
    request_id = booked(house, SUM_NANOS + 1, lines=LINES)
    done = tallystick("explain", request_id, "--json", data=house)
    assert done.returncode == 1
    assert json.loads(done.stdout)["cost_nanos"] == SUM_NANOS + 1
    assert "do not come to" in done.stderr


@pytest.mark.parametrize(("cost_nanos", "settled"), [
    (9_000_000, {"basis": "worst_case", "method": "estimated", "outcome": "cut", "usage": None, "lines": ()}),
    (0, {"basis": "zero_proven", "outcome": "failed", "usage": None, "lines": (), "status": 400}),
    (7, {"method": "stated", "stated_nanos": 7, "computed_nanos": SUM_NANOS, "lines": LINES}),
    (0, {"method": "sandbox", "would_be_nanos": SUM_NANOS, "lines": LINES}),
    (0, {"method": "unpriced", "lines": (Line("input_text", 5, None),)}),
    (0, {"method": "unpriced", "stated_nanos": 0, "computed_nanos": SUM_NANOS, "lines": LINES}),     # a stated zero that nobody believes
])
def test_every_way_to_a_cost_is_explained(house: Path, cost_nanos: int, settled: dict[str, object]) -> None:
    request_id = booked(house, cost_nanos, **settled)
    assert document("explain", request_id, data=house)["cost_nanos"] == cost_nanos
    assert tallystick("explain", request_id, data=house).returncode == 0


def test_a_call_nobody_made_cannot_be_judged(house: Path) -> None:
    for request_id in ("req_" + "0" * 32, "nonsense", "' OR 1=1"):
        assert tallystick("explain", request_id, data=house).returncode == 2


def test_a_sound_ledger_verifies(house: Path) -> None:
    booked(house, SUM_NANOS, lines=LINES)
    found = document("verify", data=house)
    assert (found["ok"], found["findings"]) == (True, [])
    assert found["entries"] > 2
    assert "agrees" in tallystick("verify", data=house).stdout


def test_an_edited_amount_is_named(house: Path) -> None:
    booked(house, SUM_NANOS, lines=LINES)
    with sqlite3.connect(house / "tallystick.db") as db:
        db.execute("UPDATE call_fact_202611 SET cost_nanos = 1")
    done = tallystick("verify", "--json", data=house)
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["findings"][0]["organization"]) == (1, False, "default")


def test_what_is_not_there_cannot_be_judged(tmp_path: Path) -> None:
    assert tallystick("verify", data=tmp_path / "nowhere").returncode == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_no_database_cannot_be_judged(house: Path) -> None:
    for path in house.glob("tallystick.db*"):
        path.unlink()
    (house / "tallystick.db").write_bytes(b"not a database at all" * 100)
    done = tallystick("verify", data=house)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
