"""Entries of a chain for people to look at: the newest first, those of one request, one by its number. Numbers are gap-free, so
a piece of the chain is a piece of numbers, whatever tables its entries stand in; every look at it is bounded, and says where
the next one goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

from tallystick.core.entry import PRIVATE, read_pairs
from tallystick.core.ledger import CALL_KINDS, GENESIS
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.entries import StoredEntry, hashes_between
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.policy_rows import value_kind
from tallystick.stores.sql.verify_names import NAMED

PIECE: Final = 500
LATE_US: Final = 3_600_000_000               # a call is chained within it, unless the ledger was away for longer
_STANDING_BELOW: Final = ("SELECT seq, body, leaf, 0 FROM entry_standing WHERE organization = ? AND seq < ? ORDER BY seq DESC LIMIT ?")
_STANDING_IN: Final = "SELECT seq, body, leaf, 0 FROM entry_standing WHERE organization = ? AND seq >= ? AND seq < ?"
_MONTH_IN: Final = "SELECT seq, body, leaf, {month} FROM entry_{month} WHERE organization = ? AND seq >= ? AND seq < ?"


def length_of(db: Connection, organization: int) -> tuple[int, bytes]:
    """How many entries a chain has, and the hash of the last."""
    size, head = db.execute("SELECT next_seq, head FROM chain WHERE organization = ?", (organization,)).fetchone()
    return int(size), bytes(head)


def entry_at(db: Connection, organization: int, seq: int) -> StoredEntry | None:
    """One entry; None where there is none of that number. Of one that was pruned, `packed` is None."""
    found = _between(db, organization, seq, seq + 1)
    return found[0] if found else None


def leaf_before(db: Connection, organization: int, seq: int) -> bytes | None:
    """What an entry's `prev` must say."""
    if not seq:
        return GENESIS
    before = entry_at(db, organization, seq - 1) or next(iter(hashes_between(db, organization, seq - 1, seq)), None)
    return before.leaf if before else None


def newest_first(db: Connection, organization: int, below: int, kinds: Collection[str], looked_at_max: int) -> Iterator[StoredEntry]:
    """Entries below a number, downwards, until the chain's beginning or until so many were looked at. `kinds`, where there are
    any: only from the tables that can have them."""
    if kinds and CALL_KINDS.isdisjoint(kinds):
        yield from map(StoredEntry._make, db.stream(_STANDING_BELOW, (organization, below, looked_at_max)))
        return
    for top in range(below, 0, -PIECE):
        yield from reversed(_between(db, organization, max(top - PIECE, 0), top))


def of_request(db: Connection, organization: int, request_id: bytes) -> list[StoredEntry]:
    """The entries of one call in their order: admissions, settlements, corrections, or its refusal."""
    seqs = {int(seq) for month in months(db) for (seq,) in db.execute(month_sql(
        "SELECT seq FROM call_fact_{month} WHERE request_id = ? AND organization = ?", month), (request_id, organization))}
    seqs |= {later for seq in seqs for later in later_than(db, organization, seq)}
    return [found for seq in sorted(seqs) if (found := entry_at(db, organization, seq)) is not None]


def later_than(db: Connection, organization: int, seq: int) -> list[int]:
    """The entries that speak of this one: its settlement, its corrections."""
    rows = db.execute("SELECT seq FROM later_entry WHERE organization = ? AND ref = ? ORDER BY seq", (organization, seq))
    return [int(row[0]) for row in rows.fetchall()]


def numbers_of_time(db: Connection, organization: int, from_us: int | None, until_us: int | None) -> tuple[int, int]:
    """Between which numbers the entries of some time stand, as far as checkpoints tell: at least all that were chained within
    an hour of their moment."""
    low, high = 0, length_of(db, organization)[0]
    if from_us is not None:
        row = db.execute("SELECT size FROM checkpoint WHERE organization = ? AND at_us < ? ORDER BY size DESC LIMIT 1",
                         (organization, from_us)).fetchone()
        low = int(row[0]) if row else 0
    if until_us is not None:
        row = db.execute("SELECT size FROM checkpoint WHERE organization = ? AND at_us >= ? ORDER BY size LIMIT 1",
                         (organization, until_us + LATE_US)).fetchone()
        high = int(row[0]) if row else high
    return low, high


def signed_over(db: Connection, organization: int, seq: int) -> tuple[int, int, str] | None:
    """The first checkpoint that covers an entry: over how many, when, and its note; None where none does yet."""
    row = db.execute("SELECT size, at_us, note FROM checkpoint WHERE organization = ? AND size > ? ORDER BY size LIMIT 1",
                     (organization, seq)).fetchone()
    return (int(row[0]), int(row[1]), str(row[2])) if row else None


def _between(db: Connection, organization: int, first: int, end: int) -> list[StoredEntry]:
    """The entries of a piece of numbers, in order; of those that were pruned, their hashes."""
    place = organization, first, end
    rows = db.execute(_STANDING_IN, place).fetchall()
    for month in months(db):
        if len(rows) == end - first:
            break
        rows += db.execute(month_sql(_MONTH_IN, month), place).fetchall()
    found = [*map(StoredEntry._make, rows)]
    if len(found) < end - first:
        found += hashes_between(db, organization, first, end)
    return sorted(found, key=itemgetter(0))




def named(fields: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """An entry's fields with names in the place of their numbers; what was erased says so, and what no name is known for stays."""
    said = {member: _name(names, NAMED[member], value) if member in NAMED and type(value) is int else value
            for member, value in fields.items()}
    if "teams" in fields:
        said["teams"] = [_name(names, "team", number) for number in fields["teams"]]
    if fields["kind"] in ("CAP", "POLICY") and type(fields.get("value")) is int:
        said["value"] = _name(names, value_kind(str(fields.get("scope" if fields["kind"] == "CAP" else "on"))), fields["value"])
    if fields["kind"] == "SCOPE" and "to" in fields:
        said["to"] = _name(names, "team", fields["to"])
    return said


def _name(names: Names, kind: str, number: int) -> str | int:
    found = names.of(kind, number)
    if found is None:
        return ERASED if kind in PRIVATE else number
    return ", ".join(f"{name}={value}" if value else name for name, value in read_pairs(found)) if kind in ("tags", "dimensions") else found
