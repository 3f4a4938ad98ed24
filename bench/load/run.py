"""Measure gateways side by side: same run, same provider, same load, one core for the gateway.

    python -m bench.load.run --peers nginx,litellm,portkey,tallystick [--write]

Wall time on a shared machine is noise, so the figures to read are CPU per request and its ratio to
nginx `proxy_pass` in the same run. Peers take turns, and the best of the rounds counts for each; a slow
peer has one round and a counted number of calls. `--write` appends the tables to bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.load import measure, peers, report
from bench.load.peers import Peer
from bench.load.report import BUFFERED, PACED, STREAM, Figures, Footprint

DIRECT = "direct"
RESULTS = Path(__file__).parents[1] / "RESULTS.md"


@dataclass(frozen=True)
class Run:
    """What was asked for, and what has been measured so far."""

    peers: list[Peer]
    connections: list[int]
    seconds: float
    rounds: int
    folder: Path
    figures: Figures = field(default_factory=Figures)

    def turns(self, *, streams: bool) -> list[tuple[int, Peer]]:
        """Everyone once a round; slow peers, and the load without a gateway, in the first round only."""
        able = [peer for peer in self.peers if peer.streams or not streams]
        return [(turn, peer) for turn in range(self.rounds) for peer in able if turn == 0 or not (peer.slow or peer.name == DIRECT)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="nginx,tallystick", help="of " + ", ".join(peer.name for peer in peers.PEERS))
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=4.0, help="load per peer, kind and number of connections")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kinds", default=f"{BUFFERED},{STREAM},{PACED}")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install -y nginx-light wrk util-linux")
    known = {peer.name: peer for peer in peers.PEERS}
    wanted = [known[DIRECT], *(known[name] for name in chosen.peers.split(",") if name != DIRECT)]
    begun, load_before = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = Run(wanted, [int(one) for one in chosen.connections.split(",")], chosen.seconds, chosen.rounds, Path(folder))
        kinds = chosen.kinds.split(",")
        if BUFFERED in kinds:
            with peers.buffered_provider(run.folder / "provider-buffered") as url:
                _load(run, url, BUFFERED)
        if STREAM in kinds:
            with peers.streaming_provider(run.folder / "provider-stream", 0) as url:
                _load(run, url, STREAM)
        if PACED in kinds:
            with peers.streaming_provider(run.folder / "provider-paced", 5) as url:
                _pace(run, url)
    heading = f"{title()}\n`{' '.join(['python -m bench.load.run', *sys.argv[1:]])}`: {(time.monotonic() - begun) / 60:.0f} minutes; " \
              f"load average {load_before:.1f} before.\n"
    text = "\n".join([heading, *report.tables(run.peers, run.connections, run.figures)]) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def title() -> str:
    """A heading for RESULTS.md: when, which commit, which machine."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"## {now} · commit {commit.strip()} · {model}, 2 cores used · Python {platform.python_version()}\n"


def _load(run: Run, url: str, kind: str) -> None:
    stream = kind == STREAM
    for turn, peer in run.turns(streams=stream):
        with _bearing(run, kind, peer), peers.running(peer, run.folder / f"{kind}-{peer.name}-{turn}", url) as (target, start_s):
            at_rest_mb = measure.rss_mb(target.pid) if target.pid is not None else 0.0
            if stream:
                measure.check_stream(target)
            _one(run, peer, target, 16, 4.0 if peer.slow else 1.0, stream)                  # warm; a JIT takes its time
            for count in run.connections:
                sample = _one(run, peer, target, count, run.seconds, stream)
                run.figures.samples.setdefault((kind, peer.name, count), []).append(sample)
                _say(f"{kind} c={count} {peer.name}: " + (f"{sample.cpu_us:,.0f} µs" if sample.cpu_us else f"{sample.per_second:,.0f}/s"))
            if turn == 0 and target.pid is not None and not stream:
                run.figures.footprints[peer.name] = Footprint(start_s, at_rest_mb, measure.rss_mb(target.pid))


def _one(run: Run, peer: Peer, target: measure.Target, connections: int, seconds: float, stream: bool) -> measure.Sample:
    if peer.slow:
        return measure.run_counted(target, connections=connections, seconds=seconds, stream=stream)
    return measure.run_wrk(target, run.folder, connections=connections, seconds=seconds, stream=stream)


def _pace(run: Run, url: str) -> None:
    """One event every 5 ms: what a stream costs as models really send it, and the first chunk's delay."""
    for turn, peer in run.turns(streams=True):
        with _bearing(run, PACED, peer), peers.running(peer, run.folder / f"{PACED}-{peer.name}-{turn}", url) as (target, _):
            measure.check_stream(target)
            alone = measure.run_first_chunk(target, connections=1, rounds=12)
            many = measure.run_first_chunk(target, connections=64, rounds=4 if not peer.slow else 2)
            run.figures.paced.setdefault(peer.name, []).append((alone, many))
            _say(f"{PACED} {peer.name}: first chunk {alone.p50_ms:.2f} ms")


@contextmanager
def _bearing(run: Run, kind: str, peer: Peer) -> Iterator[None]:
    """A peer that fails is named in the report; the others go on."""
    try:
        yield
    except (RuntimeError, OSError, EOFError, subprocess.CalledProcessError) as trouble:
        said = " ".join(str(trouble).split())[:300]
        run.figures.troubles.append(f"`{peer.name}` failed ({kind}): {said}")
        _say(run.figures.troubles[-1])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
