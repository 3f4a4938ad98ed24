"""A slow walk round the ledger beside the calls, so that somebody hears of a chain that was tampered with, or of a disk that
lies, before the next `tallystick verify`. Each look reads the newest entries of a chain and goes on a bounded piece from
where the last look came to: hashes, numbers, the signed checkpoints on the way, at the end head and tree. One instance
looks at a time. Columns, costs and names are left to `verify`, which reads everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tallystick.core import merkle
from tallystick.core.alerts import ledger_fault
from tallystick.core.ledger import GENESIS, LedgerFault, leaf_of, open_checkpoint
from tallystick.stores.secrets import signature_holds
from tallystick.stores.sql.alerts_raised import raise_alert, resolve
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import DEFAULT, SYSTEM, Database
from tallystick.stores.sql.entries import StoredEntry, entries_from
from tallystick.stores.sql.journal import origin_of
from tallystick.stores.sql.packing import Packer

LOOK_EVERY_US: Final = 60_000_000
ENTRIES_MAX: Final = 3_000                   # in one look, of all chains together: about 40 ms of one core's time
NEWEST: Final = 250                          # of each chain that is looked at
STEP: Final = 250                            # entries between two breaths
_MARK: Final = "ledger"
_WHOLE: Final = "The whole chain was walked since, and it is as it was written."


class _Fault(NamedTuple):
    seq: int
    message: str


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain as this look sees it."""

    organization: int
    slug: str
    next_seq: int
    head: bytes
    frontier: bytes


@dataclass(slots=True)
class _Walk:
    """How far a walk has come. `tree`: None where it did not begin at the first entry."""

    seq: int = 0
    leaf: bytes = GENESIS
    tree: list[bytes] | None = field(default_factory=list)
    fault: _Fault | None = None              # the first

    def wrong(self, seq: int, message: str) -> None:
        self.fault = self.fault or _Fault(seq, message)


def look(database: Database, public_key: bytes, now_us: int, breathe: Callable[[], None] = lambda: None) -> int:
    """One look, unless another instance had one within the minute; how many entries were read. Raises StoreFault."""
    with database.write() as db:
        row = db.execute("SELECT at_us FROM alert_watermark WHERE name = ?", (_MARK,)).fetchone()
        if row is not None and now_us - row[0] < LOOK_EVERY_US:
            return 0
        db.execute("INSERT INTO alert_watermark (name, at_us) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at_us = excluded.at_us",
                   (_MARK, now_us))
    left = ENTRIES_MAX
    with database.read() as db:
        longest_ago = [number for (number,) in db.execute(
            "SELECT c.organization FROM chain c LEFT JOIN alert_ledger l ON l.organization = c.organization"
            " ORDER BY coalesce(l.looked_us, 0), c.organization")]
    for organization in longest_ago:
        if left <= 0:
            break
        left -= _look_at(database, public_key, organization, left, now_us, breathe)
    return ENTRIES_MAX - left


def _look_at(database: Database, public_key: bytes, organization: int, entries_max: int, now_us: int, breathe: Callable[[], None]) -> int:
    """One chain's newest entries, and the next piece of the round; how many were read."""
    with database.read() as db:
        chain = _chain_of(db, organization)
        newest = _newest(db, public_key, chain)
        row = db.execute("SELECT next_seq, leaf, frontier, began_us, sound FROM alert_ledger WHERE organization = ?",
                         (organization,)).fetchone()
    seq, leaf, frontier, began_us, sound = row or (0, GENESIS, b"", now_us, 1)
    walk, read = _Walk(seq, leaf, merkle.unpack(frontier)), min(NEWEST, entries_max)
    at_end = False
    while not at_end and read < entries_max:
        breathe()
        with database.read() as db:
            chain = _chain_of(db, organization)
            read += _go_on(db, public_key, chain, walk, min(STEP, entries_max - read))
            at_end = _at_end(chain, walk)
    found, sound = walk.fault or newest, int(sound and walk.fault is None)
    with database.write() as db:
        if found is not None:
            _raise(db, organization, chain.slug, found, now_us)
        elif at_end and sound:
            _resolve(db, organization, chain.slug, began_us, now_us)
        if at_end:
            walk, began_us, sound = _Walk(), now_us, 1
        db.execute("INSERT INTO alert_ledger (organization, next_seq, leaf, frontier, began_us, sound, looked_us)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization) DO UPDATE SET next_seq = excluded.next_seq,"
                   " leaf = excluded.leaf, frontier = excluded.frontier, began_us = excluded.began_us, sound = excluded.sound,"
                   " looked_us = excluded.looked_us",
                   (organization, walk.seq, walk.leaf, merkle.pack(walk.tree or []), began_us, sound, now_us))
    return read


def _newest(db: Connection, public_key: bytes, chain: _Chain) -> _Fault | None:
    first = max(0, chain.next_seq - NEWEST)
    before = entries_from(db, chain.organization, first - 1, 1) if first else []
    walk = _Walk(first, before[0].leaf if before else GENESIS, None)
    _go_on(db, public_key, chain, walk, NEWEST)
    _at_end(chain, walk)
    return walk.fault


def _go_on(db: Connection, public_key: bytes, chain: _Chain, walk: _Walk, count: int) -> int:
    """Read so many entries more; how many there were."""
    unpack = Packer().unpack
    entries = entries_from(db, chain.organization, walk.seq, count)
    notes: dict[int, str] = dict(db.execute("SELECT size, note FROM checkpoint WHERE organization = ? AND size > ? AND size <= ?",
                                            (chain.organization, walk.seq, walk.seq + count)).fetchall()) if walk.tree is not None else {}
    for entry in entries:
        if entry.seq != walk.seq:
            walk.wrong(walk.seq, "it is missing" if entry.seq > walk.seq else "it stands twice")
        if entry.packed is not None:
            _check_bytes(entry.packed, entry, chain, walk, unpack)
        if walk.tree is not None:
            merkle.push(walk.tree, walk.seq, entry.leaf)
        walk.seq, walk.leaf = entry.seq + 1, entry.leaf
        if walk.seq in notes and walk.tree is not None:
            _check_note(notes[walk.seq], public_key, chain, walk, merkle.root_of(walk.tree))
    if not entries and walk.seq < chain.next_seq:
        walk.wrong(walk.seq, f"it and what follows, {chain.next_seq - walk.seq} entries, are missing")
        walk.seq = chain.next_seq
    return max(1, len(entries))


def _check_bytes(packed: bytes, entry: StoredEntry, chain: _Chain, walk: _Walk, unpack: Callable[[bytes], bytes]) -> None:
    try:
        body = unpack(packed)
        fields = json.loads(body)
        if leaf_of(body, walk.leaf) != entry.leaf or (fields["seq"], fields["org"]) != (entry.seq, chain.slug):
            walk.wrong(entry.seq, "its hash is not the hash of its bytes and of the entry before")
    except (LedgerFault, ValueError, KeyError, TypeError):
        walk.wrong(entry.seq, "its bytes cannot be read")


def _check_note(note: str, public_key: bytes, chain: _Chain, walk: _Walk, root: bytes) -> None:
    """Whether a checkpoint is signed, and over what was read."""
    try:
        signed = open_checkpoint(note, public_key, lambda signature, text: signature_holds(public_key, signature, text))
    except LedgerFault as fault:
        walk.wrong(walk.seq - 1, f"the checkpoint after it: {fault}")
        return
    if (signed.origin, signed.size, signed.root) != (origin_of(public_key, chain.slug), walk.seq, root):
        walk.wrong(walk.seq - 1, "up to it the entries are not those that were signed")


def _at_end(chain: _Chain, walk: _Walk) -> bool:
    """Whether a walk has come to the end, and whether that is where the chain says."""
    if walk.seq < chain.next_seq:
        return False
    if (walk.seq, walk.leaf) != (chain.next_seq, chain.head):
        walk.wrong(walk.seq - 1, "the chain does not end where its head says")
    elif walk.tree is not None and merkle.pack(walk.tree) != chain.frontier:
        walk.wrong(walk.seq - 1, "the tree over all entries is not the one that is stored")
    return True


def _chain_of(db: Connection, organization: int) -> _Chain:
    return _Chain(*db.execute("SELECT c.organization, o.slug, c.next_seq, c.head, c.frontier FROM chain c JOIN organization o"
                              " ON o.id = c.organization WHERE c.organization = ?", (organization,)).fetchone())


def _raise(db: Connection, organization: int, slug: str, found: _Fault, now_us: int) -> None:
    """Tell it, unless it was told and is not over. Of the installation's own chain the first organisation hears."""
    whose = DEFAULT if organization == SYSTEM else organization
    if not _open(db, whose, slug, now_us):
        raise_alert(db, whose, ledger_fault.alert(slug, found.seq, found.message, now_us), now_us)


def _resolve(db: Connection, organization: int, slug: str, began_us: int, now_us: int) -> None:
    """A whole round found nothing: what was told before it began is over."""
    resolve(db, _open(db, DEFAULT if organization == SYSTEM else organization, slug, began_us), _WHOLE, now_us)


def _open(db: Connection, organization: int, slug: str, until_us: int) -> list[int]:
    return [number for (number,) in db.execute(
        "SELECT id FROM alert WHERE organization = ? AND thread = ? AND resolved_us IS NULL AND at_us <= ?",
        (organization, ledger_fault.thread_of(slug), until_us))]
