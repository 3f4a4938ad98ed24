"""What a usage costs: one rate per disjoint unit, multiplied, summed exactly, never guessed.

The price of a call is a dot product: for every unit used, the one row that fits the model, the
moment, the context length and the traits as served. Three rules keep it honest. A unit without a
rate is named in `unpriced`, never taken as free. A tier, speed, processing, geo or zone that no row
knows leaves the tokens unpriced, for "standard" would be a guess. And which rate stands in for
which is one table, `STAND_IN`, and nothing else.

A book reads a provider's rows at first use and compiles each (period, clock, context, traits) it
meets into a dict; after that a price is a few dict lookups (docs/adr/0004-price-book.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from hashlib import sha256
from typing import Final

from tallystick.core.attempt import Line
from tallystick.core.identity import Attribution
from tallystick.core.lean import lean
from tallystick.core.money import EXACT, NANOS_PER_UNIT, to_nanos
from tallystick.core.price_cards import FOREVER_US, Card, PricedBy
from tallystick.core.price_overrides import Override
from tallystick.core.price_rows import Alias, Load, PricedModel, PriceRow, ProviderPrices, instant_us
from tallystick.core.usage import TOKEN_CLASSES, UNIT_RANK, Part, Quantity, Usage

_SHELVES_MAX: Final = 1_024                  # providers are the operator's, never this many
_NAMES_MAX: Final = 4_096                    # resolved names kept, misses included
_NAME_CHARS_MAX: Final = 256                 # no model's name is longer; a caller's text may be
_TOKENS: Final = frozenset(TOKEN_CLASSES)
_NO_CARD: Final = Card({})
_AS_REQUESTED: Final = "the served model is unknown to the price book: priced as the requested one"


@lean
@dataclass(frozen=True, slots=True)
class Charge:
    """A priced usage. `exact` is the sum of the lines' exact amounts; `unpriced` names the units
    (and models, for parts) without a rate; `notes` say why where that is not plain. `list_exact`: the
    sum at list prices, where an override priced a line."""

    lines: tuple[Line, ...]
    exact: Decimal
    unpriced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    list_exact: Decimal | None = None

    @property
    def nanos(self) -> int:
        return to_nanos(self.exact)

    @property
    def list_nanos(self) -> int | None:
        return None if self.list_exact is None else to_nanos(self.list_exact)


@lean
@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most an attempt may cost, rounded up; `priced=False`: no bound can be given. `output_tokens`: the longest answer
    that this is for, None where it is not known."""

    nanos: int
    priced: bool
    output_tokens: int | None = None


def amount(line: Line) -> Decimal:
    """One line's exact amount in currency units: quantity × rate × factor / per."""
    product = EXACT.multiply(EXACT.multiply(Decimal(line.quantity), line.rate), line.factor)
    return EXACT.divide(product, Decimal(line.per))


def list_amount(line: Line) -> Decimal:
    """The same at the list's terms, where an override priced the line. Where the list has no price for
    the unit, the override's stands for it."""
    listed = line.listed
    if listed is None or listed.row is None:
        return amount(line)
    product = EXACT.multiply(EXACT.multiply(Decimal(line.quantity), listed.rate), listed.factor)
    return EXACT.divide(product, Decimal(listed.per))


class PriceBook:
    """All providers' prices under one version. Immutable but for what it remembers of its rows."""

    def __init__(self, version: str, load: Load) -> None:
        self.version = version
        self._load = load
        self._shelves: dict[str, _Shelf | None] = {}
        self._overrides: tuple[Override, ...] = ()
        self._means: dict[str, list[Override]] = {}
        self._agreed: dict[tuple[str, str], PricedBy] = {}

    def under(self, overrides: Sequence[Override]) -> PriceBook:
        """This book as these overrides change it. Rows and names already read are shared."""
        book = PriceBook(f"{self.version}+{_digest(overrides)}", self._load)
        book._shelves = self._shelves
        book._overrides = tuple(one for one in overrides if one.kind != "model")
        for one in sorted((one for one in overrides if one.kind == "model"), key=lambda one: one.rank, reverse=True):
            book._means.setdefault(one.model.lower(), []).append(one)
        return book

    def of(self, provider: str, attribution: Attribution, credential: str) -> PriceBook:  # noqa: ARG002 - whoever calls
        """A book without overrides is everybody's (`core.price_scopes.Prices`)."""
        return self

    def price(self, provider: str, model: str | None, usage: Usage, at_us: int, traits: Mapping[str, str],
              context_tokens: int | None = None, parts: Sequence[Part] = (), *,
              requested: str | None = None) -> Charge:
        """What this usage costs at `at_us`, the start of the request.

        `model` is the one served; where the book does not know it, `requested` is tried, and a note
        says so. The context tier is chosen by `context_tokens`, else by the inclusive input. `parts` are
        priced at their own models' rates; parts that split the reply replace its own tokens.
        """
        own = usage
        if parts and any(part.splits for part in parts):
            own = Usage({unit: quantity for unit, quantity in usage.counts.items() if unit not in _TOKENS})
        bill = _Bill()
        found = self._find(provider, model, at_us)
        if found is None and (found := self._find(provider, requested, at_us)) is not None and model:
            bill.notes = [_AS_REQUESTED]
        bill.add(_card(found, at_us, traits, usage, context_tokens), own.counts, 0, "")
        for number, part in enumerate(parts, start=1):
            found = self._find(provider, part.model, at_us)
            bill.add(_card(found, at_us, traits, part.usage, None), part.usage.counts, number, part.model)
        return Charge(tuple(bill.lines), bill.exact, tuple(bill.unpriced), tuple(bill.notes), bill.list_exact())

    def ceiling(self, provider: str, model: str | None, at_us: int, input_tokens: int,
                output_tokens: int | None = None, n: int = 1, *, traits: Mapping[str, str] | None = None,
                media: bool = True, tool_calls: int = 0) -> Ceiling:
        """An upper bound of one attempt's cost: every class at the dearest rate it could land in,
        given what the request asks (`traits`; a tier not asked for may be any tier).

        `output_tokens` None means the model's maximum; `media=False` promises that no audio, image
        or video goes in; `tool_calls` is how often the provider may run its own tools.
        """
        found = self._find(provider, model, at_us)
        if found is None:
            return Ceiling(0, False, output_tokens)
        longest = found.model.output_max or found.model.context_window
        if found.free:
            return Ceiling(0, True, longest if output_tokens is None else output_tokens)
        bound = found.bound(at_us, input_tokens, traits or {}, media)
        if output_tokens is None:
            output_tokens = longest if bound.output_rate else 0
        if bound.input_rate is None or output_tokens is None:
            return Ceiling(0, False, output_tokens)
        total = bound.input_rate * input_tokens + bound.output_rate * output_tokens * max(n, 1)
        total += bound.call_fee * tool_calls
        return Ceiling(int((total * NANOS_PER_UNIT).to_integral_value(rounding=ROUND_CEILING)), True, output_tokens)

    def limits(self, provider: str, model: str | None, at_us: int = 0) -> tuple[int | None, int | None]:
        """The model's context window and longest output in tokens, None where unknown."""
        found = self._find(provider, model, at_us or FOREVER_US - 1)
        return (found.model.context_window, found.model.output_max) if found else (None, None)

    def resolve(self, provider: str, model: str | None, at_us: int) -> tuple[str, str] | None:
        """The (provider, model) whose rows price this name at that moment, None where none do."""
        found = self._find(provider, model, at_us)
        return (found.provider, found.model.id) if found else None

    def prices(self, provider: str) -> ProviderPrices | None:
        """A provider's own file as read."""
        shelf = self._shelf(provider)
        return shelf.prices if shelf else None

    def rows(self, provider: str) -> tuple[PriceRow, ...]:
        """Every row of a provider's own file, in file order."""
        shelf = self._shelf(provider)
        return tuple(shelf.prices.all_rows()) if shelf else ()

    def warm(self, providers: Iterable[str]) -> None:
        """Read these providers' rows now rather than at their first call."""
        for provider in providers:
            self._shelf(provider)

    def read(self) -> tuple[str, ...]:
        """The providers whose rows were read so far."""
        return tuple(self._shelves)

    def _find(self, provider: str, name: str | None, at_us: int) -> PricedBy | None:
        """What prices this name: its rows, under the overrides there are."""
        if self._means and name:
            name = next((one.means for one in self._means.get(name.lower(), ()) if one.holds(at_us)), name)
        found = self._listed(provider, name, at_us)
        if not self._overrides:
            return found
        if found is None:
            return self._unlisted(provider, name)
        place = found.provider, found.model.id
        if (agreed := self._agreed.get(place)) is None:
            if len(self._agreed) >= _NAMES_MAX:
                self._agreed.clear()
            own = [one for one in self._overrides if one.model in ("*", found.model.id)]
            agreed = self._agreed[place] = found.under(own) if own else found
        return agreed

    def _unlisted(self, provider: str, name: str | None) -> PricedBy | None:
        """A model that no list knows, and that an override prices under this very name."""
        wanted = (name or "").lower()
        own = [one for one in self._overrides if one.model.lower() == wanted]
        if not any(one.kind == "price" for one in own):
            return None
        if (agreed := self._agreed.get((provider, wanted))) is None:
            prices = self.prices(provider) or ProviderPrices(provider)
            own += [one for one in self._overrides if one.model == "*"]
            agreed = self._agreed[provider, wanted] = PricedBy(prices, PricedModel(own[0].model), prices.rows.get("*", ()), overrides=own)
        return agreed

    def _listed(self, provider: str, name: str | None, at_us: int) -> PricedBy | None:
        """Whose rows price this name: the provider's own, else those of a book it borrows from."""
        shelf = self._shelves.get(provider) or self._shelf(provider)
        if shelf is None:
            return None
        if not name:
            return shelf.everything if shelf.prices.free else None
        if (found := shelf.find(name, at_us)) is not None:
            return found
        for other in shelf.prices.fallback:
            lender = self._shelf(other)
            for form in shelf.forms(name) if lender else ():
                if lender and (found := lender.find(form, at_us)) is not None:
                    return found
        return shelf.everything if shelf.prices.free else None

    def _shelf(self, provider: str) -> _Shelf | None:
        if provider in self._shelves:
            return self._shelves[provider]
        if len(self._shelves) >= _SHELVES_MAX:
            return None
        prices = self._load(provider)
        shelf = self._shelves[provider] = _Shelf(prices) if prices is not None else None
        return shelf


def _card(found: PricedBy | None, at_us: int, traits: Mapping[str, str], usage: Usage, context: int | None) -> Card:
    """The rates for this usage. Its input is added up only where the model has context tiers."""
    if found is None:
        return _NO_CARD
    if context is None:
        context = usage.input_tokens if found.context_tiers else 0
    return found.card(at_us, traits, context)


class _Bill:
    """Lines being added up."""

    __slots__ = ("agreed", "exact", "lines", "notes", "unpriced")

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.exact = Decimal(0)
        self.unpriced: list[str] = []
        self.notes: list[str] = []
        self.agreed = False                  # whether an override priced a line

    def list_exact(self) -> Decimal | None:
        """The sum at list prices, None where all lines are at list."""
        return sum((list_amount(line) for line in self.lines), Decimal(0)) if self.agreed else None

    def add(self, card: Card, counts: Mapping[str, Quantity], part: int, model: str) -> None:
        rates, lines, multiply, plus = card.rates, self.lines, EXACT.multiply, EXACT.add
        for unit in sorted(counts, key=UNIT_RANK.__getitem__):
            quantity = counts[unit]
            rate = rates.get(unit)
            if rate is None:
                lines.append(Line(unit, quantity, None, part=part))
                self.unpriced.append(f"{model}:{unit}" if part else unit)
                continue
            if rate.needs and rate.needs not in counts:
                rate = rate.idle()
            line = Line(unit, quantity, rate.row, rate.price, rate.per, rate.factor, rate.factor_row, part, rate.listed)
            lines.append(line)
            if rate.listed is not None:
                self.agreed = True
            self.exact = plus(self.exact, amount(line) if rate.each is None else multiply(quantity, rate.each))
        if card.notes:
            self.notes = [*self.notes, *(note for note in card.notes if note not in self.notes)]


def _digest(overrides: Iterable[Override]) -> str:
    """What tells two sets of overrides apart: they are never edited, but they can be ended."""
    said = sorted(f"{one.id} {one.valid_to}" for one in overrides)
    return sha256("\n".join(said).encode()).hexdigest()[:12]


class _Shelf:
    """One provider's prices, with its names resolved as they are met."""

    __slots__ = ("_aliases", "_common", "_compiled", "_met", "_names", "_patterns", "_prefix", "_snapshot", "everything", "prices")

    def __init__(self, prices: ProviderPrices) -> None:
        self.prices = prices
        self.everything = PricedBy(prices, PricedModel("*", free=True), (), everything=True)
        self._names = {name: model.id for model in prices.models.values() for name in (*model.names, model.id)}
        self._patterns = [(re.compile(p), model.id) for model in prices.models.values() for p in model.patterns]
        self._aliases: dict[str, list[Alias]] = {}
        for alias in prices.aliases:
            self._aliases.setdefault(alias.name, []).append(alias)
        self._prefix = re.compile(prices.prefix) if prices.prefix else None
        self._snapshot = re.compile(prices.snapshot) if prices.snapshot else None
        self._common = prices.rows.get("*", ())
        self._compiled: dict[str, PricedBy] = {}
        self._met: dict[str, list[tuple[int, int, str]]] = {}

    def find(self, name: str, at_us: int) -> PricedBy | None:
        if len(name) > _NAME_CHARS_MAX:
            return None
        spans = self._met.get(name)
        if spans is None:
            if len(self._met) >= _NAMES_MAX:
                self._met.clear()
            spans = self._met[name] = self._spans(name.lower())
        for start, end, model in spans:
            if start <= at_us < end:
                return self._compiled.get(model) or self._compile(model)
        return None

    def forms(self, name: str) -> tuple[str, ...]:
        """The name as it stands, and without what this provider adds to other people's names."""
        dated = self._snapshot.fullmatch(name.lower()) if self._snapshot else None
        return (name, dated.group(1)) if dated else (name,)

    def _spans(self, name: str) -> list[tuple[int, int, str]]:
        """What a name means, and when: dated aliases first, then its one plain meaning."""
        if self._prefix:
            name = self._prefix.sub("", name, count=1)
        spans = [(instant_us(a.valid_from) if a.valid_from else 0, instant_us(a.valid_to) if a.valid_to else FOREVER_US,
                  a.model) for a in self._aliases.get(name, ())]
        plain = self._names.get(name) or next((m for p, m in self._patterns if p.fullmatch(name)), None)
        if plain is None and not spans and self._snapshot and (dated := self._snapshot.fullmatch(name)):
            return self._spans_of_base(dated.group(1))
        return [*spans, (0, FOREVER_US, plain)] if plain else spans

    def _spans_of_base(self, base: str) -> list[tuple[int, int, str]]:
        """A dated snapshot is never what an undated alias has moved on to, so only plain names count."""
        plain = self._names.get(base)
        return [(0, FOREVER_US, plain)] if plain else []

    def _compile(self, model: str) -> PricedBy | None:
        known = self.prices.models.get(model)
        if known is None:
            return None
        compiled = self._compiled[model] = PricedBy(self.prices, known, (*self.prices.rows.get(model, ()), *self._common))
        return compiled
