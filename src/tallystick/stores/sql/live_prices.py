"""The prices in force, as the line asks for them: the packaged book under the releases that were applied,
under each organisation's overrides. All of it is in memory; `poll` (a step of jobs/runner, every 250 ms)
reads the change counter and puts a new whole in the place of the old one when something moved, so a call
sees either all of a change or none.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from tallystick.core.attempt import Admission
from tallystick.core.identity import Attribution
from tallystick.core.price_overrides import Override
from tallystick.core.price_rows import PriceFault
from tallystick.core.price_scopes import ScopedPrices
from tallystick.core.pricebook import PriceBook
from tallystick.stores.price_files import Layer, RowDescriptions, open_book
from tallystick.stores.sql import releases
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.overrides import overrides_of_all
from tallystick.stores.sql.team_names import NONE, TeamNames, names_by_slug

SETTINGS_ID: Final = "settings"              # the id of a name that stands in the settings file


class LivePrices:
    """`core.price_scopes.Prices` over package and database. `poll` may run in another thread than the calls."""

    def __init__(self, database: Database, books: Mapping[str, str], deployments: Sequence[Override] = ()) -> None:
        """`books`: under which provider's name each configured one's prices stand. `deployments`: the names of
        the settings file. Raises StoreFault when the database cannot be read."""
        self._database = database
        self._books = books
        self._deployments = deployments
        self._lock = threading.Lock()
        self._layers: tuple[Layer, ...] | None = None
        self._overrides: Mapping[str, list[Override]] = {}
        self._teams: Mapping[str, TeamNames] = {}
        self._read: dict[tuple[str, str, str], Layer] = {}       # at most releases.RELEASES_MAX, and what was edited meanwhile
        self._seen = -1
        self._scoped = ScopedPrices(open_book())
        self._describe = RowDescriptions(self._scoped.book)
        self.poll()

    @property
    def version(self) -> str:
        return self._scoped.version

    @property
    def book(self) -> PriceBook:
        """The list: package and releases, without anybody's overrides."""
        return self._scoped.book

    def of(self, provider: str, attribution: Attribution, credential: str) -> PriceBook:
        return self._scoped.of(provider, attribution, credential)

    def of_admission(self, admission: Admission) -> PriceBook:
        """The book for an attempt, past or present."""
        attribution = self._teams.get(admission.attribution.organization, NONE).first_of(admission.attribution)
        return self._scoped.of(admission.provider, attribution, admission.credential)

    def describe(self, row_id: str) -> Mapping[str, str]:
        """What is known of a price row besides its rate (`core.entry.Describe`)."""
        return self._describe(row_id)

    def listed_as(self, provider: str) -> str:
        """Under whose name the prices of a provider stand, as it is configured."""
        return self._books.get(provider, provider)

    def knows(self, provider: str) -> bool:
        """Whether there is such a provider, configured or in the book."""
        return provider in self._books or self.book.prices(provider) is not None

    def canonical(self, provider: str, model: str, at_us: int) -> str | None:
        """The book's own name of a model, None where it has no rows for it."""
        found = self.book.resolve(self._books.get(provider, provider), model, at_us)
        return found[1] if found is not None and found[1] != "*" else None

    def under(self, layers: Sequence[Layer]) -> ScopedPrices:
        """The prices as they would be with further layers: what applying them would come to."""
        return ScopedPrices(open_book(layers=(*(self._layers or ()), *layers)), self._overrides, self._deployments)

    def agreed(self, organization: str, overrides: Sequence[Override]) -> ScopedPrices:
        """The prices as they would be with these overrides of an organisation's and no others: what a change comes to."""
        return ScopedPrices(self.book, {organization: overrides}, self._deployments)

    def poll(self) -> bool:
        """Take up what changed. Returns False: there is never more to do at once. Raises StoreFault when the
        database cannot be read; what is in force then stands."""
        with self._lock:
            count = self._database.change_count()
            if count != self._seen:
                self._take_up()
                self._seen = count
        return False

    def _take_up(self) -> None:
        with self._database.read() as db:
            layers = tuple(self._layer(release) for release in releases.applied(db))
            overrides, self._teams = overrides_of_all(db), names_by_slug(db)
        if layers == self._layers and overrides == self._overrides:
            return
        book = self._scoped.book
        if layers != self._layers:
            book = open_book(layers=layers)
            book.warm(self._scoped.book.read())          # here, not in the next call
        described = RowDescriptions(book, {one.id: one for own in overrides.values() for one in own})
        self._scoped, self._describe = ScopedPrices(book, overrides, self._deployments), described
        self._layers, self._overrides = layers, overrides


    def _layer(self, release: releases.Release) -> Layer:
        """A release as a layer, each read once; one that cannot be read says nothing (`verify` names it)."""
        place = release.id, release.provider, releases.lines_digest(release.lines)
        if place not in self._read:
            try:
                self._read[place] = Layer(release.provider, release.prices)
            except PriceFault:
                self._read[place] = Layer(release.provider, None)
        return self._read[place]


def settings_overrides(models: Mapping[str, Mapping[str, str]]) -> tuple[Override, ...]:
    """The names of deployments in the settings, by provider, as everybody's overrides."""
    return tuple(Override(SETTINGS_ID, "model", provider, name, means=model)
                 for provider, named in models.items() for name, model in named.items() if name.lower() != model.lower())
