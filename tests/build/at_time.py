"""The command line at another moment: prices are dated, and what a case says was charged was charged then.

    python tests/build/at_time.py 2026-07-24T10:00:00+00:00 serve --port 0

The machine's clock is put to that moment before the program is loaded, and runs on from there.
"""

from __future__ import annotations

import runpy
import sys
import time
from datetime import datetime

if __name__ == "__main__":
    moment = datetime.fromisoformat(sys.argv.pop(1))
    machine_ns = time.time_ns
    ahead_ns = int(moment.timestamp()) * 1_000_000_000 - machine_ns()

    def moved_ns() -> int:
        return machine_ns() + ahead_ns

    time.time_ns = moved_ns
    time.time = lambda: moved_ns() / 1e9
    sys.path.pop(0)                          # this folder's names are not the program's
    runpy.run_module("tallystick", run_name="__main__", alter_sys=True)
