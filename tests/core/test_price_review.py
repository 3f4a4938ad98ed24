"""Reviewing prices: what a new book says differently, and where others disagree with ours."""

from __future__ import annotations

import json
from decimal import Decimal

from tallystick.core.price_review import Change, Disagreement, Opinion, changes, disagreements, rows_at, statements
from tallystick.core.price_rows import ProviderPrices, instant_us, parse_prices
from tallystick.core.pricebook import PriceBook

NOON = instant_us("2026-11-20T12:00Z")


def prices(*lines: dict[str, object]) -> ProviderPrices:
    return parse_prices("\n".join(json.dumps(line) for line in ({"provider": "acme"}, *lines)))


def row(price: str, **more: object) -> dict[str, object]:
    return {"model": "anvil", "unit": "input_text", "price": price, **more}


def test_a_review_names_what_was_added_removed_and_changed_and_by_how_much() -> None:
    old = prices({"model": "anvil"}, row("2"), row("1", traits={"tier": "flex"}), {"alias": "a", "model": "anvil"})
    new = prices({"model": "anvil"}, row("20"), row("3", **{"from": "2027-01-01"}), {"alias": "a", "model": "anvil", "to": "2027-01-01"},
                 {"model": "gift", "free": True}, {"factor": "1.1", "traits": {"geo": "us"}})
    found = list(changes(statements(old), statements(new)))
    assert found == [
        Change("changed", "acme:alias:a", "means anvil", "means anvil until 2027-01-01"),
        Change("changed", "acme:anvil:input_text", "2 per 1000000", "20 per 1000000", Decimal(10)),
        Change("added", "acme:anvil:input_text:2027-01-01", "", "3 per 1000000"),
        Change("removed", "acme:anvil:input_text:tier=flex", "1 per 1000000"),
        Change("added", "acme:factor:geo=us:tokens", "", "×1.1 on tokens"),
        Change("added", "acme:gift:free", "", "free"),
    ]
    assert list(changes(statements(new), statements(new))) == []


def test_a_disagreement_names_both_figures_and_our_row() -> None:
    book = PriceBook("test", {"acme": prices({"model": "anvil"}, row("2"), row("4", context_from=200_001))}.get)
    same = Opinion("them", "acme", "anvil", "input_text", Decimal("2.0"))
    dearer = Opinion("them", "acme", "anvil", "input_text", Decimal(3))
    unheard = Opinion("them", "acme", "hammer", "input_text", Decimal(1))
    judged, found = disagreements(book, [same, dearer, unheard], NOON)
    assert judged == 3
    assert found == (Disagreement(dearer, Decimal(2), "acme:anvil:input_text"), Disagreement(unheard, None, None))


def test_rows_in_force_at_a_moment() -> None:
    rows = tuple(prices(row("5", to="2026-08-21"), row("4", **{"from": "2026-08-21"})).all_rows())
    assert [r.price for r in rows_at(rows, None)] == [5, 4]
    assert [r.price for r in rows_at(rows, instant_us("2026-08-20"))] == [5]
    assert [r.price for r in rows_at(rows, instant_us("2026-08-21"))] == [4]
