"""What a price book is made of: dated rows, factors and names, read from one text file per provider.

One rate is one row: a model, a unit, a price, and the conditions under which it holds (dates, time
of day, context length, tier, processing…). Rows never say what they cost *together*; the book
(`pricebook.py`) chooses one row per unit and adds up. Conditions are half-open: `valid_from` and a
window's start belong to the row, `valid_to` and a window's end do not. `context_from` is the first
token count at which a row holds, so "above 200k" is 200001 and xAI's "200k and more" is 200000.

The file is JSON lines, one row a line so that a review reads as prices; the first line is the
provider's header. docs/reference/prices.md describes every field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tallystick.core.usage import UNIT_RANK

PER_MILLION: Final = 1_000_000

Traits = tuple[tuple[str, str], ...]
"""Conditions besides model, date and context, sorted by name: (("tier", "flex"),)."""


class PriceFault(ValueError):
    """A price file that cannot be read; the message names the file's provider and line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from. `checked_on` is the day a person or the generator last compared them."""

    name: str
    version: str
    address: str
    checked_on: str


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One rate: `price` currency units for `per` units. Empty dates mean "always was" and "still
    is"; `window_utc` is a span of the UTC day such as `01:00-04:00`, or of some week days such as
    `1-5 01:00-04:00` (Monday to Friday). `model` "*" is a rate of all the provider's models that have
    none of their own (tool fees)."""

    provider: str
    model: str
    unit: str
    price: Decimal
    per: int = PER_MILLION
    valid_from: str = ""
    valid_to: str = ""
    window_utc: str = ""
    traits: Traits = ()
    context_from: int = 0
    source: str = ""
    needs: str = ""                          # due only beside this unit (a grounded prompt: beside a search query)

    @property
    def id(self) -> str:
        """Stable, unique and readable: it stands in ledger entries. It names the row's conditions,
        not its price, and never changes once released: a changed price is a row with a new date."""
        parts = [self.provider, self.model, self.unit]
        if self.valid_from:
            parts.append(self.valid_from)
        parts += [f"{name}={value}" for name, value in self.traits]
        if self.context_from:
            parts.append(f"from{self.context_from}")
        if self.window_utc:
            parts.append(self.window_utc.replace(":", "").replace(" ", "@"))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the UTC day, in seconds, on some days of the week (1 is Monday)."""

    days: frozenset[int]
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Factor:
    """A multiplier on every rate in `scope` while its one trait is served, unless the chosen row
    already is that trait's own. `models` empty: all of the provider's."""

    provider: str
    trait: tuple[str, str]
    factor: Decimal
    scope: str = "tokens"                    # "tokens" or a unit
    models: frozenset[str] = frozenset()
    valid_from: str = ""
    source: str = ""

    @property
    def id(self) -> str:
        dated = f":{self.valid_from}" if self.valid_from else ""
        return f"{self.provider}:factor:{self.trait[0]}={self.trait[1]}:{self.scope}{dated}"


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A model as its provider bills it. `names` are the exact ids that mean it, today and always;
    `patterns` are anchored regular expressions for ids that carry a caller's own part (`ft:…`)."""

    id: str
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    context_window: int | None = None
    output_max: int | None = None
    free: bool = False                       # declared free: every unit costs nothing


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that means `model` from `valid_from` to `valid_to`: `-latest` names and retired ids
    that a provider serves, and bills, as their successor."""

    name: str
    model: str
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True, slots=True)
class ProviderPrices:
    """One provider's file. `says` maps a trait's wire value to ours, `""` being the standard;
    `ignored` are traits that never change this provider's price. `one_rate` are the input classes
    that its one input price covers wherever a model has no rate of their own. `fallback` are the
    books to ask for models this one does not know. `snapshot` is the anchored form of a dated id
    (`gpt-4o-2024-08-06`): its first group is the name to look up."""

    provider: str
    checked_on: str = ""
    sources: Mapping[str, Source] = field(default_factory=dict)
    says: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    one_rate: frozenset[str] = frozenset()
    fallback: tuple[str, ...] = ()
    snapshot: str = ""
    prefix: str = ""
    free: bool = False
    models: Mapping[str, PricedModel] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    rows: Mapping[str, tuple[PriceRow, ...]] = field(default_factory=dict)   # by model
    factors: tuple[Factor, ...] = ()

    def all_rows(self) -> Iterator[PriceRow]:
        for rows in self.rows.values():
            yield from rows


def instant_us(text: str) -> int:
    """A day (`2026-08-21`, its first moment UTC) or a moment (`2026-08-21T16:00Z`) in microseconds
    since the epoch. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


def parse_window(text: str) -> Window:
    """`01:00-04:00` or `1-5 01:00-04:00`. An end of `24:00` is the day's end; a window that passes
    midnight is two rows. Raises ValueError."""
    match = re.fullmatch(r"(?:([1-7])-([1-7]) )?(\d\d):(\d\d)-(\d\d):(\d\d)", text)
    if not match:
        raise ValueError(f"not a window: {text}")
    first, last, hour, minute, hour_end, minute_end = (int(group) if group else None for group in match.groups())
    start, end = ((hour or 0) * 60 + (minute or 0)) * 60, ((hour_end or 0) * 60 + (minute_end or 0)) * 60
    if not 0 <= start < end <= 86_400:
        raise ValueError(f"not a window inside one day: {text}")
    return Window(frozenset(range(first or 1, (last or 7) + 1)), start, end)


def parse_prices(text: str) -> ProviderPrices:
    """Read one provider's file. Raises PriceFault naming the line that is wrong."""
    lines = text.splitlines()
    try:
        header: dict[str, Any] = json.loads(lines[0])
        provider = str(header["provider"])
    except (IndexError, KeyError, TypeError, ValueError) as fault:
        raise PriceFault(f"price file without a header: {fault}") from fault
    models: dict[str, PricedModel] = {}
    rows: dict[str, list[PriceRow]] = {}
    aliases: list[Alias] = []
    factors: list[Factor] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            record: dict[str, Any] = json.loads(line)
            if "unit" in record:
                row = _row(provider, record)
                rows.setdefault(row.model, []).append(row)
            elif "alias" in record:
                aliases.append(Alias(record["alias"], record["model"], record.get("from", ""), record.get("to", "")))
            elif "factor" in record:
                factors.append(_factor(provider, record))
            else:
                model = _model(record)
                models[model.id] = model
        except (KeyError, TypeError, ValueError, InvalidOperation) as fault:
            raise PriceFault(f"{provider} prices, line {number}: {fault!r}") from fault
    return ProviderPrices(
        provider=provider,
        checked_on=header.get("checked_on", ""),
        sources={key: Source(**source) for key, source in header.get("sources", {}).items()},
        says=header.get("says", {}),
        ignored=frozenset(header.get("ignored", ())),
        one_rate=frozenset(header.get("one_rate", ())),
        fallback=tuple(header.get("fallback", ())),
        snapshot=header.get("snapshot", ""),
        prefix=header.get("prefix", ""),
        free=bool(header.get("free", False)),
        models=models,
        aliases=tuple(aliases),
        rows={model: tuple(found) for model, found in rows.items()},
        factors=tuple(factors),
    )


def _row(provider: str, record: dict[str, Any]) -> PriceRow:
    if record["unit"] not in UNIT_RANK:
        raise ValueError(f"unknown unit {record['unit']}")
    for day in (record.get("from"), record.get("to")):
        if day:
            instant_us(day)
    if "window_utc" in record:
        parse_window(record["window_utc"])
    traits = record.get("traits")
    return PriceRow(
        provider, record["model"], record["unit"], Decimal(record["price"]), record.get("per", PER_MILLION),
        record.get("from", ""), record.get("to", ""), record.get("window_utc", ""),
        tuple(sorted(traits.items())) if traits else (), record.get("context_from", 0), record.get("source", ""),
        record.get("needs", ""),
    )


def _model(record: dict[str, Any]) -> PricedModel:
    return PricedModel(
        record["model"], tuple(record.get("names", ())), tuple(record.get("patterns", ())),
        record.get("context_window"), record.get("output_max"), bool(record.get("free", False)),
    )


def _factor(provider: str, record: dict[str, Any]) -> Factor:
    ((name, value),) = record["traits"].items()
    return Factor(
        provider, (name, value), Decimal(record["factor"]), record.get("scope", "tokens"),
        frozenset(record.get("models", ())), record.get("from", ""), record.get("source", ""),
    )


Load = Callable[[str], ProviderPrices | None]
"""Gives a provider's prices by its id, None where there is no file for it."""
