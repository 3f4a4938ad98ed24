"""Which months' rows are gone, for those who read rows: a sum that would need them is refused, for a figure that silently
leaves something out is worse than none. Roll-ups and sealed totals stay, and answer what they can say.

A month is pruned for an organisation that had entries in it; of another one nothing is missing.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from tallystick.core.entry import request_hex
from tallystick.core.moments import moment_text
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_text, months

_MONTHS: Final = ("SELECT s.month, m.pruned_us, s.seq, s.first_us, s.last_us FROM month_seal s JOIN journal_month m ON m.month = s.month"
                  " WHERE s.organization = ? AND m.pruned_us IS NOT NULL ORDER BY s.month")
_ID_US: Final = 60_000_000                   # a request id is as old as its call, to a moment


class PrunedMonth(NamedTuple):
    """A month of an organisation whose rows are gone. `seq`: of the entry that seals it; its calls were admitted from
    `first_us` to `last_us`."""

    month: int
    pruned_us: int
    seq: int
    first_us: int
    last_us: int

    def document(self) -> dict[str, Any]:
        """As answers say it."""
        return {"month": month_text(self.month), "pruned_at": moment_text(self.pruned_us), "sealed_entry": self.seq}


class RowsPruned(Exception):
    """What was asked for needs the rows of calls of a month that has none any more. `rows_from`: the first day that has."""

    def __init__(self, month: PrunedMonth, rows_from: date, what: str) -> None:
        super().__init__(
            f"{what} Rows before {rows_from} were dropped (those of {month_text(month.month)} on {moment_text(month.pruned_us)[:10]}); "
            "what they came to, by day and by one dimension at a time, stays and is sealed in the ledger.")
        self.month = month
        self.rows_from = rows_from


def pruned_months(db: Connection, organization: int) -> list[PrunedMonth]:
    """The months of an organisation whose rows are gone, in order."""
    return [PrunedMonth(*map(int, row)) for row in db.execute(_MONTHS, (organization,)).fetchall()]


def rows_from(db: Connection, organization: int) -> date | None:
    """The first day from which on every row stands; None where none was ever dropped."""
    gone = pruned_months(db, organization)
    return _after(gone[-1].month) if gone else None


def months_between(db: Connection, organization: int, first: int, last: int, what: str = "This asks for the rows of calls.") -> list[int]:
    """The months with rows from one month to another, newest first. Raises RowsPruned where one of them has none any more."""
    gone = [one for one in pruned_months(db, organization) if first <= one.month <= last]
    if gone:
        raise RowsPruned(gone[-1], _after(pruned_months(db, organization)[-1].month), what)
    return [month for month in months(db) if first <= month <= last]


def whose_month_is_gone(db: Connection, organization: int, request_id: str) -> PrunedMonth | None:
    """The pruned month that a call of this id would stand in: its id says when it came. None for an id that says none."""
    try:
        raw = bytes.fromhex(request_hex(request_id))
    except ValueError:
        return None
    if len(raw) != 16 or raw[6] >> 4 != 7:   # a UUIDv7 (RFC 9562) begins with milliseconds since 1970
        return None
    at_us = int.from_bytes(raw[:6], "big") * 1_000
    return next((one for one in pruned_months(db, organization) if one.first_us - _ID_US <= at_us <= one.last_us + _ID_US), None)


def check_call(db: Connection, organization: int, request_id: str) -> None:
    """Of a call that nobody finds: raises RowsPruned where its month is gone."""
    gone = whose_month_is_gone(db, organization, request_id)
    if gone is not None:
        raise RowsPruned(gone, _after(pruned_months(db, organization)[-1].month), "Of this call nothing stands by itself any more.")


def _after(month: int) -> date:
    year, number = divmod(month, 100)
    return date(year, number, calendar.monthrange(year, number)[1]) + timedelta(1)
