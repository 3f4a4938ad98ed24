"""Past attempts of an organisation, one after the other in the order of their admissions and in bounded memory,
as the noun that `core/repricing.py` prices: rebuilt from the entries' bytes, so that what a price follows
from is what the ledger says. Sandbox calls and refusals cost nothing and are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tallystick.core.repricing import PastAttempt
from tallystick.stores.sql import facts
from tallystick.stores.sql.calls import Calls
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.facts import Asked, Place, month_of
from tallystick.stores.sql.names import Names

PAGE: Final = 500


def past_attempts(db: Connection, calls: Calls, organization: int, asked: Asked, model: str | None = None,
                  page: int = PAGE) -> Iterator[PastAttempt]:
    """The attempts asked for (its days, kinds and filters); `model`: only those that were served by or asked for
    it. `calls` reads the same database. Everything stands in the one view of `db`.

    Raises LookupError, ValueError or LedgerFault for an entry that cannot be read, RowsPruned where some are gone.
    """
    number = Names(db, organization).number("model", model) if model is not None else None
    if model is not None and number is None:
        return
    facts.all_stand(db, organization, asked, "A price follows from the entries of calls.")
    behind: Place | None = None
    while rows := list(facts.listed(db, organization, asked, newest_first=False, behind=behind, limit=page)):
        for row in rows:
            if number is None or number in (row["model_id"], row["served_id"]):
                record = calls.read_attempt(db, organization, month_of(row["day"]), row["seq"])
                latest = record.adjustments[-1].adjustment.reason if record.adjustments else None
                yield PastAttempt(record.seq, record.admission, record.settlement, record.cost_nanos, latest == "evidence")
        behind = Place(rows[-1]["at_us"], rows[-1]["seq"])
