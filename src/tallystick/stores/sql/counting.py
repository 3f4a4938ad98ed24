"""What the shipper's transaction counts on budgets: what each settled attempt cost on every node of its path, and
what that takes out of the holder's leases. Nodes are found by what the attempt *is*, not only by what its
admission held, so budgets that came up while it ran, and soft ones, count it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.budget import NO_BUDGETS, Budget, BudgetBook, Subject
from tallystick.core.draw import Draw, NodeKey
from tallystick.core.entry import read_admission, request_hex
from tallystick.core.holding import cost_in, late_draw
from tallystick.core.ledger import read_body
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.journal import Appending
from tallystick.stores.sql.leases import DEFERRED, lease, open_node
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.team_names import names_in

_encoded = msgspec.msgpack.Encoder().encode
_decoded = msgspec.msgpack.Decoder(tuple[Draw, ...]).decode


def count(pen: Appending, admission: Admission, settlement: Settlement) -> None:
    """An attempt that is settled by the instance that admitted it."""
    if settlement.outcome == "deferred":
        _defer(pen, admission, settlement)
        return
    spend(pen, admission, settlement)
    pen.counting.release(pen.holder, settlement.draws)


def count_later(pen: Appending, organization: int, opening: Mapping[str, Any], settlement: Settlement, kept: bytes | None) -> None:
    """The end of an attempt whose admission was chained before. `opening`: that entry's fields; `kept`: what the job
    has held since, by `draws_kept`, None where the instance itself still holds it."""
    admission = _admitted(pen, organization, opening)
    if settlement.outcome == "deferred":
        _defer(pen, admission, settlement)
        return
    spend(pen, admission, settlement)
    if kept is None:
        pen.counting.release(pen.holder, settlement.draws)
    else:
        pen.counting.release(DEFERRED, read_draws(kept))


def count_adjustment(pen: Appending, organization: int, opening: Mapping[str, Any], delta_nanos: int) -> None:
    """A correction counts where its attempt counted, in the window of the attempt's admission."""
    admission = _admitted(pen, organization, opening)
    if admission.sandbox or not admission.billable:
        return
    for match in _book(pen, admission).path(_subject(admission), admission.at_us):
        if match.budget.unit == "money":
            start_us, end_us = match.budget.span(admission.at_us)
            pen.counting.spend(NodeKey(match.budget.id, match.subject, start_us), end_us, delta_nanos)


def hold_open_jobs(pen: Appending, organization: int, budget: Budget) -> None:
    """A budget that comes up, or turns hard, while jobs run holds their worst case too, in the window they were admitted in."""
    budget = replace(budget, scope=names_in(pen.db, organization).first_scope(budget.scope))
    jobs = pen.db.execute("SELECT request_id, attempt, seq, month, draws FROM open_attempt WHERE organization = ? AND deferred = 1"
                          " ORDER BY admitted_us", (organization,)).fetchall()
    for request_id, attempt, seq, month, kept in jobs:
        body = pen.db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                              (organization, seq)).fetchone()[0]
        admission = _admitted(pen, organization, read_body(pen.packer.unpack(body)))
        held = read_draws(kept)
        draw = late_draw(budget, admission) if budget.mode == "hard" else None
        if draw is not None and draw.amount and budget.id not in {one.node.budget for one in held}:
            _hold_also(pen, (request_id, attempt), held, [draw])


def _defer(pen: Appending, admission: Admission, settlement: Settlement) -> None:
    """A job's hold leaves the instance and stays with the nodes. Hard budgets that came while its records were on their way
    hold it from now on: its instance does not know it as open any more, and the database did not know it as a job yet."""
    pen.counting.defer(pen.holder, settlement.draws)
    held = {draw.node.budget for draw in settlement.draws}
    path = [match for match in _book(pen, admission).path(_subject(admission), admission.at_us)
            if match.budget.mode == "hard" and match.budget.id not in held]
    if not path:
        return
    made = {int(row[0]) for row in pen.db.execute("SELECT id FROM budget WHERE created_us >= ?", (admission.at_us,))}
    late = [draw for match in path if match.binding or match.budget.id in made
            if (draw := late_draw(match.budget, admission)) is not None and draw.amount]
    _hold_also(pen, (bytes.fromhex(request_hex(admission.request_id)), admission.attempt), settlement.draws, late)


def _hold_also(pen: Appending, job: tuple[bytes, int], held: Sequence[Draw], late: Sequence[Draw]) -> None:
    """Let a job hold on more nodes than it does."""
    for draw in late:
        open_node(pen.db, draw.node)
    lease(pen.db, DEFERRED, late)
    pen.db.execute("UPDATE open_attempt SET draws = ? WHERE request_id = ? AND attempt = ?", (draws_kept((*held, *late)), *job))


def draws_kept(draws: Sequence[Draw]) -> bytes:
    """What an open attempt holds, as `open_attempt` keeps it."""
    return _encoded(tuple(draws))


def read_draws(kept: bytes) -> tuple[Draw, ...]:
    """What `draws_kept` wrote."""
    return _decoded(kept)


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
    admission = read_admission(opening, lambda kind, number: (names.of(kind, number) or "", {}))
    return replace(admission, attribution=names_in(pen.db, organization).first_of(admission.attribution))
