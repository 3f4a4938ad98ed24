"""Prices that came after the package: releases that a person read and applied, laid over the packaged book
as dated layers, and what a feed says that a book does not.

Whose word holds is decided rate by rate (model, unit and conditions): the side that was checked last, the
layer where both were checked on one day, for a person confirmed it. Of rows with different dates the later
start wins, as within one book. So a package upgrade neither loses what was applied nor is hidden by it for
ever: rates that the newer package has compared since are the package's again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallystick.core.price_review import Opinion
from tallystick.core.price_rows import PER_MILLION, Alias, Factor, PricedModel, PriceRow, ProviderPrices, Source, parse_prices
from tallystick.core.pricebook import PriceBook
from tallystick.core.usage import Usage

def layered(packaged: ProviderPrices | None, layers: Iterable[ProviderPrices]) -> ProviderPrices | None:
    """A provider's packaged prices under the layers applied to it, in any order."""
    result = packaged
    for layer in sorted(layers, key=lambda one: one.checked_on):
        result = layer if result is None else _over(result, layer, layer.checked_on >= (packaged.checked_on if packaged else ""))
    return result


def _over(base: ProviderPrices, layer: ProviderPrices, newer: bool) -> ProviderPrices:
    first, second = (layer, base) if newer else (base, layer)
    aliases = {(alias.name, alias.valid_from): alias for side in (second, first) for alias in side.aliases}
    factors = {factor.id: factor for side in (second, first) for factor in side.factors}
    rows = {model: _rows_over(base.rows.get(model, ()), layer.rows.get(model, ()), newer) for model in {**base.rows, **layer.rows}}
    return replace(base, sources={**layer.sources, **base.sources}, models={**second.models, **first.models},
                   aliases=tuple(aliases.values()), factors=tuple(factors.values()), rows=rows)


def _rows_over(base: Sequence[PriceRow], layer: Sequence[PriceRow], newer: bool) -> tuple[PriceRow, ...]:
    if newer:
        replaced = {row.id for row in layer}
        return (*(row for row in base if row.id not in replaced), *layer)
    known = {_rate_of(row) for row in base}
    return (*base, *(row for row in layer if _rate_of(row) not in known))


def _rate_of(row: PriceRow) -> tuple[object, ...]:
    return row.unit, row.traits, row.context_from, row.window_utc


# --- what is new in a feed -------------------------------------------------------------------------

def release_of(text: str) -> dict[str, ProviderPrices]:
    """A release in our own form, by provider: files of the book, one after the other. Raises PriceFault."""
    files: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith('{"provider"') or not files:
            files.append([])
        files[-1].append(line)
    read = [parse_prices("\n".join(lines)) for lines in files]
    return {prices.provider: prices for prices in read}


def news(book: ProviderPrices | None, feed: ProviderPrices) -> ProviderPrices:
    """What a feed says that the book does not say the same way: rows, names, aliases and factors. A feed that
    leaves something out takes nothing away."""
    if book is None:
        return feed
    known: dict[str, PriceRow] = {row.id: row for row in book.all_rows()}
    rows = {model: tuple(row for row in said if not _same(known.get(row.id), row)) for model, said in feed.rows.items()}
    rows = {model: fresh for model, fresh in rows.items() if fresh}
    factors = {factor.id: factor for factor in book.factors}
    return replace(
        feed, rows=rows,
        models={id: model for id, model in feed.models.items() if book.models.get(id) != model and (id in rows or id in book.models)},
        aliases=tuple(alias for alias in feed.aliases if alias not in book.aliases),
        factors=tuple(factor for factor in feed.factors if not _same(factors.get(factor.id), factor)))


def is_empty(prices: ProviderPrices) -> bool:
    """Whether it says nothing."""
    return not (prices.rows or prices.models or prices.aliases or prices.factors)


def _same(known: PriceRow | Factor | None, said: PriceRow | Factor) -> bool:
    """Equal but for where it was read."""
    return known is not None and replace(known, source="") == replace(said, source="")


def rows_from_opinions(
    book: PriceBook, opinions: Iterable[Opinion], at_us: int, valid_from: str, source: Source
) -> dict[str, ProviderPrices]:
    """What a plain list says otherwise than the book, as rows that hold from a day on. Models that the book does
    not know come with their own name and nothing else."""
    rows: dict[str, dict[str, list[PriceRow]]] = {}
    models: dict[str, dict[str, PricedModel]] = {}
    for opinion in opinions:
        provider = opinion.provider
        found = book.resolve(provider, opinion.model, at_us)
        if found is not None and (found[0] != provider or found[1] == "*"):
            continue                         # another provider's rows hold, or none cost anything
        model = found[1] if found else opinion.model.lower()
        charge = book.price(provider, opinion.model, Usage({opinion.unit: PER_MILLION}), at_us, {}, context_tokens=1)
        if not charge.unpriced and charge.exact == opinion.per_million:
            continue
        if found is None:
            models.setdefault(provider, {})[model] = PricedModel(model, (model,))
        listed = rows.setdefault(provider, {}).setdefault(model, [])
        if all(row.unit != opinion.unit for row in listed):
            listed.append(PriceRow(provider, model, opinion.unit, opinion.per_million, valid_from=valid_from, source=source.name))
    return {
        provider: ProviderPrices(provider, source.checked_on, {source.name: source}, models=models.get(provider, {}),
                                 rows={model: tuple(said) for model, said in found_rows.items()})
        for provider, found_rows in rows.items()
    }


def cited(prices: ProviderPrices, mark: str) -> ProviderPrices:
    """The same with its sources named apart from every other release's."""
    def key(source: str) -> str:
        return f"{source}@{mark}" if source else ""

    return replace(
        prices, sources={key(name): source for name, source in prices.sources.items()},
        rows={model: tuple(replace(row, source=key(row.source)) for row in rows) for model, rows in prices.rows.items()},
        factors=tuple(replace(factor, source=key(factor.source)) for factor in prices.factors))


# --- as a file -------------------------------------------------------------------------------------

def file_text(prices: ProviderPrices) -> str:
    """A provider's prices as the file that `parse_prices` reads back to the same."""
    return "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in _records(prices))


def _records(prices: ProviderPrices) -> Iterator[dict[str, Any]]:
    yield _kept({
        "provider": prices.provider, "checked_on": prices.checked_on, "says": {name: dict(said) for name, said in prices.says.items()},
        "ignored": sorted(prices.ignored), "one_rate": sorted(prices.one_rate), "fallback": list(prices.fallback),
        "snapshot": prices.snapshot, "prefix": prices.prefix, "free": prices.free,
        "sources": {key: {"name": source.name, "version": source.version, "address": source.address, "checked_on": source.checked_on}
                    for key, source in prices.sources.items()},
    })
    for factor in prices.factors:
        yield _kept({"factor": f"{factor.factor:f}", "traits": dict((factor.trait,)), "scope": factor.scope,
                     "models": sorted(factor.models), "from": factor.valid_from, "source": factor.source})
    for model in prices.models.values():
        yield _kept({"model": model.id, "names": list(model.names), "patterns": list(model.patterns),
                     "context_window": model.context_window, "output_max": model.output_max, "free": model.free})
    for alias in prices.aliases:
        yield _alias_record(alias)
    for row in prices.all_rows():
        yield _row_record(row)


def _alias_record(alias: Alias) -> dict[str, Any]:
    return _kept({"alias": alias.name, "model": alias.model, "from": alias.valid_from, "to": alias.valid_to})


def _row_record(row: PriceRow) -> dict[str, Any]:
    return {"model": row.model, "unit": row.unit, "price": f"{row.price:f}"} | _kept({
        "per": row.per if row.per != PER_MILLION else None, "from": row.valid_from, "to": row.valid_to, "window_utc": row.window_utc,
        "traits": dict(row.traits), "context_from": row.context_from, "needs": row.needs, "source": row.source})


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in record.items() if said not in (None, "", 0, False, [], {})}
