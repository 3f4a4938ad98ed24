"""Small price books for tests: `book_of(acme={"m-1": {"input_text": "2", "output_text": "10"}})`,
rates in dollars per million."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallystick.core.price_rows import PricedModel, PriceRow, ProviderPrices
from tallystick.core.pricebook import PriceBook

CONTEXT_WINDOW = 200_000
OUTPUT_MAX = 8_000

Rates = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Terms:
    """A provider's terms (`core.settlement.Terms`)."""

    states_cost: bool = False
    free_models: bool = False
    price_book: str | None = None


def book_of(version: str = "test", **providers: Rates) -> PriceBook:
    """A book with these providers; every model has a context window and an output maximum."""
    prices = {
        provider: ProviderPrices(
            provider=provider,
            models={model: PricedModel(model, (model,), context_window=CONTEXT_WINDOW, output_max=OUTPUT_MAX) for model in rates},
            rows={
                model: tuple(PriceRow(provider, model, unit, Decimal(price), source="test") for unit, price in units.items())
                for model, units in rates.items()
            },
        )
        for provider, rates in providers.items()
    }
    return PriceBook(version, prices.get)
