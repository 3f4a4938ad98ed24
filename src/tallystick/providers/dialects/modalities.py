"""Inclusive totals and their lists by modality, as disjoint classes.

A list may name a modality twice, may name it by a number of the enum (where the caller asked for
numbers), and need not add up to its total. The total is what is billed: no list takes more than its
total has, what the lists leave is text, and nothing becomes negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.core.usage import Usage, usage_of
from tallystick.providers.dialects.wire import count, mappings

# By name and by number of the enum; a document is read as the images of its pages.
MODALITIES: Final[Mapping[object, str]] = {
    "TEXT": "text", "IMAGE": "image", "VIDEO": "video", "AUDIO": "audio", "DOCUMENT": "image",
    1: "text", 2: "image", 3: "video", 4: "audio", 5: "image",
}


def by_modality(details: object, count_name: str, notes: list[str]) -> dict[str, int]:
    """Tokens of each modality that is not text, from a list of `{modality, <count_name>}`."""
    found: dict[str, int] = {}
    for row in mappings(details):
        stated = row.get("modality")
        key = stated.upper() if isinstance(stated, str) else stated
        modality = MODALITIES.get(key) if isinstance(key, str | int) else None
        if modality is not None and modality != "text":
            found[modality] = found.get(modality, 0) + (count(row, count_name, notes) or 0)
    return found


def split_by_modality(
    *, prompt: int, cached: int, output: int,
    prompt_details: Mapping[str, int], cached_details: Mapping[str, int], output_details: Mapping[str, int],
) -> Usage:
    """`prompt` holds `cached`; each list divides its total."""
    cached_tokens = _shares(cached, cached_details)
    fresh = {name: max(0, tokens - cached_tokens.get(name, 0)) for name, tokens in prompt_details.items()}
    input_tokens = _shares(max(0, prompt - cached), fresh)
    output_tokens = _shares(output, {name: output_details.get(name, 0) for name in ("audio", "image")})
    counts = {f"cached_{name}": tokens for name, tokens in cached_tokens.items()}
    counts |= {f"input_{name}": tokens for name, tokens in input_tokens.items()}
    counts |= {f"output_{name}": tokens for name, tokens in output_tokens.items()}
    return usage_of(**counts)


def _shares(total: int, details: Mapping[str, int]) -> dict[str, int]:
    """Each modality's share of a total, and what they leave to text."""
    shares: dict[str, int] = {}
    for name, tokens in details.items():
        shares[name] = min(tokens, total)
        total -= shares[name]
    return {**shares, "text": total}
