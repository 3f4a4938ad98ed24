"""How many calls and tokens in a window, and how many calls at once. The rule says what a call would take; whether there
is room is counted where the call is let through (counters.py), all of its policies together or none.

Windows are short, a minute at most, and each instance counts its share of a limit by itself. What must hold over hours
and days, to the call, is a budget in calls or tokens, which instances lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.estimate import estimated_input
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, Claim

WINDOWS: Final = {"second": 1_000_000, "10s": 10_000_000, "minute": 60_000_000}


@dataclass(frozen=True, slots=True)
class Rates:
    """None: any number."""

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    window_us: int = WINDOWS["minute"]

    def judge(self, case: Case) -> Claim | None:
        if not case.billable:
            return None
        return Claim(self.requests, self.tokens, self.concurrent, self.window_us, self._tokens_of(case) if self.tokens is not None else 0)

    def _tokens_of(self, case: Case) -> int:
        """What the call is expected to take; its settlement puts what it took in its place."""
        call = case.call
        return estimated_input(call.facts, call.body_bytes, call.provider) + (call.facts.output_limit or 0) * max(call.facts.n, 1)


def read(parameters: Parameters) -> Rates:
    requests, tokens, concurrent = (parameters.number(name) for name in ("requests", "tokens", "concurrent"))
    window = parameters.text("window") or "minute"
    if window not in WINDOWS:
        raise parameters.wrong(f"window is one of {', '.join(WINDOWS)}; over longer spans set a budget in calls or tokens.")
    if requests is None and tokens is None and concurrent is None:
        raise parameters.wrong("give requests, tokens or concurrent.")
    return Rates(requests, tokens, concurrent, WINDOWS[window])
