"""Calls in the order in which the ledger learned of them, from a place on: what a live view follows. A call stands there
once its cost is known, so one that runs long comes when it ends, behind calls that began later.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tallystick.core.ledger import read_body
from tallystick.core.merkle import HASH_BYTES
from tallystick.stores.sql.callfact import COLUMNS, OPEN
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.entries import RUN_MAX
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.sight import Sight, of_calls

_OF_CALLS: Final = frozenset(("ATTEMPT", "SETTLE", "REFUSED"))
_ENTRIES: Final = "SELECT seq, body FROM entry_{month} WHERE organization = ? AND seq > ? ORDER BY seq LIMIT ?"
_OPENED: Final = "SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?"
_FACT: Final = "SELECT " + ", ".join(COLUMNS) + " FROM call_fact_{month} WHERE organization = ? AND at_us = ? AND seq = ?"  # noqa: S608 - literals
_PRUNED: Final = ("SELECT r.first_seq, length(r.leaves) FROM leaf_run r JOIN journal_month m ON m.month = r.month"
                  " WHERE r.organization = ? AND r.first_seq > ? AND r.first_seq <= ? AND m.pruned_us IS NOT NULL")


class Learned(NamedTuple):
    """An entry's number and the row of the call that it settled."""

    seq: int
    row: dict[str, Any]


def newest(db: Connection, organization: int) -> int:
    """The number of the last entry."""
    row = db.execute("SELECT next_seq FROM chain WHERE organization = ?", (organization,)).fetchone()
    return int(row[0]) - 1 if row else 0


def learned(db: Connection, organization: int, after: int, sight: Sight, limit: int) -> tuple[list[Learned], int]:
    """The calls that the next entries settled or refused, as far as they are seen, and the last entry that was looked at; at
    most `limit` entries. An entry stands in the month in which its call came, so every month is asked: a record that a
    spool kept for long has a new number in an old one. Raises LedgerFault for damaged ones."""
    last = newest(db, organization)
    if after >= last:
        return [], after
    packer, seen = Packer(), of_calls(sight, organization)
    entries = sorted((int(seq), month, bytes(body)) for month in months(db)
                     for seq, body in db.execute(month_sql(_ENTRIES, month), (organization, after, limit)))[:limit]
    found: list[Learned] = []
    for seq, month, body in entries:
        fields = read_body(packer.unpack(body))
        if fields["kind"] not in _OF_CALLS:
            continue
        opened = seq
        if fields["kind"] == "SETTLE":
            opened = int(fields["ref"])
            row = db.execute(month_sql(_OPENED, month), (organization, opened)).fetchone()
            fields = read_body(packer.unpack(bytes(row[0]))) if row else fields
        fact = db.execute(month_sql(_FACT, month) + seen.sql, (organization, fields["at"], opened, *seen.values)).fetchone()
        if fact is not None and not (row_of := dict(zip(COLUMNS, fact, strict=True)))["flags"] & OPEN:
            found.append(Learned(seq, row_of))
    return found, entries[-1][0] if len(entries) == limit else max(last, *(seq for seq, _, _ in entries), after)


def pruned_between(db: Connection, organization: int, after: int, until: int) -> int:
    """How many entries behind one and up to another are of months whose rows are gone."""
    runs = db.execute(_PRUNED, (organization, after - RUN_MAX, until)).fetchall()
    spans = ((int(first), int(first) + int(size) // HASH_BYTES - 1) for first, size in runs)
    return sum(max(min(end, until) - max(first, after + 1) + 1, 0) for first, end in spans)
