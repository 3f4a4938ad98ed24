"""Tokens without a tokenizer: what a request may cost before it goes out, and what a reply did cost
that ended without stating its usage. Never used where usage was stated.

`input_bound_tokens` is the bound of a hold. Every byte-level token covers at least one byte, so the
body's bytes and an allowance for hidden prompts are safe; half the bytes already held for 1,792 of
1,796 recorded plain calls, the other four having run tools at the provider.
`estimate_usage` is the best guess of a bill: bytes times the family's ratio, fitted on recorded calls.
It carries no safety margin: margins belong to the hold, which stays drawn where a hard cap asks for it;
an entry that is marked `estimated` and corrected later should be near the truth, not above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.core.call import Facts
from tallystick.core.usage import Usage, usage_of

HIDDEN_PROMPT_TOKENS: Final = 2_048
"""Room for what a provider adds to a prompt: the largest excess over bytes recorded is 1,742."""

MEDIUM_TOKENS_MAX: Final = 16_384
"""Of one inline picture, sound or document. The dearest recorded took 8,483 tokens."""

MEDIUM_TOKENS: Final = 1_000
"""The same as a guess: the recorded medians lie between 192 and 1,196."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Tokens per thousand bytes: of a request's body less its inline media, and of generated text."""

    input: int
    output: int


# Fitted by scripts/fit_estimates.py on the recorded traffic of 2026-11-21 (1,358 plain calls, 1,051
# replies); docs/reference/estimates.md has the errors.
RATIOS: Final[Mapping[str, Ratio]] = {
    "anthropic": Ratio(input=282, output=338),
    "google": Ratio(input=133, output=248),
    "openai": Ratio(input=170, output=241),
}
OTHER: Final = Ratio(input=339, output=208)

# Providers whose models are tokenised as another's.
SAME_TOKENS: Final[Mapping[str, str]] = {"azure": "openai", "vertex": "google"}


def input_bound_tokens(facts: Facts, body_bytes: int, *, strict: bool = False) -> int:
    """The most input tokens a request of this size should be billed for, what it names by reference
    and what tools of the provider add left out. Half the body's bytes, `strict`: all of them."""
    text_bytes = max(0, body_bytes - facts.media_bytes)
    text_tokens = text_bytes if strict else _ceil(text_bytes, 2)
    return text_tokens + facts.media * MEDIUM_TOKENS_MAX + HIDDEN_PROMPT_TOKENS


def estimated_input(facts: Facts, body_bytes: int, family: str) -> int:
    """Input tokens guessed from a request's size. `family`: whose ratio to take, a provider's id."""
    ratio = RATIOS.get(SAME_TOKENS.get(family, family), OTHER)
    return _ceil(max(0, body_bytes - facts.media_bytes) * ratio.input, 1000) + facts.media * MEDIUM_TOKENS


def estimate_usage(
    facts: Facts, body_bytes: int, output_bytes: int, family: str, floor: Usage | None = None
) -> Usage:
    """Usage guessed from bytes. `family`: whose ratio to take, a provider's id. `output_bytes`: UTF-8
    bytes of generated text that were seen. `floor`: what the reply stated before it was cut; its input
    is taken as stated, and its output is the least that is assumed."""
    ratio = RATIOS.get(SAME_TOKENS.get(family, family), OTHER)
    output_tokens = _ceil(output_bytes * ratio.output, 1000)
    if floor is not None and floor.input_tokens:
        rest = max(0, output_tokens - floor.output_tokens)
        return floor.plus(usage_of(output_text=rest))
    least = floor.output_tokens if floor is not None else 0
    return usage_of(input_text=estimated_input(facts, body_bytes, family), output_text=max(output_tokens, least))


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)
