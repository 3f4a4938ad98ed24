"""What roll-ups take and what they save: bytes on disk per call, and the console's questions answered from them
and from the rows of the same calls.

    python -m bench.micro.rollups [--calls 1000000] [--write]

Calls are booked five hundred in a transaction, as a busy shipper does, spread evenly over ninety days of one
organisation: twenty teams, each with three projects and twenty keys, twelve models of four providers, a thousand
users of whom few make most of the calls. Every question is asked three times; the best counts.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.load.run import RESULTS, title
from tallystick.core.attempt import Admission, Settlement
from tallystick.core.identity import Attribution
from tallystick.core.usage import usage_of
from tallystick.stores.sql import facts, rollup_reads
from tallystick.stores.sql.booking import book_attempt
from tallystick.stores.sql.engine import DEFAULT, Database, open_database
from tallystick.stores.sql.facts import DAY_US, REFUSALS, Asked, Group
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.rollup_days import differences, rebuild
from tests.build.journal import KEY, NOON_US, admission, settlement

DAYS, BATCH = 90, 500
TABLES = ("rollup_hour", "rollup_cube", "rollup_day")
MODELS = tuple((provider, f"{provider}-{size}") for provider in ("openai", "anthropic", "google", "mistral") for size in ("l", "m", "s"))
OUTCOMES = (("completed", 200),) * 95 + (("failed", 429),) * 3 + (("failed", 500), ("client_gone", 200))


def _calls(count: int) -> Iterator[tuple[Admission, Settlement]]:
    chance = random.Random(11)
    first_us = NOON_US - DAYS * DAY_US
    for number in range(count):
        team, provider_model = chance.randrange(20), MODELS[min(int(chance.expovariate(0.4)), len(MODELS) - 1)]
        key = chance.randrange(20)
        labels = {"team": f"team-{team}", "project": f"project-{team}-{key % 3}", "user": f"user-{min(int(chance.expovariate(0.01)), 999)}",
                  "environment": "production" if key % 4 else "staging", "prompt_key": f"prompt-{team}-{key % 5}", "prompt_version": "3"}
        asked = admission(number, at_us=first_us + number * DAYS * DAY_US // count, provider=provider_model[0], model=provider_model[1],
                          attribution=Attribution(f"key-{team}-{key}", "default", labels))
        outcome, status = chance.choice(OUTCOMES)
        into, out, cost = chance.randrange(50, 20_000), chance.randrange(5, 2_000), chance.randrange(1_000, 200_000_000)
        yield asked, replace(
            settlement(), request_id=asked.request_id, at_us=asked.at_us + 900_000, outcome=outcome, status=status, model=asked.model,
            method="stated", cost_nanos=cost, stated_nanos=cost, computed_nanos=None, lines=(), traits={},
            usage=usage_of(input_text=into, output_text=out), latency_us=chance.randrange(200_000, 30_000_000))


def _fill(database: Database, count: int) -> tuple[float, float]:
    """Book them; seconds and CPU seconds of the booking alone."""
    sequencer, calls = Sequencer(database, KEY), _calls(count)
    wall = cpu = 0.0
    while batch := [call for _, call in zip(range(BATCH), calls, strict=False)]:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        with sequencer.append(batch[-1][1].at_us) as pen:
            for asked, settled in batch:
                book_attempt(pen, asked, settled, lambda _: {})
        wall, cpu = wall + time.perf_counter() - begun, cpu + time.process_time() - begun_cpu
    return wall, cpu


def _questions() -> Iterator[tuple[str, Asked, Group]]:
    today = NOON_US // DAY_US
    month = Asked(today - 29, today)
    yield "total of 30 days", month, ""
    yield "30 days by team", month, "team"
    yield "30 days by user", month, "user"
    yield "30 days by prompt", month, "prompt_key"
    yield "90 days by model", Asked(today - DAYS, today), "served_model"
    yield "30 days of a team by model", Asked(today - 29, today, filters={"team": "team-7"}), "served_model"
    yield "30 days of a key", Asked(today - 29, today, filters={"key": "key-7-3", "provider": "openai"}), ""
    yield "yesterday until now", Asked(today - 1, today - 1, before_us=NOON_US - DAY_US + 1_234_567_890), ""
    yield "today's refusals", Asked(today, today, (REFUSALS,)), ""


def _best_ms(act: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        act()
        best = min(best, (time.perf_counter() - begun) * 1e3)
    return best


def _cpu_s(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _bytes_of_roll_ups(database: Database) -> int:
    """The pages that are free once the tables are gone; asked last."""
    with database.write() as db:
        page, before = db.execute("PRAGMA page_size").fetchone()[0], db.execute("PRAGMA freelist_count").fetchone()[0]
        for table in TABLES:
            db.execute(f"DROP TABLE {table}")
        return int(page * (db.execute("PRAGMA freelist_count").fetchone()[0] - before))


def _measured(folder: Path, count: int) -> list[str]:
    database = open_database(folder, 1)
    wall, cpu = _fill(database, count)
    lines = ["| what | figure |\n|---|---:|",
             f"| booked, calls per second | {count / wall:,.0f} |",
             f"| … CPU µs per call | {cpu / count * 1e6:.1f} |"]
    answers = ["| question, ms | roll-ups | rows |\n|---|---:|---:|"]
    with database.read() as db:
        cells = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
        for name, asked, group in _questions():
            assert rollup_reads.sums(db, DEFAULT, asked, group) == facts.sums(db, DEFAULT, asked, group), name
            answers.append(f"| {name} | {_best_ms(lambda a=asked, g=group: rollup_reads.sums(db, DEFAULT, a, g)):.1f}"  # type: ignore[misc]
                           f" | {_best_ms(lambda a=asked, g=group: facts.sums(db, DEFAULT, a, g)):.1f} |")  # type: ignore[misc]
        derived_s = _cpu_s(lambda: list(differences(db, DEFAULT)))
    rebuilt_s = _cpu_s(lambda: rebuild(database))
    lines += [f"| cells of the cube by hour, of it by day, of one dimension by day | {', '.join(f'{count:,}' for count in cells)} |",
              f"| `verify`'s share for roll-ups, CPU seconds | {derived_s:.1f} |",
              f"| `rollups rebuild`, CPU seconds | {rebuilt_s:.1f} |",
              f"| roll-ups, bytes per call | {_bytes_of_roll_ups(database) / count:,.0f} |"]
    database.close()
    return [*lines, "", *answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        lines = _measured(Path(name), chosen.calls)
    text = "\n".join([title(), f"`{' '.join(['python -m bench.micro.rollups', *sys.argv[1:]])}`: embedded database; "
                      f"load average {load_before:.1f} before.\n", *lines]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


if __name__ == "__main__":
    main()
