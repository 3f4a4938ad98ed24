"""Every kind of alert there is, for whoever names one: a channel that hears only some, a mute."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts import (
    budget_threshold, envelope_expiry, key_expiry, kill_switch, ledger_fault, policy_refusals, price_drift, price_release,
    retention_stopped, run_rate, unpriced_model,
)

KINDS: Final = (
    budget_threshold.KIND, run_rate.KIND, key_expiry.KIND, envelope_expiry.KIND, kill_switch.KIND, unpriced_model.KIND, price_drift.KIND,
    price_release.KIND, ledger_fault.KIND, retention_stopped.KIND, policy_refusals.KIND)


def unknown_kind(kinds: tuple[str, ...]) -> str | None:
    """What to say of names of which one is no kind; None where all are."""
    wrong = [kind for kind in kinds if kind not in KINDS]
    return f"There are no alerts of kind {wrong[0]!r}; there are {', '.join(KINDS)}." if wrong else None
