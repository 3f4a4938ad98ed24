"""What was called and has no price: by provider and model, how many calls, what they used, since when. They cost nothing in every
sum until somebody says what they cost, so they are a list to work off and no statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.stores.sql.callfact import METHODS
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, MODEL, ZONES_US, month_of
from tallystick.stores.sql.names import Names

_UNPRICED: Final = METHODS.index("unpriced") + 1
_QUERY: Final = (
    f"SELECT provider_id, {MODEL}, operation_id, count(*), sum(input_tokens), sum(output_tokens), min(at_us), max(at_us)"  # noqa: S608
    " FROM call_fact_{month} WHERE organization = ? AND at_us >= ? AND kind = ? AND method = ? AND cost_nanos = 0 GROUP BY 1, 2, 3")


@dataclass(slots=True)
class Unpriced:
    """Attempts of one operation without a price. `model` is the one that served, else the one asked for."""

    provider: str
    model: str
    operation: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_us: int = 0
    last_us: int = 0


def unpriced(db: Connection, organization: int, from_day: int) -> list[Unpriced]:
    """Everything of these days until now that was booked without a price, and was not corrected since; the most calls first."""
    names, found = Names(db, organization), dict[tuple[int, int, int], Unpriced]()
    for month in months(db):
        if month < month_of(from_day):
            continue
        for provider, model, operation, calls, into, out, first_us, last_us in db.execute(
                month_sql(_QUERY, month), (organization, from_day * DAY_US - ZONES_US, ATTEMPTS, _UNPRICED)):
            one = found.setdefault((provider, model, operation), Unpriced(
                names.of("provider", provider) or "", names.of("model", model) or "", names.of("operation", operation) or "",
                first_us=first_us))
            one.calls += calls
            one.input_tokens += int(into or 0)
            one.output_tokens += int(out or 0)
            one.first_us, one.last_us = min(one.first_us, first_us), max(one.last_us, last_us)
    return sorted(found.values(), key=lambda one: (-one.calls, one.provider, one.model))
