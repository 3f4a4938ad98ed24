"""Releases over the packaged book: whose word holds, what a feed says that the book does not, and that a price
file written from rows reads back to the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tallystick.core.price_layers import cited, file_text, layered, news, release_of, rows_from_opinions
from tallystick.core.price_review import Opinion
from tallystick.core.price_rows import Alias, Factor, PricedModel, PriceFault, PriceRow, ProviderPrices, Source, instant_us, parse_prices
from tallystick.core.pricebook import PriceBook
from tallystick.core.usage import usage_of
from tallystick.stores.price_files import Layer, open_book, price_files, shipped

MODEL = {"m": PricedModel("m", ("m", "m-latest"))}
NOON = instant_us("2026-11-25T12:00Z")


def prices(checked_on: str, *rows: tuple[str, str, str], **more: object) -> ProviderPrices:
    """Rows of model m as (unit, price, valid_from)."""
    made = tuple(PriceRow("acme", "m", unit, Decimal(price), valid_from=start, source="s") for unit, price, start in rows)
    return ProviderPrices("acme", checked_on, {"s": Source("s", "1", "x", checked_on)}, models=MODEL, rows={"m": made} if made else {},
                          **more)  # type: ignore[arg-type]


def cost(found: ProviderPrices | None, at: str = "2026-11-25T12:00Z", unit: str = "input_text") -> Decimal | None:
    charge = PriceBook("t", lambda _: found).price("acme", "m", usage_of(**{unit: 1_000_000}), instant_us(at), {})
    return None if charge.unpriced else charge.exact


PACKAGED = prices("2026-11-21", ("input_text", "2", ""), ("output_text", "10", ""))


def test_an_applied_price_holds_from_its_day_and_history_stays() -> None:
    found = layered(PACKAGED, [prices("2026-11-24", ("input_text", "3", "2026-11-23"))])
    assert [cost(found, at) for at in ("2026-11-22", "2026-11-23", "2026-11-25")] == [2, 3, 3]
    assert cost(found, unit="output_text") == 10


def test_a_corrected_row_of_the_same_day_takes_the_place_of_the_packaged_one() -> None:
    assert cost(layered(PACKAGED, [prices("2026-11-21", ("input_text", "4", ""))])) == 4


def test_a_package_checked_later_speaks_for_the_rates_it_has_and_loses_none_of_the_others() -> None:
    applied = prices("2026-11-24", ("input_text", "3", "2026-11-23"), ("web_searches", "9", ""))
    upgraded = replace(PACKAGED, checked_on="2026-12-01")
    found = layered(upgraded, [applied])
    assert (cost(found), cost(found, unit="web_searches")) == (2, 9)


def test_of_two_releases_the_one_checked_last_holds_in_whatever_order_they_come() -> None:
    layers = [prices("2026-11-25", ("input_text", "5", "")), prices("2026-11-24", ("input_text", "3", ""))]
    assert cost(layered(PACKAGED, layers)) == cost(layered(PACKAGED, layers[::-1])) == 5


def test_a_provider_that_the_package_does_not_know_comes_whole() -> None:
    assert cost(layered(None, [PACKAGED])) == 2
    assert layered(None, []) is None


def test_news_are_what_the_book_does_not_say_and_silence_takes_nothing_away() -> None:
    feed = prices("2026-11-24", ("input_text", "2", ""), ("output_text", "11", ""), aliases=(Alias("m-new", "m"),),
                  factors=(Factor("acme", ("processing", "batch"), Decimal("0.5")),))
    fresh = news(PACKAGED, feed)
    assert [(row.unit, row.price) for row in fresh.rows["m"]] == [("output_text", Decimal(11))]
    assert (fresh.aliases, len(fresh.factors)) == ((Alias("m-new", "m"),), 1)
    after = layered(PACKAGED, [fresh])
    assert (cost(after), cost(after, unit="output_text")) == (2, 11)
    again = news(after, feed)
    assert (again.rows, again.aliases, again.factors) == ({}, (), ())


def test_a_plain_list_brings_rows_from_a_day_on_and_models_of_its_own() -> None:
    book = PriceBook("t", lambda provider: PACKAGED if provider == "acme" else None)
    opinions = [Opinion("list", "acme", "m-latest", "input_text", Decimal("1.5")), Opinion("list", "acme", "m", "output_text", Decimal(10)),
                Opinion("list", "acme", "N-2", "input_text", Decimal(7))]
    found = rows_from_opinions(book, opinions, NOON, "2026-11-25", Source("list", "9", "x", "2026-11-25"))
    assert [row.id for row in found["acme"].all_rows()] == ["acme:m:input_text:2026-11-25", "acme:n-2:input_text:2026-11-25"]
    assert list(found["acme"].models) == ["n-2"]
    assert cost(layered(PACKAGED, [found["acme"]])) == Decimal("1.5")


@pytest.mark.parametrize("provider", sorted(price_files(shipped())))
def test_a_written_file_reads_back_to_the_same(provider: str) -> None:
    read = parse_prices(price_files(shipped())[provider].read_text(encoding="utf-8"))
    assert parse_prices(file_text(read)) == read


def test_a_release_of_several_files_is_told_apart_by_their_headers() -> None:
    both = file_text(PACKAGED) + file_text(replace(PACKAGED, provider="other", rows={}))
    assert sorted(release_of(both)) == ["acme", "other"]
    with pytest.raises(PriceFault):
        release_of("[]")


def test_sources_of_a_release_are_told_apart_from_the_packages() -> None:
    marked = cited(PACKAGED, "abc")
    assert (list(marked.sources), {row.source for row in marked.all_rows()}) == (["s@abc"], {"s@abc"})
    found = layered(PACKAGED, [replace(marked, checked_on="2026-11-30")])
    assert found is not None
    assert sorted(found.sources) == ["s", "s@abc"]


def test_a_book_under_layers_says_so_in_its_version() -> None:
    layer = Layer("openai", cited(ProviderPrices("openai", "2099-01-01", rows={"gpt-4o": (
        PriceRow("openai", "gpt-4o", "input_text", Decimal(1), source="s"),)}), "abc"))
    plain, under = open_book(), open_book(layers=[layer])
    assert under.version.startswith(plain.version + "~")
    usage = usage_of(input_text=1_000_000)
    assert (plain.price("openai", "gpt-4o", usage, NOON, {}).exact, under.price("openai", "gpt-4o", usage, NOON, {}).exact) == (Decimal("2.5"), 1)
