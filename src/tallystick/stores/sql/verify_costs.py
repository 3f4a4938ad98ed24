"""The costs of a chain for `verify`: each is computed again from what its entry rests on (core/settlement.py), by the rates
that were DEFINEd.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tallystick.core.money import EXACT, to_nanos
from tallystick.stores.sql.verify_prices import ListRates


class Costs:
    """The rates that the entries read so far have defined."""

    def __init__(self) -> None:
        self._rates: dict[int, tuple[Decimal, Decimal]] = {}
        self._list_rates = ListRates()

    def define(self, kind: str, number: int, content: Mapping[str, Any]) -> None:
        """Take a DEFINE."""
        if kind == "price_row":
            self._rates[number] = Decimal(content["price"]), Decimal(content["per"])
        self._list_rates.define(kind, number, content)

    def differences(self, fields: Mapping[str, Any], hold: int) -> Iterator[str]:
        """What is wrong with the cost of a settled attempt that was held at `hold` nanos."""
        method, basis, cost = fields["method"], fields["basis"], int(fields["cost_nanos"])
        if method == "sandbox":
            if cost:
                yield "a sandbox call has a cost"
            cost = int(fields.get("would_be_nanos", 0))
        if basis == "zero_proven":
            proper = [0]
        elif basis == "worst_case":
            proper = [hold]
        elif method == "stated" or (method == "unpriced" and "stated_nanos" in fields):
            proper = [int(fields["stated_nanos"])]
        elif method == "sandbox":            # which of the two it would have been is not said
            proper = [self.computed(fields), int(fields.get("stated_nanos", 0))]
        else:
            proper = [self.computed(fields)]
        if cost not in proper:
            yield f"the cost is {cost} nanos, what it rests on gives {proper[0]}"
        if fields.get("computed_nanos") and int(fields["computed_nanos"]) != self.computed(fields):
            yield "the computed cost is not the sum of its lines"
        if "list_nanos" in fields and int(fields["list_nanos"]) != self._list_rates.nanos(fields["lines"], self._rates):
            yield "the list cost is not the sum of its lines at list prices"

    def computed(self, fields: Mapping[str, Any]) -> int:
        """Σ quantity × rate × factor ÷ per over the lines, rounded once: the book's arithmetic."""
        total = Decimal(0)
        for line in fields.get("lines", ()):
            if len(line) < 3 or not line[2]:
                continue
            price, per = self._rates[line[2]]
            product = EXACT.multiply(Decimal(line[1]), price)
            if len(line) > 3 and line[3] != "1":
                product = EXACT.multiply(product, Decimal(line[3]))
            total = EXACT.add(total, EXACT.divide(product, per))
        return to_nanos(total)
