"""The chain from its first entry to its last, whatever tables its entries stand in; and as exact bytes, one
a line, which is the form an outsider can check with nothing but SHA-256 (docs/reference/ledger.md). Of a month
whose rows were dropped the hashes stand, in runs of entries one behind the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

from tallystick.core.ledger import GENESIS, LedgerFault, sealed
from tallystick.core.merkle import unpack
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.packing import Packer

STANDING: Final = 0                          # the "month" of entries that outlive every month
RUN_MAX: Final = 1_000                       # leaf hashes in one run
_RUNS: Final = "SELECT first_seq, month, leaves FROM leaf_run WHERE organization = ?"


class StoredEntry(NamedTuple):
    """`packed`: None where only the hash is left."""

    seq: int
    packed: bytes | None
    leaf: bytes
    month: int                               # YYYYMM, or STANDING


def stored_entries(db: Connection, organization: int) -> Iterator[StoredEntry]:
    """All entries of a chain in the order of their numbers. While a month is on its way out, its entries are those of its
    tables."""
    standing = months(db)
    parts = [db.stream("SELECT seq, body, leaf, 0 FROM entry_standing WHERE organization = ? ORDER BY seq", (organization,))]
    parts += [
        db.stream(month_sql("SELECT seq, body, leaf, {month} FROM entry_{month} WHERE organization = ? ORDER BY seq", month),
                   (organization,))
        for month in standing
    ]
    runs = db.stream(_RUNS + " ORDER BY first_seq", (organization,))
    parts.append(entry for run in runs if run[1] not in standing for entry in _of_run(*run))
    return map(StoredEntry._make, heapq.merge(*parts, key=itemgetter(0)))


def entries_from(db: Connection, organization: int, first: int, count: int) -> list[StoredEntry]:
    """So many entries of a chain, from a number on."""
    found: list[StoredEntry] = []
    tables = [("entry_standing", STANDING), *((month_sql("entry_{month}", month), month) for month in months(db))]
    for table, month in tables:
        found += (StoredEntry(seq, body, leaf, month) for seq, body, leaf in db.execute(
            f"SELECT seq, body, leaf FROM {table} WHERE organization = ? AND seq >= ? ORDER BY seq LIMIT ?",  # noqa: S608 - names of ours
            (organization, first, count)))
    found += hashes_between(db, organization, first, first + count)
    return sorted(found, key=itemgetter(0))[:count]


def hashes_between(db: Connection, organization: int, first: int, end: int) -> list[StoredEntry]:
    """Of the entries from a number on and before another, those of which only the hash is left."""
    standing = months(db)
    runs = db.execute(_RUNS + " AND first_seq > ? AND first_seq < ? ORDER BY first_seq", (organization, first - RUN_MAX, end))
    return [entry for run in runs if run[1] not in standing for entry in _of_run(*run) if first <= entry.seq < end]


def exact_entries(db: Connection, organization: int) -> Iterator[bytes]:
    """The exact bytes of every entry, in order. Raises LedgerFault for one that cannot be unpacked, or was pruned."""
    unpack_body, leaf = Packer().unpack, GENESIS
    for entry in stored_entries(db, organization):
        if entry.packed is None:
            raise LedgerFault(f"entry {entry.seq} was pruned")
        yield sealed(unpack_body(entry.packed), leaf)
        leaf = entry.leaf


def _of_run(first: int, month: int, leaves: bytes) -> Iterator[StoredEntry]:
    return (StoredEntry(seq, None, leaf, month) for seq, leaf in enumerate(unpack(bytes(leaves)), start=first))
