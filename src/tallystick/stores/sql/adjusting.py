"""Corrections are posted, never edited in: an ADJUST entry names the attempt it corrects, what the attempt
costs from here on, and the delta to what it cost until then. No entry of the attempt is touched; the row
of its call moves by the delta in the same transaction.

Whoever holds the ledger's pen judges by what the attempt costs at that moment, so a correction posted
twice, or by two at once, changes nothing the second time. A price never overrules evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final, NamedTuple

from tallystick.core.attempt import Adjustment, AdjustReason, Line
from tallystick.core.entry import adjustment_fields, request_hex
from tallystick.core.entry_lines import Describe
from tallystick.core.ledger import read_body
from tallystick.stores.sql.calls import CallRecord
from tallystick.stores.sql.callfact import DEFERRED, OPEN
from tallystick.stores.sql.counting import count_adjustment
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.engine import month_sql, month_text, months
from tallystick.stores.sql.facts import ATTEMPTS, REFUSALS, month_of
from tallystick.stores.sql.journal import Appending, Chain, Sequencer
from tallystick.stores.sql.pruned import whose_month_is_gone

COST_NANOS_MAX: Final = 10**18               # a thousand million dollars; nothing that was metered costs more
TEXT_CHARS_MAX: Final = 500
BATCH: Final = 200                           # corrections in one transaction, so that the shipper can come between
_EPOCH: Final = date(1970, 1, 1).toordinal()
_FOUND: Final = ("SELECT kind, flags, outcome, at_us, seq, day, cost_nanos FROM call_fact_{month}"
                 " WHERE request_id = ? AND attempt = ? AND organization = ?")


@dataclass(frozen=True, slots=True)
class Correction:
    """What an attempt shall cost from now on, and why. `lines` and `price_version`: of a re-pricing."""

    request_id: str
    attempt: int
    reason: AdjustReason
    cost_nanos: int
    actor: str
    text: str
    lines: tuple[Line, ...] = ()
    price_version: str = ""
    approved: str = ""                       # who approved it, where the API asked for that


class _Row(NamedTuple):
    kind: int
    flags: int
    outcome: int
    at_us: int
    seq: int
    day: int
    cost_nanos: int


@dataclass(slots=True)
class Posted:
    """What a run of corrections came to."""

    adjustments: int = 0
    delta_nanos: int = 0


def attempt_meant(record: CallRecord, attempt: int | None) -> int:
    """Which attempt of a call a correction is about: the one named, else its only one. Raises Refused."""
    known = [one.admission.attempt for one in record.attempts]
    if attempt is not None or not known:
        return attempt or 1
    if len(known) > 1:
        raise Refused("attempt_required", f"The call has the attempts {', '.join(map(str, known))}; say which one is meant.")
    return known[0]


def adjust(pen: Appending, organization: int, correction: Correction, describe: Describe) -> Adjustment | None:
    """Post one correction; None where it would change nothing. `describe`: what is known of a price row.

    Raises Refused: `not_found`, `not_adjustable` for a call that has no cost to correct (refused, sandbox),
    `not_settled`, `invalid_request` for an amount or a text that cannot stand.
    """
    _check(correction)
    chain = pen.chain(organization)
    row = _find(pen, organization, correction)
    before = _latest(pen, organization, row)
    delta = correction.cost_nanos - row.cost_nanos
    if correction.reason == "reprice":
        if not delta or (before is not None and before["reason"] == "evidence"):
            return None
    elif before is not None and not delta and (before["reason"], before.get("text", "")) == ("evidence", correction.text):
        return None
    posted = Adjustment(
        correction.request_id, correction.attempt, pen.now_us, correction.reason, correction.cost_nanos, delta, correction.actor,
        correction.text, _day(row.day), _day(chain.calendar.day_and_month(pen.now_us)[0]), correction.lines, correction.price_version,
        correction.approved)
    _post(pen, chain, row, posted, describe)
    return posted


def adjust_all(sequencer: Sequencer, organization: int, corrections: Iterable[Correction], describe: Describe,
               now_us: Callable[[], int], batch: int = BATCH) -> Posted:
    """Post corrections as they come, so many a transaction. Ended half-way, what was posted stands, and
    another run posts the rest. Raises Refused as `adjust` does, StoreFault when the database cannot be written."""
    posted = Posted()
    waiting: Iterator[Correction] = iter(corrections)
    while some := list(islice(waiting, batch)):
        with sequencer.append(now_us()) as pen:
            done = [made for one in some if (made := adjust(pen, organization, one, describe)) is not None]
        posted.adjustments += len(done)
        posted.delta_nanos += sum(made.delta_nanos for made in done)
    return posted


def _check(correction: Correction) -> None:
    text = correction.text
    if not 0 <= correction.cost_nanos <= COST_NANOS_MAX:
        raise Refused("invalid_request", "A cost is between 0 and 1,000,000,000 dollars.")
    if len(text) > TEXT_CHARS_MAX or not text.isprintable():
        raise Refused("invalid_request", f"The text has at most {TEXT_CHARS_MAX} characters on one line.")
    if correction.reason == "evidence" and not text.strip():
        raise Refused("invalid_request", "Say what shows it: an invoice's number, a usage report, a support ticket.")


def _find(pen: Appending, organization: int, correction: Correction) -> _Row:
    place = bytes.fromhex(request_hex(correction.request_id)), correction.attempt, organization
    for month in months(pen.db):
        found = pen.db.execute(month_sql(_FOUND, month), place).fetchone()
        if found is not None:
            break
    else:
        gone = whose_month_is_gone(pen.db, organization, correction.request_id)
        if gone is not None:
            raise Refused("pruned", f"The calls of {month_text(gone.month)} were pruned; what they came to is sealed and stays as it is.")
        raise Refused("not_found", "The ledger has no such attempt.")
    row = _Row(*found)
    if pen.db.execute("SELECT 1 FROM pruning WHERE month = ? AND fault = ''", (month,)).fetchone():
        raise Refused("pruned", f"{month_text(month)} is being pruned: what its calls came to is about to be sealed, and stays as it is.")
    if row.kind != ATTEMPTS:
        why = "We answered it ourselves, so it cost nothing." if row.kind == REFUSALS else "A sandbox call costs nothing."
        raise Refused("not_adjustable", why)
    if row.flags & OPEN or row.outcome == DEFERRED:
        raise Refused("not_settled", "It is not settled yet; there is no cost to correct.")
    return row


def _latest(pen: Appending, organization: int, row: _Row) -> dict[str, Any] | None:
    """The attempt's latest adjustment as its entry says it."""
    seq = pen.db.execute("SELECT max(seq) FROM later_entry WHERE organization = ? AND ref = ?", (organization, row.seq)).fetchone()[0]
    if seq is None:
        return None
    pen.flush()                              # it may have been gathered just now
    body = pen.db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month_of(row.day)),
                          (organization, seq)).fetchone()[0]
    fields = read_body(pen.packer.unpack(body))
    return fields if fields["kind"] == "ADJUST" else None


def _post(pen: Appending, chain: Chain, row: _Row, posted: Adjustment, describe: Describe) -> None:
    month = month_of(row.day)                # beside the attempt's own entries, so that the month goes whole
    seq = chain.append(adjustment_fields(posted, row.seq, chain.define, describe), month)
    pen.db.execute("INSERT INTO later_entry (organization, ref, seq) VALUES (?, ?, ?)", (chain.organization, row.seq, seq))
    pen.adjust_fact(month, chain.organization, row.at_us, row.seq, posted.delta_nanos)
    if pen.budgets():
        pen.flush()                          # the attempt may have been gathered just now
        opening = pen.db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                                 (chain.organization, row.seq)).fetchone()[0]
        count_adjustment(pen, chain.organization, read_body(pen.packer.unpack(opening)), posted.delta_nanos)


def _day(number: int) -> str:
    return date.fromordinal(number + _EPOCH).isoformat()
