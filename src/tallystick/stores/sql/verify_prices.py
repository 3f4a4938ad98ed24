"""Do the price tables stand as their entries say? An override's row is compared with the PRICE entries that
set and ended it, an applied release's rows by their digest. So nobody can change an agreed price, move its
end, or slip rows into the book by editing a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from tallystick.core.money import EXACT, to_nanos
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.releases import applied, lines_digest
from tallystick.stores.sql.verify_directory import Difference


_COLUMNS: Final = ("terms", "set_us", "proposed_by", "approved_by", "valid_to", "ended_us", "ended_by")
_OVERRIDES: Final = "SELECT id, " + ", ".join(_COLUMNS) + " FROM price_override WHERE organization = ?"      # noqa: S608 - literals


class ListRates:
    """What the list says beside each price row and factor that an override made, by their numbers."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Decimal, Decimal, Decimal]] = {}
        self._factors: dict[int, Decimal] = {}

    def define(self, kind: str, number: int, content: Mapping[str, str]) -> None:
        if kind == "price_row" and "list_price" in content:
            self._rows[number] = Decimal(content["list_price"]), Decimal(content["list_per"]), Decimal(content["list_factor"])
        elif kind == "factor" and "list_factor" in content:
            self._factors[number] = Decimal(content["list_factor"])

    def nanos(self, lines: Iterable[list[Any]], rates: Mapping[int, tuple[Decimal, Decimal]]) -> int:
        """The lines' sum at list prices, rounded once; `rates`: of every price row."""
        total = Decimal(0)
        for line in lines:
            if len(line) < 3 or not line[2]:
                continue
            price, per = rates[line[2]]
            factor = Decimal(line[3]) if len(line) > 3 else Decimal(1)
            if line[2] in self._rows:
                price, per, factor = self._rows[line[2]]
            elif len(line) > 4:
                factor = self._factors.get(line[4], factor)
            product = EXACT.multiply(EXACT.multiply(Decimal(line[1]), price), factor)
            total = EXACT.add(total, EXACT.divide(product, per))
        return to_nanos(total)


class Prices:
    """What one chain's entries say of prices, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._overrides: dict[str, dict[str, Any]] = {}
        self._releases: dict[tuple[str, str], dict[str, Any]] = {}

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A PRICE entry. Raises KeyError for one that ends what was never set."""
        event = fields["event"]
        if event == "set":
            self._overrides[fields["override"]] = {
                "seq": seq, "terms": fields["terms"], "set_us": fields["at"], "proposed_by": fields["actor"],
                "approved_by": fields["approved"], "valid_to": None, "ended_us": None, "ended_by": None}
        elif event == "ended":
            self._overrides[fields["override"]] |= {
                "seq": seq, "valid_to": fields["valid_to"], "ended_us": fields["at"], "ended_by": fields["actor"]}
        elif event == "applied":
            self._releases[fields["release"], self._provider(fields["provider"])] = {
                "seq": seq, "source": fields["source"], "digest": fields["read_digest"], "checked_on": fields["checked_on"],
                "lines": fields["lines_digest"], "decided_us": fields["at"], "decided_by": fields["actor"]}

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        yield from self._of_overrides()
        if self._releases or not self._organization:     # releases are chained on the installation's own chain, which is 0
            yield from self._of_releases()

    def _of_overrides(self) -> Iterator[Difference]:
        said = dict(self._overrides)
        for override, *row in self._db.execute(_OVERRIDES, (self._organization,)).fetchall():
            entry = said.pop(override, None)
            stands = dict(zip(_COLUMNS, (_object(row[0]), *row[1:]), strict=True))
            if entry is None:
                yield Difference(None, f"there is an override {override}, and no entry says so")
            elif wrong := ", ".join(name for name in _COLUMNS if stands[name] != entry[name]):
                yield Difference(entry["seq"], f"override {override} stands otherwise than it was set or ended: {wrong}")
        for override, entry in said.items():
            yield Difference(entry["seq"], f"override {override} is missing")

    def _of_releases(self) -> Iterator[Difference]:
        said = dict(self._releases)
        for release in applied(self._db):
            entry = said.pop((release.id, release.provider), None)
            stands = {"source": release.source, "digest": release.digest, "checked_on": release.checked_on,
                      "lines": lines_digest(release.lines), "decided_us": release.decided_us, "decided_by": release.decided_by}
            place = f"release {release.id} of {release.provider}"
            if entry is None:
                yield Difference(None, f"{place} is applied, and no entry says so")
            elif wrong := ", ".join(name for name, has in stands.items() if has != entry[name]):
                yield Difference(entry["seq"], f"{place} stands otherwise than it was applied: {wrong}")
        for (release_id, provider), entry in said.items():
            yield Difference(entry["seq"], f"release {release_id} of {provider} was applied, and is not in force")

    def _provider(self, number: int) -> str:
        row = self._db.execute("SELECT name FROM dictionary WHERE organization = ? AND kind = 'provider' AND id = ?",
                               (self._organization, number)).fetchone()
        return str(row[0]) if row else f"provider {number}"


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
