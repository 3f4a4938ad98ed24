"""The simulation is worth what it notices: every known way to get hard caps wrong must fail in it."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.story import Failed, Plan, tell

SEEDS_MAX = 200


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_no_mutant_survives(mutant: Mutant) -> None:
    with mutant.alive():
        for seed in (mutant.seed, *range(SEEDS_MAX)):
            try:
                tell(Plan(seed))
            except Failed:
                return
    pytest.fail(f"{mutant.name}: nobody noticed in {SEEDS_MAX} seeds")
