"""A job's end that is seen more than once. Whoever polls a job settles it, on whatever gateway; two that poll at the same
moment both do. The first in the chain books. What comes after it chains a SEEN entry: the job's cost is booked already, and
this is what another poll made of it. It costs nothing and counts nowhere.

A job that was booked at its worst case is corrected by what a later poll shows: nobody had fetched its result in time, or the
gateway was killed before the ledger knew that there is a job.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tallystick.core.attempt import Settlement
from tallystick.core.entry import request_hex
from tallystick.core.entry_lines import Describe
from tallystick.core.ledger import read_body
from tallystick.stores.sql.adjusting import Correction, adjust
from tallystick.stores.sql.callfact import BASES, DEFERRED, OPEN, OUTCOMES
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.facts import ATTEMPTS
from tallystick.stores.sql.journal import Appending

SEEN_LATE: Final = "the provider's answer to a later poll"

_FOUND: Final = ("SELECT organization, seq, outcome, basis, flags FROM call_fact_{month} WHERE request_id = ? AND attempt = ? AND kind = ?")
_BODIES: Final = ("SELECT body FROM entry_{month} WHERE organization = ? AND (seq = ? OR seq IN"
                  " (SELECT seq FROM later_entry WHERE organization = ? AND ref = ?))")


class _Job(NamedTuple):
    """A job that has its settlement. `given_up`: it stands at its worst case, for want of a result."""

    organization: int
    seq: int
    month: int
    given_up: bool


def book_second_ending(pen: Appending, settlement: Settlement, describe: Describe) -> bool:
    """Book what a job's end says once more; False where it is of no job that has its settlement. Raises ValueError where what
    the job costs cannot be corrected."""
    pen.flush()
    job = _settled_job(pen, settlement)
    if job is None:
        return False
    if job.given_up and settlement.basis != "worst_case":
        try:
            adjust(pen, job.organization, Correction(settlement.request_id, settlement.attempt, "evidence", settlement.cost_nanos,
                                                     "gateway", SEEN_LATE), describe)
        except Refused as reason:
            raise ValueError(str(reason)) from reason
        return True
    fields = {"kind": "SEEN", "at": settlement.at_us, "request": request_hex(settlement.request_id), "ref": job.seq,
              "seen_nanos": str(settlement.cost_nanos)}
    if settlement.attempt != 1:
        fields["attempt"] = settlement.attempt
    pen.chain(job.organization).append(fields, job.month)
    return True


def _settled_job(pen: Appending, settlement: Settlement) -> _Job | None:
    place = bytes.fromhex(request_hex(settlement.request_id)), settlement.attempt, ATTEMPTS
    for month in months(pen.db):
        row = pen.db.execute(month_sql(_FOUND, month), place).fetchone()
        if row is None:
            continue
        organization, seq, outcome, basis, flags = row
        bodies = pen.db.execute(month_sql(_BODIES, month), (organization, seq, organization, seq)).fetchall()
        if flags & OPEN or outcome == DEFERRED:
            return None
        given_up = (OUTCOMES[outcome - 1], BASES[basis - 1]) == ("recovered", "worst_case")
        if not given_up and "DEFER" not in {read_body(pen.packer.unpack(body))["kind"] for (body,) in bodies}:
            return None
        return _Job(organization, seq, month, given_up)
    return None
