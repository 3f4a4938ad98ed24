"""Re-pricing: a figure that rests on prices follows the book that is asked; every other one stays, and says why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.attempt import Settlement
from tallystick.core.price_rows import PricedModel, PriceRow, ProviderPrices
from tallystick.core.pricebook import PriceBook
from tallystick.core.repricing import PastAttempt, Repriced, Standing, effect, reprice
from tallystick.core.settlement import Served, settle
from tallystick.core.usage import Part, Reading, StatedCost, usage_of
from tests.build.journal import admission
from tests.build.prices import Terms


def row(model: str, unit: str, price: str, context_from: int = 0) -> PriceRow:
    return PriceRow("openai", model, unit, Decimal(price), 1_000_000, context_from=context_from, source="list")


def book(price_in: str, price_out: str, *, dear_from: int = 0, version: str = "b") -> PriceBook:
    """A book of one model and its little sister; `dear_from`: input costs double in a context so long."""
    rows = [row("gpt-4o", "input_text", price_in), row("gpt-4o", "output_text", price_out)]
    if dear_from:
        rows.append(row("gpt-4o", "input_text", str(2 * Decimal(price_in)), dear_from))
    prices = ProviderPrices(
        "openai", models={"gpt-4o": PricedModel("gpt-4o"), "mini": PricedModel("mini")},
        rows={"gpt-4o": tuple(rows), "mini": (row("mini", "input_text", "1"), row("mini", "output_text", "1"))})
    return PriceBook(version, {"openai": prices}.get)


def past(settlement: Settlement, cost_nanos: int | None = None, **changes: Any) -> PastAttempt:
    return PastAttempt(7, admission(model="gpt-4o", **changes), settlement, settlement.cost_nanos if cost_nanos is None else cost_nanos)


def settled(by: PriceBook, reading: Reading | None, terms: Terms = Terms(), **served: Any) -> Settlement:
    return settle(admission(model="gpt-4o"), Served(status=served.pop("status", 200), reading=reading, **served), by, terms, 1)


counts = st.integers(0, 5_000_000)
price = st.decimals("0.01", "99", places=3).map(str)


@given(counts, counts, price, price, price, price, st.integers(0, 3))
def test_a_call_re_priced_costs_what_it_would_have_cost_had_the_book_been_this_one(
    into: int, out: int, in_old: str, out_old: str, in_new: str, out_new: str, parts: int,
) -> None:
    """The same reply settled live under the new book is the reference, context tiers and parts included."""
    reading = Reading(
        usage=usage_of(input_text=into, output_text=out), model="gpt-4o", context_tokens=into // 2,
        parts=tuple(Part("advisor", "mini", usage_of(input_text=part + 1)) for part in range(parts)))
    old, new = book(in_old, out_old, dear_from=100_000), book(in_new, out_new, dear_from=200_000)
    journaled = settled(old, reading)
    live = settled(new, reading)
    assert reprice(past(journaled), new, Terms()) == Repriced(live.cost_nanos, live.lines)
    assert reprice(past(journaled), old, Terms()) == Repriced(journaled.cost_nanos, journaled.lines)


@pytest.mark.parametrize(("settlement", "reason"), [
    (settled(book("1", "1"), Reading(usage=usage_of(input_text=9), stated=StatedCost(Decimal("0.5"))), Terms(states_cost=True)), "stated"),
    (settled(book("1", "1"), Reading(usage=usage_of(input_text=9), stated=StatedCost(Decimal(0))), Terms(states_cost=True)), "stated_zero"),
    (settled(book("1", "1"), None, status=400), "zero_proven"),
    (settled(book("1", "1"), None, status=504), "worst_case"),
    (settled(book("1", "1"), Reading(opaque=True)), "unmetered"),
    (settled(book("1", "1"), Reading(usage=usage_of(input_text=9, images=1), model="gpt-4o")), "no_price"),
])
def test_what_does_not_rest_on_a_price_stands(settlement: Settlement, reason: str) -> None:
    outcome = reprice(past(settlement), book("2", "2"), Terms())
    assert isinstance(outcome, Standing)
    assert outcome.reason == reason


def test_evidence_outranks_a_price_and_a_sandbox_call_costs_nothing() -> None:
    priced = settled(book("1", "1"), Reading(usage=usage_of(input_text=9), model="gpt-4o"))
    assert reprice(replace(past(priced), by_evidence=True), book("2", "2"), Terms()) == Standing("evidence")
    assert reprice(past(priced, sandbox=True), book("2", "2"), Terms()) == Standing("sandbox")
    assert reprice(past(priced), book("2", "2"), None) == Standing("unknown_provider")
    assert reprice(PastAttempt(7, admission(), None, 0), book("2", "2"), Terms()) == Standing("not_settled")


def test_usage_that_we_counted_ourselves_is_priced_anew_too() -> None:
    counted = settled(book("1", "1"), Reading(model="gpt-4o", output_bytes=4_000))
    assert counted.basis == "counted"
    outcome = reprice(past(counted), book("2", "2"), Terms())
    assert isinstance(outcome, Repriced)
    assert outcome.cost_nanos == 2 * counted.cost_nanos > 0


def test_a_model_without_a_price_gets_one_later() -> None:
    unpriced = settled(PriceBook("empty", lambda _provider: None), Reading(usage=usage_of(input_text=1_000_000), model="gpt-4o"))
    assert (unpriced.method, unpriced.cost_nanos) == ("unpriced", 0)
    outcome = reprice(past(unpriced), book("2", "2"), Terms())
    assert isinstance(outcome, Repriced)
    assert outcome.cost_nanos == 2_000_000_000


def test_the_effect_counts_what_changes_and_names_what_cannot_be_priced() -> None:
    old = book("1", "1")
    plain = past(settled(old, Reading(usage=usage_of(input_text=1_000_000), model="gpt-4o")))
    image = past(settled(old, Reading(usage=usage_of(images=2), model="gpt-4o")))
    lost = past(settled(old, None, status=504))
    found = effect([plain, image, lost, plain], lambda _: book("1.5", "1"), {"openai": Terms()})
    assert (found.total.attempts, found.total.changed) == (2, 2)
    assert (found.total.old_nanos, found.total.new_nanos, found.total.delta_nanos) == (2_000_000_000, 3_000_000_000, 1_000_000_000)
    assert found.barred == {"no_price": 1, "worst_case": 1}
    assert found.unpriced == {("openai", "gpt-4o", "images"): 1}
