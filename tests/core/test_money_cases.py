"""The money cases: usages whose price was worked out by hand from the providers' price pages, each
one a way in which gateways have been wrong. Costs are exact; nothing here may be "about right".

Priced at 2026-11-20 12:00 UTC unless the case names a day.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick.core.attempt import Admission
from tallystick.core.call import Facts
from tallystick.core.identity import Attribution
from tallystick.core.money import decimal_text
from tallystick.core.price_overrides import Override
from tallystick.core.price_rows import instant_us
from tallystick.core.pricebook import PriceBook, amount
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Part, Reading, StatedCost, Usage, usage_of
from tallystick.providers.deepinfra import DEEPINFRA
from tallystick.stores.price_files import open_book

NOON = "2026-11-20T12:00Z"
SHARED = Path(os.environ.get("TALLYSTICK_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


@dataclass(frozen=True)
class Case:
    number: int
    story: str
    provider: str
    model: str
    usage: Usage
    cost: str
    at: str = NOON
    traits: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    context_tokens: int | None = None


CASES = (
    Case(1, "the summed input of a server-tool loop is not one long prompt", "anthropic", "claude-sonnet-4-5",
         usage_of(input_text=404_500, output_text=943, web_searches=10), "1.327645"),
    Case(2, "five-minute and one-hour writes have each their own premium", "anthropic", "claude-sonnet-4-5",
         usage_of(input_text=3, cache_write_5m=1_000, cache_write_1h=2_000, cached_text=50_000, output_text=100), "0.032259"),
    Case(3, "compaction is billed with the message it shortens", "anthropic", "claude-sonnet-4-6",
         usage_of(input_text=329, cache_write_5m=55_096, output_text=136), "0.209637"),
    Case(4, "an advisor is billed at its own model's rates", "anthropic", "claude-sonnet-5",
         usage_of(input_text=2_390, output_text=121), "0.01913",
         parts=(Part("advisor", "claude-opus-4-8", usage_of(input_text=2_518, output_text=22)),)),
    Case(5, "inference kept in the US costs a tenth more", "anthropic", "claude-opus-4-8",
         usage_of(input_text=10_000, output_text=2_000), "0.11", traits={"geo": "us"}),
    Case(6, "fast mode as served", "anthropic", "claude-opus-5", usage_of(input_text=1_000, output_text=500), "0.035",
         traits={"speed": "fast"}),
    Case(7, "cache writes before the price cut", "openai", "gpt-5.6-sol",
         usage_of(input_text=8, cache_write_5m=4_012, output_text=5), "0.025265", at="2026-07-17"),
    Case(7, "and after it", "openai", "gpt-5.6-sol", usage_of(input_text=8, cache_write_5m=4_012, output_text=5), "0.020192"),
    Case(8, "the same prompt read back from the cache", "openai", "gpt-5.6-sol",
         usage_of(input_text=8, cached_text=4_012, output_text=5), "0.002196", at="2026-07-17"),
    Case(9, "tokens, a cache write and a search", "openai", "gpt-5.6-sol",
         usage_of(input_text=4_158, cache_write_5m=4_418, output_text=20, output_reasoning=32, web_searches=1), "0.0599625",
         at="2026-07-24"),
    Case(10, "seven searches among nine search items", "openai", "gpt-5",
         usage_of(input_text=6_000, cached_text=24_000, output_text=1_500, web_searches=7), "0.0955"),
    Case(11, "priority asked, default served", "openai", "gpt-5.4", usage_of(input_text=1_000, output_text=200), "0.0055",
         traits={"tier": "default"}),
    Case(12, "one container, however often it was called", "openai", "gpt-5",
         usage_of(input_text=2_000, output_text=300, code_sessions=1), "0.0355"),
    Case(13, "video and sound, cached by modality, and thoughts", "google", "gemini-2.5-flash",
         usage_of(input_text=1, input_video=297, input_audio=36, cached_text=15, cached_video=15_483, cached_audio=1_881,
                  output_text=68, output_reasoning=821), "0.00300094"),
    Case(14, "thoughts hidden in a total", "google", "gemini-2.5-pro",
         usage_of(input_text=35, output_text=12, output_reasoning=62), "0.00078375"),
    Case(15, "what tools put into the prompt is input", "google", "gemini-3-flash-preview",
         usage_of(input_text=95, input_tool=439, output_text=66, output_reasoning=132), "0.000861"),
    Case(16, "one token past the cliff, cached ones counted", "google", "gemini-2.5-pro",
         usage_of(input_text=150_001, cached_text=50_000, output_text=10), "0.3876525"),
    Case(16, "on the edge of it", "google", "gemini-2.5-pro",
         usage_of(input_text=150_000, cached_text=50_000, output_text=10), "0.19385"),
    Case(17, "a cliff that begins at its number", "xai", "grok-4.3", usage_of(input_text=200_000), "0.5"),
    Case(18, "reasoning beside the completion", "xai", "grok-4.3",
         usage_of(input_text=5, cached_text=192, output_text=1, output_reasoning=146), "0.00041215"),
    Case(19, "reasoning inside the output", "xai", "grok-4.3",
         usage_of(input_text=69, cached_text=128, output_text=1, output_reasoning=110), "0.00038935"),
    Case(20, "a retired name at its successor's price, and a tool fee", "xai", "grok-4-fast-reasoning",
         usage_of(input_text=1_467, cached_text=1_280, output_text=23, output_reasoning=237, web_searches=1), "0.00773975",
         at="2026-07-02"),
    Case(21, "what the key's owner is billed elsewhere", "openrouter", "google/gemini-2.5-flash",
         usage_of(input_text=326, output_text=91), "0.0003253"),
    Case(22, "the same tokens read and written", "openrouter", "google/gemini-2.5-flash",
         usage_of(input_text=7, cached_text=2_161, cache_write_5m=2_161, output_text=100, overlap_tokens=2_161),
         "0.00049701333333333332613"),
    Case(23, "a request fee by the context searched", "perplexity", "sonar", usage_of(input_text=6, output_text=1, requests=1),
         "0.005007", traits={"search_context": "low"}),
    Case(24, "the last second of the peak", "deepseek", "deepseek-v4-flash",
         usage_of(input_text=6_000, cached_text=4_000, output_text=1_000), "0.003024", at="2026-11-20T03:59:59Z"),
    Case(24, "the first second after it", "deepseek", "deepseek-v4-flash",
         usage_of(input_text=6_000, cached_text=4_000, output_text=1_000), "0.001512", at="2026-11-20T04:00:00Z"),
    Case(25, "billed units, which are far fewer than the tokens", "cohere", "command-a",
         usage_of(input_text=431, output_text=661), "0.0076875"),
    Case(26, "a zone's profile costs a tenth more, and its cache comes on top", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
         usage_of(input_text=3, cached_text=1_712, cache_write_5m=236, output_text=121), "0.00354486"),
    Case(27, "speech, cached speech and text at five rates", "openai", "gpt-realtime",
         usage_of(input_text=43, input_audio=32, cached_audio=64, output_text=18, output_audio=43), "0.0042616"),
    Case(28, "a picture in, a picture out", "openai", "gpt-image-1",
         usage_of(input_text=50, input_image=323, output_image=4_160), "0.16988"),
    Case(29, "seconds of speech", "openai", "whisper-1", usage_of(audio_seconds=8), "0.0008"),
    Case(31, "characters to speak", "openai", "tts-1", usage_of(characters=7), "0.000105"),
    Case(32, "a batch at half price", "anthropic", "claude-sonnet-4-6", usage_of(input_text=1_000, output_text=500),
         "0.00525", traits={"processing": "batch"}),
    Case(33, "eight tokens are not nothing", "openai", "text-embedding-3-small", usage_of(input_text=8), "0.00000016"),
    Case(34, "seconds of a machine, the picture in them", "replicate", "stability-ai/stable-diffusion",
         usage_of(predict_seconds=Decimal("2.811363"), images=1), "0.0039359082"),
    Case(36, "a fine-tuned model costs more than its base", "openai", "ft:gpt-4o-mini-2024-07-18:acme::abc",
         usage_of(input_text=1_000, output_text=1_000), "0.0015"),
    Case(38, "annotated pages are dearer", "mistral", "mistral-ocr-latest", usage_of(pages=29), "0.145",
         traits={"annotations": "on"}),
    Case(39, "a search is a unit", "cohere", "rerank-v3.5", usage_of(rerank_units=1), "0.002"),
    Case(40, "guardrails ride along", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(), "0.0008",
         parts=(Part("guardrail", "guardrail", usage_of(guardrail_content_units=2, guardrail_topic_units=2, guardrail_pii_units=2)),)),
    Case(41, "a background response, once", "openai", "gpt-4o", usage_of(input_text=1_000, output_text=200), "0.0045"),
    Case(42, "a stream drained after its reader left", "openai", "gpt-4o", usage_of(input_text=1_000, output_text=350), "0.006"),
)


OF_THEIR_OWN = (30, 35, 37)
"""Cases with a test of their own: a rate that never ends as a decimal, a stated cost, a discount."""


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return open_book()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}: {case.story}")
def test_a_money_case_costs_exactly_what_the_price_page_says(book: PriceBook, case: Case) -> None:
    charge = book.price(case.provider, case.model, case.usage, instant_us(case.at), case.traits,
                        case.context_tokens, case.parts)
    assert charge.exact == Decimal(case.cost)
    assert charge.unpriced == ()
    assert sum((amount(line) for line in charge.lines), Decimal(0)) == charge.exact


def test_a_price_by_the_hour_is_divided_last_and_rounded_once(book: PriceBook) -> None:
    """Case 30: ten seconds of Groq's $0.04 an hour never end as a decimal."""
    charge = book.price("groq", "whisper-large-v3-turbo", usage_of(audio_seconds=10), instant_us(NOON), {})
    assert charge.nanos == 111_111
    assert decimal_text(charge.nanos) == "0.000111111"


def test_a_float_with_noise_is_rounded_once_in_the_entry() -> None:
    """Case 35: DeepInfra states its cost; what is charged is that, not today's price of the same tokens."""
    usage = usage_of(input_text=1_695, output_text=203)
    reading = Reading(usage=usage, model="acme/any", stated=StatedCost(Decimal("0.00034214999999999994")), ended=True)
    admission = Admission(
        request_id="req_35", attempt=1, at_us=instant_us(NOON), attribution=Attribution("key", "org", {}), provider="deepinfra",
        operation="chat", dialect="openai_chat", model="acme/any", facts=Facts(), body_bytes=0, input_bound=0, hold_nanos=0,
        hold_priced=False, billable=True)
    settlement = settle(admission, Served(status=200, reading=reading), open_book(), DEEPINFRA, instant_us(NOON))
    assert (settlement.method, settlement.cost_nanos, settlement.usage) == ("stated", 342_150, usage)


def test_a_negotiated_discount_on_tokens_leaves_tools_at_list(book: PriceBook) -> None:
    """Case 37: an eighth off every token, searches at their list price, and the list price beside it."""
    agreed = book.under([Override("ovr_37", "percent", "anthropic", unit="tokens", value=Decimal("-12.5"))])
    usage = usage_of(input_text=10_000, output_text=1_000, web_searches=2)
    charge = agreed.price("anthropic", "claude-sonnet-4-6", usage, instant_us(NOON), {})
    assert (charge.exact, charge.list_exact) == (Decimal("0.059375"), Decimal("0.065"))


@pytest.mark.parametrize(("provider", "model", "traits", "cost"), [
    ("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, "18"),
    ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, "19.8"),
    ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", {}, "19.8"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5", {}, "19.8"),
    ("bedrock", "us.amazon.nova-pro-v1:0", {}, "4"),
    ("bedrock", "eu.amazon.nova-pro-v1:0", {}, "5.25"),
    ("bedrock", "us.amazon.nova-pro-v1:0", {"tier": "flex"}, "2"),
    ("bedrock", "us.amazon.nova-pro-v1:0", {"speed": "optimized"}, "5"),
    ("vertex", "claude-sonnet-4-5@20250929", {}, "18"),
    ("vertex", "claude-sonnet-4-5-20250929", {"location": "regional"}, "19.8"),
    ("vertex", "claude-3-5-sonnet@20240620", {"location": "regional"}, "18"),
    ("vertex", "gemini-2.5-flash", {}, "2.8"),
    ("vertex", "google/gemini-2.5-flash", {}, "2.8"),
    ("vertex", "mistral-medium-3", {}, "2.4"),
])
def test_where_a_model_is_served_is_part_of_its_price(book: PriceBook, provider: str, model: str, traits: dict[str, str], cost: str) -> None:
    """A million tokens in, a million out, each in a small call of its own."""
    charge = book.price(provider, model, usage_of(input_text=1_000, output_text=1_000), instant_us(NOON), traits)
    assert (charge.exact * 1_000, charge.unpriced) == (Decimal(cost), ())


@pytest.mark.skipif(not (SHARED / "corpus" / "money_cases.json").exists(), reason="the shared money cases are not here")
def test_our_transcription_agrees_with_the_shared_cases() -> None:
    shared = {case["n"]: case for case in json.loads((SHARED / "corpus" / "money_cases.json").read_text())}
    first: dict[int, Case] = {}
    for case in CASES:
        first.setdefault(case.number, case)
    assert {*first, *OF_THEIR_OWN} == shared.keys() == set(range(1, 43))
    for number, case in first.items():
        assert Decimal(case.cost) == Decimal(shared[number]["cost_usd_exact"]), case.story
        assert case.at[:10] == (shared[number]["priced_on"] or "2026-11-20"), case.story


@pytest.mark.skipif(not (SHARED / "corpus" / "money_cases.json").exists(), reason="the shared money cases are not here")
def test_our_lines_are_the_shared_lines(book: PriceBook) -> None:
    """Not the sum alone: the same quantities at the same rates."""
    shared = {case["n"]: case for case in json.loads((SHARED / "corpus" / "money_cases.json").read_text())}
    first: dict[int, Case] = {}
    for case in CASES:
        first.setdefault(case.number, case)
    del first[23]                            # one request at $5 a thousand, noted as five at $1
    for number, case in first.items():
        charge = book.price(case.provider, case.model, case.usage, instant_us(case.at), case.traits, case.context_tokens, case.parts)
        ours = [(Decimal(line.quantity), line.rate * line.factor, line.per) for line in charge.lines if line.rate]
        theirs = [(Decimal(line["quantity"]), Decimal(line["usd"]) * Decimal(shared[number]["multiplier"]), line["per"])
                  for line in shared[number]["price_lines"]]
        assert _by_rate(ours) == _by_rate(theirs), case.story


def _by_rate(lines: list[tuple[Decimal, Decimal, int]]) -> dict[Decimal, Decimal]:
    """How much at which price of one unit."""
    total: dict[Decimal, Decimal] = {}
    for quantity, rate, per in lines:
        each = round(rate / per, 20)
        total[each] = total.get(each, Decimal(0)) + quantity
    return total
