"""What holds and policies add to a call's CPU: the whole hop (bench/micro/hop.py) without budgets, with hard caps on five
levels, with ten policies, and with both. Goal: at most 30 µs for the five levels.

    python -m bench.micro.governed [--rounds 60] [--instructions] [--write]

The caps and policies are made in a database as commands make them, held by the real keeper from real leases, and their draws
written into the spool. Variants take turns within every round, by CPU time of this process; what a variant adds is the median of
its differences to the one without, round by round, which other work on the machine shifts little. `--instructions` counts
machine instructions under valgrind as well, which it cannot shift at all. What counting adds to shipping says
`bench.micro.ledger --budgets`.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvloop
from bench.load.run import RESULTS, title
from bench.micro.hop import CALLS_AT_ONCE, PRINCIPAL, Governed, Run, whole_hop

from tallystick.core.budget import Scope, parse_limit
from tallystick.core.exchange import Rules
from tallystick.stores.budget_keeper import BudgetKeeper
from tallystick.stores.lending import Lending
from tallystick.stores.price_files import open_book
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.engine import DEFAULT
from tallystick.stores.sql.live_policies import LivePolicies
from tallystick.stores.sql.policies import Policies, PolicySpec
from tests.build import journal

GOAL_US: Final = 30.0
FIVE_LEVELS: Final = (
    Scope("org"), Scope("team", "bench"), Scope("project", "bench/load"), Scope("key", PRINCIPAL.key_id), Scope("user", "ann"))
TEN_POLICIES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("hours", "org", {"closed": ["sun 02:00-03:00"]}),
    ("model_access", "org", {"deny_models": ["o1*"]}),
    ("model_access", "team:bench", {"allow_providers": ["openai", "anthropic"], "allow_models": ["gpt-4o*", "claude-*"]}),
    ("required_dimensions", "org", {"require": ["team", "project"]}),
    ("request_size", "org", {"input_tokens_max": 100_000, "output_tokens_max": 4_096, "body_bytes_max": 1_000_000}),
    ("default_output", "org", {"output_tokens": 1_024}),
    ("reasoning", "org", {"effort_max": "high"}),
    ("expensive", "org", {"warn_above_usd": "5.00"}),
    ("rates", "team:*", {"requests": 10**9}),
    ("rates", "key:*", {"tokens": 10**12, "concurrent": 100}),
)


class Variant(NamedTuple):
    name: str
    caps: int
    policies: int


VARIANTS: Final = (
    Variant("no budgets, no policies", 0, 0),
    Variant("one hard cap", 1, 0),
    Variant("five hard caps", 5, 0),
    Variant("ten policies", 0, 10),
    Variant("five hard caps, ten policies", 5, 10),
)


def hop_of(variant: Variant, folder: Path) -> Run:
    """A hop with so many of the caps and policies. Raises Refused for one that cannot stand."""
    one = journal.open_journal(folder, bounds=journal.Bounds())
    now_us = one.clock.now_us()
    for scope in FIVE_LEVELS[:variant.caps]:
        amount, window = parse_limit("$1,000,000/month")
        Budgets(one.sequencer).set(DEFAULT, BudgetSpec(scope, amount, str(window), limit=amount.value), now_us, "cli")
    for kind, on, parameters in TEN_POLICIES[:variant.policies]:
        on_kind, _, value = on.partition(":")
        Policies(one.sequencer).set(DEFAULT, PolicySpec(kind, Scope(on_kind, value), parameters), now_us, "cli")  # type: ignore[arg-type]
    keeper = BudgetKeeper(Lending(one.database, one.spool.instance, one.clock, _at_once), lambda: one.spool.durable)
    loop = uvloop.new_event_loop()
    loop.run_until_complete(keeper.start())
    policies = LivePolicies(one.database, one.clock)
    return whole_hop(loop, Governed(
        one.spool, Rules(open_book(), keeper.books, policies, policies.spent), keeper, lambda: keeper.lender.shipped(one.spool.durable)))


async def _at_once(work: Callable[[], object]) -> Awaitable[object] | object:
    return work()


def cpu_us(runs: dict[Variant, Run], rounds: int) -> dict[Variant, list[float]]:
    """CPU µs of a call, of each variant in every round."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)             # as the server sets it
    turns = 10
    found: dict[Variant, list[float]] = {variant: [] for variant in runs}
    for _ in range(rounds):
        for variant, run in runs.items():
            begun = time.process_time()
            for _ in range(turns):
                run()
            found[variant].append((time.process_time() - begun) / (turns * CALLS_AT_ONCE) * 1e6)
    return found


def instructions(variant: Variant) -> float:
    """Machine instructions of a call: the difference between many runs and few, so that start-up drops out."""
    few, many, counts = 5, 25, []
    for runs in (few, many):
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m", "bench.micro.governed",
             "--only", variant.name, "--runs", str(runs)],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        seen = re.search(r"Collected : (\d+)", done.stderr)
        assert seen is not None, done.stderr
        counts.append(int(seen.group(1)))
    return (counts[1] - counts[0]) / ((many - few) * CALLS_AT_ONCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--instructions", action="store_true", help="count instructions too (valgrind; a minute a variant)")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    parser.add_argument("--only", help="this variant alone")
    parser.add_argument("--runs", type=int, help="run so often and say nothing")
    chosen = parser.parse_args()
    wanted = [variant for variant in VARIANTS if chosen.only in (None, variant.name)]
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        runs = {variant: hop_of(variant, Path(name) / str(number)) for number, variant in enumerate(wanted)}
        if chosen.runs is not None:
            gc.disable()                         # when it would run is no property of a call
            for _ in range(chosen.runs):
                for run in runs.values():
                    run()
            return
        measured = cpu_us(runs, chosen.rounds)
    counted = {variant: instructions(variant) for variant in wanted} if chosen.instructions else {}
    text = "\n".join([title(), f"`{' '.join(['python -m bench.micro.governed', *sys.argv[1:]])}`: {chosen.rounds} rounds in turn; "
                      f"load average {load_before:.1f} before.\n", *table(measured, counted)]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def table(measured: dict[Variant, list[float]], counted: dict[Variant, float]) -> list[str]:
    """The figures, and the goal beside them."""
    bare = measured[next(iter(measured))]
    lines = ["| a call's whole hop with | CPU µs, least | added µs, median | thousand instructions | added |", "|---|---:|---:|---:|---:|"]
    for variant, each in measured.items():
        added_us = statistics.median(with_it - without for with_it, without in zip(each, bare, strict=True))
        count = counted.get(variant)
        said = ["–", "–"] if count is None else [f"{count / 1e3:.1f}", f"{(count - next(iter(counted.values()))) / 1e3:.1f}"]
        lines.append(f"| {variant.name} | {min(each):.1f} | {added_us:.1f} | {said[0]} | {said[1]} |")
        if variant.name == "five hard caps":
            verdict = (f"\nFive hard caps add {added_us:.1f} µs; the goal is at most {GOAL_US:.0f}: "
                       f"{'reached' if added_us <= GOAL_US else 'not reached'}.")
    return [*lines, verdict] if len(measured) == len(VARIANTS) else lines


if __name__ == "__main__":
    main()
