"""Second opinions on recorded traffic: what the provider itself said it charged, and what
genai-prices makes of the same usage. Where we differ, the reason stands in
docs/reference/price-disagreements.md; an unexplained difference fails.

Needs the shared corpus (TALLYSTICK_SHARED, else beside the repository).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.price_rows import instant_us
from tallystick.core.pricebook import Charge, PriceBook
from tallystick.core.usage import COUNTS
from tallystick.stores.price_files import open_book
from tests.build.usage import parts_from_inclusive, usage_from_inclusive

SHARED = Path(os.environ.get("TALLYSTICK_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
EXPECTED = SHARED / "corpus" / "expected.jsonl"
PROVIDERS = {"google-ai-studio": "google", "vertex-ai": "vertex"} | {
    p: p for p in ("bedrock", "cohere", "openai", "anthropic", "mistral", "openrouter", "xai", "groq", "deepseek", "azure", "ollama", "cerebras", "together", "replicate")}

NANO = Decimal("1e-9")

STATED = {
    ("openrouter", "google/gemini-2.5-flash"): "byok: nothing is charged here, the rest goes to the key's owner",
    ("openrouter", "openai/gpt-4o-mini"): "advisor: a sub-agent's fee stands only in the stated cost",
    ("openrouter", "openai/gpt-5.1-codex-mini"): "plugin: a fee that stands only in the stated cost",
    ("openrouter", "openai/gpt-4.1-mini"): "plugin: a web search billed by the upstream",
    ("openrouter", "deepseek/deepseek-chat"): "plugin: a web search billed by the upstream",
    ("openrouter", "x-ai/grok-4"): "unpriced: no source lists it any more",
    ("openrouter", "qwen/qwen3-30b-a3b-instruct-2507"): "route: the upstream that served it is dearer",
    ("openrouter", "z-ai/glm-4.6"): "route: the upstream that served it is dearer",
}
"""Where our own number differs from the provider's statement. The statement is what is booked."""

SECOND_OPINION = {
    "anthropic/claude-sonnet-4-5-20250929": "long context: the tier ended on 2026-04-30, and steps of a tool loop are not one prompt",
    "deepseek/deepseek-v4-flash": "clock: before 2026-08-16 there was no peak price",
    "google/gemini-2.5-flash": "grounding: a search-grounded prompt is $35 a thousand; it was not asked about",
    "google/gemini-3-flash-preview": "grounding and flex: queries at $14 a thousand, and half price under flex",
    "vertex/gemini-3-flash-preview": "grounding and flex: queries at $14 a thousand, and half price under flex",
    "mistral/mistral-large-latest": "alias: Large 3 at 0.5/1.5 since 2025-12-02",
    "mistral/mistral-tiny": "cache: read at a tenth of the input price (open: whether it was then)",
    "openai/gpt-4o-audio-preview-2024-12-17": "audio: speech tokens at their own rate",
    "openai/gpt-5-2025-08-07": "tools and tiers: containers at $0.03, flex and priority before they were first read off the page",
    "openai/o4-mini-2025-04-16": "tools: containers at $0.03",
    "xai/grok-4-1-fast-non-reasoning": "tools: file and collection searches",
    "xai/grok-4-fast-reasoning": "tools and retirement: billed as grok-4.3 since 2026-05-15",
    "xai/grok-voice-think-fast-1.0": "voice: billed by the minute of audio",
    "xai/grok-voice-latest": "voice: billed by the minute of audio",
}

UNPRICED = {
    ("images",): "the picture's own model and tokens are not in the reply",
    ("input_text", "output_text"): "a compound system's stream that does not say which models it used; an account's own ARN",
    ("input_audio", "output_audio"): "hand-written reply of a model that has no audio",
    (":input_audio", ":output_text"): "a transcriber that the reply does not name",
    (":audio_seconds", ":audio_seconds", ":audio_seconds"): "a transcriber that the reply does not name",
}


@dataclass(frozen=True)
class Row:
    provider: str
    expected: dict[str, Any]
    charge: Charge

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.expected['model']}"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    if not EXPECTED.exists():
        pytest.skip("the shared corpus is not here")
    book = open_book()
    return list(_priced(book))


def _priced(book: PriceBook) -> Iterator[Row]:
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        provider = PROVIDERS.get(row["provider"])
        if provider is None or row["usage"] is None or any(n.startswith(("AMBIGUOUS", "INCONSISTENT")) for n in row["notes"]):
            continue
        traits = {trait: row[name] for trait, name in (("tier", "service_tier"), ("geo", "inference_geo")) if row.get(name)}
        charge = book.price(provider, row["model"], usage_from_inclusive(row["usage"]),
                            instant_us(row["priced_at"].split(" ")[0].replace("Z", "+00:00")), traits,
                            parts=parts_from_inclusive(row.get("others", [])), requested=row["model_requested"])
        yield Row(provider, row, charge)


def test_our_price_is_what_the_provider_says_it_charged(rows: list[Row]) -> None:
    stated = [row for row in rows if row.expected.get("provider_cost_usd")]
    differs = [row for row in stated if abs(Decimal(row.expected["provider_cost_usd"]) - row.charge.exact) > NANO]
    assert {(row.provider, row.expected["model"]) for row in differs} == set(STATED)      # none unexplained, none out of date
    assert len(stated) - len(differs) >= 32


def test_the_second_opinion_agrees_or_the_difference_is_explained(rows: list[Row]) -> None:
    judged = [row for row in rows if row.expected["cost_usd"] is not None
              and not row.expected.get("provider_cost_usd") and not row.charge.unpriced]
    differs = [row for row in judged if abs(Decimal(row.expected["cost_usd"]) - row.charge.exact) > NANO]
    assert {row.label for row in differs} == set(SECOND_OPINION)
    assert len(differs) / len(judged) < 0.04


def test_what_stays_without_a_price_is_known(rows: list[Row]) -> None:
    unpriced = [row for row in rows if row.charge.unpriced and not row.expected.get("provider_cost_usd")]
    assert {row.charge.unpriced for row in unpriced} == set(UNPRICED)
    assert len(unpriced) < 25


def test_no_recorded_call_costs_more_than_its_ceiling(rows: list[Row]) -> None:
    """The hold's promise, given the true token counts as bounds: the dearest rates cover the bill."""
    book, checked = open_book(), 0
    for row in rows:
        usage = usage_from_inclusive(row.expected["usage"])
        if row.expected.get("others") or row.charge.unpriced:
            continue
        calls = sum(int(quantity) for unit, quantity in usage.counts.items() if unit in COUNTS)
        ceiling = book.ceiling(row.provider, row.expected["model"] or row.expected["model_requested"],
                               instant_us(row.expected["priced_at"].split(" ")[0].replace("Z", "+00:00")),
                               usage.input_tokens + usage.overlap_tokens, usage.output_tokens, tool_calls=calls)
        if ceiling.priced:
            checked += 1
            assert row.charge.nanos <= ceiling.nanos, row.expected["id"]
    assert checked > 1_700
