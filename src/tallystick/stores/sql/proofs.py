"""The way from one entry to a signed checkpoint (RFC 9162 §2.1.3): the hashes that, with the entry's own, give the root that was
signed. Leaves are read piece by piece and forgotten; the roots of whole blocks are kept, for entries never change, so only
the first proof of a process reads the chain from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tallystick.core import merkle
from tallystick.core.ledger import LedgerFault
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.entries import hashes_between

BLOCK: Final = 4_096                         # leaves; a power of two
_BLOCKS_MAX: Final = 65_536                  # kept, 32 bytes each: 268 million entries


class Blocks:
    """The roots of whole blocks of chains, as they were read."""

    def __init__(self) -> None:
        self._roots: dict[tuple[int, int], bytes] = {}

    def root(self, organization: int, block: int, leaves: Callable[[int, int], list[bytes]]) -> bytes:
        """The root of one block."""
        place = organization, block
        if (known := self._roots.get(place)) is None:
            known = merkle.tree_root(leaves(block * BLOCK, (block + 1) * BLOCK))
            if len(self._roots) < _BLOCKS_MAX:
                self._roots[place] = known
        return known


def inclusion(
    db: Connection, organization: int, index: int, size: int, blocks: Blocks, breathe: Callable[[], None] = lambda: None,
) -> list[bytes]:
    """The proof that entry `index` is under the root over the first `size`. `breathe` is called between pieces. Raises LedgerFault
    where a leaf in between is missing."""
    def leaves(first: int, end: int) -> list[bytes]:
        breathe()
        return _leaves(db, organization, first, end)

    return [_root(organization, first, end, blocks, leaves) for first, end in merkle.inclusion_spans(index, size)]


def _root(organization: int, first: int, end: int, blocks: Blocks, leaves: Callable[[int, int], list[bytes]]) -> bytes:
    """The root over a span of a tree: it begins where a block does, or lies within one."""
    whole = (end - first) // BLOCK
    frontier: list[bytes] = []
    for number in range(whole):
        merkle.push(frontier, number, blocks.root(organization, first // BLOCK + number, leaves))
    rest: list[bytes] = []
    for number, leaf in enumerate(leaves(first + whole * BLOCK, end)):
        merkle.push(rest, number, leaf)
    return merkle.root_of([*frontier, *rest])


def _leaves(db: Connection, organization: int, first: int, end: int) -> list[bytes]:
    place = organization, first, end
    found = dict(db.execute("SELECT seq, leaf FROM entry_standing WHERE organization = ? AND seq >= ? AND seq < ?", place).fetchall())
    for month in months(db):
        if len(found) == end - first:
            break
        found |= dict(db.execute(month_sql(
            "SELECT seq, leaf FROM entry_{month} WHERE organization = ? AND seq >= ? AND seq < ?", month), place).fetchall())
    if len(found) < end - first:
        found |= {entry.seq: entry.leaf for entry in hashes_between(db, organization, first, end)}
    if len(found) < end - first:
        raise LedgerFault(f"entries between {first} and {end - 1} are missing")
    return [found[seq] for seq in range(first, end)]
