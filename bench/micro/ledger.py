"""How fast the ledger is: spool to SQL to chain, its bytes on disk per call, and `verify`.

    python -m bench.micro.ledger [--calls 20000]

One process, one writer, the embedded database on this machine's disk. The calls are ordinary chat calls
of forty teams and three models, so that dictionary entries are as rare as in life.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from tallystick.core.identity import Attribution
from tallystick.jobs.shipper import Shipper
from tallystick.stores.sql.verify import verify
from tests.build import journal

MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5")


async def _fill(one: journal.Journal, calls: int) -> None:
    for number in range(calls):
        attribution = Attribution("k1", "default", {"team": f"team-{number % 40}", "project": "web"}, (), {}, frozenset())
        await one.spool.admit(journal.admission(number, attribution=attribution, model=MODELS[number % 3]))
        await one.spool.settle(journal.settlement(number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        one = journal.open_journal(folder, bounds=journal.Bounds())
        begun = time.process_time()
        asyncio.run(_fill(one, calls))
        spooled_s = time.process_time() - begun
        shipper = Shipper(one.spool, one.sequencer, one.clock, folder / "quarantine")
        begun, begun_cpu = time.perf_counter(), time.process_time()
        while shipper.step():
            pass
        shipped_s, shipped_cpu_s = time.perf_counter() - begun, time.process_time() - begun_cpu
        begun = time.perf_counter()
        found = verify(one.database, journal.KEY.public_key)
        verified_s = time.perf_counter() - begun
        one.spool.close()
        one.database.close()                     # the write-ahead log goes into the database
        bytes_on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "spool" not in file.parts)
        assert found.exit_code == 0, found
    print("| what | figure |\n|---|---:|")
    print(f"| spool, ADMIT and SETTLE made and written, CPU µs per call | {spooled_s / calls * 1e6:.1f} |")
    print(f"| spool → SQL → chain, calls per second | {calls / shipped_s:,.0f} |")
    print(f"| … CPU µs per call | {shipped_cpu_s / calls * 1e6:.1f} |")
    print(f"| database, bytes per settled call | {bytes_on_disk / calls:,.0f} |")
    print(f"| verify, seconds per million entries (of {found.entries:,}) | {verified_s / found.entries * 1e6:.1f} |")


if __name__ == "__main__":
    main()
