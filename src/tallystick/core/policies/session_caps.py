"""How many calls one session may make and what it may cost, in total: what stops an agent that runs in a loop. The session is
what the caller calls it (`X-Tallystick-Session`, a trace id), or a tag or dimension that names the run.

The rule says that a call falls under the cap. What each session has spent and holds is counted by budgets that the policy
keeps (stores/sql/policy_caps.py), one for its calls and one for its money: they hold on all gateways together, and a
start forgets nothing. They bind the calls that the policy is on, whose word on their session counts by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import EACH, Scope, subject_matches
from tallystick.core.errors import Denied
from tallystick.core.money import read_amount
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Capped, Case, refused

_PREFIXES: Final = ("tag:", "dimension:")


@dataclass(frozen=True, slots=True)
class SessionCaps:
    """`per`: what has a cap of its own for each value. None: no limit. `optional`: who names no session is under no cap."""

    per: Scope
    calls: int | None = None
    nanos: int | None = None
    optional: bool = False

    def judge(self, case: Case) -> Denied | Capped | None:
        if not case.billable:
            return None
        subject = subject_matches(self.per, case.subject)
        if subject is not None:
            return Capped(subject, self.calls, self.nanos)
        name = self.per.kind if self.per.value == EACH else f"{self.per.kind} {self.per.value.partition('=')[0]}"
        return None if self.optional else refused(f"This call must name its {name}, which has a cap.", missing=name)


def read(parameters: Parameters) -> SessionCaps:
    calls, usd, per = parameters.number("calls", least=1), parameters.text("usd"), parameters.text("per") or "session"
    optional = parameters.flag("optional")
    if calls is None and usd is None:
        raise parameters.wrong("give calls or usd, as in calls = 50 or usd = '2.50'.")
    kind, _, name = per.partition(":")
    if per != "session" and not (per.startswith(_PREFIXES) and name and "=" not in name):
        raise parameters.wrong("per is session, tag:NAME or dimension:NAME.")
    scope = Scope("session", EACH) if per == "session" else Scope("tag" if kind == "tag" else "dimension", f"{name}={EACH}")
    try:
        return SessionCaps(scope, calls, None if usd is None else read_amount(usd), optional)
    except ValueError as fault:
        raise parameters.wrong(f"{fault}.") from None
