"""The overrides of organisations, set and ended. Each change is one transaction: the row, a chained PRICE
entry that says all of it, who proposed it and who approved it, and the change counter by which running
servers see it. Nothing is edited: a changed agreement is the old one ended and a new one set.

Where one person alone may approve, setting is proposing and approving at once, and the entry says so by
naming the same actor twice (decisions.md, "Roles").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from tallystick.core.entry import Fields
from tallystick.core.price_overrides import ANY, Override, read_override, terms_of
from tallystick.stores.sql import engine
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending, Sequencer
from tallystick.stores.sql.team_names import NONE, names_by_slug

OVERRIDES_MAX: Final = 2_000                 # of one organisation, ended ones included
_ID_BYTES: Final = 6
_SELECT: Final = """
SELECT id, terms, set_us, proposed_by, approved_by, valid_to, ended_us, ended_by FROM price_override WHERE organization = ?"""
_SELECT_ALL: Final = """
SELECT o.slug, p.id, p.terms, p.set_us, p.proposed_by, p.approved_by, p.valid_to, p.ended_us, p.ended_by
FROM price_override p JOIN organization o ON o.id = p.organization ORDER BY p.organization, p.set_us, p.id"""


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override with its story; `override.valid_to` is where it ends by now."""

    override: Override
    set_us: int
    proposed_by: str
    approved_by: str
    ended_us: int | None = None
    ended_by: str | None = None


class ListPrices(Protocol):
    """What setting one must know of the list."""

    def knows(self, provider: str) -> bool: ...

    def canonical(self, provider: str, model: str, at_us: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Overrides:
    """Sets and ends overrides. `entropy` draws random bytes."""

    sequencer: Sequencer
    listed: ListPrices
    entropy: Callable[[int], bytes]

    def set(self, organization: int, terms: Mapping[str, Any], now_us: int, by: str, *, unlisted: bool = False) -> StoredOverride:
        """Set an override, proposed and approved by one. Raises Refused as `read` and `put` do."""
        override = self.read(terms, now_us, unlisted=unlisted)
        with self.sequencer.append(now_us) as pen:
            return self.put(pen, organization, override, by, by)

    def read(self, terms: Mapping[str, Any], now_us: int, *, unlisted: bool = False) -> Override:
        """The override that terms mean, from now on unless they say a start. `unlisted`: its model need not be in the list.

        Raises Refused for terms that cannot be meant, and for names that the price book does not know.
        """
        try:
            said = read_override("ovr_" + self.entropy(_ID_BYTES).hex(), {"valid_from": day_text(now_us), **terms})
        except ValueError as fault:
            raise Refused("invalid_request", f"{str(fault)[:1].upper()}{str(fault)[1:]}.") from None
        return self._known(said, now_us, unlisted)

    def put(self, pen: Appending, organization: int, override: Override, proposed_by: str, approved_by: str) -> StoredOverride:
        """Set an override in an open transaction. Raises Refused where there are too many."""
        held = pen.db.execute("SELECT count(*) FROM price_override WHERE organization = ?", (organization,)).fetchone()[0]
        if held >= OVERRIDES_MAX:
            raise Refused("too_many", f"An organisation has at most {OVERRIDES_MAX} overrides, ended ones included.")
        stored = terms_of(override)
        pen.db.execute(
            "INSERT INTO price_override (organization, id, terms, set_us, proposed_by, approved_by) VALUES (?, ?, ?, ?, ?, ?)",
            (organization, override.id, json.dumps(stored, sort_keys=True, ensure_ascii=False), pen.now_us, proposed_by, approved_by))
        fields: Fields = {"kind": "PRICE", "at": pen.now_us, "event": "set", "actor": proposed_by, "approved": approved_by,
                          "override": override.id, "terms": stored}
        pen.chain(organization).append(fields)
        engine.note_change(pen.db)
        return StoredOverride(override, pen.now_us, proposed_by, approved_by)

    def end(self, organization: int, override_id: str, now_us: int, by: str, valid_to: str | None = None) -> StoredOverride | None:
        """End an override, proposed and approved by one, as `finish` does."""
        with self.sequencer.append(now_us) as pen:
            return self.finish(pen, organization, override_id, by, by, valid_to)

    def finish(self, pen: Appending, organization: int, override_id: str, proposed_by: str, approved_by: str,
               valid_to: str | None = None) -> StoredOverride | None:
        """End an override in an open transaction, now or at another moment; at its start it is as though it had never
        been. None: there is no such one. Raises Refused where it has ended already, or would end before it begins."""
        stored = find_override(pen.db, organization, override_id)
        if stored is None:
            return None
        if stored.ended_us is not None:
            raise Refused("not_active", "It has ended already.")
        try:
            ended = replace(stored.override, valid_to=valid_to or max(day_text(pen.now_us), stored.override.valid_from))
        except ValueError as fault:
            raise Refused("invalid_request", f"{str(fault)[:1].upper()}{str(fault)[1:]}.") from None
        pen.db.execute("UPDATE price_override SET valid_to = ?, ended_us = ?, ended_by = ? WHERE organization = ? AND id = ?",
                       (ended.valid_to, pen.now_us, proposed_by, organization, override_id))
        pen.chain(organization).append({"kind": "PRICE", "at": pen.now_us, "event": "ended", "actor": proposed_by, "approved": approved_by,
                                        "override": override_id, "valid_to": ended.valid_to})
        engine.note_change(pen.db)
        return replace(stored, override=ended, ended_us=pen.now_us, ended_by=proposed_by)

    def _known(self, said: Override, now_us: int, unlisted: bool) -> Override:
        """The override with its models by the names of the list."""
        if said.provider != ANY and not self.listed.knows(said.provider):
            raise Refused("unknown_provider", f"There is no provider {said.provider}.")
        named = said.means if said.kind == "model" else said.model
        if named == ANY:
            return said
        model = self.listed.canonical(said.provider, named, max(now_us, said.start_us))
        if model is None and not (unlisted and said.kind == "price"):
            raise Refused("unknown_model", f"The price book has no {named} of {said.provider}; see `tallystick prices show`."
                          + (" A model of your own is priced with --unlisted." if said.kind == "price" else ""))
        return replace(said, means=model or named) if said.kind == "model" else replace(said, model=model or named)


def list_overrides(database: Database, organization: int) -> list[StoredOverride]:
    """All overrides of an organisation in the order they were set."""
    with database.read() as db:
        return [_stored(row) for row in db.execute(_SELECT + " ORDER BY set_us, id", (organization,))]


def overrides_of_all(db: Connection) -> dict[str, list[Override]]:
    """Every organisation's overrides, by its name in records; one that cannot be read is left out (`verify` names it)."""
    found: dict[str, list[Override]] = {}
    teams = names_by_slug(db)
    for slug, *row in db.execute(_SELECT_ALL):
        try:
            override = _stored(tuple(row)).override
            found.setdefault(slug, []).append(replace(override, team=teams.get(slug, NONE).first.get(override.team, override.team)))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def day_text(at_us: int) -> str:
    """A moment as an override's date has it: to the second, UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_override(db: Connection, organization: int, override_id: str) -> StoredOverride | None:
    """One override of an organisation."""
    row = db.execute(_SELECT + " AND id = ?", (organization, override_id)).fetchone()
    return _stored(row) if row else None


def _stored(row: tuple[Any, ...]) -> StoredOverride:
    override_id, terms, set_us, proposed_by, approved_by, valid_to, ended_us, ended_by = row
    override = read_override(override_id, json.loads(terms))
    if valid_to:
        override = replace(override, valid_to=valid_to)
    return StoredOverride(override, set_us, proposed_by, approved_by, ended_us, ended_by)
