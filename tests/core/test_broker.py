"""Holds never exceed leases, whatever order calls, settlements, shipments, grants and returns come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tallystick.core.broker import Broker
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.errors import Defect

ORG, TEAM, USER = (NodeKey(number, "", 0) for number in (1, 2, 3))


def broker(**leases: int) -> Broker:
    made = Broker()
    made.grant(Draw({"org": ORG, "team": TEAM, "user": USER}[name], amount) for name, amount in leases.items())
    return made


def test_a_call_holds_on_every_node_or_on_none() -> None:
    one = broker(org=100, team=30)
    assert not one.take(("a", 1), [Draw(ORG, 50), Draw(TEAM, 50)])
    assert one.nodes[ORG].held == 0
    assert one.short([Draw(ORG, 50), Draw(TEAM, 50), Draw(USER, 5)]) == (Draw(TEAM, 20), Draw(USER, 5))
    assert one.take(("a", 1), [Draw(ORG, 30), Draw(TEAM, 30)])
    assert (one.nodes[ORG].free, one.nodes[TEAM].free) == (70, 0)


def test_what_a_settlement_frees_may_be_used_and_what_it_cost_stays_drawn_until_it_is_shipped() -> None:
    one = broker(org=100)
    one.take(("a", 1), [Draw(ORG, 80)])
    one.settle(("a", 1), [Draw(ORG, 15)], (1, 500))
    assert (one.nodes[ORG].held, one.nodes[ORG].unshipped, one.idle(ORG)) == (0, 15, 85)
    one.shipped((1, 499))
    assert one.nodes[ORG].unshipped == 15
    one.shipped((1, 500))
    assert (one.nodes[ORG].leased, one.nodes[ORG].unshipped, one.idle(ORG)) == (85, 0, 85)


def test_a_bound_that_was_beaten_takes_nothing_from_what_others_hold() -> None:
    one = broker(org=100)
    one.take(("a", 1), [Draw(ORG, 40)])
    one.take(("b", 1), [Draw(ORG, 60)])
    one.settle(("a", 1), [Draw(ORG, 90)], (1, 1))
    one.shipped((9, 0))
    assert (one.nodes[ORG].leased, one.nodes[ORG].held, one.idle(ORG)) == (60, 60, 0)


def test_an_admission_that_was_never_durable_never_held() -> None:
    one = broker(org=10)
    one.take(("a", 1), [Draw(ORG, 10)])
    one.untake(("a", 1))
    assert one.idle(ORG) == 10


def test_nobody_gives_back_what_is_in_use_nor_holds_twice() -> None:
    one = broker(org=10)
    one.take(("a", 1), [Draw(ORG, 6)])
    with pytest.raises(Defect):
        one.give_back([Draw(ORG, 5)])
    with pytest.raises(Defect):
        one.take(("a", 1), [Draw(ORG, 1)])


class Ledgers(RuleBasedStateMachine):
    """The broker beside the plainest books there could be: a list of what each attempt holds or has cost."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.leased: dict[NodeKey, int] = {}
        self.holds: dict[tuple[str, int], dict[NodeKey, int]] = {}
        self.unshipped: list[tuple[int, dict[NodeKey, int]]] = []
        self.number = 0

    amounts = st.dictionaries(st.sampled_from([ORG, TEAM, USER]), st.integers(0, 50), max_size=3)

    def in_use(self, node: NodeKey) -> int:
        return sum(hold.get(node, 0) for hold in self.holds.values()) + sum(cost.get(node, 0) for _, cost in self.unshipped)

    @rule(amounts=amounts)
    def lease(self, amounts: dict[NodeKey, int]) -> None:
        self.broker.grant(Draw(*item) for item in amounts.items())
        for node, amount in amounts.items():
            self.leased[node] = self.leased.get(node, 0) + amount

    @rule(amounts=amounts)
    def admit(self, amounts: dict[NodeKey, int]) -> None:
        self.number += 1
        fits = all(self.leased.get(node, 0) - self.in_use(node) >= amount for node, amount in amounts.items())
        assert self.broker.take(("call", self.number), [Draw(*item) for item in amounts.items()]) == fits
        if fits:
            self.holds["call", self.number] = dict(amounts)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), costs=amounts)
    def settle(self, data: Any, costs: dict[NodeKey, int]) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.holds)))
        held = self.holds.pop(attempt)
        self.number += 1
        self.broker.settle(attempt, [Draw(*item) for item in costs.items()], (1, self.number))
        self.unshipped.append((self.number, {node: min(costs.get(node, 0), amount) for node, amount in held.items()}))

    @rule()
    def ship_half(self) -> None:
        upto = self.number - len(self.unshipped) // 2
        self.broker.shipped((1, upto))
        for place, cost in [entry for entry in self.unshipped if entry[0] <= upto]:
            self.unshipped.remove((place, cost))
            for node, amount in cost.items():
                if amount:
                    self.leased[node] -= amount

    @rule(node=st.sampled_from([ORG, TEAM, USER]), share=st.integers(1, 3))
    def give_back(self, node: NodeKey, share: int) -> None:
        amount = self.broker.idle(node) // share
        if amount:
            self.broker.give_back([Draw(node, amount)])
            self.leased[node] -= amount

    @invariant()
    def every_node_agrees_and_never_holds_more_than_it_has(self) -> None:
        for key, node in self.broker.nodes.items():
            assert node.leased == self.leased.get(key, 0)
            assert node.held + node.unshipped == self.in_use(key)
            assert 0 <= node.held + node.unshipped <= node.leased


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
