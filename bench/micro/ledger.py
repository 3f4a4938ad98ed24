"""How fast the ledger is: spool to SQL to chain, its bytes on disk per call, and `verify`.

    python -m bench.micro.ledger [--calls 1000000] [--postgresql] [--budgets] [--write]

Calls are spooled and shipped in turns of twenty thousand, all in one process with one writer, and the
embedded database on this machine's disk. They are ordinary chat calls of forty teams and three models,
so that dictionary entries are as rare as in life.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from bench.load.run import RESULTS, title
from tallystick.core.budget import Scope, parse_limit
from tallystick.core.identity import Attribution
from tallystick.jobs.shipper import Shipper
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.verify import verify
from tests.build import databases, journal
from tests.build.postgres import Server

MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5")
FIVE_LEVELS = (Scope("org"), Scope("team", "*"), Scope("project", "*"), Scope("key", "k1"), Scope("model", "*"))

TURN = 20_000
_BYTES = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'test_1'::regnamespace"


async def _fill(one: journal.Journal, numbers: range) -> None:
    for number in numbers:
        attribution = Attribution("k1", "default", {"team": f"team-{number % 40}", "project": "web"}, (), {}, frozenset())
        await one.spool.admit(journal.admission(number, attribution=attribution, model=MODELS[number % 3]))
        await one.spool.settle(journal.settlement(number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=TURN)
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server started for it, which promises the disk nothing")
    parser.add_argument("--budgets", action="store_true", help="five budgets count each call: organisation, team, project, key, model")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    load_before = os.getloadavg()[0]
    server = Server() if chosen.postgresql else None
    engine = f"PostgreSQL {server.do('SHOW server_version')[0][0]} without fsync" if server is not None else "embedded database"
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name, contextmanager(databases.on_engine)(server):
            lines = _measured(Path(name), chosen.calls, server, budgets=chosen.budgets)
    finally:
        if server is not None:
            server.end()
    text = "\n".join([title(), f"`{' '.join(['python -m bench.micro.ledger', *sys.argv[1:]])}`: {engine}, durability `process`; "
                      f"load average {load_before:.1f} before.\n", *lines]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def _measured(folder: Path, calls: int, server: Server | None, *, budgets: bool) -> list[str]:
    one = journal.open_journal(folder, bounds=journal.Bounds())
    for scope in FIVE_LEVELS if budgets else ():         # soft, for nobody holds here: what counts is the counting
        amount, window = parse_limit("$1,000,000/month")
        spec = BudgetSpec(scope, amount, str(window), limit=amount.value, mode="soft")
        Budgets(one.sequencer).set(DEFAULT, spec, one.clock.now_us(), "cli")
    shipper = Shipper(one.spool, one.sequencer, one.clock, folder / "quarantine")
    spooled_s = shipped_s = shipped_cpu_s = 0.0
    rates = []
    for first in range(0, calls, TURN):
        turn = range(first, min(first + TURN, calls))
        begun = time.process_time()
        asyncio.run(_fill(one, turn))
        spooled_s += time.process_time() - begun
        begun, begun_cpu = time.perf_counter(), time.process_time()
        while shipper.step():
            pass
        rates.append(len(turn) / (time.perf_counter() - begun))
        shipped_s, shipped_cpu_s = shipped_s + time.perf_counter() - begun, shipped_cpu_s + time.process_time() - begun_cpu
    begun = time.perf_counter()
    found = verify(one.database, journal.KEY.public_key)
    verified_s = time.perf_counter() - begun
    one.spool.close()
    one.database.close()                         # the write-ahead log goes into the database
    bytes_on_disk = int(str(server.do(_BYTES)[0][0])) if server is not None else sum(
        file.stat().st_size for file in folder.rglob("*") if file.is_file() and "spool" not in file.parts)
    assert found.exit_code == 0, found
    return [
        "| what | figure |\n|---|---:|",
        f"| spool, ADMIT and SETTLE made and written, CPU µs per call | {spooled_s / calls * 1e6:.1f} |",
        f"| spool → SQL → chain, calls per second | {calls / shipped_s:,.0f} |",
        f"| … in the first and the last {TURN:,} calls | {rates[0]:,.0f}, {rates[-1]:,.0f} |",
        f"| … CPU µs per call | {shipped_cpu_s / calls * 1e6:.1f} |",
        f"| database, bytes per settled call | {bytes_on_disk / calls:,.0f} |",
        f"| verify of {found.entries:,} entries, seconds | {verified_s:.1f} |",
        f"| … seconds per million entries | {verified_s / found.entries * 1e6:.1f} |",
        f"| most memory of the process, MB | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} |",
    ]


if __name__ == "__main__":
    main()
