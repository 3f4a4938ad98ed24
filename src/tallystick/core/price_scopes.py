"""Whose prices hold for a call: the list as the overrides of its organisation change it, those narrowed
to a team, project or credential where the call is on them.

A book is made once for each set of overrides that apply together and is then a look into a dict; an
organisation without overrides costs nothing more than that. What a caller merely claims narrows as what
its key says does: it stays within the key's scope (decisions.md), and it moves a price, not a cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tallystick.core.identity import Attribution
from tallystick.core.price_overrides import ANY, Override
from tallystick.core.pricebook import PriceBook

_SCOPES_MAX: Final = 20_000                  # remembered places; callers may name many projects
_BOOKS_MAX: Final = 1_024


class Prices(Protocol):
    """The book for one call, found without waiting."""

    @property
    def version(self) -> str: ...

    def of(self, provider: str, attribution: Attribution, credential: str) -> PriceBook: ...


class ScopedPrices:
    """The list and every organisation's overrides. `common` are everybody's (the operator's names of
    deployments), and go behind the organisation's own."""

    def __init__(self, book: PriceBook, overrides: Mapping[str, Sequence[Override]] | None = None, common: Sequence[Override] = ()) -> None:
        """`overrides`: by the organisation's name in records."""
        self.book = book
        self._overrides = {name: tuple(own) for name, own in (overrides or {}).items() if own}
        self._common = tuple(common)
        self._scopes: dict[tuple[str, str, str | None, str | None, str], PriceBook] = {}
        self._books: dict[tuple[Override, ...], PriceBook] = {(): book}

    @property
    def version(self) -> str:
        return self.book.version

    def of(self, provider: str, attribution: Attribution, credential: str) -> PriceBook:
        """The book for a call to `provider` (as called, not as its price book is named) with the stored
        credential of that name, or `caller` for one of the caller's own."""
        organization, labels = attribution.organization, attribution.labels
        if not self._common and organization not in self._overrides:
            return self.book
        place = (organization, provider, labels.get("team"), labels.get("project"), credential)
        found = self._scopes.get(place)
        if found is None:
            if len(self._scopes) >= _SCOPES_MAX:
                self._scopes.clear()
            found = self._scopes[place] = self._book(place)
        return found

    def _book(self, place: tuple[str, str, str | None, str | None, str]) -> PriceBook:
        organization, provider, team, project, credential = place

        def applies(one: Override) -> bool:
            return (one.provider in (provider, ANY) and one.team in ("", team) and one.project in ("", project)
                    and one.credential in ("", credential))

        own = tuple(one for one in self._overrides.get(organization, ()) if applies(one))
        taken = {one.model.lower() for one in own if one.kind == "model"}
        own += tuple(one for one in self._common if applies(one) and one.model.lower() not in taken)
        book = self._books.get(own)
        if book is None:
            if len(self._books) >= _BOOKS_MAX:
                self._books = {(): self.book}
            book = self._books[own] = self.book.under(own)
        return book
