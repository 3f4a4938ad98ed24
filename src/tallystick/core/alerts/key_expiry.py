"""A key stops working soon: told 14, 7 and 1 days before. A key that is made for less time is not told of the steps that
lie before its making.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert, moment, moment_text

KIND: Final = "key_expiry"
DAYS: Final = (14, 7, 1)
DAY_US: Final = 24 * 3_600_000_000


def step(created_us: int, expires_us: int, now_us: int) -> int | None:
    """The step that a key has come to, in days; None before the first, and once it has expired."""
    left_us = expires_us - now_us
    if left_us <= 0:
        return None
    return min((days for days in DAYS if left_us <= days * DAY_US < expires_us - created_us), default=None)


def alert(key_id: str, name: str, labels: str, expires_us: int, days: int) -> Alert:
    """`labels`: whose key it is, for people."""
    called = f"{key_id} ({name})" if name else key_id
    text = f"Key {called}{f' of {labels}' if labels else ''} expires on {moment(expires_us)} UTC. Make its successor and move its callers."
    return Alert(KIND, f"key/{key_id}", f"{days}d/{expires_us}", "critical" if days == 1 else "warning",
                 f"Key {called} expires within {days} {'day' if days == 1 else 'days'}", text,
                 {"key_id": key_id, "name": name, "expires_at": moment_text(expires_us), "days": days}, f"/api/keys/{key_id}")
