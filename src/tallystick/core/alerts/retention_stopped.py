"""A month whose time has come is not pruned: what its rows say and what was written differ, so nothing of it is dropped.
Told once until it goes on, or nobody wants it to go any more."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "retention_stopped"


def alert(month: str, reason: str, stage: int, began_us: int) -> Alert:
    """`month`: as 2026-05; `reason`: what was found; `stage`: at which step; `began_us`: when it stopped there."""
    text = (f"Rows of {month} were to be dropped, and are not: {reason}. Nothing is lost, and no younger month goes before it."
            " It is tried again each day; `tallystick retention run` tries at once.")
    return Alert(KIND, thread_of(month), f"{began_us}", "critical", f"Pruning of {month} has stopped", text,
                 {"month": month, "found": reason, "stage": stage}, "/api/retention")


def thread_of(month: str) -> str:
    """What all alerts of one month are about."""
    return f"retention/{month}"
