"""What a call takes of its budgets: its worst case of each while it runs, its cost of each at its end.

A hard budget on the path is held before a byte goes upstream; soft and observing ones only count. What a
settlement draws never exceeds the hold: beyond that the ledger books it, and the database counts it, but no
other call's hold pays for it (core/broker.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.budget import Budget, Match, Subject, Unit, subject_matches
from tallystick.core.draw import Draw
from tallystick.core.usage import INPUT_CLASSES, OUTPUT_CLASSES
from tallystick.core.worst_case import WorstCase

_TOKENS: Final = frozenset((*INPUT_CLASSES, *OUTPUT_CLASSES))


def holds_of(path: Iterable[Match], worst: WorstCase) -> tuple[Draw, ...]:
    """What must be held on a path, by node."""
    return tuple([Draw(match.node, amount_in(match.budget.unit, worst.nanos, worst.tokens)) for match in path if match.binding])


def late_draw(budget: Budget, admission: Admission) -> Draw | None:
    """What a call that is open already, or waits, holds on a budget that comes into force; None where it is none of its."""
    if not admission.billable or admission.sandbox or not budget.in_force(admission.at_us):
        return None
    if budget.unit == "calls" and admission.attempt > 1:
        return None
    subject = subject_matches(budget.scope, Subject(admission.attribution, admission.provider, admission.model))
    if subject is None:
        return None
    return Draw(budget.node(subject, admission.at_us), amount_in(budget.unit, admission.hold_nanos, admission.hold_tokens))


def standing_of(details: Mapping[str, str]) -> Mapping[str, str]:
    """Of a refusal's details what is kept of the budget that a call did not fit: all but whose it is, for that may be a
    person's name, which entries do not hold."""
    return {name: value for name, value in details.items() if name != "scope"} if "budget_id" in details else {}


def cost_in(unit: Unit, admission: Admission, settlement: Settlement) -> int:
    """What a settled attempt counts in a budget of this unit. Money is what the provider charges and what a key of
    one's own is billed for elsewhere; a worst case counts its whole bound, in tokens as in money; a job is counted when it
    is settled."""
    if admission.sandbox or not admission.billable:
        return 0
    if unit == "money":
        return settlement.cost_nanos + (settlement.upstream_nanos or 0)
    if unit == "calls":
        return int(admission.attempt == 1)       # a call is one call, however often it is sent
    return admission.hold_tokens if settlement.basis == "worst_case" else tokens_of(settlement)


def tokens_of(settlement: Settlement) -> int:
    """Input and output tokens together; 0 where no usage is known."""
    usage = settlement.usage
    if usage is None:
        return 0
    return int(sum(count for unit, count in usage.counts.items() if unit in _TOKENS)) - usage.overlap_tokens


def draws_of(holds: Sequence[Draw], admission: Admission, settlement: Settlement,
             unit_of: Callable[[int], Unit | None]) -> tuple[Draw, ...]:
    """What a settlement draws of each node that its admission holds. A job whose cost is still to come, a worst case
    and a node whose budget is gone draw the whole hold."""
    if settlement.outcome == "deferred" or settlement.basis == "worst_case":
        return tuple(holds)
    costs: dict[Unit, int] = {}
    drawn: list[Draw] = []
    for node, held in holds:
        unit, amount = unit_of(node.budget), held
        if unit is not None:
            if unit not in costs:
                costs[unit] = cost_in(unit, admission, settlement)
            amount = min(held, costs[unit])
        if amount:
            drawn.append(Draw(node, amount))
    return tuple(drawn)


def amount_in(unit: Unit, nanos: int, tokens: int) -> int:
    """What a call is in a budget of this unit."""
    return nanos if unit == "money" else tokens if unit == "tokens" else 1
