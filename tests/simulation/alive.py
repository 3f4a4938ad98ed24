"""A plugin for pytest that puts one mutant in the code's place for a whole run; `MUTANT` names it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.simulation.mutants import TOLD_IN_SHORT


@pytest.fixture(autouse=True, scope="session")
def alive() -> Iterator[None]:
    """The mutant lives while tests run."""
    (mutant,) = [mutant for mutant, _ in TOLD_IN_SHORT if mutant.name == os.environ["MUTANT"]]
    with mutant.alive():
        yield
