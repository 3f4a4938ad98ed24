"""`kill -9` of a real process at its work: what it acknowledged is in the ledger once, and nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.core.errors import StoreFault
from tallystick.stores.spool import SpoolBusy
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.verify import verify
from tests.build.journal import KEY, NOON_US, HandClock, open_journal, request_id

# Admits and settles calls from a first number on, ships beside, and tells on its output what was acknowledged.
CHILD = """
import os, sys
from pathlib import Path
from tallystick.stores.spool import Bounds
from tests.build.journal import admission, open_journal, run, settlement
journal = open_journal(Path(sys.argv[1]), bounds=Bounds(1 << 18, 64))
number = int(sys.argv[2])
while True:
    run(journal.spool.admit(admission(number)))
    os.write(1, b"a%d\\n" % number)
    if number % 3:
        run(journal.spool.settle(settlement(number)))
        os.write(1, b"s%d\\n" % number)
    if number % 40 == 0:
        journal.shipper.step()
    number += 1
"""
ROUNDS = 6


def work_until_killed(folder: Path, first: int, lines: int) -> list[str]:
    """Run the child until it has said so many lines, kill it, and return all it said."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(first)], stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)})
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return [line.decode().strip() for line in said if line.endswith(b"\n")]


@pytest.mark.slow
def test_killed_again_and_again_nothing_acknowledged_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    first = 1
    for lap in range(ROUNDS):
        acknowledged |= set(work_until_killed(tmp_path, first, 37 + 61 * lap))
        first = 1_000 * (lap + 1) + 1
    clock = HandClock(NOON_US + 3_600_000_000)
    journal = open_journal(tmp_path, clock=clock)
    journal.ship()
    assert journal.alarms == []
    calls = Calls(journal.database)
    admitted = [int(line[1:]) for line in acknowledged if line[0] == "a"]
    assert len(admitted) > 500
    for number in admitted:
        record = calls.read_call(request_id(number))
        assert record is not None, number
        (attempt,) = record.attempts
        assert attempt.settlement is not None, number
        expected = {"completed"} if f"s{number}" in acknowledged else {"recovered", "completed"}
        assert attempt.settlement.outcome in expected, number
    result = verify(journal.database, KEY.public_key)
    assert (result.findings, result.exit_code) == ((), 0)
    journal.spool.close()


def test_while_one_process_has_the_spool_another_is_refused(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), "1"], stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)})
    assert child.stdout is not None
    try:
        child.stdout.readline()
        with pytest.raises(SpoolBusy) as refused:
            open_journal(tmp_path)
        assert isinstance(refused.value, StoreFault)
    finally:
        child.kill()
        child.stdout.close()
        child.wait()
    journal = open_journal(tmp_path)
    assert journal.spool.durable.segment > 1
    journal.spool.close()
