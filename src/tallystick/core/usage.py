"""What one attempt used, in disjoint classes: no token stands in two of them, so pricing is a dot
product and nothing can be charged twice (product.md P06). Providers report overlapping totals
(`prompt_tokens` contains `cached_tokens`, which contains cached audio…); each dialect converts once,
at the edge, and `inclusive` converts back for people, APIs and exports.

The inclusive names and their meaning are those of the API document of a call:
`input` ⊃ cached_read, cache_write_5m, cache_write_1h, audio_in, image_in, video_in, tool_prompt;
`cached_read` ⊃ cached_audio, cached_image, cached_video; `output` ⊃ reasoning, audio_out, image_out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tallystick.core.lean import lean

Quantity = int | Decimal

# The disjoint token classes. Their order is the order of lines in an entry and in `explain`.
INPUT_CLASSES: Final = (
    "input_text", "input_audio", "input_image", "input_video", "input_tool",
    "cached_text", "cached_audio", "cached_image", "cached_video",
    "cache_write_5m", "cache_write_1h",
)
OUTPUT_CLASSES: Final = ("output_text", "output_reasoning", "output_audio", "output_image")
TOKEN_CLASSES: Final = INPUT_CLASSES + OUTPUT_CLASSES

# Units that are counted, not tokenised. Decimals are allowed for seconds only.
COUNTS: Final = (
    "web_searches", "web_fetches", "x_searches", "file_searches", "attachment_searches",
    "code_sessions", "code_executions", "images", "rerank_units", "grounding_queries",
    "grounded_prompts", "pages", "characters", "predict_seconds", "audio_seconds",
    "billable_audio_seconds", "requests", "citation_tokens",
    "guardrail_content_units", "guardrail_topic_units", "guardrail_pii_units", "guardrail_grounding_units",
    "guardrail_reasoning_units", "guardrail_images",
)
UNITS: Final = TOKEN_CLASSES + COUNTS
UNIT_RANK: Final[Mapping[str, int]] = {unit: rank for rank, unit in enumerate(UNITS)}
_INPUT: Final = frozenset(INPUT_CLASSES)
_OUTPUT: Final = frozenset(OUTPUT_CLASSES)


@lean
@dataclass(frozen=True, slots=True)
class Usage:
    """`counts` maps disjoint units to positive quantities; zeros are left out. An empty Usage is a
    statement ("nothing was used"), which is not the same as no usage at all (None).

    `overlap_tokens`: input tokens a provider reports both as read from and as written to a cache
    in one call (OpenRouter does); they stand in both classes, and `input` counts them once.
    """

    counts: Mapping[str, Quantity] = field(default_factory=dict)
    overlap_tokens: int = 0

    def __getitem__(self, unit: str) -> Quantity:
        return self.counts.get(unit, 0)

    @property
    def input_tokens(self) -> int:
        """The inclusive input total."""
        return sum([int(count) for unit, count in self.counts.items() if unit in _INPUT]) - self.overlap_tokens

    @property
    def output_tokens(self) -> int:
        """The inclusive output total."""
        return sum([int(count) for unit, count in self.counts.items() if unit in _OUTPUT])

    def inclusive(self) -> dict[str, Quantity]:
        """The same usage under the inclusive names of the API; zeros are left out."""
        c = self.counts.get
        cached_audio, cached_image, cached_video = c("cached_audio", 0), c("cached_image", 0), c("cached_video", 0)
        totals: dict[str, Quantity] = {
            "input": self.input_tokens,
            "output": self.output_tokens,
            "cached_read": c("cached_text", 0) + cached_audio + cached_image + cached_video,
            "cached_audio": cached_audio, "cached_image": cached_image, "cached_video": cached_video,
            "cache_write_5m": c("cache_write_5m", 0), "cache_write_1h": c("cache_write_1h", 0),
            "audio_in": c("input_audio", 0) + cached_audio,
            "image_in": c("input_image", 0) + cached_image,
            "video_in": c("input_video", 0) + cached_video,
            "tool_prompt": c("input_tool", 0),
            "reasoning": c("output_reasoning", 0),
            "audio_out": c("output_audio", 0), "image_out": c("output_image", 0),
        }
        for unit in COUNTS:
            totals[unit] = c(unit, 0)
        return {name: quantity for name, quantity in totals.items() if quantity}

    def plus(self, other: Usage) -> Usage:
        """Both together, class by class."""
        counts = dict(self.counts)
        for unit, quantity in other.counts.items():
            counts[unit] = counts.get(unit, 0) + quantity
        return Usage(counts, self.overlap_tokens + other.overlap_tokens)


def usage_of(*, overlap_tokens: int = 0, **counts: Quantity) -> Usage:
    """Build a Usage from keyword counts, leaving zeros out. Raises ValueError on a negative count
    or an unknown unit: a reader that cannot say what it read must not guess."""
    if not counts.keys() <= UNIT_RANK.keys():
        raise ValueError(f"unknown unit {min(counts.keys() - UNIT_RANK.keys())}")
    kept = {unit: quantity for unit, quantity in counts.items() if quantity}
    for unit, quantity in kept.items():
        if quantity < 0:
            raise ValueError(f"{unit} is negative")
    return Usage(kept, overlap_tokens)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one reply that is billed at another model's rates (an advisor, a sub-model).
    `splits`: it divides the reply's own usage (Groq compound) instead of coming on top."""

    role: str
    model: str
    usage: Usage
    splits: bool = False


@dataclass(frozen=True, slots=True)
class StatedCost:
    """What the provider says it charged, exactly as written. With `byok` the provider charges
    `usd` (usually 0) and the key's owner is billed `upstream_usd` elsewhere."""

    usd: Decimal
    byok: bool = False
    upstream_usd: Decimal | None = None


@lean
@dataclass(frozen=True, slots=True)
class Reading:
    """All a meter learnt from one reply. `usage=None`: the reply stated none."""

    usage: Usage | None = None
    floor: Usage | None = None
    """What a reply that was cut had stated until then, where that leaves its output out: no bill of
    its own (`usage` is None), but an estimate may not go below it."""
    model: str | None = None                 # as served
    response_id: str | None = None
    traits: Mapping[str, str] = field(default_factory=dict)
    """What selects a rate besides the model, as served: tier, geo, speed, processing,
    search_context. Absent means the provider's standard."""
    context_tokens: int | None = None
    """Tokens that choose the context tier where that is not the inclusive input (server tools)."""
    stated: StatedCost | None = None
    parts: tuple[Part, ...] = ()
    ended: bool = False                      # the reply came to its own end
    failed: bool = False                     # an error object stood inside a 2xx reply
    running: bool = False                    # the usage counts as it goes: final only if nothing was cut off behind it
    deferred: bool = False                   # a 2xx that only opened a job (background response)
    opaque: bool = False                     # billed by what the reply does not show: never estimated
    output_bytes: int = 0                    # UTF-8 bytes of generated text seen, for estimates
    notes: tuple[str, ...] = ()
