"""What a call costs a gateway by its database, its workers and its ledger's length: gateways side by side, in turns, with the
same load and provider.

    python -m bench.engines [--filled 10000,100000] [--caps] [--rounds 3] [--seconds 4] [--write]

Gateways on the embedded database and on a PostgreSQL of their own (started for this; it promises the disk nothing), with one
worker and with two. With `--filled` instead: one worker, embedded, over ledgers that hold so many calls already. All of them
run the whole time; one after another is loaded. CPU is that of the gateway's whole process tree while it is loaded, half a
second longer included, and beside it that of the PostgreSQL server. Calls journaled a second are those of a load, by the time
until the ledger held them all.

With four cores or more the workers have cores of their own, and calls a second say how they scale. With fewer, gateway and
load share them: then only CPU per call can be read, and two workers make nearly twice the calls of one on free cores where
that stays the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from bench.load.measure import LOAD_CORE, PROXY_CORE, Target, cpu_s, run_wrk
from bench.load.peers import CHAT, buffered_provider, first_call, free_port, started
from bench.load.run import RESULTS, title

from tallystick.cli import installation
from tallystick.config import Settings, load
from tallystick.core.budget import Scope, parse_limit
from tallystick.jobs.shipper import Shipper
from tallystick.stores.disk import PosixDisk
from tallystick.stores.recovery import open_spool
from tallystick.stores.sql.budgets import Budgets, BudgetSpec
from tallystick.stores.sql.directory import KeySpec
from tallystick.stores.sql.engine import Database, month_sql, months, open_database
from tests.build import journal
from tests.build.postgres import Server

CONNECTIONS: Final = 16
TURN: Final = 20_000
LEVELS: Final = (Scope("org"), Scope("team", "bench"), Scope("project", "bench/load"), Scope("user", "ann"))
PATIENCE_S: Final = 60.0


class Variant(NamedTuple):
    name: str
    postgresql: bool = False
    workers: int = 1
    filled: int = 0


ENGINES: Final = (
    Variant("embedded, one worker"), Variant("embedded, --workers 2", workers=2),
    Variant("PostgreSQL, one worker", postgresql=True), Variant("PostgreSQL, --workers 2", postgresql=True, workers=2))


class Sample(NamedTuple):
    """CPU in µs per call, of the gateway and of the PostgreSQL server; calls a second answered, and journaled."""

    gateway_us: float
    server_us: float
    answered: float
    journaled: float


@dataclass
class Running:
    """A gateway that can be loaded."""

    variant: Variant
    target: Target
    database: Database
    server: Server | None
    samples: list[Sample] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filled", help="one worker, over an empty ledger and over ledgers that hold so many calls")
    parser.add_argument("--caps", action="store_true", help="hard caps on organisation, team, project, user and key")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    variants = ENGINES if chosen.filled is None else tuple(
        Variant(f"{count:,} calls in the ledger", filled=count) for count in (0, *map(int, chosen.filled.split(","))))
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)                      # the PostgreSQL server is another user's process
        url = stack.enter_context(buffered_provider(folder / "provider"))
        running = [stack.enter_context(_started(variant, folder / str(number), url, caps=chosen.caps))
                   for number, variant in enumerate(variants)]
        for one in running:
            run_wrk(one.target, folder, connections=CONNECTIONS, seconds=1.0, stream=False)         # warm
            _wait_journaled(one, 0)
        for _ in range(chosen.rounds):
            for one in running:
                one.samples.append(_measured(one, folder, chosen.seconds))
                print(f"{one.variant.name}: {one.samples[-1].gateway_us:.0f} µs", file=sys.stderr, flush=True)
    command, place = " ".join(["python -m bench.engines", *sys.argv[1:]]), "on cores of their own" if _free_cores() else "on core 0"
    text = "\n".join([title(), f"`{command}`: c={CONNECTIONS}, {chosen.rounds} rounds in turn of {chosen.seconds:g} s; gateways {place}; "
                      f"load average {load_before:.1f} before.\n", *table(running)]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def table(running: list[Running]) -> list[str]:
    """The least CPU of the rounds, the most calls; what each costs of the first is the median of the rounds' ratios."""
    lines = ["| | gateway, CPU µs per call | of the first | PostgreSQL, CPU µs per call | calls answered/s | journaled/s |",
             "|---|---:|---:|---:|---:|---:|"]
    first = running[0].samples
    for one in running:
        ratio = statistics.median(mine.gateway_us / its.gateway_us for mine, its in zip(one.samples, first, strict=True))
        server = f"{min(sample.server_us for sample in one.samples):.0f}" if one.server is not None else "–"
        lines.append(f"| {one.variant.name} | {min(sample.gateway_us for sample in one.samples):.0f} | {ratio:.2f}× | {server} | "
                     f"{max(sample.answered for sample in one.samples):,.0f} | {max(sample.journaled for sample in one.samples):,.0f} |")
    return lines


@contextmanager
def _started(variant: Variant, folder: Path, provider_url: str, *, caps: bool) -> Iterator[Running]:
    """An installation of this kind, serving. Raises RuntimeError where no call is answered."""
    folder.mkdir()
    with ExitStack() as stack:
        server = Server() if variant.postgresql else None
        if server is not None:
            stack.callback(server.end)
        config, url = folder / "tallystick.toml", server.new_database() if server is not None else None
        said = f'[providers.openai]\nbase_url = "{provider_url}"\n' + (f'[database]\nurl = "{url}"\n' if url else "")
        config.write_text(said)
        settings = load(data=folder / "data", config=config)
        key = _made(settings, variant, folder, caps=caps)
        port = free_port()
        command = [sys.executable, "-m", "tallystick", "serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(folder / "data"),
                   "--config", str(config), "--workers", str(variant.workers)]
        cores = _free_cores()
        pid = stack.enter_context(started(command, ",".join(map(str, cores[:variant.workers])) or PROXY_CORE, folder / "log"))
        if server is not None:
            os.sched_setaffinity(server.pid, {int(LOAD_CORE)})           # and whatever it starts from now on
        target = Target(f"http://127.0.0.1:{port}/proxy/openai{CHAT}", {"X-Tallystick-Key": key, "Authorization": "Bearer sk-bench"}, pid)
        first_call(target, folder / "log")
        database = open_database(settings.data, installation.Installation.now_us(), url=url)
        stack.callback(database.close)
        yield Running(variant, replace(target), database, server)


def _made(settings: Settings, variant: Variant, folder: Path, *, caps: bool) -> str:
    """The installation: its key, its caps, and calls of the past; the key's text."""
    with installation.opened(settings) as here:
        row, text = here.directory.create_key(
            here.organization, KeySpec(labels={"team": "bench", "project": "load", "user": "ann"}, created_by="bench"), here.now_us())
        for scope in (*LEVELS, Scope("key", row.id)) if caps else ():
            amount, window = parse_limit("$1,000,000/month")
            Budgets(here.directory.sequencer).set(
                here.organization, BudgetSpec(scope, amount, str(window), limit=amount.value), here.now_us(), "cli")
        spool = open_spool(folder / "past", lambda: "0123456789ab", PosixDisk(), journal.HandClock())
        shipper = Shipper(spool, here.directory.sequencer, journal.HandClock(), folder / "quarantine")
        for first in range(0, variant.filled, TURN):
            asyncio.run(_spool(spool, range(first, min(first + TURN, variant.filled))))
            while shipper.step():
                pass
        spool.close()
        return text.reveal()


async def _spool(spool: journal.Spool, numbers: range) -> None:
    for number in numbers:
        await spool.admit(journal.admission(number))
        await spool.settle(journal.settlement(number))


def _measured(one: Running, folder: Path, seconds: float) -> Sample:
    before, server_s, begun_s = _calls(one), _server_s(one), time.monotonic()
    sample = run_wrk(one.target, folder, connections=CONNECTIONS, seconds=seconds, stream=False)
    took_s = _wait_journaled(one, before + sample.requests) - begun_s
    assert sample.cpu_us is not None
    return Sample(sample.cpu_us, (_server_s(one) - server_s) / sample.requests * 1e6, sample.per_second, sample.requests / took_s)


def _wait_journaled(one: Running, calls: int) -> float:
    """When the ledger held so many calls, and did not grow any more. Raises RuntimeError."""
    ends_s, last, last_s = time.monotonic() + PATIENCE_S, -1, 0.0
    while time.monotonic() < ends_s:
        now = _calls(one)
        if now != last:
            last, last_s = now, time.monotonic()
        elif now >= calls and time.monotonic() - last_s > 0.5:
            return last_s
        time.sleep(0.05)
    raise RuntimeError(f"{one.variant.name}: the ledger holds {last} calls, not {calls}")


def _calls(one: Running) -> int:
    with one.database.read() as db:
        return sum(int(db.execute(month_sql("SELECT count(*) FROM call_fact_{month}", month)).fetchone()[0]) for month in months(db))


def _server_s(one: Running) -> float:
    return cpu_s(one.server.pid) if one.server is not None else 0.0


def _free_cores() -> list[int]:
    """Cores for gateways where there are enough of them: the first two are the provider's and the load's."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[2:] if len(cores) >= 4 else []


if __name__ == "__main__":
    main()
