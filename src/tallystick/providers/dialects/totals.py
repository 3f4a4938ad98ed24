"""From the overlapping totals that providers report to the disjoint classes that are priced.

Total input contains what was read from a cache, what was written to one and each medium; total
output contains reasoning and media. Where a provider's details exceed its own total, the total wins:
a part is cut to fit and a note says so, and no class ever goes negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from tallystick.core.usage import Quantity, Usage, usage_of

_NOTHING: Final[Mapping[str, Quantity]] = MappingProxyType({})


class Totals(NamedTuple):
    """Token counts under their inclusive names (core/usage.py), and what is counted apart."""

    input: int = 0
    output: int = 0
    cached_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    image_in: int = 0
    video_in: int = 0
    reasoning: int = 0
    audio_out: int = 0
    image_out: int = 0
    counts: Mapping[str, Quantity] = _NOTHING


def disjoint(totals: Totals, notes: list[str]) -> Usage:
    """The same usage without overlap."""
    if not any(totals[2:-1]):                # nothing but input and output: most calls
        if totals.counts or totals.input <= 0 or totals.output <= 0:
            return usage_of(overlap_tokens=0, input_text=totals.input, output_text=totals.output, **totals.counts)
        return Usage({"input_text": totals.input, "output_text": totals.output})
    write_1h = _fit(totals.cache_write_1h, totals.input, "cache writes", notes)
    write_5m = _fit(totals.cache_write_5m, totals.input - write_1h, "cache writes", notes)
    cached = _fit(totals.cached_read, totals.input, "cached tokens", notes)
    written = write_5m + write_1h
    # Some routers report the same tokens as read and as written in one call; both are billed.
    overlap = min(cached, written) if cached + written > totals.input else 0
    fresh = totals.input - cached - written + overlap
    media: dict[str, Quantity] = {}
    for name, stated in (("audio", totals.audio_in), ("image", totals.image_in), ("video", totals.video_in)):
        if not stated:
            continue
        uncached = min(stated, fresh)
        # What cannot have been fresh was read from the cache.
        from_cache = _fit(stated - uncached, cached, f"{name} tokens", notes)
        media[f"input_{name}"], media[f"cached_{name}"] = uncached, from_cache
        fresh, cached = fresh - uncached, cached - from_cache
    output = totals.output
    reasoning = _fit(totals.reasoning, output, "reasoning tokens", notes)
    audio_out = _fit(totals.audio_out, output - reasoning, "audio tokens", notes)
    image_out = _fit(totals.image_out, output - reasoning - audio_out, "image tokens", notes)
    return usage_of(
        overlap_tokens=overlap, input_text=fresh, cached_text=cached, cache_write_5m=write_5m, cache_write_1h=write_1h,
        output_text=output - reasoning - audio_out - image_out, output_reasoning=reasoning,
        output_audio=audio_out, output_image=image_out, **media, **totals.counts,
    )


def _fit(part: int, whole: int, what: str, notes: list[str]) -> int:
    if part <= whole:
        return part
    notes.append(f"{what} exceed the total that contains them")
    return whole
