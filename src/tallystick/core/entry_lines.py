"""The lines of arithmetic behind a cost as an entry has them: quantity × price × factor, by the numbers of price rows
and factors that a DEFINE states, with what the list says where an override priced the line. What gives and reads such
numbers stands here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol, cast

from tallystick.core.attempt import Line, Listed
from tallystick.core.usage import Quantity

_USUAL: Final[list[Any]] = [0, "1", 0, 0]    # of a line, after unit and quantity: row, factor, factor row, part


class Define(Protocol):
    def __call__(self, kind: str, name: str, content: Callable[[], Mapping[str, str]] | None = None) -> int:
        """The number under which this name of this kind is known, from 1. At first use it is
        defined, with what `content` says (asked only then)."""


Describe = Callable[[str], Mapping[str, str]]
"""What is known of a price row besides its rate (provider, model, dates, source), by its id."""

Named = Callable[[str, int], tuple[str, Mapping[str, str]]]
"""The name and content behind a number of a kind. Raises LookupError when there is none."""


def line_out(line: Line, define: Define, describe: Describe) -> list[Any]:
    """[unit, quantity, price row, factor, factor row, part], cut after the last that is not as usual."""
    quantity = line.quantity if type(line.quantity) is int else quantity_out(line.quantity)
    row_id, factor_row_id, factor, row, factor_row = line.row, line.factor_row, "1", 0, 0
    if row_id is not None:
        row = define("price_row", price_row_name(line), lambda: {
            **describe(row_id), "row": row_id, "unit": line.unit, "price": f"{line.rate:f}", "per": str(line.per), **_row_listed(line)})
    if line.factor != 1:
        factor = f"{line.factor:f}"
    if factor_row_id is not None:
        factor_row = define("factor", f"{factor_row_id} {factor}",
                            lambda: {**describe(factor_row_id), "row": factor_row_id, "factor": factor, **_factor_listed(line)})
    if row and factor == "1" and not factor_row and not line.part:
        return [line.unit, quantity, row]    # nearly every line
    out: list[Any] = [line.unit, quantity, row, factor, factor_row, line.part]
    while len(out) > 2 and out[-1] == _USUAL[len(out) - 3]:
        out.pop()
    return out


def price_row_name(line: Line) -> str:
    """The name under which a line's price row is defined: a price of one's own has the list's beside it."""
    name, listed = f"{line.row} {line.rate}/{line.per}", line.listed
    if listed is None or listed.row == line.row:
        return name
    return f"{name} list {listed.row} {listed.rate}/{listed.per}x{listed.factor}"


def read_lines(fields: Mapping[str, Any], named: Named) -> tuple[Line, ...]:
    """The lines of arithmetic with the rates of their DEFINEd price rows."""
    lines = []
    for unit, quantity, *rest in fields.get("lines", ()):
        row, factor, factor_row, part = cast("list[Any]", rest) + _USUAL[len(rest):]
        stated = named("price_row", row)[1] if row else {}
        factored = named("factor", factor_row)[1] if factor_row else {}
        lines.append(Line(
            unit=unit,
            quantity=quantity_in(quantity),
            row=stated.get("row"),
            rate=Decimal(stated["price"]) if row else Decimal(0),
            per=int(stated["per"]) if row else 1,
            factor=Decimal(factor),
            factor_row=factored.get("row"),
            part=part,
            listed=_listed(stated, factored),
        ))
    return tuple(lines)


def quantity_out(quantity: Quantity) -> int | str:
    """A quantity as an entry has it: a decimal as text."""
    return quantity if isinstance(quantity, int) else format(quantity, "f")


def quantity_in(quantity: int | str) -> Quantity:
    """A quantity back from an entry."""
    return quantity if isinstance(quantity, int) else Decimal(quantity)


def _row_listed(line: Line) -> dict[str, str]:
    """What the list says of the unit, where the row is a price of one's own."""
    listed = line.listed
    if listed is None or listed.row == line.row:
        return {}
    if listed.row is None:
        return {"override": listed.override}
    return {"override": listed.override, "list_row": listed.row, "list_price": f"{listed.rate:f}", "list_per": str(listed.per),
            "list_factor": f"{listed.factor:f}"}


def _factor_listed(line: Line) -> dict[str, str]:
    """What the factor is at list, where a percentage of the organisation is part of it."""
    listed = line.listed
    if listed is None or listed.row != line.row:
        return {}
    return {"override": listed.override, "list_factor": f"{listed.factor:f}"}


def _listed(stated: Mapping[str, str], factored: Mapping[str, str]) -> Listed | None:
    """What the list says beside an override's line, from what price row and factor were defined with."""
    if "override" in stated:
        if "list_row" not in stated:
            return Listed(stated["override"])
        return Listed(stated["override"], stated["list_row"], Decimal(stated["list_price"]), int(stated["list_per"]),
                      Decimal(stated["list_factor"]))
    if "override" in factored:
        return Listed(factored["override"], stated["row"], Decimal(stated["price"]), int(stated["per"]), Decimal(factored["list_factor"]))
    return None
