"""The full figure of the crash test: `kill -9` again and again under mixed load, and what came of it.

    python -m bench.crash [--calls 6000] [--kills 40] [--callers 8] [--seed 1]

Ends with an AssertionError where a promise is broken: a reply that a caller saw complete is missing or
inexact, something is booked twice, a billed call is in no book, or `verify` finds fault.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.build.gateway import RunningGateway
from tests.build.storm import Storm, printed
from tests.mini_upstream import MiniUpstream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=6_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    moments = random.Random(chosen.seed).sample(range(20, chosen.calls - 10 * chosen.callers), chosen.kills)
    begun = time.monotonic()
    with (tempfile.TemporaryDirectory(prefix="crash-") as name, MiniUpstream(strict=False) as provider,
          RunningGateway(Path(name), upstream=provider.url) as gateway):
        storm = Storm(gateway, provider, gateway.key(team="hr", project="bot"), chosen.calls, chosen.callers)
        storm.run(moments)
        print(printed(storm.reckon()))
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
