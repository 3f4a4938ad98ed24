"""Usage from the inclusive names in which APIs, exports and recorded answers state it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallystick.core.usage import COUNTS, Part, Quantity, Usage, usage_of


def usage_from_inclusive(stated: Mapping[str, Any]) -> Usage:
    """Undo `Usage.inclusive`. Tokens both read from and written to a cache exceed the input total;
    the excess is the overlap."""
    def n(name: str) -> int:
        return int(stated.get(name, 0))

    cached_text = n("cached_read") - n("cached_audio") - n("cached_image") - n("cached_video")
    audio, image, video = (n(f"{kind}_in") - n(f"cached_{kind}") for kind in ("audio", "image", "video"))
    apart = n("cached_read") + n("cache_write_5m") + n("cache_write_1h") + audio + image + video + n("tool_prompt")
    text = n("input") - apart
    reasoning = min(n("reasoning"), n("output") - n("audio_out") - n("image_out"))   # some replies round it up past the total
    counts: dict[str, Quantity] = {unit: Decimal(str(stated[unit])) if "seconds" in unit else int(stated[unit])
                                   for unit in COUNTS if stated.get(unit)}
    return usage_of(
        overlap_tokens=max(-text, 0), input_text=max(text, 0), input_audio=audio, input_image=image, input_video=video,
        input_tool=n("tool_prompt"), cached_text=cached_text, cached_audio=n("cached_audio"),
        cached_image=n("cached_image"), cached_video=n("cached_video"),
        cache_write_5m=n("cache_write_5m"), cache_write_1h=n("cache_write_1h"),
        output_text=max(n("output") - reasoning - n("audio_out") - n("image_out"), 0),
        output_reasoning=max(reasoning, 0), output_audio=n("audio_out"), output_image=n("image_out"), **counts,
    )


def parts_from_inclusive(others: list[Mapping[str, Any]]) -> tuple[Part, ...]:
    return tuple(
        Part(other["role"], other["model"] or "", usage_from_inclusive(other["usage"]), splits=other["role"] == "compound")
        for other in others
    )
