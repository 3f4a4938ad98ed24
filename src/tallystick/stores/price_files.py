"""The price book as files: one JSON-lines file per provider, shipped in the package, read at first
use. A directory of the same form (an older release, an operator's own) opens as a book too.

A book's version is the newest day its sources were compared and a digest of its bytes, so that two
books with one version price alike and an entry's `price_version` can be found again. Under layers
(`core/price_layers.py`) it ends in `~` and a digest of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from tallystick.core.price_layers import file_text, layered
from tallystick.core.price_overrides import Override
from tallystick.core.price_rows import ProviderPrices, parse_prices
from tallystick.core.pricebook import PriceBook

SUFFIX = ".jsonl"


def shipped() -> Traversable:
    """The directory of the files in the package."""
    return files("tallystick") / "providers" / "prices"


@dataclass(frozen=True, slots=True)
class Layer:
    """What was applied over a provider's packaged file; None where it could not be read."""

    provider: str
    prices: ProviderPrices | None


def open_book(directory: Traversable | None = None, layers: Sequence[Layer] = ()) -> PriceBook:
    """The book of a directory, the package's own by default, under layers; providers are read when first asked for.

    Raises OSError where the directory cannot be read, PriceFault (at first use) where a file is not
    a price file.
    """
    found = price_files(directory or shipped())

    def load(provider: str) -> ProviderPrices | None:
        file = found.get(provider)
        packaged = parse_prices(file.read_text(encoding="utf-8")) if file else None
        return layered(packaged, [layer.prices for layer in layers if layer.provider == provider and layer.prices is not None])

    version = book_version(found)
    return PriceBook(f"{version}~{_digest(layers)}" if layers else version, load)


def _digest(layers: Sequence[Layer]) -> str:
    text = "".join(file_text(layer.prices) for layer in layers if layer.prices is not None)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def price_files(directory: Traversable) -> dict[str, Traversable]:
    """Provider id → its file, in order of id."""
    entries = sorted(directory.iterdir(), key=lambda entry: entry.name)
    return {entry.name.removesuffix(SUFFIX): entry for entry in entries if entry.name.endswith(SUFFIX)}


def book_version(found: Mapping[str, Traversable]) -> str:
    """`2026-11-21.3f9a0c21b7de`: the newest check and a digest over every file's name and bytes."""
    digest, newest = hashlib.sha256(), ""
    for provider, file in found.items():
        data = file.read_bytes()
        digest.update(f"{provider} {len(data)}\n".encode() + data)
        header = data.partition(b"\n")[0]
        newest = max(newest, str(json.loads(header).get("checked_on", ""))) if header else newest
    return f"{newest}.{digest.hexdigest()[:12]}"


class RowDescriptions:
    """What a ledger says of a price row when it first names it: whose price it is, from when on, and
    where it was read. Factor rows are described the same way, and overrides by their contract."""

    def __init__(self, book: PriceBook, overrides: Mapping[str, Override] | None = None) -> None:
        """`overrides`: by id."""
        self._book = book
        self._overrides = overrides or {}
        self._known: dict[str, dict[str, str]] = {}

    def __call__(self, row_id: str) -> Mapping[str, str]:
        override = self._overrides.get(row_id.rpartition("+")[2].partition(":")[0])
        if override is not None:
            return _agreed(override)
        if row_id not in self._known:
            self._learn(row_id.partition(":")[0])
        return self._known.get(row_id, {})

    def _learn(self, provider: str) -> None:
        prices = self._book.prices(provider)
        checked = {name: source.checked_on for name, source in prices.sources.items()} if prices else {}
        for row in self._book.rows(provider):
            self._known[row.id] = _said(row.provider, row.model, row.valid_from, row.source, checked)
        for factor in prices.factors if prices else ():
            self._known[factor.id] = _said(factor.provider, ", ".join(sorted(factor.models)), factor.valid_from, factor.source,
                                           checked)


def _agreed(override: Override) -> dict[str, str]:
    said = {"provider": override.provider, "model": override.model, "valid_from": override.valid_from,
            "source": override.contract or "agreed"}
    return {name: text for name, text in said.items() if text}


def _said(provider: str, model: str, valid_from: str, source: str, checked: Mapping[str, str]) -> dict[str, str]:
    said = {"provider": provider, "model": model, "valid_from": valid_from, "source": source, "checked_on": checked.get(source, "")}
    return {name: text for name, text in said.items() if text}
