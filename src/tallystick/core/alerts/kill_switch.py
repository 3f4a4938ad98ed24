"""Somebody has stopped calls: a kill switch is on. Told when it is pulled, resolved when it is released."""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert

KIND: Final = "kill_switch"


def alert(policy: int, version: int, scope: str, by: str, reason: str) -> Alert:
    """`policy`, `version`: the switch as policies number it."""
    about = f" Reason: {reason.rstrip('.')}." if reason else ""
    return Alert(KIND, f"kill/{policy}", f"v{version}", "critical", f"Kill switch: calls of {scope} are refused",
                 f"Pulled by {by}.{about} Every call of {scope} is refused until it is released.",
                 {"policy_id": policy, "version": version, "scope": scope, "by": by, "reason": reason}, f"/api/policies/{policy}")
