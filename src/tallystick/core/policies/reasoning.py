"""How much a model may reason: an effort, or tokens. Who states nothing leaves it to the provider, which `must_state`
forbids. An effort that nobody here knows how to rank is refused rather than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.errors import Denied
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, refused

RANKED: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LEFT_OPEN: Final = frozenset(("auto", "default", "dynamic"))


@dataclass(frozen=True, slots=True)
class Reasoning:
    effort_max: str | None = None
    tokens_max: int | None = None
    must_state: bool = False

    def judge(self, case: Case) -> Denied | None:
        if not case.billable:
            return None
        facts = case.call.facts
        effort = facts.reasoning_effort.lower() if facts.reasoning_effort is not None else None
        if effort in _LEFT_OPEN:
            effort = None
        most, tokens = self.effort_max, facts.reasoning_limit
        if self.must_state and effort is None and tokens is None:
            return refused("State how much this call may reason.")
        if most is not None and effort is not None and (effort not in RANKED or RANKED.index(effort) > RANKED.index(most)):
            return refused(f"At most {most} reasoning effort may be asked.", effort_max=most)
        if self.tokens_max is not None and tokens is not None and tokens > self.tokens_max:
            return refused(f"At most {self.tokens_max} reasoning tokens may be asked.", tokens_max=str(self.tokens_max))
        return None


def read(parameters: Parameters) -> Reasoning:
    rule = Reasoning(parameters.text("effort_max"), parameters.number("tokens_max"), parameters.flag("must_state"))
    if rule.effort_max is not None and rule.effort_max not in RANKED:
        raise parameters.wrong(f"effort_max is one of {', '.join(RANKED)}.")
    if rule == Reasoning():
        raise parameters.wrong("give effort_max, tokens_max or must_state.")
    return rule
