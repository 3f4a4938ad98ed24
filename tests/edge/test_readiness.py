"""`/readyz`: traffic is sent elsewhere when calls would be refused, and not a moment before."""

from __future__ import annotations

import pytest

from tallystick.edge.readiness import readiness


@pytest.mark.parametrize(("fault", "strain", "failing", "status", "parts"), [
    (None, 0.0, {}, "ready", set()),
    (None, 0.89, {}, "ready", set()),
    (None, 0.5, {"ship": 40}, "degraded", {"job.ship"}),            # the ledger is away, the spool has room
    (None, 0.0, {"watch": 1, "watch_prices": 2}, "degraded", {"job.watch", "job.watch_prices"}),
    (None, 0.9, {"ship": 4000}, "not ready", {"job.ship", "journal"}),
    (None, 0.95, {}, "not ready", {"journal"}),
    ("no room for the next spool segment", 0.0, {}, "not ready", {"journal"}),
])
def test_the_spool_decides(fault: str | None, strain: float, failing: dict[str, int], status: str, parts: set[str]) -> None:
    found = readiness(fault, strain, failing)
    assert (found.status, set(found.reasons)) == (status, parts)
