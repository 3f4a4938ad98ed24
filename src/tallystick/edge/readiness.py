"""Whether to send traffic here, as a load balancer asks (`/readyz`). The spool decides: while it takes
records calls are good and their books are safe, whatever else is away. A part that fails beside it (the
ledger's database, a job) makes the instance *degraded*: it answers 200, says what is wrong, and wants a
person. Only when the spool takes nothing more, or soon will not, is it *not ready*: 503, early enough that
traffic goes elsewhere before calls are refused; and when it has been cut off from the database for so long that it
refuses what budgets or policies may forbid, for another instance may not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

STRAIN_MAX: Final = 0.9
"""Share of the spool's bounds (bytes or age) from which on it counts as nearly full."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons`: what is wrong, by part; empty when all is well."""

    status: Literal["ready", "degraded", "not ready"]
    reasons: Mapping[str, str] = field(default_factory=dict)


def readiness(journal_fault: str | None, journal_strain: float, failing: Mapping[str, int], cut_off: str | None = None) -> Readiness:
    """`journal_fault`: why nothing is admitted. `journal_strain`: how much of its bounds the spool has used, 1 for
    all. `failing`: jobs whose last turns failed, and how many in a row. `cut_off`: why calls under budgets and policies are
    refused."""
    reasons = {f"job.{name}": f"failed {count} times in a row" for name, count in failing.items()}
    if journal_fault is not None:
        return Readiness("not ready", {**reasons, "journal": journal_fault})
    if journal_strain >= STRAIN_MAX:
        used = f"the spool has used {journal_strain:.0%} of its bounds and waits for the ledger"
        return Readiness("not ready", {**reasons, "journal": used})
    if cut_off is not None:
        return Readiness("not ready", {**reasons, "budgets": cut_off})
    return Readiness("degraded" if reasons else "ready", reasons)
