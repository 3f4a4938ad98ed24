"""The tables of a load run: each peer's figures, then the ratios that were promised beside their goals.

A ratio compares two peers of the same run only; a figure whose peer did not run is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.load.measure import STREAM_EVENTS, FirstChunk, Sample
from bench.load.peers import Peer

BUFFERED, STREAM, PACED = "buffered", "stream", "paced"
YARDSTICK, OURS = "nginx", "tallystick"
_WHAT = {BUFFERED: "buffered, 1.5 KB in, 700 bytes out", STREAM: f"stream of {STREAM_EVENTS} events, unpaced"}


@dataclass(frozen=True)
class Footprint:
    """Start to first served call in seconds, resident memory in MB."""

    start_s: float
    at_rest_mb: float
    loaded_mb: float


@dataclass
class Figures:
    """What a run has measured. `samples` by kind, peer and connections; `paced`: alone and 64 at once."""

    samples: dict[tuple[str, str, int], list[Sample]] = field(default_factory=dict)
    paced: dict[str, list[tuple[FirstChunk, FirstChunk]]] = field(default_factory=dict)
    footprints: dict[str, Footprint] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def best(self, kind: str, peer: str, connections: int) -> Sample | None:
        """The round that cost least."""
        found = self.samples.get((kind, peer, connections))
        return min(found, key=lambda one: one.cpu_us or one.p50_ms) if found else None

    def cpu_ratio(self, kind: str, over: str, under: str, connections: int) -> float | None:
        one, other = self.best(kind, over, connections), self.best(kind, under, connections)
        return one.cpu_us / other.cpu_us if one and other and one.cpu_us and other.cpu_us else None

    def first_chunk_ms(self, peer: str) -> float | None:
        found = self.paced.get(peer)
        return min(alone.p50_ms for alone, _ in found) if found else None


def tables(wanted: list[Peer], connections: list[int], figures: Figures) -> list[str]:
    lines = [*(f"- `{peer.name}`: {peer.what}" for peer in wanted), ""]
    for kind in (BUFFERED, STREAM):
        if any(key[0] == kind for key in figures.samples):
            lines += [*_load_table(kind, wanted, connections, figures), ""]
    if figures.paced:
        lines += [*_paced_table(figures), ""]
    lines += [f"`{name}`: first served call {one.start_s:.2f} s after its start, RSS {one.at_rest_mb:.0f} MB at rest, "
              f"{one.loaded_mb:.0f} MB after the load." for name, one in figures.footprints.items()]
    return [*lines, "", *_goals(figures), *figures.troubles]


def _load_table(kind: str, wanted: list[Peer], connections: list[int], figures: Figures) -> Iterator[str]:
    unit, share = ("CPU µs per event", STREAM_EVENTS) if kind == STREAM else ("CPU µs per request", 1)
    yield f"### {_WHAT[kind]}\n"
    yield f"| peer | c | {unit} | ratio to {YARDSTICK} | p50 ms | p99 ms | requests/s | requests |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for count in connections:
        for peer in wanted:
            best = figures.best(kind, peer.name, count)
            if best is None:
                continue
            cpu = f"{best.cpu_us / share:,.1f}" if best.cpu_us is not None else "–"
            ratio = figures.cpu_ratio(kind, peer.name, YARDSTICK, count)
            yield (f"| {peer.name} | {count} | {cpu} | {f'{ratio:,.1f}×' if ratio else '–'} | {best.p50_ms:,.2f} | {best.p99_ms:,.2f} "
                   f"| {best.per_second:,.0f} | {best.requests:,} |")


def _paced_table(figures: Figures) -> Iterator[str]:
    yield "### one event every 5 ms\n"
    yield ("| peer | first chunk c=1, p50 ms | c=64, p50 ms | c=64, p99 ms | CPU µs per event, c=64 |\n"
           "|---|---:|---:|---:|---:|")
    for name, pairs in figures.paced.items():
        many = min((one for _, one in pairs), key=lambda one: one.cpu_us_per_event or one.p50_ms)
        cpu = f"{many.cpu_us_per_event:,.1f}" if many.cpu_us_per_event is not None else "–"
        yield f"| {name} | {figures.first_chunk_ms(name):,.2f} | {many.p50_ms:,.2f} | {many.p99_ms:,.2f} | {cpu} |"


def _goals(figures: Figures) -> Iterator[str]:
    yield "### beside the goals\n"
    yield "| figure | measured | asked with issue A | goal |\n|---|---:|---:|---:|"
    for what, unit, asked, goal, measured in _measured(figures):
        if measured is not None:
            yield f"| {what} | {measured:,.1f}{unit} | {asked} | {goal} |" if unit == "×" else \
                  f"| {what} | {measured:,.2f}{unit} | {asked} | {goal} |"


def _measured(figures: Figures) -> Iterator[tuple[str, str, str, str, float | None]]:
    """What, unit, asked, goal, measured."""
    ratio = figures.cpu_ratio
    yield "CPU per buffered request, c=16: ours / nginx", "×", "≤ 8×", "≤ 4×", ratio(BUFFERED, OURS, YARDSTICK, 16)
    yield "… LiteLLM's proxy / ours", "×", "≥ 50×", "≥ 100×", ratio(BUFFERED, "litellm", OURS, 16)
    yield "… LiteLLM's proxy on granian / ours", "×", "≥ 50×", "≥ 100×", ratio(BUFFERED, "litellm-granian", OURS, 16)
    yield "… Portkey's gateway / ours", "×", "≥ 8×", "≥ 15×", ratio(BUFFERED, "portkey", OURS, 16)
    yield "CPU per streamed event, unpaced, c=16: ours / nginx", "×", "≤ 12×", "≤ 6×", ratio(STREAM, OURS, YARDSTICK, 16)
    yield "… LiteLLM's proxy / ours", "×", "–", "–", ratio(STREAM, "litellm", OURS, 16)
    yield "… LiteLLM's proxy on granian / ours", "×", "–", "–", ratio(STREAM, "litellm-granian", OURS, 16)
    ours, nginx = figures.best(BUFFERED, OURS, 1), figures.best(BUFFERED, YARDSTICK, 1)
    if ours and nginx:
        yield "added p50, c=1", " ms", "≤ 0.5 ms", "≤ 0.2 ms", ours.p50_ms - nginx.p50_ms
        yield "added p99, c=1", " ms", "≤ 2 ms", "≤ 1 ms", ours.p99_ms - nginx.p99_ms
    first, bare = figures.first_chunk_ms(OURS), figures.first_chunk_ms(YARDSTICK)
    if first is not None and bare is not None:
        yield "first chunk added, c=1", " ms", "≤ 0.5 ms", "≤ 0.2 ms", first - bare
    if (own := figures.footprints.get(OURS)) is not None:
        yield "RSS at rest", " MB", "≤ 120 MB", "≤ 80 MB", own.at_rest_mb
        yield "start to first served call", " s", "≤ 1.5 s", "≤ 0.7 s", own.start_s
