"""An output limit for calls that state none, in the dialect's own spelling. Where a dialect has no such limit, or a
larger least one, there is nothing to set.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, Edit


@dataclass(frozen=True, slots=True)
class DefaultOutput:
    output_tokens: int

    def judge(self, case: Case) -> Edit | None:
        if not case.billable or case.call.facts.output_limit is not None:
            return None
        spelling = case.spelling
        return None if spelling is None else Edit(output_limit=max(self.output_tokens, spelling.least))


def read(parameters: Parameters) -> DefaultOutput:
    tokens = parameters.number("output_tokens", least=1)
    if tokens is None:
        raise parameters.wrong("give output_tokens.")
    return DefaultOutput(tokens)
