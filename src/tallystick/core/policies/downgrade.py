"""A cheaper model when money gets short: from a share of a budget on, calls to a model go to the one that the policy names
for it, of the same provider. It is asked what the call's tightest budget has spent, as this instance last saw it, at
most some seconds ago; the answer says which model it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tallystick.core.policies.parameters import Parameters, globs
from tallystick.core.policies.policy import Case, Edit

DIALECTS: Final = frozenset(("openai_chat", "openai_responses", "openai_embeddings", "anthropic_messages", "cohere_chat"))
"""Whose requests name the model in the body."""
IN_PATH: Final = frozenset(("azure", "bedrock", "google", "vertex"))
"""Providers whose paths name the model, or a deployment of it."""


@dataclass(frozen=True, slots=True)
class Downgrade:
    """`models`: (pattern, cheaper model), the first that matches counts. `at_percent`: of a budget's limit, spent."""

    models: tuple[tuple[re.Pattern[str], str], ...]
    at_percent: int

    def judge(self, case: Case) -> Edit | None:
        call = case.call
        if not case.billable or call.facts.model is None or call.dialect not in DIALECTS or call.provider in IN_PATH:
            return None
        target = next((cheaper for pattern, cheaper in self.models if pattern.match(call.facts.model.lower())), None)
        if target is None or target == call.facts.model:
            return None
        used = case.budget_used()
        return Edit(model=target) if used is not None and used >= self.at_percent else None


def read(parameters: Parameters) -> Downgrade:
    said, at_percent = parameters.lists("models"), parameters.number("at_percent", least=1)
    models: list[tuple[re.Pattern[str], str]] = []
    for pattern, cheaper in said.items():
        compiled = globs((pattern,))
        if len(cheaper) != 1 or compiled is None:
            raise parameters.wrong(f"models names one cheaper model for {pattern}.")
        models.append((compiled, cheaper[0]))
    if not models or at_percent is None or at_percent > 100:
        raise parameters.wrong("give at_percent (1 to 100), and models as in {'gpt-4o*' = 'gpt-4o-mini'}.")
    return Downgrade(tuple(models), at_percent)
