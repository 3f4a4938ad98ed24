"""Which providers and models may be asked. A model that no list of the policy lets through is refused, and so is a
billable call whose model cannot be read from the request (an upload, a batch): else that would be the way around the
list. `GET /v1/models` shows a key what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tallystick.core.errors import Denied
from tallystick.core.policies.parameters import Parameters, globs, matches
from tallystick.core.policies.policy import Case, refused

_Pattern = re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """Patterns; None where no list was given. A denial wins over a permission."""

    allow_providers: _Pattern = None
    deny_providers: _Pattern = None
    allow_models: _Pattern = None
    deny_models: _Pattern = None

    def judge(self, case: Case) -> Denied | None:
        provider, model = case.call.provider, case.call.facts.model
        if not self.opens_provider(provider):
            return refused(f"Provider {provider} is not open to this call.", provider=provider)
        if self.allow_models is None and self.deny_models is None:
            return None
        if model is None:
            return refused("The model of this call cannot be read, and not every model is open to it.") if case.billable else None
        return None if self.opens_model(model) else refused(f"Model {model} is not open to this call.", model=model)

    def opens_provider(self, provider: str) -> bool:
        return not matches(self.deny_providers, provider) and (self.allow_providers is None or matches(self.allow_providers, provider))

    def opens_model(self, model: str) -> bool:
        return not matches(self.deny_models, model) and (self.allow_models is None or matches(self.allow_models, model))


def read(parameters: Parameters) -> ModelAccess:
    rule = ModelAccess(*(globs(parameters.texts(name)) for name in ("allow_providers", "deny_providers", "allow_models", "deny_models")))
    if rule == ModelAccess():
        raise parameters.wrong("give at least one of allow_providers, deny_providers, allow_models and deny_models.")
    return rule
