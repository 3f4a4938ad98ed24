"""Whether what is about to be dropped is what was written: each entry's hash is that of its bytes and of the entry before,
and each call's row is what its entries say. A month that somebody changed is not sealed as it is, for afterwards nobody
could tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tallystick.core.ledger import GENESIS, LedgerFault, leaf_of, read_body
from tallystick.stores.sql.booking import ended
from tallystick.stores.sql.callfact import COLUMNS, Calendar, fact_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.entries import StoredEntry, entries_from
from tallystick.stores.sql.packing import Packer

BREATH: Final = 32                           # entries: some 3 ms
_FACT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM call_fact_{month} WHERE organization = ? AND at_us = ? AND seq = ?"  # noqa: S608 - literals
_LATER: Final = ("SELECT e.body FROM later_entry l JOIN entry_{month} e ON e.organization = l.organization AND e.seq = l.seq"
                 " WHERE l.organization = ? AND l.ref = ? ORDER BY l.seq")


class NotAsWritten(Exception):
    """What is wrong, and with which entry."""


class Proof:
    """Of one organisation's month, beginning anywhere in it."""

    def __init__(self, db: Connection, organization: int, month: int) -> None:
        slug, zone = db.execute("SELECT slug, zone FROM organization WHERE id = ?", (organization,)).fetchone()
        self._db = db
        self._organization = organization
        self._slug = str(slug)
        self._calendar = Calendar(zone)
        self._month = month
        self._unpack = Packer().unpack

    def of(self, entries: Sequence[StoredEntry], breathe: Callable[[], None]) -> int:
        """Judge entries of the month, in their order; how many of them have rows. Raises NotAsWritten."""
        before, rows = StoredEntry(-1, None, GENESIS, 0), 0
        for number, entry in enumerate(entries, start=1):
            before = self._before(entry.seq) if before.seq != entry.seq - 1 else before
            rows += self._judge(entry, before.leaf)
            before = entry
            if not number % BREATH:
                breathe()
        return rows

    def _before(self, seq: int) -> StoredEntry:
        found = entries_from(self._db, self._organization, seq - 1, 1) if seq else []
        if seq and (not found or found[0].seq != seq - 1):
            raise NotAsWritten(f"entry {seq - 1} of {self._slug} is missing")
        return found[0] if found else StoredEntry(-1, None, GENESIS, 0)

    def _judge(self, entry: StoredEntry, previous: bytes) -> bool:
        where = f"entry {entry.seq} of {self._slug}"
        try:
            body = self._unpack(entry.packed or b"")
            fields = read_body(body)
            if leaf_of(body, previous) != entry.leaf or (fields["seq"], fields["org"]) != (entry.seq, self._slug):
                raise NotAsWritten(f"{where} is not as it was written")
            return self._judge_row(entry.seq, fields, where)
        except (LedgerFault, KeyError, TypeError, ValueError, ArithmeticError) as fault:
            raise NotAsWritten(f"{where} cannot be read: {fault}") from None

    def _judge_row(self, seq: int, fields: Mapping[str, Any], where: str) -> bool:
        if fields["kind"] not in ("ATTEMPT", "ADMIT", "DEFER", "REFUSED") or "ref" in fields:
            return False
        later = [read_body(self._unpack(bytes(body)))
                 for (body,) in self._db.execute(month_sql(_LATER, self._month), (self._organization, seq)).fetchall()]
        adjusted = sum(int(one["delta_nanos"]) for one in later if one["kind"] == "ADJUST")
        ending = next((one for one in later if one["kind"] == "SETTLE"), None)
        if ending is None and fields["kind"] in ("ADMIT", "DEFER"):
            raise NotAsWritten(f"{where} has no settlement")
        proper = fact_of(ended(fields, ending) if ending else fields, self._organization, self._calendar, adjusted)
        found = self._db.execute(month_sql(_FACT, self._month), (self._organization, fields["at"], seq)).fetchone()
        if found is None or tuple(found) != proper:
            raise NotAsWritten(f"the row of {where} is not what it says")
        return True
