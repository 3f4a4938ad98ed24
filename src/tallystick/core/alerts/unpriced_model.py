"""Calls went to a model that has no price here: they were booked as unpriced, which is no zero. Told once for each
model and day."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "unpriced_model"


def alert(provider: str, model: str, day: str, calls: int) -> Alert:
    """`calls`: how many there were on that day (YYYY-MM-DD) when it was noticed."""
    text = (f"{calls} {'call' if calls == 1 else 'calls'} to {model} at {provider} could not be priced on {day}."
            " What they cost is not in any figure. Refresh the price book, or set an override, and reprice.")
    return Alert(KIND, f"unpriced/{provider}/{model}", day, "warning", f"No price for {model} at {provider}", text,
                 {"provider": provider, "model": model, "day": day, "calls": calls}, "/api/prices/overrides")
