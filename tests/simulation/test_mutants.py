"""The simulation is worth what it notices: every known way to get hard caps wrong must fail in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS, TOLD_IN_SHORT, Mutant
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


@pytest.mark.parametrize(("mutant", "story"), TOLD_IN_SHORT, ids=lambda one: one.name if isinstance(one, Mutant) else "")
def test_a_short_story_notices_what_the_world_seldom_shows(mutant: Mutant, story: str) -> None:
    """The story's own test passes as the code is (where it stands), and fails with the mutant alive."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.simulation.alive", "-p", "no:cacheprovider", "-k", "not postgresql", story],
        env={**os.environ, "MUTANT": mutant.name}, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout + done.stderr
