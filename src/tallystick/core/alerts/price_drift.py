"""What a provider says its calls cost is not what the price book says (more than $0.0001 and half a percent of a call).
The provider's word was booked. Told once for each model and day."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "price_drift"


def alert(provider: str, model: str, day: str, calls: int) -> Alert:
    """`calls`: how many differed on that day (YYYY-MM-DD) when it was noticed."""
    text = (f"{calls} {'call' if calls == 1 else 'calls'} to {model} at {provider} cost something else than the price book says, on {day}."
            " The provider's figure is booked. Look at one with `tallystick explain`, and check the book with `tallystick prices diff`.")
    return Alert(KIND, f"drift/{provider}/{model}", day, "warning", f"Prices of {model} at {provider} have moved", text,
                 {"provider": provider, "model": model, "day": day, "calls": calls}, "/api/requests")
