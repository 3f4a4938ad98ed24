"""The safe that all instances draw from: how much of a node is spent, how much is leased, and to whom.

Every function runs inside a write transaction, which nobody else is in (engine.py), so `settled + leased`
never passes a cap by a grant. Leases have no clock: an instance that is gone keeps what it had until its
spool is shipped, or a person who has seen what was billed releases it (write_off.py; books.md §2.4).

A shipped settlement moves money from `leased` to `settled` in the transaction that books it, once; a job
whose cost is still to come moves its hold to the holder `deferred`, where any instance can settle it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import StoreFault
from tallystick.core.windows import bounds, parse_window
from tallystick.stores.sql.alerts_crossings import note_refused
from tallystick.stores.sql.connection import Connection

DEFERRED: Final = "deferred"
STRANDED_SHARE: Final = 50                   # an instance leases ahead at most one part in 50 of a cap: 2%
LIVE_WITHIN_US: Final = 15_000_000


class Fenced(StoreFault):
    """A newer incarnation of this instance has started; this one may finish what it holds and no more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that waits: what it must hold, and for nodes that have no cap of their own the cap this call brings."""

    draws: tuple[Draw, ...]
    caps: Mapping[NodeKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Short:
    """Why a call does not fit, by the node that is tightest for it. `leased` counts all holders."""

    node: NodeKey
    needed: int
    cap: int
    settled: int
    leased: int
    end_us: int

    @property
    def for_good(self) -> bool:
        """It would not fit even if everything that is held came back."""
        return self.needed > self.cap - self.settled


@dataclass(frozen=True, slots=True)
class Granted:
    """What came of one round. `leased`: what the instance now has more, by node. `short`: for each ask in order, None
    if it fits. `ends`: where the nodes' windows end. `beyond`: which of them are committed beyond their cap."""

    leased: tuple[Draw, ...]
    short: tuple[Short | None, ...]
    ends: Mapping[NodeKey, int] = field(default_factory=dict)
    beyond: frozenset[NodeKey] = frozenset()


def begin(db: Connection, instance: str, acknowledged: int, now_us: int, staleness_us: int = LIVE_WITHIN_US) -> int:
    """A new incarnation of an instance; its epoch. `staleness_us`: for how long it goes on without the database."""
    db.execute("INSERT INTO instance (id, epoch, started_us, seen_us, acknowledged, staleness_us) VALUES (?, 1, ?, ?, ?, ?)"
               " ON CONFLICT (id) DO UPDATE SET epoch = instance.epoch + 1, started_us = excluded.started_us,"
               " seen_us = excluded.seen_us, acknowledged = excluded.acknowledged, staleness_us = excluded.staleness_us,"
               " stopped_us = NULL, written_off_us = NULL, released_us = NULL",
               (instance, now_us, now_us, acknowledged, staleness_us))
    return int(db.execute("SELECT epoch FROM instance WHERE id = ?", (instance,)).fetchone()[0])


def fence(db: Connection, instance: str, epoch: int) -> None:
    """Raises Fenced unless this is still the instance's newest incarnation."""
    row = db.execute("SELECT epoch FROM instance WHERE id = ?", (instance,)).fetchone()
    if row is None or row[0] != epoch:
        raise Fenced(f"instance {instance} has been started again elsewhere")


def seen(db: Connection, instance: str, epoch: int, acknowledged: int, now_us: int) -> None:
    """The instance lives, and follows the control plane up to this change."""
    fence(db, instance, epoch)
    db.execute("UPDATE instance SET seen_us = ?, acknowledged = ? WHERE id = ?", (now_us, acknowledged, instance))


def end(db: Connection, instance: str, now_us: int) -> None:
    """The instance will not come back."""
    db.execute("UPDATE instance SET stopped_us = ? WHERE id = ?", (now_us, instance))


def live_instances(db: Connection, now_us: int) -> int:
    row = db.execute("SELECT count(*) FROM instance WHERE stopped_us IS NULL AND seen_us > ?", (now_us - LIVE_WITHIN_US,)).fetchone()
    return max(1, int(row[0]))


def leases_of(db: Connection, holder: str) -> tuple[Draw, ...]:
    """Everything that a holder has leased."""
    rows = db.execute("SELECT budget, subject, start_us, amount FROM budget_lease WHERE holder = ? AND amount <> 0"
                      " ORDER BY budget, subject, start_us", (holder,))
    return tuple(Draw(NodeKey(budget, subject, start_us), amount) for budget, subject, start_us, amount in rows)


def ends_of(db: Connection, nodes: Sequence[NodeKey]) -> dict[NodeKey, int]:
    """Where the windows of nodes end."""
    query = "SELECT end_us FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?"
    return {node: int(row[0]) for node in nodes if (row := db.execute(query, node).fetchone())}


def counted_upto(db: Connection, instance: str) -> tuple[int, int] | None:
    """The place of an instance's spool before which everything is counted, None before its first shipment."""
    row = db.execute("SELECT high_segment, high_offset FROM spool_cursor WHERE instance = ?", (instance,)).fetchone()
    return (int(row[0]), int(row[1])) if row else None


def open_node(db: Connection, node: NodeKey) -> None:
    """Make a node's row unless it is there. Raises LookupError for a budget that never was."""
    row = db.execute("SELECT span, zone FROM budget WHERE id = ?", (node.budget,)).fetchone()
    if row is None:
        raise LookupError(f"there is no budget {node.budget}")
    end_us = bounds(parse_window(row[0]), ZoneInfo(row[1]), node.start_us)[1]
    db.execute("INSERT INTO budget_node (budget, subject, start_us, end_us, settled, leased) VALUES (?, ?, ?, ?, 0, 0)"
               " ON CONFLICT (budget, subject, start_us) DO NOTHING", (*node, end_us))


def grant(db: Connection, instance: str, asks: Sequence[Ask], has: Mapping[NodeKey, int], now_us: int) -> Granted:
    """Lease to an instance what its waiting calls lack, in their order as far as it goes, and a little ahead.

    `has`: what the instance has free, by node. The caller has fenced.
    """
    safe = _Safe(db, now_us)
    pool: dict[NodeKey, int] = dict(has)
    short = tuple(_serve(safe, pool, ask) for ask in asks)
    for lacks in short:
        if lacks is not None and lacks.for_good:
            note_refused(db, lacks.node, lacks.end_us, lacks.settled, lacks.needed, now_us)
    live = live_instances(db, now_us)
    for node, vault in safe.touched():
        if vault.cap is not None and vault.own:
            ahead = min(vault.free(vault.cap) // (4 * live), vault.cap // STRANDED_SHARE) - pool.get(node, 0)
            vault.leased_now += max(0, ahead)
    leased = tuple(Draw(node, vault.leased_now) for node, vault in safe.touched() if vault.leased_now)
    lease(db, instance, leased)
    beyond = frozenset(node for node, vault in safe.touched() if vault.own and vault.cap is not None and vault.room(vault.cap) < 0)
    return Granted(leased, short, {node: vault.end_us for node, vault in safe.touched()}, beyond)


def lease(db: Connection, holder: str, draws: Sequence[Draw]) -> None:
    """Add to what a holder has leased, whatever the cap says: `grant` has asked it, and an open call that falls under
    a new budget must be held there even where that passes the cap."""
    db.executemany("UPDATE budget_node SET leased = leased + ? WHERE budget = ? AND subject = ? AND start_us = ?",
                   [(draw.amount, *draw.node) for draw in draws])
    db.executemany("INSERT INTO budget_lease (holder, budget, subject, start_us, amount) VALUES (?, ?, ?, ?, ?)"
                   " ON CONFLICT (holder, budget, subject, start_us) DO UPDATE SET amount = budget_lease.amount + excluded.amount",
                   [(holder, *draw.node, draw.amount) for draw in draws])


def give_back(db: Connection, holder: str, draws: Sequence[Draw]) -> None:
    """What a holder does not need any more is free for all again."""
    lease(db, holder, [Draw(draw.node, -draw.amount) for draw in draws])
    _sweep(db, holder)


def make_good(db: Connection, holder: str) -> None:
    """Lease what settlements took out of leases that never came: their calls were adopted by a new budget, and the
    process ended before the database had heard of it."""
    lease(db, holder, [Draw(draw.node, -draw.amount) for draw in leases_of(db, holder) if draw.amount < 0])
    _sweep(db, holder)


@dataclass(slots=True)
class Counting:
    """What one transaction of the shipper counts: gathered by node, written once."""

    settled: defaultdict[tuple[NodeKey, int], int] = field(default_factory=lambda: defaultdict(int))
    returned: defaultdict[tuple[str, NodeKey], int] = field(default_factory=lambda: defaultdict(int))
    moved: defaultdict[tuple[str, NodeKey], int] = field(default_factory=lambda: defaultdict(int))

    def spend(self, node: NodeKey, end_us: int, amount: int) -> None:
        """A settlement cost this much of a node. Negative: an adjustment gives it back."""
        self.settled[node, end_us] += amount

    def release(self, holder: str, draws: Sequence[Draw]) -> None:
        """The holder's lease shrinks by what a settlement drew."""
        for draw in draws:
            self.returned[holder, draw.node] += draw.amount

    def defer(self, holder: str, draws: Sequence[Draw]) -> None:
        """A job's hold leaves the instance and stays with the node."""
        for draw in draws:
            self.moved[holder, draw.node] += draw.amount

    def write(self, db: Connection) -> None:
        """Bring all of it to the tables, and forget it."""
        db.executemany(
            "INSERT INTO budget_node (budget, subject, start_us, end_us, settled, leased) VALUES (?, ?, ?, ?, ?, 0)"
            " ON CONFLICT (budget, subject, start_us) DO UPDATE SET settled = budget_node.settled + excluded.settled",
            [(*node, end_us, amount) for (node, end_us), amount in self.settled.items()])
        for node in {node for _, node in (*self.returned, *self.moved)} - {node for node, _ in self.settled}:
            open_node(db, node)              # a budget that is gone again counts nothing, and may never have had a row
        freed = _released(db, {holder for holder, _ in (*self.returned, *self.moved)})
        for (holder, node), amount in self.returned.items():
            if holder not in freed:
                lease(db, holder, [Draw(node, -amount)])
        for (holder, node), amount in self.moved.items():
            if holder not in freed:
                lease(db, holder, [Draw(node, -amount)])
            lease(db, DEFERRED, [Draw(node, amount)])
        for holder in {holder for holder, _ in (*self.returned, *self.moved)}:
            _sweep(db, holder)
        self.settled.clear()
        self.returned.clear()
        self.moved.clear()


@dataclass(slots=True)
class _Vault:
    """A node as the database has it. `own`: its cap is the budget's, not one that a call brings along."""

    cap: int | None
    own: bool
    settled: int
    leased: int
    end_us: int
    leased_now: int = 0

    def room(self, cap: int) -> int:
        """Negative where more is spent and leased than the cap allows: it was lowered, or came while calls ran."""
        return cap - self.settled - self.leased - self.leased_now

    def free(self, cap: int) -> int:
        return max(0, self.room(cap))


class _Safe:
    """The nodes of one round, each read once."""

    def __init__(self, db: Connection, now_us: int) -> None:
        self._db = db
        self._now_us = now_us
        self._vaults: dict[NodeKey, _Vault] = {}

    def vault(self, node: NodeKey, cap: int | None) -> _Vault:
        """`cap`: what the call brings, None where the budget's own counts."""
        found = self._vaults.get(node)
        if found is None:
            open_node(self._db, node)
            settled, leased, end_us = self._db.execute(
                "SELECT settled, leased, end_us FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?", node).fetchone()
            found = _Vault(cap_of(self._db, node.budget, self._now_us) if cap is None else cap, cap is None, settled, leased, end_us)
            self._vaults[node] = found
        return found

    def want(self, node: NodeKey) -> None:
        """Ask the others for what they do not use."""
        self._db.execute("UPDATE budget_node SET wanted_us = ? WHERE budget = ? AND subject = ? AND start_us = ?", (self._now_us, *node))

    def touched(self) -> list[tuple[NodeKey, _Vault]]:
        return list(self._vaults.items())


def cap_of(db: Connection, budget: int, at_us: int) -> int | None:
    """The limit in force, None for a budget that is gone: it holds nobody back."""
    row = db.execute(
        "SELECT b.amount + coalesce((SELECT sum(r.amount) FROM budget_raise r WHERE r.budget = b.id AND r.until_us > ?), 0)"
        " FROM budget b WHERE b.id = ? AND b.removed_us IS NULL", (at_us, budget)).fetchone()
    return int(row[0]) if row else None


def _serve(safe: _Safe, pool: dict[NodeKey, int], ask: Ask) -> Short | None:
    """Set aside what one call lacks, on all its nodes or on none."""
    lacks: list[tuple[Draw, _Vault, int]] = []
    tight: list[NodeKey] = []
    worst: Short | None = None
    for draw in ask.draws:
        vault = safe.vault(draw.node, ask.caps.get(draw.node))
        lack = draw.amount - pool.get(draw.node, 0)
        cap = ask.caps.get(draw.node, vault.cap)
        if cap is not None and lack > vault.room(cap):   # beyond the cap, what the instance has idle makes up for that first
            short = Short(draw.node, draw.amount, cap, vault.settled, vault.leased + vault.leased_now, vault.end_us)
            worst = _worse(worst, short)
            tight.append(draw.node)
        lacks.append((draw, vault, max(0, lack)))
    if worst is not None:
        for node in () if worst.for_good else tight:     # all at once: one after the other would outlast the call's wait
            safe.want(node)
        return worst
    for draw, vault, lack in lacks:
        vault.leased_now += lack
        pool[draw.node] = pool.get(draw.node, 0) + lack - draw.amount
    return None


def _worse(one: Short | None, other: Short) -> Short:
    """What is refused for good is named before what only needs time; else the node that has least left."""
    if one is None:
        return other
    if one.for_good != other.for_good:
        return one if one.for_good else other
    return min(one, other, key=lambda short: short.cap - short.settled - short.leased)


def wanted_since(db: Connection, since_us: int) -> tuple[NodeKey, ...]:
    """Nodes that somebody lacked since then."""
    return tuple(NodeKey(*row) for row in db.execute(
        "SELECT budget, subject, start_us FROM budget_node WHERE wanted_us >= ? ORDER BY budget, subject, start_us", (since_us,)))


def write_off(db: Connection, instance: str, now_us: int) -> None:
    """An instance is gone for good: whatever still speaks for it is fenced. What it had leased stays drawn."""
    db.execute("UPDATE instance SET epoch = epoch + 1, written_off_us = ? WHERE id = ?", (now_us, instance))


def is_written_off(db: Connection, instance: str) -> bool:
    return db.execute("SELECT 1 FROM instance WHERE id = ? AND written_off_us IS NOT NULL", (instance,)).fetchone() is not None


def release(db: Connection, instance: str, now_us: int) -> tuple[Draw, ...]:
    """Free what stayed drawn of an instance that was written off; what that was. What its spool still brings is spent from
    then on but takes nothing out of leases, for there are none."""
    freed = leases_of(db, instance)
    db.execute("UPDATE instance SET released_us = ? WHERE id = ?", (now_us, instance))
    give_back(db, instance, freed)
    return freed


def _released(db: Connection, holders: set[str]) -> set[str]:
    return {holder for holder in holders
            if db.execute("SELECT 1 FROM instance WHERE id = ? AND released_us IS NOT NULL", (holder,)).fetchone()}


def beyond_cap(db: Connection, holder: str, at_us: int) -> tuple[NodeKey, ...]:
    """Nodes that a holder has leases of and that are committed beyond their cap."""
    return tuple(NodeKey(*row) for row in db.execute(
        "SELECT n.budget, n.subject, n.start_us FROM budget_lease l JOIN budget b ON b.id = l.budget"
        " JOIN budget_node n ON n.budget = l.budget AND n.subject = l.subject AND n.start_us = l.start_us"
        " WHERE l.holder = ? AND b.mode = 'hard' AND b.removed_us IS NULL AND n.settled + n.leased > b.amount"
        " + coalesce((SELECT sum(r.amount) FROM budget_raise r WHERE r.budget = b.id AND r.until_us > ?), 0)"
        " ORDER BY n.budget, n.subject, n.start_us", (holder, at_us)))


def _sweep(db: Connection, holder: str) -> None:
    db.execute("DELETE FROM budget_lease WHERE holder = ? AND amount = 0", (holder,))
