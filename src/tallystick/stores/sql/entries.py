"""The chain from its first entry to its last, whatever tables its entries stand in; and as exact bytes, one
a line, which is the form an outsider can check with nothing but SHA-256 (docs/reference/ledger.md).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

from tallystick.core.ledger import GENESIS, sealed
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.packing import Packer

STANDING: Final = 0                          # the "month" of entries that outlive every month


class StoredEntry(NamedTuple):
    seq: int
    packed: bytes
    leaf: bytes
    month: int                               # YYYYMM, or STANDING


def stored_entries(db: Connection, organization: int) -> Iterator[StoredEntry]:
    """All entries of a chain in the order of their numbers."""
    parts = [db.stream("SELECT seq, body, leaf, 0 FROM entry_standing WHERE organization = ? ORDER BY seq", (organization,))]
    parts += [
        db.stream(month_sql("SELECT seq, body, leaf, {month} FROM entry_{month} WHERE organization = ? ORDER BY seq", month),
                   (organization,))
        for month in months(db)
    ]
    return map(StoredEntry._make, heapq.merge(*parts, key=itemgetter(0)))


def exact_entries(db: Connection, organization: int) -> Iterator[bytes]:
    """The exact bytes of every entry, in order. Raises LedgerFault for one that cannot be unpacked."""
    unpack, leaf = Packer().unpack, GENESIS
    for entry in stored_entries(db, organization):
        yield sealed(unpack(entry.packed), leaf)
        leaf = entry.leaf
