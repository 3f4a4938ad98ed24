"""Calls read back from the ledger: the records of one request, and names behind the numbers.

What comes back are the nouns that were journaled (`Admission`, `Settlement`, `Adjustment`, `Refusal`), rebuilt from
the entries' bytes, so the API's document of a call and `explain` show what the ledger says and
nothing else. Lists and sums read the narrow rows instead (`facts.py`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tallystick.core.attempt import Adjustment, Admission, Refusal, Settlement
from tallystick.core.entry import PRIVATE, read_adjustment, read_admission, read_refusal, read_settlement, request_hex
from tallystick.core.ledger import read_body
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database, month_sql, months
from tallystick.stores.sql.packing import Packer

ERASED: Final = "erased"                     # what stands for a private value whose salt is gone
_NAMES_KEPT_MAX = 100_000


class Posted(NamedTuple):
    """An adjustment and the number of its entry."""

    seq: int
    adjustment: Adjustment


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt as the ledger has it. `settlement` is None while it is open, or deferred to a job's
    end (then `deferred` holds what was settled so far)."""

    seq: int
    admission: Admission
    settlement: Settlement | None
    deferred: Settlement | None = None
    settled_seq: int | None = None           # of the entry with the settlement; the same where it is one entry
    adjustments: tuple[Posted, ...] = ()     # in their order

    @property
    def cost_nanos(self) -> int:
        """What the attempt costs now: what was booked, and every delta since; 0 while it is not settled."""
        booked = self.settlement.cost_nanos if self.settlement else 0
        return booked + sum(posted.adjustment.delta_nanos for posted in self.adjustments)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """Everything the ledger says of one request id: its attempts in order, or its refusal."""

    request_id: str
    organization: str
    attempts: tuple[AttemptRecord, ...] = ()
    refusal: Refusal | None = None
    refusal_seq: int | None = None


class Calls:
    """Reads calls of one database. Names never change under their number, so they are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: dict[tuple[int, str, int], tuple[str, Mapping[str, str]]] = {}
        self._own = threading.local()        # a packer is for one thread at a time, and dear to make

    def read_call(self, request_id: str, organization: int | None = None) -> CallRecord | None:
        """The records of one request, None where the ledger has none (yet: a call is there within a
        second of its end) or where it is another organisation's than the one asked for.

        Raises StoreFault when the database cannot be read, LedgerFault for damaged entries.
        """
        try:
            request = bytes.fromhex(request_hex(request_id))
        except ValueError:
            return None
        with self._database.read() as db:
            for month in months(db):
                rows = db.execute(month_sql("SELECT organization, seq FROM call_fact_{month} WHERE request_id = ? ORDER BY attempt, seq",
                                            month), (request,)).fetchall()
                if rows:
                    if organization is not None and rows[0][0] != organization:
                        return None
                    return self._record(db, month, request_id, rows)
        return None

    def name(self, db: Connection, organization: int, kind: str, number: int) -> tuple[str, Mapping[str, str]]:
        """The name and content behind a number; private values come from their own table, and `erased`
        stands for one that is gone. Raises LookupError for a number that was never defined."""
        key = (organization, kind, number)
        found = self._names.get(key)
        if found is None:
            row = db.execute("SELECT d.name, d.content, p.value FROM dictionary d LEFT JOIN dictionary_private p"
                             " ON p.organization = d.organization AND p.kind = d.kind AND p.id = d.id"
                             " WHERE d.organization = ? AND d.kind = ? AND d.id = ?", key).fetchone()
            if row is None:
                raise LookupError(f"no {kind} has number {number}")
            private = row[2] if row[2] is not None else ERASED
            found = (private if kind in PRIVATE else row[0], json.loads(row[1]))
            if len(self._names) >= _NAMES_KEPT_MAX:
                self._names.clear()
            if kind != "team":               # which somebody may rename
                self._names[key] = found
        return found

    def _record(self, db: Connection, month: int, request_id: str, rows: list[tuple[int, int]]) -> CallRecord:
        organization = rows[0][0]

        def named(kind: str, number: int) -> tuple[str, Mapping[str, str]]:
            return self.name(db, organization, kind, number)

        slug = str(db.execute("SELECT slug FROM organization WHERE id = ?", (organization,)).fetchone()[0])
        attempts: list[AttemptRecord] = []
        for _, seq in rows:
            fields = self._entry(db, month, organization, seq)
            if fields["kind"] == "REFUSED":
                return CallRecord(request_id, slug, refusal=read_refusal(fields, named), refusal_seq=seq)
            attempts.append(self._attempt(db, month, organization, seq, fields))
        return CallRecord(request_id, slug, tuple(attempts))

    def read_attempt(self, db: Connection, organization: int, month: int, seq: int) -> AttemptRecord:
        """The attempt whose admission is entry `seq` of a month. Raises LookupError, ValueError or LedgerFault for
        an entry that is not there or does not say enough."""
        return self._attempt(db, month, organization, seq, self._entry(db, month, organization, seq))

    def read_refused(self, db: Connection, organization: int, month: int, seq: int) -> Refusal:
        """The refusal that is entry `seq` of a month. Raises LookupError, ValueError or LedgerFault as `read_attempt`."""
        return read_refusal(self._entry(db, month, organization, seq), lambda kind, number: self.name(db, organization, kind, number))

    def _attempt(self, db: Connection, month: int, organization: int, seq: int, fields: Mapping[str, Any]) -> AttemptRecord:
        def named(kind: str, number: int) -> tuple[str, Mapping[str, str]]:
            return self.name(db, organization, kind, number)

        admission = read_admission(fields, named)
        ending = (seq, read_settlement(fields, named)) if fields["kind"] == "ATTEMPT" else None
        deferred = read_settlement(fields, named) if fields["kind"] == "DEFER" else None
        adjustments: list[Posted] = []
        for later_seq, later in self._later(db, month, organization, seq):
            if later["kind"] == "ADJUST":
                adjustments.append(Posted(later_seq, read_adjustment(later, named)))
            elif later["kind"] == "DEFER":
                deferred = read_settlement(later, named)
            else:
                ending = later_seq, read_settlement(later, named)
        settled_seq, settlement = ending or (None, None)
        return AttemptRecord(seq, admission, settlement, deferred, settled_seq, tuple(adjustments))

    def _entry(self, db: Connection, month: int, organization: int, seq: int) -> dict[str, Any]:
        row = db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                         (organization, seq)).fetchone()
        if row is None:
            raise LookupError(f"entry {seq} is missing")
        packer = getattr(self._own, "packer", None)
        if packer is None:
            packer = self._own.packer = Packer()
        return read_body(packer.unpack(row[0]))

    def _later(self, db: Connection, month: int, organization: int, seq: int) -> list[tuple[int, dict[str, Any]]]:
        """The entries that speak of one which opened an attempt, in order; they stand in its month."""
        rows = db.execute("SELECT seq FROM later_entry WHERE organization = ? AND ref = ? ORDER BY seq", (organization, seq)).fetchall()
        return [(int(row[0]), self._entry(db, month, organization, int(row[0]))) for row in rows]
