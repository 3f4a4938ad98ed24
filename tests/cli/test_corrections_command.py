"""`tallystick adjust` and `tallystick prices reprice` as a person at a terminal meets them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Line
from tallystick.core.usage import usage_of
from tallystick.stores.sql.booking import book_attempt
from tests.build.commands import SOURCE, document, tallystick
from tests.build.control import Desk, describe

RIGHT = 1_000 * 150
DAYS = ("--since", "2026-11-20", "--until", "2026-11-20")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A data directory with secrets."""
    document("keys", "create", data=tmp_path)
    return tmp_path


@pytest.fixture
def desk(house: Path) -> Iterator[Desk]:
    desk = Desk(house, admin=False)
    yield desk
    desk.close()


def too_dear(desk: Desk) -> str:
    """A call that was priced at twice what the list says."""
    line = Line("input_text", 1_000, "openai:gpt-4o-mini:input_text", Decimal("0.3"), 1_000_000)
    return desk.book(2 * RIGHT, settled={"lines": (line,), "usage": usage_of(input_text=1_000), "computed_nanos": 2 * RIGHT})


def at_a_terminal(house: Path, said: str, *arguments: str) -> str:
    """What the command shows to somebody who types an answer."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "tallystick", *arguments, "--data", str(house)], stdin=theirs, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**environment, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}) as running:
        os.write(ours, said.encode())
        shown, _ = running.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert running.returncode == 0, shown
    return shown


def test_a_terminal_is_asked_and_only_yes_posts(house: Path, desk: Desk) -> None:
    request_id = too_dear(desk)
    declined = at_a_terminal(house, "n\n", "prices", "reprice", *DAYS)
    assert "Post 1 adjustments?" in declined
    assert "Nothing was posted." in declined
    assert document("explain", request_id, data=house)["cost_nanos"] == 2 * RIGHT
    agreed = at_a_terminal(house, "y\n", "prices", "reprice", *DAYS, "--reason", "wrong list")
    assert "Posted 1 adjustments, -$0.000150000 in all." in agreed
    call = document("explain", request_id, data=house)
    assert (call["cost_nanos"], call["booked_cost_nanos"], call["adjustments"][0]["text"]) == (RIGHT, 2 * RIGHT, "wrong list")


def test_of_several_attempts_one_must_be_named(house: Path, desk: Desk) -> None:
    first = desk.admission()
    with desk.sequencer.append(desk.clock.at_us) as pen:
        for one in (first, replace(first, attempt=2)):
            book_attempt(pen, one, desk.settlement(one, 100), describe)
    unnamed = tallystick("adjust", first.request_id, "--cost", "1", "--evidence", "invoice", data=house)
    assert (unnamed.returncode, "attempts 1, 2" in unnamed.stderr) == (2, True), unnamed.stderr
    named = tallystick("adjust", first.request_id, "--cost", "1", "--evidence", "invoice", "--attempt", "2", data=house)
    assert "attempt 2, costs $1.000000000 (+999999900 nanos)" in named.stdout
    told = tallystick("explain", first.request_id, data=house).stdout
    assert "corrected with evidence: invoice" in told
    assert "100 + 999999900 = 1000000000 nanos" in told


@pytest.mark.parametrize("arguments", [
    ("--since", "yesterday", "--until", "2026-11-20"), ("--since", "2026-11-20", "--until", "2026-13-01"), ("--since", "2026-11-20"),
    (*DAYS, "--reason", "x" * 501), (*DAYS, "--reason", "a\nb"),
])
def test_what_cannot_be_asked_is_said(house: Path, arguments: tuple[str, ...]) -> None:
    assert tallystick("prices", "reprice", *arguments, data=house).returncode == 2


def test_a_damaged_entry_ends_the_run_before_anything_is_posted(house: Path, desk: Desk) -> None:
    first, second = too_dear(desk), too_dear(desk)
    with desk.database.write() as db:
        db.execute("UPDATE entry_202611 SET body = x'01' WHERE seq = (SELECT max(seq) FROM call_fact_202611)")
    done = tallystick("prices", "reprice", *DAYS, "--yes", data=house)
    assert (done.returncode, "tallystick verify" in done.stderr) == (1, True), done.stderr
    assert document("explain", first, data=house)["adjustments"] == []
    assert first != second
