"""The kill switch: nothing of its scope gets through, whatever it asks and whoever pays. It is the first of the kinds,
so that a refusal says that somebody pulled it, and not what else may be wrong.

With `now` running replies are cut too; what they cost until then is booked as of any reply that was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.errors import Denied
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case


@dataclass(frozen=True, slots=True)
class Kill:
    """`reason` is told to callers."""

    reason: str = ""
    now: bool = False

    def judge(self, case: Case) -> Denied:  # noqa: ARG002 - whatever the call is
        return self.refusal()

    def refusal(self) -> Denied:
        """What callers are told."""
        about = f": {self.reason}" if self.reason else "."
        return Denied("killed", f"This was stopped by its organisation{about}", details={"reason": self.reason} if self.reason else {})


def read(parameters: Parameters) -> Kill:
    return Kill(parameters.text("reason") or "", parameters.flag("now"))
