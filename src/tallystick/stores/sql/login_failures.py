"""How often logins failed of late, per account and in the database, so that all workers and instances count as one. A
few are free, each further one doubles the wait. What was typed as an address is counted under a keyed hash, known or
not, so that neither the wait nor the table tells who has an account.

A login is counted before it is checked and taken back afterwards: attempts made at once cannot share a free one.
"""

from __future__ import annotations

import hmac
from typing import Final

from tallystick.stores.sql.connection import Connection

FREE: Final = 5
DELAY_S_MAX: Final = 900
NAMES_MAX: Final = 10_000
_FORGET_US: Final = 3_600_000_000
_US: Final = 1_000_000


def name_of(secret: bytes, email: str) -> bytes:
    """Under what the failures of an address are counted."""
    return hmac.digest(secret, email.strip().casefold().encode("utf-8", "replace"), "sha256")


def begin(db: Connection, name: bytes, now_us: int) -> int:
    """Count an attempt, within a write transaction. Seconds to wait first, rounded up, and then nothing is counted; else 0."""
    db.execute("DELETE FROM login_failure WHERE last_us < ?", (now_us - _FORGET_US,))
    db.execute("DELETE FROM login_failure WHERE name IN (SELECT name FROM login_failure ORDER BY last_us DESC LIMIT 1000 OFFSET ?)",
               (NAMES_MAX,))
    row = db.execute("SELECT count, last_us FROM login_failure WHERE name = ?", (name,)).fetchone()
    if row is not None and row[0] >= FREE:
        delay_us = min(DELAY_S_MAX, 1 << min(row[0] - FREE, 16)) * _US
        left_us = min(row[1], now_us) + delay_us - now_us            # a clock that was set back makes nobody wait longer
        if left_us > 0:
            return int(-(-left_us // _US))
    db.execute("INSERT INTO login_failure (name, count, last_us) VALUES (?, 1, ?)"
               " ON CONFLICT (name) DO UPDATE SET count = login_failure.count + 1, last_us = excluded.last_us", (name, now_us))
    return 0


def take_back(db: Connection, name: bytes) -> None:
    """The attempt was no failure, and no success either."""
    db.execute("UPDATE login_failure SET count = count - 1 WHERE name = ? AND count > 0", (name,))


def forget(db: Connection, name: bytes) -> None:
    """Somebody logged in."""
    db.execute("DELETE FROM login_failure WHERE name = ?", (name,))
