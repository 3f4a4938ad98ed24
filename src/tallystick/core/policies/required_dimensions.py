"""What a billable call must say of itself before it may spend: labels, tags, dimensions. `verified` asks that the key
says it; a caller's own word then does not count. `allowed` lists the values that may be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tallystick.core.errors import Denied
from tallystick.core.identity import LABELS, Attribution
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, refused

_PREFIXES: Final = ("tag:", "dimension:")


@dataclass(frozen=True, slots=True)
class RequiredDimensions:
    """Names are labels (`team`, `user`, `cost_center`…), `tag:NAME` and `dimension:NAME`."""

    require: tuple[str, ...] = ()
    verified: bool = False
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def judge(self, case: Case) -> Denied | None:
        if not case.billable:
            return None
        missing = [name for name in self.require if self._value(case.attribution, name) is None]
        if missing:
            whose = "fixed on the key" if self.verified else "named"
            return refused(f"This call must have {', '.join(missing)} {whose}.", missing=",".join(missing))
        for name, values in self.allowed.items():
            value = _value(case.attribution, name)
            if value is not None and value not in values:
                return refused(f"This value of {name} is not one of those that may be given.", dimension=name, allowed=",".join(values))
        return None

    def _value(self, attribution: Attribution, name: str) -> str | None:
        value = _value(attribution, name)
        return None if value is None or (self.verified and _claimed_as(name) in attribution.claimed) else value


def read(parameters: Parameters) -> RequiredDimensions:
    rule = RequiredDimensions(parameters.texts("require"), parameters.flag("verified"), parameters.lists("allowed"))
    if not rule.require and not rule.allowed:
        raise parameters.wrong("give require or allowed.")
    for name in (*rule.require, *rule.allowed):
        if name not in LABELS and not (name.startswith(_PREFIXES) and name.partition(":")[2]):
            raise parameters.wrong(f"{name} is none of {', '.join(LABELS)}, tag:NAME and dimension:NAME.")
    return rule


def _value(attribution: Attribution, name: str) -> str | None:
    kind, _, inner = name.partition(":")
    if not inner:
        return attribution.labels.get(name)
    if kind == "tag":
        return next((value for known, value in attribution.tags if known == inner), None)
    return attribution.dimensions.get(inner)


def _claimed_as(name: str) -> str:
    """The name under which an attribution lists what only the caller says."""
    kind, _, inner = name.partition(":")
    return name if not inner else "tags" if kind == "tag" else f"dimension.{inner}"
