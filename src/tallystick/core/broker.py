"""Money that is held while calls run. The database *leases* amounts of a node to an instance; a call takes
its worst case from the leases of every hard budget on its path, all or none, in one step without an await.
Here is nothing but those counters, so that the step is a few dictionary lookups and can be simulated.

For each node, at every moment: `held + unshipped ≤ leased`.
- *held*: worst cases of attempts whose settlement is not durable yet.
- *unshipped*: what settled attempts cost, until the database has counted it as spent.
What a settlement frees may be used again only once the settlement is durable, for a crash that loses it
books the worst case after all (books.md §2.3, rule 4): `settle` is called when it is, not before.

A settlement above its hold is a bound that was beaten. The node gives what was held, and the rest is
counted by the database alone: booked in full, and never taken out of what other calls hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import Defect

Attempt = tuple[str, int]                    # request id, number


@dataclass(slots=True)
class Node:
    """An instance's part of a hard node."""

    leased: int = 0
    held: int = 0
    unshipped: int = 0

    @property
    def free(self) -> int:
        return self.leased - self.held - self.unshipped

    @property
    def at_rest(self) -> bool:
        return not (self.held or self.unshipped)


@dataclass(slots=True)
class _Open:
    """An admitted attempt, and what it holds."""

    draws: list[Draw]


class _Settled(NamedTuple):
    """Amounts that wait to be counted by the database. `place`: where the settlement's record ends in the spool;
    `unstated`: holds that the record does not speak of, which stand until the database has counted what they cost."""

    place: tuple[int, int]
    draws: tuple[Draw, ...]
    unstated: tuple[Draw, ...]


@dataclass(slots=True)
class Broker:
    """All nodes that an instance has leases of, and all attempts that hold from them. Nothing in it waits."""

    nodes: dict[NodeKey, Node] = field(default_factory=dict)
    _open: dict[Attempt, _Open] = field(default_factory=dict)
    _settled: deque[_Settled] = field(default_factory=deque)

    def short(self, draws: Iterable[Draw]) -> tuple[Draw, ...]:
        """What is missing for these draws, node by node; empty when all of them fit."""
        missing: list[Draw] = []
        for draw in draws:
            node = self.nodes.get(draw.node)
            lack = draw.amount - (node.free if node is not None else 0)
            if lack > 0:
                missing.append(Draw(draw.node, lack))
        return tuple(missing)

    def take(self, attempt: Attempt, draws: Sequence[Draw]) -> bool:
        """Hold all of it or nothing; whether it fitted. Raises Defect for an attempt that holds already."""
        if attempt in self._open:
            raise Defect(f"{attempt} holds already")
        nodes = self.nodes
        for key, amount in draws:
            node = nodes.get(key)
            if amount > (node.leased - node.held - node.unshipped if node is not None else 0):
                return False
        taken = [draw for draw in draws if draw.amount]
        for key, amount in taken:
            nodes[key].held += amount
        self._open[attempt] = _Open(taken)
        return True

    def untake(self, attempt: Attempt) -> None:
        """The admission was never made durable and nothing went upstream: the hold never was."""
        for draw in self._open.pop(attempt).draws:
            self.nodes[draw.node].held -= draw.amount

    def draws_of(self, attempt: Attempt) -> tuple[Draw, ...]:
        """What an open attempt holds, by node."""
        opened = self._open.get(attempt)
        return tuple(opened.draws) if opened is not None else ()

    def settle(self, attempt: Attempt, cost_of: Iterable[Draw], place: tuple[int, int], stated: int | None = None) -> None:
        """The attempt's settlement is durable; its record ends at `place` of the spool. `cost_of` gives what it cost by node;
        of a node it leaves out the cost is 0. `stated`: the record speaks of the first so many holds; the rest were adopted
        while it was on its way to the disk."""
        opened = self._open.pop(attempt, None)
        if opened is None:
            return                           # a job's end after a restart: recovery has taken its hold over
        costs = {draw.node: draw for draw in cost_of}
        spoken_of = len(opened.draws) if stated is None else stated
        waiting: list[Draw] = []
        for key, held in opened.draws[:spoken_of]:
            node, cost = self.nodes[key], costs.get(key)
            node.held -= held
            if cost is not None and (taken := min(cost.amount, held)) > 0:
                node.unshipped += taken
                waiting.append(cost if cost.amount == taken else Draw(key, taken))
        unstated = tuple(opened.draws[spoken_of:])
        if waiting or unstated:
            self._settled.append(_Settled(place, tuple(waiting), unstated))

    def shipped(self, upto: tuple[int, int]) -> None:
        """The database has counted every settlement that ends by this place of the spool, and taken what it
        counted out of this instance's leases."""
        while self._settled and self._settled[0].place <= upto:
            counted = self._settled.popleft()
            for draw in counted.draws:
                node = self.nodes[draw.node]
                node.unshipped -= draw.amount
                node.leased -= draw.amount
            for draw in counted.unstated:
                self.nodes[draw.node].held -= draw.amount

    def grant(self, draws: Iterable[Draw]) -> None:
        """The database has leased these amounts."""
        for draw in draws:
            self.nodes.setdefault(draw.node, Node()).leased += draw.amount

    def adopt(self, attempt: Attempt, draw: Draw) -> None:
        """A budget came up that an open attempt falls under: from now on it holds there too, lease or no lease. Until
        the node is covered nothing fits on it."""
        self.nodes.setdefault(draw.node, Node()).held += draw.amount
        self._open.setdefault(attempt, _Open([])).draws.append(draw)

    def uncovered(self) -> tuple[Draw, ...]:
        """What adopted holds lack."""
        return tuple(Draw(key, -node.free) for key, node in self.nodes.items() if node.free < 0)

    def idle(self, node: NodeKey) -> int:
        """What could be given back. Only what durable settlements freed is in it (rule 4)."""
        found = self.nodes.get(node)
        return max(0, found.free) if found is not None else 0

    def give_back(self, draws: Iterable[Draw]) -> None:
        """Take idle amounts out, before the database is told: they are nobody's until it has them. Raises Defect
        for more than is idle."""
        for draw in draws:
            node = self.nodes[draw.node]
            if draw.amount > node.free:
                raise Defect(f"{draw.node} has {node.free} idle, not {draw.amount}")
            node.leased -= draw.amount

    def lease_is(self, leases: Iterable[Draw]) -> None:
        """What the database says is leased, after it has counted all that `shipped` was told of."""
        said = dict(leases)
        for key in self.nodes.keys() | said.keys():
            self.nodes.setdefault(key, Node()).leased = said.get(key, 0)

    def drop(self, key: NodeKey) -> bool:
        """Forget a node that nothing is in any more; whether it is gone."""
        node = self.nodes.get(key)
        if node is not None and (node.leased or not node.at_rest):
            return False
        self.nodes.pop(key, None)
        return True
