"""Hard caps hold in every world that a seed tells (docs/budgets-proof.md). `TALLYSTICK_SEEDS` says how many;
`python -m bench.simulate` runs as many as one has time for, and prints the smallest plan that fails."""

from __future__ import annotations

import os

import pytest

from tests.simulation.story import Plan, tell

SEEDS = int(os.environ.get("TALLYSTICK_SEEDS", "100"))
TOLD_AT_ONCE = 20


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, TOLD_AT_ONCE))
def test_whatever_happens_caps_hold_and_the_books_agree(first: int) -> None:
    told = [tell(Plan(seed)) for seed in range(first, min(first + TOLD_AT_ONCE, SEEDS))]
    assert sum(figures.sent for figures in told) > 10 * len(told), "calls went out"
    assert sum(figures.crashes for figures in told) > len(told), "processes died"


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(Plan(3, steps=60)) == tell(Plan(3, steps=60))
