"""What an attempt cost, decided once, at its end. The order of truth is: what the provider says it
charged; the book's price of the usage it stated; the book's price of usage we estimated; `unpriced`.
Both the stated and the computed figure are kept, and a gap of more than max($0.0001, 0.5%) is drift.

Nothing is ever silently zero. Zero needs proof: no byte of the request left us, or the provider gave
a complete error answer of its own without usage. Bytes sent and then silence cost the worst case, the
hold, marked as such until evidence corrects it (decisions.md, rules 3 and 6).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from tallystick.core.attempt import Admission, Basis, Line, Method, Outcome, Settlement
from tallystick.core.call import name
from tallystick.core.errors import FaultKind
from tallystick.core.estimate import estimate_usage
from tallystick.core.lean import lean
from tallystick.core.money import to_nanos
from tallystick.core.pricebook import Charge, PriceBook
from tallystick.core.usage import Reading, StatedCost, Usage

DRIFT_FLOOR_NANOS = 100_000          # $0.0001
DRIFT_SHARE = 200                    # one part in 200: 0.5%

# Statuses that an edge in front of the provider answers while the provider may still be working.
EDGE_STATUSES = frozenset({408, 499, 502, 504, *range(520, 528)})


@lean
@dataclass(frozen=True, slots=True)
class Served:
    """How an attempt went upstream, as seen by the gateway. Times are microseconds after admission."""

    status: int = 0                          # 0: no reply head came
    reading: Reading | None = None           # of a 2xx, or of an error that states usage
    fault: FaultKind | None = None
    written: bool = True                     # whether any byte of the request may have gone out
    own_error: bool = False                  # a complete error body in the provider's own shape
    client_gone: bool = False
    first_byte_us: int | None = None
    latency_us: int = 0
    reply_bytes: int = 0
    billed_elsewhere: bool = False           # a poll: its usage belongs to the call that made the job


class Terms(Protocol):
    """What the settlement must know of the provider: whether its word on cost is taken, whether
    its models are free, and under which name its prices stand."""

    @property
    def states_cost(self) -> bool: ...
    @property
    def free_models(self) -> bool: ...
    @property
    def price_book(self) -> str | None: ...


@lean
@dataclass(frozen=True, slots=True)
class _Verdict:
    """The money part of a settlement."""

    outcome: Outcome
    method: Method
    basis: Basis
    cost_nanos: int = 0
    usage: Usage | None = None
    charge: Charge | None = None
    computed_nanos: int | None = None        # the charge, where the book has a price for all of it
    stated_nanos: int | None = None
    upstream_nanos: int | None = None
    drift: bool = False
    notes: tuple[str, ...] = field(default=())


def settle(admission: Admission, served: Served, book: PriceBook, terms: Terms, at_us: int) -> Settlement:
    """The one settlement of an admission."""
    served = _without_running_usage(served)
    verdict = _judge(admission, served, book, terms)
    reading = served.reading or Reading()
    computed = verdict.computed_nanos
    sandbox = admission.sandbox
    return Settlement(
        request_id=admission.request_id,
        attempt=admission.attempt,
        at_us=at_us,
        outcome=verdict.outcome,
        method="sandbox" if sandbox else verdict.method,
        basis=verdict.basis,
        cost_nanos=0 if sandbox else verdict.cost_nanos,
        would_be_nanos=verdict.cost_nanos if sandbox else None,
        status=served.status,
        model=name(reading.model),
        usage=verdict.usage,
        lines=_lines(verdict.charge),
        parts=tuple(replace(part, model=name(part.model) or "") for part in reading.parts) if reading.parts else (),
        traits={trait: name(value) or "" for trait, value in reading.traits.items()} if reading.traits else {},
        context_tokens=reading.context_tokens,
        stated_nanos=verdict.stated_nanos,
        computed_nanos=computed,
        list_nanos=None if computed is None or verdict.charge is None else verdict.charge.list_nanos,
        upstream_nanos=verdict.upstream_nanos,
        drift=verdict.drift,
        response_id=name(reading.response_id),
        first_byte_us=served.first_byte_us,
        latency_us=served.latency_us,
        reply_bytes=served.reply_bytes,
        code=f"upstream_{served.fault}" if served.fault else None,
        notes=(*reading.notes, *verdict.notes),
    )


def _judge(admission: Admission, served: Served, book: PriceBook, terms: Terms) -> _Verdict:
    reading = served.reading
    outcome = _outcome(served)
    if reading is not None and reading.usage is not None:
        if served.billed_elsewhere:
            return _Verdict(outcome, "priced", "zero_proven", usage=reading.usage, notes=("billed on the call that made it",))
        return _price(admission, reading, reading.usage, book, terms, outcome)
    if reading is not None and reading.deferred and served.fault is None:
        if served.billed_elsewhere or not admission.billable:    # a poll of a job that still runs opens none of its own
            return _Verdict(outcome, "priced", "zero_proven")
        return _Verdict("deferred", "priced" if admission.hold_priced else "unpriced", "deferred")
    if not served.written:
        return _Verdict(outcome, "priced", "zero_proven")
    if not admission.billable:
        return _Verdict(outcome, "priced", "zero_proven")
    if 300 <= served.status < 400:           # it only says where to ask instead
        return _Verdict(outcome, "priced", "zero_proven")
    if served.status >= 400:
        refused = served.own_error or (served.status < 500 and served.status not in EDGE_STATUSES)
        if refused and served.fault is None:
            return _Verdict("failed", "priced", "zero_proven")
        return _worst_case(admission, outcome)
    if served.status == 0:
        return _worst_case(admission, outcome)
    if admission.dialect is None:
        return _untold(admission, outcome, "no meter for this route yet")
    if reading is not None and reading.opaque:
        return _untold(admission, outcome, "nothing in the reply says what it costs")
    return _estimate(admission, served, book, terms, outcome)


def _without_running_usage(served: Served) -> Served:
    """Of a reply that was cut, usage that was still counting is only the least that was used."""
    reading = served.reading
    if reading is None or not reading.running or served.fault is None:
        return served
    return replace(served, reading=replace(reading, usage=None, floor=reading.usage, stated=None, parts=()))


def _outcome(served: Served) -> Outcome:
    if not served.written or (served.status == 0 and served.fault == "connect"):
        return "unreached"
    if served.fault is not None:
        return "client_gone" if served.client_gone else "cut"
    if served.status >= 400 or (served.reading is not None and served.reading.failed):
        return "failed"
    return "client_gone" if served.client_gone else "completed"


def _worst_case(admission: Admission, outcome: Outcome) -> _Verdict:
    """The hold is booked: bytes went upstream and nothing proves that they were not billed."""
    method: Method = "estimated" if admission.hold_priced else "unpriced"
    return _Verdict(outcome, method, "worst_case", cost_nanos=admission.hold_nanos)


def _untold(admission: Admission, outcome: Outcome, why: str) -> _Verdict:
    """A 2xx of which nothing can be estimated: its cost is not known, and under a hard cap it is the hold."""
    if admission.holds:
        return replace(_worst_case(admission, outcome), notes=(why,))
    return _Verdict(outcome, "unpriced", "usage", notes=(why,))


def _estimate(admission: Admission, served: Served, book: PriceBook, terms: Terms, outcome: Outcome) -> _Verdict:
    """A 2xx generation that stated no usage: counted from the bytes seen, marked as an estimate. Where a hard cap is on
    its path the hold stays drawn until evidence comes: an estimate is no bound."""
    if admission.holds:
        return _worst_case(admission, outcome)
    reading = served.reading or Reading()
    family = terms.price_book or admission.provider
    usage = estimate_usage(admission.facts, admission.body_bytes, reading.output_bytes, family, reading.floor)
    verdict = _price(admission, reading, usage, book, terms, outcome)
    method: Method = "estimated" if verdict.method == "priced" else verdict.method
    return replace(verdict, method=method, basis="counted")


def _price(
    admission: Admission, reading: Reading, usage: Usage, book: PriceBook, terms: Terms, outcome: Outcome
) -> _Verdict:
    charge = charge_of(admission, reading, usage, book, terms)
    stated = reading.stated if terms.states_cost else None
    nanos = charge.nanos
    computed = None if charge.unpriced else nanos
    if stated is None:
        method: Method = "unpriced" if charge.unpriced else "priced"
        return _Verdict(outcome, method, "usage", nanos, usage, charge, computed, notes=charge.notes)
    stated_nanos = to_nanos(stated.usd)
    upstream = to_nanos(stated.upstream_usd) if stated.byok and stated.upstream_usd is not None else None
    if _is_silent_zero(stated, usage, charge):
        of = "a model without a price" if charge.unpriced else "a priced model"
        return _Verdict(outcome, "unpriced", "usage", stated_nanos, usage, charge, computed, stated_nanos, drift=True,
                        notes=(f"the provider stated a cost of zero for usage of {of}", *charge.notes))
    reference = upstream if upstream is not None else stated_nanos
    drift = not charge.unpriced and drifts(reference, nanos)
    return _Verdict(outcome, "stated", "usage", stated_nanos, usage, charge, computed, stated_nanos, upstream, drift, charge.notes)


def charge_of(admission: Admission, reading: Reading, usage: Usage, book: PriceBook, terms: Terms) -> Charge:
    """The book's price, by the served model, else by the requested one. A price belongs to the
    moment of admission. A provider that declares its models free prices them at nothing."""
    if terms.free_models:
        return Charge((), Decimal(0), ())
    return book.price(
        terms.price_book or admission.provider, reading.model or admission.model, usage, admission.at_us, reading.traits,
        context_tokens=reading.context_tokens, parts=reading.parts, requested=admission.model,
    )


def _is_silent_zero(stated: StatedCost, usage: Usage, charge: Charge) -> bool:
    declared_free = not charge.unpriced and charge.exact == 0
    return stated.usd == 0 and not stated.byok and bool(usage.counts) and not declared_free


def drifts(stated_nanos: int, computed_nanos: int) -> bool:
    """Whether two figures for one attempt differ by more than max($0.0001, 0.5% of the stated)."""
    gap = abs(stated_nanos - computed_nanos)
    return gap > DRIFT_FLOOR_NANOS and gap * DRIFT_SHARE > abs(stated_nanos)


def _lines(charge: Charge | None) -> tuple[Line, ...]:
    return charge.lines if charge is not None else ()
