"""A feed brought new prices that wait for somebody to apply or reject them."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "price_release"


def alert(release: str, providers: tuple[str, ...]) -> Alert:
    """One reading of a feed, and the providers of which it has news."""
    named = ", ".join(providers)
    return Alert(KIND, f"release/{release}", "pending", "info", f"New prices wait for approval: {named}",
                 f"Release {release} has prices of {named} that differ from those in force. `tallystick prices diff` shows them.",
                 {"release": release, "providers": named})
