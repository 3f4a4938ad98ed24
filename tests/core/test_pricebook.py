"""The rules of the price book, on a small provider of our own making: which row wins, what stands in
for what, what stays without a price, and what can never be: a silent zero, a negative cost, a sum
that is not its lines.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.price_rows import PriceFault, ProviderPrices, instant_us, parse_prices
from tallystick.core.pricebook import PriceBook, amount
from tallystick.core.usage import TOKEN_CLASSES, Part, Usage, usage_of

NOON = instant_us("2026-11-20T12:00Z")           # a Friday

HEADER = {
    "provider": "acme", "checked_on": "2026-11-21",
    "says": {"tier": {"default": "", "auto": "", "batch": "processing=batch"}},
    "one_rate": ["input_image"], "snapshot": r"(.+?)-20\d\d-[01]\d-[0-3]\d", "prefix": "^models/",
    "sources": {"page": {"name": "Acme prices", "version": "1", "address": "https://example.com", "checked_on": "2026-11-21"}},
}
LINES = (
    {"alias": "anvil-latest", "model": "anvil", "to": "2026-06-01"},
    {"alias": "anvil-latest", "model": "anvil-2", "from": "2026-06-01"},
    {"alias": "retired", "model": "anvil-2", "from": "2026-05-15T19:00Z"},
    {"factor": "1.1", "traits": {"geo": "us"}},
    {"factor": "0.5", "traits": {"processing": "batch"}},
    {"model": "*", "unit": "web_searches", "price": "10", "per": 1000},
    {"model": "anvil", "names": ["anvil-1"], "patterns": [r"ft:anvil:.+"], "context_window": 100_000, "output_max": 4_000},
    {"model": "anvil", "unit": "input_text", "price": "4", "to": "2026-01-01"},
    {"model": "anvil", "unit": "input_text", "price": "2", "from": "2026-01-01"},
    {"model": "anvil", "unit": "input_text", "price": "3", "context_from": 1_001},
    {"model": "anvil", "unit": "input_text", "price": "1", "traits": {"tier": "flex"}},
    {"model": "anvil", "unit": "cached_text", "price": "0.2"},
    {"model": "anvil", "unit": "cache_write_5m", "price": "2.5"},
    {"model": "anvil", "unit": "output_text", "price": "8"},
    {"model": "anvil", "unit": "audio_seconds", "price": "0.04", "per": 3_600},
    {"model": "anvil-2", "names": [], "context_window": 200_000},
    {"model": "anvil-2", "unit": "input_text", "price": "0.5"},
    {"model": "anvil-2", "unit": "input_text", "price": "1", "window_utc": "1-5 09:00-12:00"},
    {"model": "anvil-2", "unit": "output_text", "price": "1"},
    {"model": "anvil-2", "unit": "web_searches", "price": "25", "per": 1000},
    {"model": "anvil-2", "unit": "grounded_prompts", "price": "35", "per": 1000, "needs": "grounding_queries"},
    {"model": "anvil-2", "unit": "grounding_queries", "price": "0", "per": 1000},
    {"model": "gift", "free": True},
)


def acme(*extra: dict[str, object]) -> ProviderPrices:
    return parse_prices("\n".join(json.dumps(line) for line in (HEADER, *LINES, *extra)))


def book_of(**providers: ProviderPrices) -> PriceBook:
    return PriceBook("test", providers.get)


BOOK = book_of(acme=acme())


def cost(model: str, usage: Usage, at: int = NOON, **traits: str) -> Decimal:
    charge = BOOK.price("acme", model, usage, at, traits)
    assert charge.unpriced == ()
    return charge.exact


def test_every_line_names_its_row_and_repeats_its_arithmetic() -> None:
    usage = usage_of(input_text=100, cached_text=50, output_text=10, web_searches=2)
    charge = BOOK.price("acme", "anvil", usage, NOON, {})
    assert [(line.unit, line.row) for line in charge.lines] == [
        ("input_text", "acme:anvil:input_text:2026-01-01"), ("cached_text", "acme:anvil:cached_text"),
        ("output_text", "acme:anvil:output_text"), ("web_searches", "acme:*:web_searches"),
    ]
    assert [amount(line) for line in charge.lines] == [Decimal(text) for text in ("0.0002", "0.00001", "0.00008", "0.02")]
    assert charge.nanos == 20_290_000


def test_a_price_holds_from_its_first_moment_to_the_one_before_the_next() -> None:
    new_year = instant_us("2026-01-01")
    assert cost("anvil", usage_of(input_text=1_000), new_year - 1) == Decimal("0.004")
    assert cost("anvil", usage_of(input_text=1_000), new_year) == Decimal("0.002")


@pytest.mark.parametrize(("tokens", "rate"), [(999, "2"), (1_000, "2"), (1_001, "3"), (1_002, "3")])
def test_the_long_context_price_takes_the_whole_request_from_its_number_on(tokens: int, rate: str) -> None:
    assert cost("anvil", usage_of(input_text=tokens)) == Decimal(rate) * tokens / 1_000_000


def test_cached_tokens_count_towards_the_context_and_the_caller_may_know_better() -> None:
    usage = usage_of(input_text=600, cached_text=600)
    assert cost("anvil", usage) == Decimal(600 * 3 + 600 * Decimal("0.2")) / 1_000_000
    known = BOOK.price("acme", "anvil", usage, NOON, {}, context_tokens=600)
    assert known.exact == Decimal(600 * 2 + 600 * Decimal("0.2")) / 1_000_000


@pytest.mark.parametrize(("moment", "rate"), [
    ("2026-11-20T08:59:59Z", "0.5"), ("2026-11-20T09:00:00Z", "1"), ("2026-11-20T11:59:59Z", "1"),
    ("2026-11-20T12:00:00Z", "0.5"), ("2026-11-21T10:00:00Z", "0.5"), ("2026-11-23T10:00:00Z", "1"),
])
def test_a_price_by_the_clock_knows_hours_and_weekends(moment: str, rate: str) -> None:
    assert cost("anvil-2", usage_of(input_text=1_000_000), instant_us(moment)) == Decimal(rate)


def test_a_tier_with_a_row_takes_it_and_fees_stay() -> None:
    usage = usage_of(input_text=1_000, web_searches=1)
    assert cost("anvil", usage, tier="flex") == Decimal("0.001") + Decimal("0.01")
    assert cost("anvil", usage, tier="Default") == Decimal("0.002") + Decimal("0.01")


@pytest.mark.parametrize("trait", ["tier", "processing", "speed", "geo", "zone"])
def test_an_unknown_tier_is_not_silently_standard(trait: str) -> None:
    charge = BOOK.price("acme", "anvil", usage_of(input_text=1_000, output_text=5, web_searches=1), NOON, {trait: "gold"})
    assert charge.unpriced == ("input_text", "output_text")
    assert charge.exact == Decimal("0.01")       # the search fee does not depend on it
    assert charge.notes == (f"no price for {trait}=gold",)


def test_factors_multiply_tokens_only_and_are_named() -> None:
    charge = BOOK.price("acme", "anvil-2", usage_of(input_text=1_000_000, web_searches=1), NOON,
                        {"geo": "us", "processing": "batch"})
    assert charge.exact == Decimal("0.275") + Decimal("0.025")
    assert charge.lines[0].factor == Decimal("0.55")
    assert charge.lines[0].factor_row == "acme:factor:geo=us:tokens+acme:factor:processing=batch:tokens"
    assert charge.lines[1].factor_row is None


def test_batch_said_as_a_tier_is_halved_once() -> None:
    usage = usage_of(output_text=1_000_000)
    assert cost("anvil", usage, tier="batch") == 4
    assert cost("anvil", usage, tier="batch", processing="batch") == 4


def test_a_factor_leaves_a_row_of_that_trait_alone() -> None:
    book = book_of(acme=acme({"model": "anvil", "unit": "output_text", "price": "7", "traits": {"processing": "batch"}}))
    assert book.price("acme", "anvil", usage_of(output_text=1_000_000), NOON, {"processing": "batch"}).exact == 7


@pytest.mark.parametrize(("unit", "rate"), [
    ("output_reasoning", "8"), ("input_tool", "2"), ("input_image", "2"), ("cached_audio", "0.2"), ("cached_image", "0.2"),
])
def test_a_class_without_a_row_takes_the_one_that_stands_in(unit: str, rate: str) -> None:
    assert cost("anvil", usage_of(**{unit: 1_000})) == Decimal(rate) / 1_000


def test_reads_and_writes_without_rates_of_their_own_are_plain_input() -> None:
    assert cost("anvil-2", usage_of(cached_text=10, cache_write_5m=10)) == Decimal("0.00001")


@pytest.mark.parametrize("unit", ["input_audio", "input_video", "cache_write_1h", "output_audio", "output_image", "pages", "images"])
def test_a_unit_without_a_rate_is_named_never_free(unit: str) -> None:
    charge = BOOK.price("acme", "anvil", usage_of(**{unit: 7}), NOON, {})
    assert charge.unpriced == (unit,)
    assert charge.lines[0].row is None


def test_free_is_declared() -> None:
    charge = BOOK.price("acme", "gift", usage_of(input_text=7, pages=2), NOON, {})
    assert (charge.exact, charge.unpriced) == (0, ())
    assert charge.lines[0].row == "acme:gift:free"


def test_a_fee_due_only_beside_another_unit() -> None:
    assert cost("anvil-2", usage_of(grounded_prompts=1, grounding_queries=3)) == Decimal("0.035")
    charge = BOOK.price("acme", "anvil-2", usage_of(grounded_prompts=1), NOON, {})
    assert (charge.exact, charge.unpriced, charge.lines[0].factor_row) == (0, (), "without:grounding_queries")
    assert amount(charge.lines[0]) == 0


@pytest.mark.parametrize(("name", "model"), [
    ("anvil", "anvil"), ("ANVIL", "anvil"), ("anvil-1", "anvil"), ("models/anvil", "anvil"), ("anvil-2026-03-05", "anvil"),
    ("ft:anvil:me::x", "anvil"), ("anvil-2", "anvil-2"), ("anvil-2-2026-03-05", "anvil-2"), ("anvil-latest", "anvil-2"),
    ("anvil-mycustom", None), ("my-anvil", None), ("anvil-2-custom-tuned", None), ("ft:anvil", None), ("anvil-20260305", None),
    ("", None), (None, None), ("retired", "anvil-2"),
])
def test_names_mean_models_exactly(name: str | None, model: str | None) -> None:
    found = BOOK.resolve("acme", name, NOON)
    assert (found and found[1]) == model


def test_a_name_or_a_trait_of_any_length_is_only_unknown() -> None:
    assert BOOK.resolve("acme", "anvil-" * 100_000, NOON) is None
    charge = BOOK.price("acme", "anvil", usage_of(input_text=1), NOON, {"tier": "x" * 100_000})
    assert charge.unpriced == ("input_text",)
    assert len(charge.notes[0]) < 100


def test_aliases_move_and_retired_names_live_on() -> None:
    assert BOOK.resolve("acme", "anvil-latest", instant_us("2026-05-31")) == ("acme", "anvil")
    assert BOOK.resolve("acme", "retired", instant_us("2026-05-15T19:00Z") - 1) is None


def test_the_served_model_is_tried_before_the_one_asked_for() -> None:
    usage = usage_of(output_text=1_000_000)
    assert BOOK.price("acme", "anvil-2", usage, NOON, {}, requested="anvil").exact == 1
    assert BOOK.price("acme", "deployment-7", usage, NOON, {}, requested="anvil").exact == 8
    assert BOOK.price("acme", "deployment-7", usage, NOON, {}).unpriced == ("output_text",)


def test_parts_are_priced_at_their_own_models_and_may_split_the_reply() -> None:
    usage = usage_of(input_text=300, web_searches=1)
    on_top = BOOK.price("acme", "anvil", usage, NOON, {}, parts=(Part("advisor", "anvil-2", usage_of(output_text=100)),))
    assert on_top.exact == Decimal("0.0006") + Decimal("0.01") + Decimal("0.0001")
    assert [line.part for line in on_top.lines] == [0, 0, 1]
    split = BOOK.price("acme", "compound", usage, NOON, {}, parts=(Part("compound", "anvil", usage_of(input_text=300), splits=True),))
    assert split.unpriced == ("web_searches",)   # the fee is the unknown model's own
    assert split.exact == Decimal("0.0006")
    unknown = BOOK.price("acme", "anvil", usage, NOON, {}, parts=(Part("advisor", "who", usage_of(output_text=1)),))
    assert unknown.unpriced == ("who:output_text",)


def test_a_provider_borrows_from_another_book_and_rows_say_whose() -> None:
    azure = parse_prices(json.dumps({"provider": "azure", "fallback": ["acme"], "snapshot": r"(.+?)-global-standard"}))
    book = book_of(acme=acme(), azure=azure)
    charge = book.price("azure", "anvil-2-global-standard", usage_of(output_text=1_000_000), NOON, {})
    assert (charge.exact, charge.lines[0].row) == (1, "acme:anvil-2:output_text")


def test_what_runs_at_home_costs_nothing_and_says_so() -> None:
    book = book_of(home=parse_prices(json.dumps({"provider": "home", "free": True})))
    charge = book.price("home", "anything:8b", usage_of(input_text=9), NOON, {})
    assert (charge.exact, charge.unpriced, charge.lines[0].row) == (0, (), "home:free")
    assert book.ceiling("home", "anything:8b", NOON, 1_000).priced
    assert book.price("nowhere", "x", usage_of(input_text=9), NOON, {}).unpriced == ("input_text",)


# --- ceilings -------------------------------------------------------------------------------------


def test_a_ceiling_takes_the_dearest_rate_each_token_could_land_in() -> None:
    # 500 tokens of input at the write rate, the model's longest output, the US premium on both.
    assert BOOK.ceiling("acme", "anvil", NOON, 500).nanos == (500 * 2_500 + 4_000 * 8_000) * 11 // 10
    # from 1,001 tokens on the long-context rate is the dearest
    assert BOOK.ceiling("acme", "anvil", NOON, 1_001, 10, n=3).nanos == -(-(1_001 * 3_000 + 30 * 8_000) * 11 // 10)
    assert BOOK.ceiling("acme", "anvil", NOON, 500, 10, tool_calls=2).nanos == (500 * 2_500 + 10 * 8_000) * 11 // 10 + 20_000_000


def test_a_ceiling_covers_a_rate_that_begins_in_a_moment() -> None:
    just_before = instant_us("2026-11-20T08:59:50Z")
    assert BOOK.ceiling("acme", "anvil-2", just_before, 1_000_000, 0).nanos == 1_100_000_000
    assert BOOK.ceiling("acme", "anvil-2", instant_us("2026-11-20T08:00Z"), 1_000_000, 0).nanos == 550_000_000


def test_no_price_or_no_end_is_no_ceiling() -> None:
    assert not BOOK.ceiling("acme", "unheard-of", NOON, 500).priced
    book = book_of(acme=acme({"model": "endless", "unit": "output_text", "price": "1"}, {"model": "endless"},
                             {"model": "endless", "unit": "input_text", "price": "1"}))
    assert not book.ceiling("acme", "endless", NOON, 500).priced
    assert book.ceiling("acme", "endless", NOON, 500, 10).priced
    assert BOOK.limits("acme", "anvil") == (100_000, 4_000)
    assert BOOK.limits("acme", "unheard-of") == (None, None)


TOKENS = st.dictionaries(st.sampled_from(TOKEN_CLASSES), st.integers(1, 100_000), max_size=6).map(Usage)
PRICED = st.dictionaries(st.sampled_from(["input_text", "cached_text", "cache_write_5m", "output_text", "output_reasoning", "input_image"]),
                         st.integers(1, 100_000), max_size=6).map(Usage)
TRAITS = st.sampled_from([{}, {"tier": "flex"}, {"geo": "us"}, {"processing": "batch"}, {"tier": "gold"}])
MODELS = st.sampled_from(["anvil", "anvil-2", "gift", "unheard-of"])


@given(MODELS, TOKENS, TRAITS)
def test_lines_sum_to_the_whole_and_nothing_is_lost_or_negative(model: str, usage: Usage, traits: dict[str, str]) -> None:
    charge = BOOK.price("acme", model, usage, NOON, traits)
    assert sum((amount(line) for line in charge.lines), Decimal(0)) == charge.exact >= 0
    assert {line.unit: line.quantity for line in charge.lines} == usage.counts
    assert set(charge.unpriced) == {line.unit for line in charge.lines if line.row is None}


@given(PRICED, PRICED, TRAITS)
def test_price_is_additive_where_no_context_tier_flips(one: Usage, two: Usage, traits: dict[str, str]) -> None:
    def price(usage: Usage) -> Decimal:
        return BOOK.price("acme", "anvil", usage, NOON, traits, context_tokens=1).exact

    assert price(one) + price(two) == price(one.plus(two))


@given(PRICED, st.sampled_from([{}, {"tier": "flex"}, {"geo": "us"}, {"processing": "batch"}]), st.integers(0, 2**31))
def test_no_price_passes_its_ceiling(usage: Usage, traits: dict[str, str], second: int) -> None:
    at = second * 1_000_000
    for model in ("anvil", "anvil-2"):
        charge = BOOK.price("acme", model, usage, at, traits)
        ceiling = BOOK.ceiling("acme", model, at, usage.input_tokens, usage.output_tokens)
        assert charge.nanos <= ceiling.nanos


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [
    '{"model":"anvil","unit":"input_text"}', '{"model":"anvil","unit":"sunshine","price":"1"}',
    '{"model":"anvil","unit":"input_text","price":"cheap"}', "not json", '{"factor":"1.1","traits":{}}',
])
def test_a_broken_file_says_where(line: str) -> None:
    with pytest.raises(PriceFault, match="acme prices, line 2"):
        parse_prices(json.dumps(HEADER) + "\n" + line)


@pytest.mark.parametrize("text", ["", "{}", "[]", "prices"])
def test_a_file_without_a_header_is_refused(text: str) -> None:
    with pytest.raises(PriceFault, match="without a header"):
        parse_prices(text)


@pytest.mark.parametrize("window", ["9-10", "10:00-09:00", "09:00-25:00", "8-9 09:00-10:00"])
def test_a_window_is_a_span_of_one_day(window: str) -> None:
    with pytest.raises(PriceFault, match="not a window"):
        acme({"model": "odd", "unit": "input_text", "price": "1", "window_utc": window})
