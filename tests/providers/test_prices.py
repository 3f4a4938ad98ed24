"""The price files as shipped: well-formed, sorted, without two rows for one thing, small, and free of
names that mean a model by accident."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from tallystick.core.price_cards import STAND_IN
from tallystick.core.price_rows import PriceRow, ProviderPrices, instant_us, parse_prices, parse_window
from tallystick.core.usage import TOKEN_CLASSES, UNIT_RANK, usage_of
from tallystick.stores.price_files import book_version, open_book, price_files, shipped

FILES = price_files(shipped())
PRICES = {provider: parse_prices(file.read_text(encoding="utf-8")) for provider, file in FILES.items()}
TODAY = instant_us("2026-11-20T12:00Z")
A1 = ("openai", "anthropic", "google", "mistral", "openrouter", "xai", "groq", "deepseek", "azure", "ollama")

every_provider = pytest.mark.parametrize("prices", PRICES.values(), ids=PRICES.keys())


def test_the_first_ten_providers_have_a_file() -> None:
    assert set(A1) <= set(FILES)


def test_files_stay_small_enough_to_read_and_to_ship() -> None:
    sizes = {provider: len(file.read_bytes()) for provider, file in FILES.items()}
    assert max(sizes.values()) < 1_400_000
    assert sum(sizes.values()) < 4_000_000


@every_provider
def test_ids_are_unique_and_sources_are_known(prices: ProviderPrices) -> None:
    ids = [row.id for row in prices.all_rows()] + [factor.id for factor in prices.factors]
    assert len(ids) == len(set(ids))
    assert {row.source for row in prices.all_rows()} | {f.source for f in prices.factors} <= set(prices.sources)
    assert all(source.address.startswith("https://") and source.checked_on for source in prices.sources.values())


@every_provider
def test_rows_are_sorted_so_that_a_diff_reads_well(prices: ProviderPrices) -> None:
    lines = FILES[prices.provider].read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines[1:]]
    order = [record["model"] for record in records if "alias" not in record and "factor" not in record]
    assert order == sorted(order)
    for rows in prices.rows.values():
        rank = [(UNIT_RANK[r.unit], r.traits, r.context_from, r.valid_from, r.window_utc) for r in rows]
        assert rank == sorted(rank)


@every_provider
def test_no_two_rows_speak_for_one_thing(prices: ProviderPrices) -> None:
    for rows in prices.rows.values():
        groups: dict[tuple[object, ...], list[PriceRow]] = {}
        for row in rows:
            groups.setdefault((row.unit, row.traits, row.context_from), []).append(row)
        for group in groups.values():
            clashes = [(a.id, b.id) for a, b in combinations(group, 2) if _meet(a, b)]
            assert clashes == []


def _meet(one: PriceRow, two: PriceRow) -> bool:
    if bool(one.window_utc) != bool(two.window_utc):
        return False                             # a clock row beside the price of all other hours
    forever = 1 << 62
    starts = [instant_us(r.valid_from) if r.valid_from else 0 for r in (one, two)]
    ends = [instant_us(r.valid_to) if r.valid_to else forever for r in (one, two)]
    if max(starts) >= min(ends):
        return False
    if not one.window_utc:
        return True
    a, b = parse_window(one.window_utc), parse_window(two.window_utc)
    return bool(a.days & b.days) and max(a.start_s, b.start_s) < min(a.end_s, b.end_s)


@every_provider
def test_dates_run_forward_and_prices_are_not_negative(prices: ProviderPrices) -> None:
    for row in prices.all_rows():
        assert row.price >= 0, row.id
        assert row.per > 0, row.id
        if row.valid_from and row.valid_to:
            assert instant_us(row.valid_from) < instant_us(row.valid_to), row.id


@every_provider
def test_a_model_with_a_price_for_output_has_one_for_input_in_every_era(prices: ProviderPrices) -> None:
    for model, rows in prices.rows.items():
        plain = [r for r in rows if not r.traits and not r.context_from and not r.window_utc]
        spans = {unit: {(r.valid_from, r.valid_to) for r in plain if r.unit == unit} for unit in ("input_text", "output_text")}
        if spans["output_text"] and spans["input_text"] and model != "*":
            begin = {unit: min(start for start, _ in found) for unit, found in spans.items()}
            assert begin["input_text"] == begin["output_text"], model


@every_provider
def test_a_tier_that_multiplies_input_and_output_alike_leaves_no_other_class_behind(prices: ProviderPrices) -> None:
    for model, rows in prices.rows.items():
        plain = {row.unit: row.price for row in rows if not row.traits and not row.context_from and not row.valid_to}
        for trait in {row.traits for row in rows if [name for name, _ in row.traits] in (["tier"], ["processing"])}:
            special = {row.unit: row.price for row in rows if row.traits == trait and not row.context_from and not row.valid_to}
            both = [special[unit] / plain[unit] for unit in ("input_text", "output_text") if special.get(unit) and plain.get(unit)]
            if len(both) == 2 and both[0] == both[1]:
                behind = {unit for unit in plain if unit in TOKEN_CLASSES and "cached" not in unit} - set(special)
                assert behind == set(), (model, trait)


@every_provider
def test_every_name_means_one_model(prices: ProviderPrices) -> None:
    names = [name for model in prices.models.values() for name in {model.id, *model.names}]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)
    assert {alias.model for alias in prices.aliases} <= set(prices.models)


INVENTED = [
    ("anthropic", "claude-sonnet-4-5-mycustom"), ("google", "gemini-2.5-pro-custom-tuned"), ("openai", "gpt-4o-mini-super"),
    ("openai", "gpt-5-turbo-ultra"), ("xai", "grok-4.3-experimental-x"), ("deepseek", "deepseek-v4-flash-plus"),
    ("mistral", "mistral-large-9999"), ("groq", "llama-3.3-70b-versatile-mine"), ("openrouter", "openai/gpt-4o-mine"),
    ("openai", "ft:gpt-9:acme::abc"), ("azure", "my-deployment"), ("google", "gemini"), ("anthropic", "claude"),
]


@pytest.mark.parametrize(("provider", "model"), INVENTED)
def test_an_invented_id_has_no_price(provider: str, model: str) -> None:
    assert open_book().resolve(provider, model, TODAY) is None


@pytest.mark.parametrize(("provider", "model", "means"), [
    ("openai", "gpt-4o-2024-08-06", "gpt-4o"), ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ("openai", "gpt-5.4-2026-03-05", "gpt-5.4"), ("openai", "gpt-4-0613", "gpt-4"), ("openai", "omni-moderation-latest", "moderation"),
    ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"), ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-latest"),
    ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"), ("google", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
    ("google", "gemini-2.0-flash-001", "gemini-2.0-flash"), ("google", "gemini-2.5-flash-preview-tts", "gemini-2.5-flash-tts"),
    ("xai", "grok-4-1-fast-reasoning", "grok-4.3"), ("mistral", "mistral-large-latest", "mistral-large-2512"),
    ("openrouter", "openai/gpt-5-mini-2025-08-07", "openai/gpt-5-mini"), ("azure", "gpt-4o-2024-11-20", "gpt-4o"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "ft:gpt-4o-mini"), ("openai", "ft:gpt-3.5-turbo-0125:acme::x", "ft:gpt-3.5-turbo-"),
])
def test_real_ids_mean_what_they_are_billed_as(provider: str, model: str, means: str) -> None:
    found = open_book().resolve(provider, model, TODAY)
    assert found is not None
    assert found[1] == means


def test_retired_pictures_keep_their_price_until_their_end() -> None:
    book = open_book()
    traits = {"size": "1024x1024", "quality": "hd"}
    before = book.price("openai", "dall-e-3", usage_of(images=2), instant_us("2026-05-11"), traits)
    after = book.price("openai", "dall-e-3", usage_of(images=2), instant_us("2026-05-12"), traits)
    assert before.nanos == 160_000_000
    assert after.unpriced == ("images",)


def test_most_chat_models_can_be_held_for() -> None:
    """A ceiling needs the longest output; the first-party providers' current models have one."""
    book = open_book()
    for provider, model in (("openai", "gpt-5.4"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-6"),
                            ("google", "gemini-2.5-pro"), ("xai", "grok-4.3"), ("mistral", "mistral-medium-latest")):
        assert book.ceiling(provider, model, TODAY, 1_000).priced, model


def test_the_version_names_the_bytes() -> None:
    version = book_version(FILES)
    assert version == open_book().version
    assert version.startswith("2026-")
    assert book_version({**FILES, "ollama": FILES["openai"]}) != version


def test_stand_ins_are_token_classes_and_never_stand_in_a_circle() -> None:
    assert set(STAND_IN) <= set(TOKEN_CLASSES)
    assert all(not set(STAND_IN.get(other, ())) & {unit} for unit, others in STAND_IN.items() for other in others)
