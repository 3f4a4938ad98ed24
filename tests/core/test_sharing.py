"""Calls at once on several gateways: together never more than the limit, whoever comes, goes, starts again or looks late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tallystick.core.attempt import Judged
from tallystick.core.policies.counters import Counters, Part
from tallystick.core.policies.policy import Claim, Claimed
from tallystick.core.policies.sharing import Place, Sharing, place_of

LIMIT = 5
NAMES = ("a", "b", "c", "d")
CLAIMS = (Claimed(1, "", Claim(None, None, LIMIT, 60_000_000), enforced=True, about={}),)


@dataclass
class Gateway:
    """A gateway that lives. `looked`: what it read of the others and has not taken up yet."""

    sharing: Sharing
    counters: Counters = field(default_factory=Counters)
    running: int = 0
    looked: dict[str, str] | None = None

    def take(self) -> bool:
        denied, _ = self.counters.take(CLAIMS, 0, Part(at_once=self.sharing.places))
        self.running += denied is None
        return denied is None

    def end(self) -> None:
        self.counters.end(CLAIMS, 0, 0)
        self.running -= 1


class Gateways(RuleBasedStateMachine):
    """`said` is the table; a gateway reads it, and acts on what it read some time later."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.alive = {"a": Gateway(Sharing("a"))}
        self.alive["a"].sharing.begin({})

    def others(self, name: str) -> Mapping[str, str]:
        return {other: self.said.get(other, "") for other in self.alive if other != name}

    @precondition(lambda self: len(self.alive) < len(NAMES))
    @rule(data=st.data())
    def one_comes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for name in NAMES if name not in self.alive]))
        self.alive[name] = Gateway(Sharing(name))

    @precondition(lambda self: len(self.alive) > 1)
    @rule(data=st.data())
    def one_goes_with_all_its_calls(self, data: st.DataObject) -> None:
        del self.alive[data.draw(st.sampled_from(sorted(self.alive)))]

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=9))
    def some_look_and_act_at_once(self, names: list[str]) -> None:
        for name in names:
            if name in self.alive:
                self.alive[name].looked = dict(self.others(name))
                self.acts(name)

    @rule(data=st.data())
    def one_looks_at_the_table(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.alive)))
        self.alive[name].looked = dict(self.others(name))

    @rule(data=st.data())
    def one_takes_up_what_it_saw(self, data: st.DataObject) -> None:
        self.acts(data.draw(st.sampled_from(sorted(self.alive))))

    def acts(self, name: str) -> None:
        one = self.alive[name]
        if one.looked is None:
            return
        if members := one.sharing.seen(one.looked, one.counters.within):
            self.said[name] = one.sharing.said = members
        one.looked = None

    @rule(data=st.data(), times=st.integers(1, LIMIT))
    def calls_come(self, data: st.DataObject, times: int) -> None:
        one = self.alive[data.draw(st.sampled_from(sorted(self.alive)))]
        for _ in range(times):
            one.take()

    @rule(data=st.data())
    def a_call_ends(self, data: st.DataObject) -> None:
        one = self.alive[data.draw(st.sampled_from(sorted(self.alive)))]
        if one.running:
            one.end()

    @invariant()
    def together_never_more_than_the_limit(self) -> None:
        assert sum(one.running for one in self.alive.values()) <= LIMIT


TestGateways = Gateways.TestCase
TestGateways.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def poll(*gateways: Gateway) -> None:
    """Each reads the table and acts on it, in turn."""
    for one in gateways:
        others = {other.sharing.name: other.sharing.said for other in gateways if other is not one}
        if members := one.sharing.seen(others, one.counters.within):
            one.sharing.said = members


def test_who_comes_gets_its_share_once_the_others_have_let_go() -> None:
    first, second = Gateway(Sharing("a")), Gateway(Sharing("b"))
    first.sharing.begin({})
    assert [first.take() for _ in range(LIMIT)] == [True] * LIMIT
    for _ in range(9):
        poll(first, second)
    assert not second.take(), "all five still run on the first"
    for _ in range(2):
        first.end()
    poll(first, second)
    poll(first, second)
    assert [second.take() for _ in range(3)] == [True, True, False]
    assert not first.take()


def test_who_is_left_has_all_of_it_again() -> None:
    first, second = Gateway(Sharing("a")), Gateway(Sharing("b"))
    for one, other in ((first, "b"), (second, "a")):
        one.sharing.begin({other: ""})
    assert (first.sharing.places, second.sharing.places) == ((Place(2, 0),), (Place(2, 1),))
    for _ in range(3):
        poll(first)
    assert [first.take() for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]


def test_what_was_said_binds_until_something_else_is_said() -> None:
    first, second = Gateway(Sharing("a")), Gateway(Sharing("b"))
    first.sharing.begin({})
    poll(first, second)
    poll(first, second)
    assert first.sharing.said == "a b"
    first.sharing.seen({}, first.counters.within)                    # the second is gone, and comes again before the first looks
    taken = sum(first.take() for _ in range(LIMIT))
    again = Gateway(Sharing("b"))
    for _ in range(3):
        again.sharing.said = again.sharing.seen({"a": first.sharing.said}, again.counters.within) or again.sharing.said
    assert taken + sum(again.take() for _ in range(LIMIT)) <= LIMIT


def test_what_only_observes_is_noted_and_shares_add_up() -> None:
    assert Counters().take((Claimed(1, "", CLAIMS[0].claim, enforced=False, about={}),), 0, Part(at_once=())) == (None, (Judged(1, "observed"),))
    assert [place_of(name, dict.fromkeys(set(NAMES) - {name}, "")).share(LIMIT) for name in NAMES] == [2, 1, 1, 1]
