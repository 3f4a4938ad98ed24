"""The price book as files: one JSON-lines file per provider, shipped in the package, read at first
use. A directory of the same form (an older release, an operator's own) opens as a book too.

A book's version is the newest day its sources were compared and a digest of its bytes, so that two
books with one version price alike and an entry's `price_version` can be found again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from tallystick.core.price_rows import ProviderPrices, parse_prices
from tallystick.core.pricebook import PriceBook

SUFFIX = ".jsonl"


def shipped() -> Traversable:
    """The directory of the files in the package."""
    return files("tallystick") / "providers" / "prices"


def open_book(directory: Traversable | None = None) -> PriceBook:
    """The book of a directory, the package's own by default; providers are read when first asked for.

    Raises OSError where the directory cannot be read, PriceFault (at first use) where a file is not
    a price file.
    """
    found = price_files(directory or shipped())

    def load(provider: str) -> ProviderPrices | None:
        file = found.get(provider)
        return parse_prices(file.read_text(encoding="utf-8")) if file else None

    return PriceBook(book_version(found), load)


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
    where it was read. Factor rows are described the same way."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._known: dict[str, dict[str, str]] = {}

    def __call__(self, row_id: str) -> Mapping[str, str]:
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


def _said(provider: str, model: str, valid_from: str, source: str, checked: Mapping[str, str]) -> dict[str, str]:
    said = {"provider": provider, "model": model, "valid_from": valid_from, "source": source, "checked_on": checked.get(source, "")}
    return {name: text for name, text in said.items() if text}
