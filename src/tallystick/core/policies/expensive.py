"""Calls that may cost much: a warning with the expected cost, or a refusal until the caller says that it means it. The
expected cost is the upper bound that a soft budget counts with, by the prices that hold for the call; where no price is
known nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.errors import Denied
from tallystick.core.money import decimal_text, read_amount
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, Verdict, Warn


@dataclass(frozen=True, slots=True)
class Expensive:
    """In nano-USD; above it, not at it. None: never."""

    warn_above_nanos: int | None = None
    confirm_above_nanos: int | None = None

    def judge(self, case: Case) -> Verdict | None:
        expected = case.expected(case.call) if case.billable else None
        if expected is None:
            return None
        if self.confirm_above_nanos is not None and expected > self.confirm_above_nanos and not case.confirmed:
            cost = decimal_text(expected)
            return Denied("confirmation_required", f"This call may cost up to ${cost}; send it again with X-Tallystick-Confirm: yes.",
                          details={"expected_cost_usd": cost})
        if self.warn_above_nanos is not None and expected > self.warn_above_nanos:
            return Warn(f"expected_cost_usd={decimal_text(expected)}")
        return None


def read(parameters: Parameters) -> Expensive:
    said = {name: parameters.text(name) for name in ("warn_above_usd", "confirm_above_usd")}
    if not any(said.values()):
        raise parameters.wrong("give warn_above_usd or confirm_above_usd, as in confirm_above_usd = '2.50'.")
    try:
        return Expensive(*(None if text is None else read_amount(text) for text in said.values()))
    except ValueError as fault:
        raise parameters.wrong(f"{fault}.") from None
