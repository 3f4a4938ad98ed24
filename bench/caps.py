"""Many callers at once against caps that fit only some of them, on budgets of five levels, with the gateway killed under
them: the provider's own bill stays below every cap, the counters are the ledger's, and everyone who fits is let in.

    python -m bench.caps [--calls 1000] [--kills 3] [--processes 1] [--seed 1]

Ends with an AssertionError where that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.build.caps import HOLD_NANOS, Caps, Provider
from tests.build.gateway import RunningGateway

FREELY = "[gateway.limits]\ncalls_per_key_max = 100000\nconnections_per_address_max = 100000\n"      # budgets alone are to say no


async def run(calls: int, kills: int, processes: int, seed: int) -> None:
    provider = Provider()
    server = await provider.serve()
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="caps-") as name:
        gateway = RunningGateway(Path(name), upstream=f"http://127.0.0.1:{port}",
                                 config=f"[server]\nworkers = {processes}\n{FREELY}" if processes > 1 else FREELY)
        await asyncio.to_thread(gateway.__enter__)
        try:
            figures = await Caps(gateway, provider, calls, kills, seed).run()
        finally:
            await asyncio.to_thread(gateway.stop)
    server.close()
    print(f"processes {processes}, each call holds {HOLD_NANOS} nanos")
    for name, value in asdict(figures).items():
        print(f"{name.replace('_', ' ')}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    asyncio.run(run(chosen.calls, chosen.kills, chosen.processes, chosen.seed))


if __name__ == "__main__":
    main()
