"""What calls hold and count, in money, tokens and calls."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from tallystick.core.attempt import Settlement
from tallystick.core.budget import Budget, Scope, Unit
from tallystick.core.call import Facts
from tallystick.core.holding import cost_in, late_draw
from tallystick.core.windows import parse_window
from tests.build.journal import admission, settlement

ASKED = admission(facts=Facts(model="gpt-4o"), hold_tokens=19_684)


def budget(unit: Unit) -> Budget:
    return Budget(1, Scope("org"), parse_window("day"), ZoneInfo("UTC"), 1_000_000, unit)


def without_usage() -> Settlement:
    return settlement(basis="worst_case", method="estimated", outcome="cut", cost_nanos=ASKED.hold_nanos, usage=None, lines=(), computed_nanos=None)


@pytest.mark.parametrize(("unit", "counted"), [("money", 50_000_000), ("tokens", 19_684), ("calls", 1)])
def test_who_ends_without_stated_usage_counts_its_bound(unit: Unit, counted: int) -> None:
    assert cost_in(unit, ASKED, without_usage()) == counted


@pytest.mark.parametrize(("unit", "counted"), [("money", settlement().cost_nanos), ("tokens", 1_501), ("calls", 1)])
def test_who_states_its_usage_counts_that(unit: Unit, counted: int) -> None:
    assert cost_in(unit, ASKED, settlement()) == counted


@pytest.mark.parametrize("change", [{"sandbox": True}, {"billable": False}])
def test_what_nobody_is_billed_for_counts_nowhere(change: dict[str, bool]) -> None:
    assert cost_in("tokens", replace(ASKED, **change), without_usage()) == 0  # type: ignore[arg-type]


def test_an_open_call_holds_its_bound_in_tokens_on_a_budget_that_comes() -> None:
    """Its request states no limit on the output: the bound is the model's own, as it was when the call was admitted."""
    draw = late_draw(budget("tokens"), ASKED)
    assert draw is not None
    assert draw.amount == 19_684
