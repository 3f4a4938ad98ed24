"""One model's rows, and which of them hold for a given moment, clock, context length and traits.

The most particular row wins, unit by unit: by traits, then by time of day, then by context length.
Factors (batch at half, a geo's premium) apply to what is left at standard. What a class without a
row takes instead is the table `STAND_IN`; what leaves tokens without a price is `DECISIVE`. The
outcome is a card, a dict of rates, kept for all calls that fall on the same rows.

Overrides of an organisation change the card, not the rows: a rate under one keeps what the list says
beside it. A price of one's own stands where the list's row has no more conditions than it has; a
percentage multiplies the list's rate and never a price of one's own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from tallystick.core.attempt import Listed
from tallystick.core.money import EXACT
from tallystick.core.price_overrides import Override
from tallystick.core.price_rows import Factor, PricedModel, PriceRow, ProviderPrices, Traits, instant_us, parse_window
from tallystick.core.usage import COUNTS, INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, UNIT_RANK

STAND_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "output_reasoning": ("output_text",),
    "input_tool": ("input_text",),
    "input_audio": ("input_text",),
    "input_image": ("input_text",),
    "input_video": ("input_text",),
    "cached_text": ("input_text",),
    "cached_audio": ("cached_text", "input_text"),
    "cached_image": ("cached_text", "input_text"),
    "cached_video": ("cached_text", "input_text"),
    "cache_write_5m": ("input_text",),
}
"""Whose rate a token class takes when it has none of its own, in order. Input media only where the
provider's file says that one input rate covers them (`one_rate`). A cached read without a discount
and a write without a premium are plain input. No class stands in for a one-hour write (its premium
is never the five-minute one) or for generated audio and images."""

DECISIVE: Final = frozenset({"tier", "processing", "speed", "geo", "zone"})
"""Traits that set the price of tokens: an unknown value leaves them unpriced. Others (search
context, image size) choose among rows where such rows are, and mean nothing elsewhere."""

_ASKED_FOR: Final = frozenset({"processing", "speed"})
"""Traits a call has only when its request says so; tier and geo may come from account settings."""

_DAY_S: Final = 86_400
_CARDS_MAX: Final = 1_024                    # compiled selections kept; wire text is part of the key
_TRAIT_CHARS_MAX: Final = 64                 # no trait is longer; what a reply says may be
_CLOCK_SLACK_US: Final = 300_000_000         # a ceiling also covers a rate that starts within minutes
_INPUT_MEDIA: Final = frozenset({"input_audio", "input_image", "input_video"})
_MEDIA: Final = _INPUT_MEDIA | {"cached_audio", "cached_image", "cached_video"}
_TOKENS: Final = frozenset(TOKEN_CLASSES)
_ONE: Final = Decimal(1)
_ZERO: Final = Decimal(0)
FOREVER_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit costs on a card. `each` is price × factor / per where that is exact (None for
    an hour's or a minute's price, which must be divided last). `needs`: see PriceRow."""

    row: str
    price: Decimal
    per: int
    factor: Decimal = _ONE
    factor_row: str | None = None
    each: Decimal | None = None
    needs: str = ""
    listed: Listed | None = None             # what the list says, where an override prices the unit

    def idle(self) -> Rate:
        """The same rate where the unit it needs was not used: nothing is due, and the line says so."""
        return replace(self, factor=_ZERO, factor_row=f"without:{self.needs}", each=_ZERO, needs="", listed=None)


@dataclass(frozen=True, slots=True)
class Card:
    """Every unit's rate for one selection of rows, stand-ins filled in."""

    rates: Mapping[str, Rate]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """The dearest rate per token of input and of output, and per tool call, in currency units."""

    input_rate: Decimal | None
    output_rate: Decimal
    call_fee: Decimal


class PricedBy:
    """One model's rows, and the cards made of them so far."""

    __slots__ = ("_bounds", "_cards", "_clock", "_contexts", "_everything", "_overrides", "_periods", "_prices", "_rows", "_said",
                 "_says", "_traits", "context_tiers", "free", "model", "provider")

    def __init__(self, prices: ProviderPrices, model: PricedModel, rows: Sequence[PriceRow],
                 everything: bool = False, overrides: Sequence[Override] = ()) -> None:
        """`overrides`: prices and percentages that apply to this model, in any order."""
        self.provider, self.model, self.free = prices.provider, model, model.free or everything
        self._prices, self._says, self._said, self._everything = prices, prices.says, rows, everything
        self._overrides = sorted(overrides, key=lambda override: override.rank, reverse=True)
        self._rows = [_Dated(row) for row in rows]
        edges = {instant_us(f.valid_from) for f in prices.factors if f.valid_from}
        edges |= {edge for override in overrides for edge in (override.start_us, override.end_us) if edge is not None}
        self._periods = sorted({edge for row in self._rows for edge in (row.start_us, row.end_us)} | edges)
        windows = [row.window for row in self._rows if row.window]
        self._clock = sorted({edge for window in windows for edge in (window.start_s, window.end_s)})
        self._contexts = sorted({row.row.context_from for row in self._rows} | {override.context_from for override in overrides})
        self.context_tiers = any(self._contexts)
        self._cards: dict[object, Card] = {}
        self._bounds: dict[object, Bound] = {}
        self._traits: dict[Traits, Traits] = {}

    def under(self, overrides: Sequence[Override]) -> PricedBy:
        """The same model under these overrides."""
        return PricedBy(self._prices, self.model, self._said, self._everything, overrides)

    def card(self, at_us: int, traits: Mapping[str, str], context: int) -> Card:
        served = self._served(traits) if traits else ()
        key = (self._place(at_us, context), served)
        card = self._cards.get(key)
        if card is None:
            if len(self._cards) >= _CARDS_MAX:
                self._cards.clear()
            card = self._cards[key] = self._make_card(at_us, served, context)
        return card

    def bound(self, at_us: int, context: int, traits: Mapping[str, str], media: bool) -> Bound:
        asked = self._served(traits) if traits else ()
        tier_open = "auto" if traits.get("tier", "auto").lower() == "auto" else ""
        key = (self._place(at_us, context), self._place(at_us + _CLOCK_SLACK_US, context), asked, media, tier_open)
        bound = self._bounds.get(key)
        if bound is None:
            if len(self._bounds) >= _CARDS_MAX:
                self._bounds.clear()
            bound = self._bounds[key] = self._make_bound(at_us, context, asked, media, bool(tier_open))
        return bound

    def _place(self, at_us: int, context: int) -> tuple[int, int, int]:
        """Which stretch of time, of the day and of context lengths: the same rows hold all over it."""
        clock = 0
        if self._clock:
            day, second = _week_day(at_us)
            clock = day * 1_000 + bisect_right(self._clock, second)
        return bisect_right(self._periods, at_us), clock, bisect_right(self._contexts, context)

    def _served(self, traits: Mapping[str, str]) -> Traits:
        wire = tuple((name, value[:_TRAIT_CHARS_MAX]) for name, value in traits.items())
        served = self._traits.get(wire)
        if served is None:
            if len(self._traits) >= _CARDS_MAX:
                self._traits.clear()
            served = self._traits[wire] = self._translate(wire)
        return served

    def _translate(self, wire: Traits) -> Traits:
        """Traits in the book's words: the provider's own values mapped (`batch` said as a tier is
        `processing=batch`), the standard left out."""
        served = set()
        for name, value in wire:
            if name in self._prices.ignored:
                continue
            value = value.lower()
            value = self._says.get(name, {}).get(value, value)
            if "=" in value:
                name, _, value = value.partition("=")
            if value:
                served.add((name, value))
        return tuple(sorted(served))

    def _make_card(self, at_us: int, served: Traits, context: int) -> Card:
        if self.free:
            name = f"{self.provider}:free" if self.model.id == "*" else f"{self.provider}:{self.model.id}:free"
            return Card({unit: Rate(name, _ZERO, 1, each=_ZERO) for unit in UNIT_RANK})
        overrides = [one for one in self._overrides if one.holds(at_us) and one.fits(served, context)]
        active = [row for row in self._rows if row.holds(at_us)]
        factors = [f for f in self._factors(at_us) if f.trait in served]
        known = {trait for row in active for trait in row.row.traits} | {factor.trait for factor in factors}
        known |= {trait for override in overrides if override.kind == "price" for trait in override.traits}
        strange = [trait for trait in served if trait[0] in DECISIVE and trait not in known]
        wanted = set(served)
        best: dict[str, _Dated] = {}
        for row in active:
            fits = row.row.context_from <= context and wanted.issuperset(row.row.traits)
            if fits and (row.row.unit not in best or row.rank > best[row.row.unit].rank):
                best[row.row.unit] = row
        rates = {unit: _rated(row.row, factors) for unit, row in best.items()}
        if strange:
            rates = {unit: rate for unit, rate in rates.items() if unit not in _TOKENS}
            overrides = [one for one in overrides if one.kind == "percent" or one.unit not in _TOKENS]
        net = self._net(rates, best, overrides, factors) if overrides else {**rates, **self._stand_ins(rates)}
        return Card(net, tuple(f"no price for {name}={value}" for name, value in strange))

    def _stand_ins(self, own: Mapping[str, Rate]) -> dict[str, Rate]:
        return {unit: own[other] for unit, other in self._standing_for(own).items()}

    def _standing_for(self, own: Iterable[str]) -> dict[str, str]:
        """The classes without a rate of their own, and the one whose rate each takes."""
        filled = {}
        for unit, others in STAND_IN.items():
            if unit in own or (unit in _INPUT_MEDIA and unit not in self._prices.one_rate):
                continue
            other = next((other for other in others if other in own), None)
            if other is not None:
                filled[unit] = other
        return filled

    def _net(self, own: Mapping[str, Rate], rows: Mapping[str, _Dated], overrides: Sequence[Override],
             factors: Sequence[Factor]) -> dict[str, Rate]:
        """The card under overrides, the first that covers a unit being its one. A class without a rate of
        its own takes what the class that stands in for it has, a price of one's own included."""
        listed = {**own, **self._stand_ins(own)}
        agreed: dict[str, Rate] = {}
        for override in overrides:
            unit = override.unit
            if override.kind == "price" and unit not in agreed and (unit not in rows or _outranks(override, rows[unit].row)):
                agreed[unit] = _agreed(override, listed.get(unit), factors)
        net = {**own, **agreed}
        stand_ins = self._standing_for(net)
        for unit in [*net, *stand_ins]:
            other = stand_ins.get(unit, unit)
            if other in agreed:
                net[unit] = agreed[other] if other == unit else _listed_as(agreed[other], listed.get(unit))
                continue
            percent = next((one for one in overrides if one.kind == "percent" and (one.covers(unit) or one.covers(other))), None)
            net[unit] = _discounted(own[other], percent) if percent else own[other]
        return net

    def _factors(self, at_us: int) -> list[Factor]:
        return [f for f in self._prices.factors
                if (not f.models or self.model.id in f.models)
                and (not f.valid_from or instant_us(f.valid_from) <= at_us)]

    def _make_bound(self, at_us: int, context: int, asked: Traits, media: bool, tier_open: bool) -> Bound:
        def may_be(trait: tuple[str, str]) -> bool:
            name = trait[0]
            return trait in asked or not (name in _ASKED_FOR or (name == "tier" and not tier_open))

        dearest = _ONE
        for factor in self._factors(at_us):
            if factor.scope == "tokens" and factor.factor > 1 and may_be(factor.trait):
                dearest = EXACT.multiply(dearest, factor.factor)
        top: dict[str, Decimal] = {}
        for row in self._rows:
            fits = row.row.context_from <= context and all(may_be(trait) for trait in row.row.traits)
            if fits and (row.holds(at_us) or row.holds(at_us + _CLOCK_SLACK_US)):
                each = EXACT.divide(row.row.price, Decimal(row.row.per))
                top[row.row.unit] = max(top.get(row.row.unit, each), each)
        dearer = self._raise(top, at_us, context, may_be)
        dearest = EXACT.multiply(dearest, dearer)
        inputs = [top[u] for u in INPUT_CLASSES if u in top and (media or u not in _MEDIA)]
        outputs = [top[u] for u in OUTPUT_CLASSES if u in top]
        fees = [top[u] for u in COUNTS if u in top]
        return Bound(
            EXACT.multiply(max(inputs), dearest) if inputs else None,
            EXACT.multiply(max(outputs), dearest) if outputs else Decimal(0),
            max(fees, default=Decimal(0)),
        )


    def _raise(self, top: dict[str, Decimal], at_us: int, context: int, may_be: Callable[[tuple[str, str]], bool]) -> Decimal:
        """Prices of one's own may be dearer than the list's, and percentages premiums: raise `top` to the
        former, and return the greatest factor of the latter. What an override makes cheaper still bounds."""
        factor = _ONE
        for one in self._overrides:
            due = one.holds(at_us) or one.holds(at_us + _CLOCK_SLACK_US)
            if not due or one.context_from > context or not all(may_be(trait) for trait in one.traits):
                continue
            if one.kind == "price":
                each = EXACT.divide(one.value, Decimal(one.per))
                top[one.unit] = max(top.get(one.unit, each), each)
            else:
                factor = max(factor, one.factor)
        return factor


class _Dated:
    """A row with its dates read and its place in the order of choice."""

    __slots__ = ("end_us", "rank", "row", "start_us", "window")

    def __init__(self, row: PriceRow) -> None:
        self.row = row
        self.start_us = instant_us(row.valid_from) if row.valid_from else 0
        self.end_us = instant_us(row.valid_to) if row.valid_to else FOREVER_US
        self.window = parse_window(row.window_utc) if row.window_utc else None
        # The most particular row wins: the model's own, then by traits, by clock, by context length.
        self.rank = (row.model != "*", len(row.traits), self.window is not None, row.context_from, self.start_us)

    def holds(self, at_us: int) -> bool:
        if not self.start_us <= at_us < self.end_us:
            return False
        if self.window is None:
            return True
        day, second = _week_day(at_us)
        return day in self.window.days and self.window.start_s <= second < self.window.end_s


def _week_day(at_us: int) -> tuple[int, int]:
    """Day of the week (1 is Monday) and second of the day, UTC; the epoch was a Thursday."""
    days, second = divmod(at_us // 1_000_000, _DAY_S)
    return (days + 3) % 7 + 1, second


def _rated(row: PriceRow, factors: Sequence[Factor]) -> Rate:
    factor, names = _factor_of(row.unit, row.traits, factors)
    return Rate(row.id, row.price, row.per, factor, names, _each(row.price, row.per, factor), row.needs)


def _factor_of(unit: str, traits: Traits, factors: Sequence[Factor]) -> tuple[Decimal, str | None]:
    """The product of the factors that apply to a row of this unit and these traits, and their names."""
    factor, names = _ONE, []
    for one in factors:
        in_scope = unit in _TOKENS if one.scope == "tokens" else unit == one.scope
        if in_scope and one.trait not in traits:
            factor = EXACT.multiply(factor, one.factor)
            names.append(one.id)
    return factor, "+".join(names) or None


def _each(price: Decimal, per: int, factor: Decimal) -> Decimal | None:
    """What one unit costs, where that is exact."""
    decimal_per = 10 ** (len(str(per)) - 1) == per
    return EXACT.divide(EXACT.multiply(price, factor), Decimal(per)) if decimal_per else None


def _outranks(override: Override, row: PriceRow) -> bool:
    """Whether a price of one's own stands where this row of the list does: it has no fewer conditions.
    The hour of the day is none, for what was agreed is agreed around the clock."""
    return len(override.traits) >= len(row.traits) and override.context_from >= row.context_from


def _agreed(override: Override, listed: Rate | None, factors: Sequence[Factor]) -> Rate:
    """A price of one's own: the provider's factors (half price in batches) hold for it as for the list's."""
    factor, names = _factor_of(override.unit, override.traits, factors)
    rate = Rate(override.row, override.value, override.per, factor, names, _each(override.value, override.per, factor),
                listed.needs if listed else "", Listed(override.id))
    return _listed_as(rate, listed)


def _listed_as(rate: Rate, listed: Rate | None) -> Rate:
    """The rate beside what the list says of the unit."""
    assert rate.listed is not None, "only an overridden rate has a list price beside it"
    if listed is None:
        return replace(rate, listed=Listed(rate.listed.override))
    return replace(rate, listed=Listed(rate.listed.override, listed.row, listed.price, listed.per, listed.factor))


def _discounted(rate: Rate, percent: Override) -> Rate:
    """The list's rate times the percentage, which is one more factor."""
    factor = EXACT.multiply(rate.factor, percent.factor)
    name = f"{rate.factor_row}+{percent.id}" if rate.factor_row else percent.id
    return replace(rate, factor=factor, factor_row=name, each=_each(rate.price, rate.per, factor),
                   listed=Listed(percent.id, rate.row, rate.price, rate.per, rate.factor))
