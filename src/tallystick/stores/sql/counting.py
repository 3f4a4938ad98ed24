"""What the shipper's transaction counts on budgets: what each settled attempt cost on every node of its path, and
what that takes out of the holder's leases. Nodes are found by what the attempt *is*, not only by what its
admission held, so budgets that came up while it ran, and soft ones, count it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.budget import NO_BUDGETS, Budget, BudgetBook, Subject
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.entry import read_admission
from tallystick.core.holding import cost_in, late_draw
from tallystick.core.ledger import read_body
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.leases import DEFERRED, lease, open_node
from tallystick.stores.sql.names import Names

_encoded = msgspec.msgpack.Encoder().encode
_decoded = msgspec.msgpack.Decoder(tuple[Draw, ...]).decode


def count(pen: Appending, admission: Admission, settlement: Settlement) -> None:
    """An attempt that is settled by the instance that admitted it."""
    if settlement.outcome == "deferred":
        pen.counting.defer(pen.holder, settlement.draws)
        return
    spend(pen, admission, settlement)
    pen.counting.release(pen.holder, settlement.draws)


def count_later(pen: Appending, organization: int, opening: Mapping[str, Any], settlement: Settlement, kept: bytes | None) -> None:
    """The end of an attempt whose admission was chained before. `opening`: that entry's fields; `kept`: what the job
    has held since, by `draws_of_job`, None where the instance itself still holds it."""
    admission = _admitted(pen, organization, opening)
    if settlement.outcome == "deferred":
        pen.counting.defer(pen.holder, settlement.draws)
        return
    spend(pen, admission, settlement)
    if kept is None:
        pen.counting.release(pen.holder, settlement.draws)
    else:
        pen.counting.release(DEFERRED, _decoded(kept))


def count_adjustment(pen: Appending, organization: int, opening: Mapping[str, Any], delta_nanos: int) -> None:
    """A correction counts where its attempt counted, in the window of the attempt's admission."""
    admission = _admitted(pen, organization, opening)
    for match in _book(pen, admission).path(_subject(admission), admission.at_us):
        if match.budget.unit == "money":
            start_us, end_us = match.budget.span(admission.at_us)
            pen.counting.spend(NodeKey(match.budget.id, match.subject, start_us), end_us, delta_nanos)


def hold_open_jobs(pen: Appending, organization: int, budget: Budget) -> None:
    """A budget that comes up while jobs run holds their worst case too, in the window they were admitted in."""
    jobs = pen.db.execute("SELECT request_id, attempt, seq, month, draws FROM open_attempt WHERE organization = ? AND deferred = 1"
                          " ORDER BY admitted_us", (organization,)).fetchall()
    for request_id, attempt, seq, month, kept in jobs:
        body = pen.db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                              (organization, seq)).fetchone()[0]
        admission = _admitted(pen, organization, read_body(pen.packer.unpack(body)))
        draw = late_draw(budget, admission) if budget.mode == "hard" else None
        if draw is None:
            continue
        open_node(pen.db, draw.node)
        lease(pen.db, DEFERRED, [draw])
        pen.db.execute("UPDATE open_attempt SET draws = ? WHERE request_id = ? AND attempt = ?",
                       (_encoded((*(_decoded(kept) if kept else ()), draw)), request_id, attempt))


def draws_of_job(settlement: Settlement) -> bytes | None:
    """What a job that is still to be settled holds, as `open_attempt` keeps it; None for what is no job."""
    return _encoded(settlement.draws) if settlement.outcome == "deferred" else None


def spend(pen: Appending, admission: Admission, settlement: Settlement) -> None:
    """Count what the attempt cost on every node of its path."""
    book = _book(pen, admission)
    if not book.budgets or admission.sandbox or not admission.billable:
        return
    for match in book.path(_subject(admission), admission.at_us):
        start_us, end_us = match.budget.span(admission.at_us)
        node = NodeKey(match.budget.id, match.subject, start_us)
        pen.counting.spend(node, end_us, cost_in(match.budget.unit, admission, settlement))


def _subject(admission: Admission) -> Subject:
    return Subject(admission.attribution, admission.provider, admission.model)


def _book(pen: Appending, admission: Admission) -> BudgetBook:
    return pen.budgets().get(admission.attribution.organization, NO_BUDGETS)


def _admitted(pen: Appending, organization: int, opening: Mapping[str, Any]) -> Admission:
    names = Names(pen.db, organization)
    return read_admission(opening, lambda kind, number: (names.of(kind, number) or "", {}))
