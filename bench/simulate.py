"""The simulation of hard caps in full: many seeds on every core, and the smallest plan that fails.

    python -m bench.simulate [--seeds 10000] [--first 0] [--jobs 2]
    python -m bench.simulate --seed 17 [--steps 120] [--instances 3] [--without kill]      one of them again, with its trace

Exit code 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.story import Failed, Figures, Plan, smaller, tell


def told(plan: Plan) -> Figures | str:
    """What came of a plan; what was broken, where something was."""
    try:
        return tell(plan)
    except Failed as failed:
        return str(failed)


def fails(plan: Plan) -> bool:
    return isinstance(told(plan), str)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--instances", type=int, default=Plan.instances)
    parser.add_argument("--without", action="append", default=[])
    chosen = parser.parse_args()
    if chosen.seed is not None:
        one = told(Plan(chosen.seed, chosen.steps, chosen.instances, frozenset(chosen.without)))
        print(one)
        return int(isinstance(one, str))
    return many(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs)


def many(seeds: range, jobs: int) -> int:
    begun, outcomes, failed = time.monotonic(), Counter[str](), list[Plan]()
    calls = sent = crashes = 0
    plans = [Plan(seed) for seed in seeds]
    with ProcessPoolExecutor(jobs) as pool:
        for plan, one in zip(plans, pool.map(told, plans, chunksize=20), strict=True):
            if isinstance(one, str):
                failed.append(plan)
                print("\n".join(one.splitlines()[:2]), flush=True)
                continue
            calls, sent, crashes = calls + one.calls, sent + one.sent, crashes + one.crashes
            outcomes += one.outcomes
    print(f"{len(plans):,} seeds, {calls:,} calls, {sent:,} sent, {crashes:,} crashes, {len(failed)} failed; "
          f"{time.monotonic() - begun:.0f} s")
    print(", ".join(f"{outcome} {count:,}" for outcome, count in outcomes.most_common()))
    if failed:
        print("\nThe first, as small as it gets:\n")
        print(told(smaller(failed[0], fails)))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
