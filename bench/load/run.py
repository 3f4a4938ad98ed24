"""Measure gateways side by side: same run, same provider, same load, one core for the gateway.

    python -m bench.load.run --peers nginx,tallystick [--connections 1,16,64] [--seconds 4] [--write]

Wall time on a shared machine is noise, so the figures to read are CPU per request and its ratio to
nginx `proxy_pass` in the same run. Peers take turns, and the best of the rounds counts for each.
`--write` appends the tables to bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.load import measure, peers
from bench.load.measure import STREAM_EVENTS, FirstChunk, Sample, Target
from bench.load.peers import Peer

YARDSTICK = "nginx"
RESULTS = Path(__file__).parents[1] / "RESULTS.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="nginx,tallystick", help="names from bench/load/peers.py")
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kinds", default="buffered,stream,paced")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    chosen = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install -y nginx-light wrk util-linux")
    known = {peer.name: peer for peer in peers.PEERS}
    names = ["direct", *(name for name in chosen.peers.split(",") if name != "direct")]
    wanted = [known[name] for name in names]
    connections = [int(one) for one in chosen.connections.split(",")]
    kinds = chosen.kinds.split(",")
    report = [_title(), *(f"- `{peer.name}`: {peer.what}" for peer in wanted), ""]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        if "buffered" in kinds:
            with peers.buffered_provider(base / "provider-buffered") as url:
                report += _wrk_tables(wanted, base / "buffered", url, connections, chosen, stream=False)
        if "stream" in kinds:
            streaming = [peer for peer in wanted if peer.streams]
            with peers.streaming_provider(base / "provider-stream", 0) as url:
                report += _wrk_tables(streaming, base / "stream", url, connections, chosen, stream=True)
        if "paced" in kinds:
            streaming = [peer for peer in wanted if peer.streams]
            with peers.streaming_provider(base / "provider-paced", 5) as url:
                report += _paced_table(streaming, base / "paced", url, chosen.rounds)
    text = "\n".join(report) + "\n"
    print(text)
    if chosen.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


def _title() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"## {now} · commit {commit.strip()} · {model}, 2 cores used · Python {platform.python_version()}\n"


def _wrk_tables(
    wanted: list[Peer], base: Path, url: str, connections: list[int], chosen: argparse.Namespace, *, stream: bool
) -> list[str]:
    samples: dict[tuple[str, int], list[Sample]] = {}
    memory: list[str] = []
    for turn in range(chosen.rounds):
        for peer in wanted:
            with peers.running(peer, base / f"{peer.name}-{turn}", url) as (target, start_s):
                at_rest_mb = measure.rss_mb(target.pid) if target.pid is not None else 0.0
                measure.run_wrk(target, base, connections=16, seconds=1, stream=stream)      # warm
                for count in connections:
                    sample = measure.run_wrk(target, base, connections=count, seconds=chosen.seconds, stream=stream)
                    samples.setdefault((peer.name, count), []).append(sample)
                if turn == 0 and target.pid is not None and not stream:
                    memory.append(f"`{peer.name}`: first served call {start_s:.2f} s after its start, RSS "
                                  f"{at_rest_mb:.0f} MB at rest, {measure.rss_mb(target.pid):.0f} MB after the load.")
    what = f"stream of {STREAM_EVENTS} events, unpaced" if stream else "buffered, 1.5 KB in, 700 bytes out"
    unit = "CPU µs per event" if stream else "CPU µs per request"
    share = STREAM_EVENTS if stream else 1
    lines = [f"### {what}", "", f"| peer | c | {unit} | ratio to {YARDSTICK} | p50 ms | p99 ms | requests/s |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for count in connections:
        yardstick = _best(samples.get((YARDSTICK, count)))
        for peer in wanted:
            best = _best(samples[peer.name, count])
            assert best is not None
            cpu = f"{best.cpu_us / share:.1f}" if best.cpu_us is not None else "–"
            ratio = f"{best.cpu_us / yardstick.cpu_us:.1f}×" if best.cpu_us and yardstick and yardstick.cpu_us else "–"
            lines.append(f"| {peer.name} | {count} | {cpu} | {ratio} | {best.p50_ms:.2f} | {best.p99_ms:.2f} "
                         f"| {best.per_second:,.0f} |")
    return [*lines, "", *memory, ""]


def _best(samples: list[Sample] | None) -> Sample | None:
    return min(samples, key=lambda one: one.cpu_us or one.p50_ms) if samples else None


def _paced_table(wanted: list[Peer], base: Path, url: str, rounds: int) -> list[str]:
    """One event every 5 ms: what a stream costs as models really send it, and the first chunk's delay."""
    results: dict[str, list[tuple[FirstChunk, FirstChunk]]] = {}
    for turn in range(rounds):
        for peer in wanted:
            with peers.running(peer, base / f"{peer.name}-{turn}", url) as (target, _):
                results.setdefault(peer.name, []).append((
                    measure.run_first_chunk(Target(target.url, target.headers), connections=1, rounds=12),
                    measure.run_first_chunk(target, connections=64, rounds=4)))
    lines = ["### one event every 5 ms", "", "| peer | first chunk c=1, p50 ms | c=64, p50 ms | c=64, p99 ms | CPU µs per event, c=64 |",
             "|---|---:|---:|---:|---:|"]
    for name, pairs in results.items():
        alone = min((one for one, _ in pairs), key=lambda one: one.p50_ms)
        many = min((one for _, one in pairs), key=lambda one: one.cpu_us_per_event or one.p50_ms)
        cpu = f"{many.cpu_us_per_event:.1f}" if many.cpu_us_per_event is not None else "–"
        lines.append(f"| {name} | {alone.p50_ms:.2f} | {many.p50_ms:.2f} | {many.p99_ms:.2f} | {cpu} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
