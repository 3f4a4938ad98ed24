"""A cheaper model when money gets short: from a share of a budget on, calls to a model go to the one that the policy names
for it, of the same provider. It is asked what the call's tightest budget has spent (or the one `budget` that it names: an
envelope's fallback), as this instance last saw it, at most some seconds ago; the answer says which model it was. A model that
another policy closes to the call is not asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tallystick.core.policies.parameters import Parameters, globs
from tallystick.core.policies.policy import Case, Edit

IN_BODY: Final = frozenset((
    "openai_chat", "openai_responses", "openai_embeddings", "openai_images", "openai_speech", "anthropic_messages", "anthropic_complete",
    "cohere_chat", "cohere_units", "ndjson_chat", "page_reading"))
"""The dialects whose requests name the model in the body, where the path does not. Gemini's interactions may name an agent in its
place, and stay as they are."""


@dataclass(frozen=True, slots=True)
class Downgrade:
    """`models`: (pattern, cheaper model), the first that matches counts. `at_percent`: of a budget's limit, spent."""

    models: tuple[tuple[re.Pattern[str], str], ...]
    at_percent: int
    budget: int | None = None

    def judge(self, case: Case) -> Edit | None:
        call = case.call
        if not case.billable or call.facts.model is None or not (case.model_in_path or call.dialect in IN_BODY):
            return None
        target = next((cheaper for pattern, cheaper in self.models if pattern.match(call.facts.model.lower())), None)
        if target is None or target == call.facts.model:
            return None
        used = case.budget_used() if self.budget is None else case.used_of(self.budget)
        return Edit(model=target) if used is not None and used >= self.at_percent else None


def read(parameters: Parameters) -> Downgrade:
    said, at_percent = parameters.lists("models"), parameters.number("at_percent", least=1)
    models: list[tuple[re.Pattern[str], str]] = []
    for pattern, cheaper in said.items():
        compiled = globs((pattern,))
        if len(cheaper) != 1 or compiled is None:
            raise parameters.wrong(f"models names one cheaper model for {pattern}.")
        models.append((compiled, cheaper[0]))
    budget = parameters.number("budget", least=1)
    if not models or at_percent is None or at_percent > 100:
        raise parameters.wrong("give at_percent (1 to 100), and models as in {'gpt-4o*' = 'gpt-4o-mini'}.")
    return Downgrade(tuple(models), at_percent, budget)
