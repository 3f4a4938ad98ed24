"""Whose word counts: in the scope of this policy, what callers say of themselves (a session, a user, an agent, a tag) binds
them under hard budgets, as if their key said it. Without it such a claim only counts, for a caller could change it at
will to escape a cap. So sessions and end users get hard caps of their own: a budget for each, and this.

Give it to callers that are your own servers, and ask for the claim with `required_dimensions`: who leaves it out is under
no such cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, Delegate

LABELS: Final = ("user", "agent", "session", "environment", "cost_center", "prompt_key")


@dataclass(frozen=True, slots=True)
class Delegation:
    """`names`: as an attribution lists what is claimed."""

    names: frozenset[str]

    def judge(self, case: Case) -> Delegate | None:
        counted = self.names & case.attribution.claimed
        return Delegate(counted) if counted else None


def read(parameters: Parameters) -> Delegation:
    said = parameters.texts("dimensions")
    names: set[str] = set()
    for name in said:
        kind, _, inner = name.partition(":")
        if name in LABELS or name == "tags":
            names.add(name)
        elif kind == "dimension" and inner:
            names.add(f"dimension.{inner}")
        else:
            raise parameters.wrong(f"{name} is none of {', '.join(LABELS)}, tags and dimension:NAME.")
    if not names:
        raise parameters.wrong("give dimensions, as in dimensions = ['session'].")
    return Delegation(frozenset(names))
