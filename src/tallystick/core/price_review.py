"""Reviewing prices: what one release of the book says differently from another, and where a second
opinion differs from it. Both answer with names and figures for a person to judge; neither changes
a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tallystick.core.money import EXACT
from tallystick.core.price_rows import PER_MILLION, Alias, Factor, PriceRow, ProviderPrices, instant_us
from tallystick.core.pricebook import PriceBook
from tallystick.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing a book says, in words; `price` where it is a rate, for the size of a change."""

    text: str
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one id between two books. `ratio` is new price over old, None where one of
    them is missing or zero: a factor of ten is a typing error until someone says otherwise."""

    kind: Literal["added", "removed", "changed"]
    id: str
    old: str = ""
    new: str = ""
    ratio: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody else's list says one unit costs, per million, at standard and short context."""

    source: str
    provider: str
    model: str
    unit: str
    per_million: Decimal


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An opinion that is not ours; `ours` is None where the book has no price for it."""

    opinion: Opinion
    ours: Decimal | None
    row: str | None


def statements(prices: ProviderPrices) -> dict[str, Statement]:
    """Everything a provider's file says about money, by id."""
    said = {row.id: Statement(_row_text(row), row.price) for row in prices.all_rows()}
    said |= {factor.id: Statement(_factor_text(factor), factor.factor) for factor in prices.factors}
    said |= {_alias_id(prices.provider, alias): Statement(_alias_text(alias)) for alias in prices.aliases}
    said |= {f"{prices.provider}:{model.id}:free": Statement("free", Decimal(0)) for model in prices.models.values() if model.free}
    return said


def changes(old: Mapping[str, Statement], new: Mapping[str, Statement]) -> Iterator[Change]:
    """Differences in order of id."""
    for id in sorted(old.keys() | new.keys()):
        before, after = old.get(id), new.get(id)
        if before is None and after is not None:
            yield Change("added", id, "", after.text)
        elif after is None and before is not None:
            yield Change("removed", id, before.text)
        elif before is not None and after is not None and before.text != after.text:
            ratio = EXACT.divide(after.price, before.price) if before.price and after.price else None
            yield Change("changed", id, before.text, after.text, ratio)


def disagreements(book: PriceBook, opinions: Iterable[Opinion], at_us: int) -> tuple[int, tuple[Disagreement, ...]]:
    """How many opinions could be judged, and those that differ from the book at that moment."""
    judged, found = 0, []
    for opinion in opinions:
        charge = book.price(opinion.provider, opinion.model, Usage({opinion.unit: PER_MILLION}), at_us, {}, context_tokens=1)
        judged += 1
        ours = None if charge.unpriced else charge.exact
        if ours != opinion.per_million:
            found.append(Disagreement(opinion, ours, charge.lines[0].row))
    return judged, tuple(found)


def rows_at(rows: Iterable[PriceRow], at_us: int | None) -> Iterator[PriceRow]:
    """The rows in force on some hour of that day's moment; all of them where no moment is given."""
    for row in rows:
        begun = not row.valid_from or at_us is None or instant_us(row.valid_from) <= at_us
        over = bool(row.valid_to) and at_us is not None and instant_us(row.valid_to) <= at_us
        if begun and not over:
            yield row


def _row_text(row: PriceRow) -> str:
    until = f" until {row.valid_to}" if row.valid_to else ""
    needs = f" beside {row.needs}" if row.needs else ""
    return f"{row.price} per {row.per}{until}{needs}"


def _factor_text(factor: Factor) -> str:
    models = f" for {', '.join(sorted(factor.models))}" if factor.models else ""
    return f"×{factor.factor} on {factor.scope}{models}"


def _alias_id(provider: str, alias: Alias) -> str:
    return f"{provider}:alias:{alias.name}" + (f":{alias.valid_from}" if alias.valid_from else "")


def _alias_text(alias: Alias) -> str:
    return f"means {alias.model}" + (f" until {alias.valid_to}" if alias.valid_to else "")
