"""From a reply's bytes to its price, for the traps of the Messages and Gemini formats: route, meter and
book together, to the nano-dollar. The figures are worked by hand beside each case."""

from decimal import Decimal

import pytest

from tallystick.core.call import Facts
from tallystick.core.price_rows import instant_us
from tallystick.providers import provider
from tallystick.stores.price_files import open_book
from tests.build.replies import body, events, head

AT_US = instant_us("2026-11-20T12:00Z")
BOOK = open_book()


def cost(provider_id, path, reply, *, streaming=False):
    """The price of a reply as the line of a call finds it."""
    known = provider(provider_id)
    route, model = known.route_for("POST", path)
    meter = route.dialect.meter(Facts(model=model), head(streaming=streaming, path=path))
    meter.feed(reply)
    reading = meter.finish()
    charge = BOOK.price(provider_id, reading.model or model, reading.usage, AT_US, reading.traits,
                        context_tokens=reading.context_tokens, parts=reading.parts)
    assert not charge.unpriced
    return charge.exact


def messages(model, usage):
    return cost("anthropic", "/v1/messages", body({"type": "message", "model": model, "usage": usage}))


def generate(model, usage, **candidate):
    reply = {"candidates": [{"finishReason": "STOP", **candidate}], "usageMetadata": usage, "modelVersion": model}
    return cost("google", f"/v1beta/models/{model}:generateContent", body(reply))


def test_a_stream_with_server_tools_is_billed_by_its_last_delta_at_the_standard_tier():
    reply = events(
        {"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 2479, "output_tokens": 6}}},
        {"type": "message_delta", "usage": {"input_tokens": 404500, "output_tokens": 943, "server_tool_use": {"web_search_requests": 10}}},
        {"type": "message_stop"},
    )
    assert cost("anthropic", "/v1/messages", reply, streaming=True) == Decimal("1.327645")       # 404500×3 + 943×15 per M, 10×10 per k


def test_cache_writes_of_five_minutes_and_of_an_hour():
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 3000, "cache_read_input_tokens": 50000, "output_tokens": 100,
             "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}}
    assert messages("claude-sonnet-4-5", usage) == Decimal("0.032259")                           # 3×3 + 1000×3.75 + 2000×6 + 50000×0.30 + 100×15


def test_a_compaction_that_the_totals_leave_out():
    usage = {"input_tokens": 229, "output_tokens": 5, "iterations": [
        {"type": "compaction", "input_tokens": 100, "cache_creation_input_tokens": 55096, "output_tokens": 131},
        {"type": "message", "input_tokens": 229, "output_tokens": 5},
    ]}
    assert messages("claude-sonnet-4-6", usage) == Decimal("0.209637")                           # 329×3 + 55096×3.75 + 136×15


def test_an_advisor_at_its_own_rates():
    usage = {"input_tokens": 2390, "output_tokens": 121, "iterations": [
        {"type": "message", "input_tokens": 2390, "output_tokens": 121},
        {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
    ]}
    assert messages("claude-sonnet-5", usage) == Decimal("0.01913")                              # 2390×2 + 121×10 + 2518×5 + 22×25


@pytest.mark.parametrize(("model", "usage", "expected"), [
    ("claude-opus-4-8", {"input_tokens": 10000, "output_tokens": 2000, "inference_geo": "us"}, "0.11"),     # (10000×5 + 2000×25) × 1.1
    ("claude-opus-5", {"input_tokens": 1000, "output_tokens": 500, "speed": "fast"}, "0.035"),              # 1000×10 + 500×50
])
def test_where_and_how_fast_it_was_served(model, usage, expected):
    assert messages(model, usage) == Decimal(expected)


def test_thoughts_and_a_cache_split_by_modality():
    def details(**tokens):
        return [{"modality": name, "tokenCount": number} for name, number in tokens.items()]

    usage = {
        "promptTokenCount": 17713, "promptTokensDetails": details(TEXT=16, VIDEO=15780, AUDIO=1917), "cachedContentTokenCount": 17379,
        "cacheTokensDetails": details(AUDIO=1881, TEXT=15, VIDEO=15483), "candidatesTokenCount": 68, "thoughtsTokenCount": 821,
    }
    assert generate("gemini-2.5-flash", usage) == Decimal("0.00300094")                          # 298×0.30 + 36×1 + 15498×0.03 + 1881×0.10 + 889×2.50


def test_thoughts_hidden_in_the_total_of_the_compatible_url():
    usage = {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}
    reply = body({"object": "chat.completion", "model": "gemini-2.5-pro", "choices": [], "usage": usage})
    assert cost("google", "/v1beta/openai/chat/completions", reply) == Decimal("0.00078375")     # 35×1.25 + 74×10


def test_tool_prompts_are_on_top():
    usage = {"promptTokenCount": 95, "toolUsePromptTokenCount": 439, "candidatesTokenCount": 66, "thoughtsTokenCount": 132}
    assert generate("gemini-3-flash-preview", usage) == Decimal("0.000861")                      # 534×0.50 + 198×3


@pytest.mark.parametrize(("prompt", "expected"), [(200_000, "0.19385"), (200_001, "0.3876525")])
def test_the_long_context_begins_above_its_limit(prompt, expected):
    usage = {"promptTokenCount": prompt, "cachedContentTokenCount": 50000, "candidatesTokenCount": 10}
    assert generate("gemini-2.5-pro", usage) == Decimal(expected)


@pytest.mark.parametrize(("model", "fee"), [("gemini-2.5-flash", "0.035"), ("gemini-3-flash-preview", "0.028")])
def test_searches_are_billed_by_prompt_or_by_query(model, fee):
    plain = generate(model, {"promptTokenCount": 10})
    grounding = {"webSearchQueries": ["a", "b"]}
    assert generate(model, {"promptTokenCount": 10}, groundingMetadata=grounding) - plain == Decimal(fee)
    files = {"groundingChunks": [{"retrievedContext": {}}]}
    assert generate(model, {"promptTokenCount": 10}, groundingMetadata=files) == plain
