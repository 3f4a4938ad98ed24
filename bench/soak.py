"""Ten minutes of mixed load on a gateway with ten thousand keys: does it grow, does it slow down, and are
the books right at the end?

    python -m bench.soak [--minutes 10] [--keys 10000] [--rate 150] [--write]

Each minute: memory, open files, CPU per call, calls journaled per second, and how many calls were done
but not in the database yet. Then the gateway is stopped, `verify` must find nothing, and the calls that the load
made must be the settlements in the ledger, one for one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench import soak_provider
from bench.keys import make_keys
from bench.load.measure import LOAD_CORE, PROXY_CORE, cpu_s, read_reply, rss_mb
from bench.load.peers import free_port, started
from bench.load.run import RESULTS, title
from bench.soak_provider import Kind
from tallystick.stores.sql.callfact import OUTCOMES
from tallystick.stores.sql.engine import FILE_NAME

CALLERS = 24
RECORDS_PER_CALL = 2                             # ADMIT and SETTLE
STEP = ("| minute | calls | CPU µs per call | RSS MB | open files | journaled calls/s | done, not in the database yet |",
        "|---:|---:|---:|---:|---:|---:|---:|")


@dataclass
class Load:
    """What the callers have seen, by kind; `strange`: what should not have been."""

    url: str
    keys: list[str]
    rate: float
    kinds: tuple[Kind, ...]
    done: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        turns = zip(soak_provider.sequence(self.kinds), itertools.cycle(self.keys))
        begun, counter = time.monotonic(), itertools.count()
        await asyncio.gather(*(self._caller(lambda: (next(counter), *next(turns)), begun) for _ in range(CALLERS)))

    async def _caller(self, take: Callable[[], tuple[int, Kind, str]], begun: float) -> None:
        url, link = urlsplit(self.url), None
        while not self.stopped:
            number, kind, key = take()
            await asyncio.sleep(max(0.0, begun + number / self.rate - time.monotonic()))
            link = link or await asyncio.open_connection(url.hostname, url.port, limit=1 << 20)
            reader, writer = link
            head = (f"POST /proxy/{kind.provider}{kind.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
                    f"X-Tallystick-Key: {key}\r\nAuthorization: Bearer sk-soak\r\nContent-Length: {len(kind.body)}\r\n\r\n")
            writer.write(head.encode() + kind.body)
            if kind.hang_up:
                await reader.readuntil(b"data: ")
                writer.close()
                link = None
            else:
                status, body = await read_reply(reader)
                if (status, body) != (kind.status, kind.reply):
                    self.strange.append(f"{kind.name}: {status} {body[:200]!r}")
            self.done[kind.name] += 1
        if link is not None:
            link[1].close()


@dataclass(frozen=True)
class Gateway:
    """A gateway from outside: its process and its database, read only."""

    pid: int
    data: Path

    def records(self) -> int:
        """How many records of the spool are in the database."""
        with sqlite3.connect(f"file:{self.data / FILE_NAME}?mode=ro", uri=True) as db:
            return int(db.execute("SELECT coalesce(sum(records), 0) FROM spool_cursor").fetchone()[0])

    def open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=150.0, help="calls per second")
    parser.add_argument("--step", type=float, default=60.0, help="seconds between two lines")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        lines = asyncio.run(_soak(chosen, Path(folder)))
    text = "\n".join([title(), f"`{' '.join(['python -m bench.soak', *sys.argv[1:]])}`: {chosen.keys:,} keys, {CALLERS} callers, journal "
                      f"durability `process`; load average {load_before:.1f} before.\n", *lines]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


async def _soak(chosen: argparse.Namespace, folder: Path) -> list[str]:
    kinds, port = soak_provider.kinds(), free_port()
    keys = make_keys(folder / "data", chosen.keys)
    provider = await soak_provider.serve(kinds)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    config = folder / "tallystick.toml"
    config.write_text("".join(f'[providers.{name}]\nbase_url = "{provider}"\n' for name in sorted({kind.provider for kind in kinds})))
    where = ["--data", str(folder / "data"), "--config", str(config)]
    load = Load(f"http://127.0.0.1:{port}", keys, chosen.rate, kinds)
    tallystick = [sys.executable, "-m", "tallystick"]
    with started([*tallystick, "serve", "--host", "127.0.0.1", "--port", str(port), *where], PROXY_CORE, folder / "log") as pid:
        gateway = Gateway(pid, folder / "data")
        await _listening(load.url, folder / "log")
        lines = [f"RSS at rest {rss_mb(pid):.0f} MB, {gateway.open_files()} open files.\n", *STEP]
        lines += await _steps(load, gateway, chosen.minutes * 60, chosen.step)
        stopping = time.monotonic()
    stop_s, begun = time.monotonic() - stopping, time.monotonic()
    verified = subprocess.run([*tallystick, "verify", *where], capture_output=True, text=True, check=False)
    verify_s = time.monotonic() - begun
    if verified.returncode or load.strange:
        raise SystemExit(f"{verified.stdout}{verified.stderr}\n{load.strange[:5]}\n{(folder / 'log').read_text()[-2000:]}")
    return [*lines, "", f"Stopped in {stop_s:.1f} s. `verify` in {verify_s:.1f} s, exit 0: {' '.join(verified.stdout.split())}\n",
            *_reckoned(load, folder / "data")]


async def _listening(url: str, log: Path) -> None:
    address = urlsplit(url)
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await asyncio.sleep(1)               # what loads after the listener opens
            return
    raise SystemExit(log.read_text()[-2000:])


async def _steps(load: Load, gateway: Gateway, seconds: float, step_s: float) -> list[str]:
    """A line a minute while the load runs; then it ends, and each call is waited for."""
    lines = []
    running = asyncio.create_task(load.run())
    calls, cpu, shipped = 0, cpu_s(gateway.pid), gateway.records()
    for step in range(round(seconds / step_s)):
        begun = time.monotonic()
        await asyncio.wait({running}, timeout=step_s)
        if running.done():
            running.result()
        took_s, used, now = time.monotonic() - begun, cpu_s(gateway.pid), gateway.records()
        new = load.done.total() - calls
        lines.append(f"| {(step + 1) * step_s / 60:g} | {new:,} | {(used - cpu) / new * 1e6:.0f} | {rss_mb(gateway.pid):.0f} "
                     f"| {gateway.open_files()} | {(now - shipped) / RECORDS_PER_CALL / took_s:,.0f} "
                     f"| {max(0, load.done.total() - now // RECORDS_PER_CALL):,} |")
        print(lines[-1], file=sys.stderr, flush=True)
        calls, cpu, shipped = load.done.total(), used, now
    load.stopped = True
    await running
    await asyncio.sleep(1)                       # what was hung up on is settled
    return lines


def _reckoned(load: Load, data: Path) -> list[str]:
    """Callers' notes beside the ledger's settlements. Ends the run if they differ. A call that was given
    up may have been complete before the gateway could know."""
    booked: Counter[str] = Counter()
    with sqlite3.connect(f"file:{data / FILE_NAME}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'call_fact_%'")]
        for table in tables:
            for code, count in db.execute(f"SELECT outcome, count(*) FROM {table} GROUP BY outcome"):
                booked[OUTCOMES[code - 1]] += count
    errors = sum(load.done[kind.name] for kind in load.kinds if kind.status != 200)
    gone = sum(load.done[kind.name] for kind in load.kinds if kind.hang_up)
    whole = load.done.total() - errors - gone
    lines = ["| | seen by the load | settled in the ledger |", "|---|---:|---:|",
             f"| whole replies | {whole:,} | {booked['completed']:,} completed |", f"| errors | {errors:,} | {booked['failed']:,} failed |",
             f"| given up | {gone:,} | {booked['client_gone']:,} client_gone |", f"| all | {load.done.total():,} | {booked.total():,} |"]
    late = booked["completed"] - whole
    if not 0 <= late <= gone or (errors, gone - late) != (booked["failed"], booked["client_gone"]) or booked.total() != load.done.total():
        raise SystemExit("\n".join(["the books and the load differ", *lines, str(booked)]))
    return lines


if __name__ == "__main__":
    main()
