"""The document of one call, for the API, `explain --json` and tests: what is booked, and the arithmetic
behind it in exact decimals. A call's own row is a projection of its attempts: costs add up, usage adds
up, and what can only be one thing (model, status, outcome) is the last attempt's.

`cost_nanos` is what the call costs now. Where adjustments were posted since it was booked, `booked_cost_nanos`
stands beside it and `adjustments` leads from the one to the other; `method`, `basis` and `lines` say what
the booked figure rests on and never change.

Amounts are integer nano-dollars; `cost_usd` is the same figure as a decimal text. Quantities are
integers, or decimal texts where they are not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tallystick.core.attempt import Judged, Line, Refusal, Settlement
from tallystick.core.entry import read_pairs
from tallystick.core.identity import LABELS, Attribution
from tallystick.core.moments import moment_text
from tallystick.core.money import decimal_text, to_nanos
from tallystick.core.pricebook import amount, list_amount
from tallystick.core.usage import Quantity, Usage
from tallystick.stores.sql.callfact import BASES, DRIFT, FACT_KINDS, METHODS, OPEN, OUTCOMES
from tallystick.stores.sql.calls import AttemptRecord, CallRecord, Posted

_LISTED: Final = (("input", "input"), ("output", "output"), ("cached_read", "cached"), ("reasoning", "reasoning"))

Source = Callable[[Line], Mapping[str, str]]
"""What the ledger states of a line's price row besides its rate: source and dates."""


def call_document(record: CallRecord, source: Source) -> dict[str, Any]:
    """The document of a call, or of its refusal."""
    if record.refusal is not None:
        return _refused(record.refusal)
    first, last = record.attempts[0].admission, record.attempts[-1]
    settled = [attempt.settlement for attempt in record.attempts if attempt.settlement is not None]
    end = last.settlement or last.deferred
    return _head(first.request_id, first.at_us, first.attribution) | {
        "provider": first.provider, "operation": first.operation, "dialect": first.dialect,
        "requested_model": first.model, "served_model": end.model if end else None,
        "stream": first.facts.stream, "sandbox": first.sandbox, "route": first.route_name, "budget_nanos": first.budget_nanos,
        "state": "settled" if last.settlement else "deferred" if last.deferred else "open",
        "status": end.status if end else None,
        "outcome": end.outcome if end else None,
        "method": end.method if end else None,
        "basis": end.basis if end else None,
        "code": end.code if end else None,
        "policies": policies_document([judged for one in record.attempts for judged in one.admission.judged]), "asked": dict(first.asked),
        "usage": usage_document(_sum(settled)),
        **_money(sum(attempt.cost_nanos for attempt in record.attempts)),
        **_booked(settled, record.attempts),
        "adjustments": [adjustment_document(posted, source) for attempt in record.attempts for posted in attempt.adjustments],
        **_at_list(settled),
        "would_be_cost_nanos": _total(settled, "would_be_nanos"),
        "stated_cost_nanos": _total(settled, "stated_nanos"),
        "computed_cost_nanos": _total(settled, "computed_nanos"),
        "upstream_cost_nanos": _total(settled, "upstream_nanos"),
        "drift": any(settlement.drift for settlement in settled),
        "held_nanos": sum(attempt.admission.hold_nanos for attempt in record.attempts),
        "first_byte_ms": _ms(end.first_byte_us) if end else None,
        "latency_ms": _ms(end.latency_us) if end else None,
        "lines": [line_document(line, source) for settlement in settled for line in settlement.lines],
        "attempts": [_attempt(attempt, source) for attempt in record.attempts],
    }


def _refused(refusal: Refusal) -> dict[str, Any]:
    """The document of a call we answered ourselves: it cost nothing, and says why."""
    return _head(refusal.request_id, refusal.at_us, refusal.attribution) | {
        "organization": refusal.organization, "provider": refusal.provider, "operation": refusal.operation,
        "requested_model": refusal.model, "served_model": None, "state": "refused", "status": refusal.status,
        "outcome": "refused", "code": refusal.code, "method": None, "basis": None, "policy_id": refusal.policy,
        "policies": policies_document(refusal.judged), "usage": None, **_money(0), "adjustments": [],
        "lines": [], "attempts": [], "budget": dict(refusal.budget) or None,
    }


def policies_document(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Which policies did or would have done something to a call."""
    return [{"id": policy, "did": how} for policy, how in judged]


def list_item(row: Mapping[str, Any], name: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The short document of a call (a row of stores/sql/facts.py, `whole`), its numbers by name."""
    refused = row["kind"] == FACT_KINDS.index("refusal") + 1
    return {
        "id": f"req_{bytes(row['request_id']).hex()}", "attempts": row["attempts"], "at": moment(row["at_us"]),
        "key_id": name("key", row["key_id"]),
        **{label: name(label, row[f"{label}_id"]) for label in LABELS},
        "tags": [f"{tag}={value}" if value else tag for tag, value in _pairs(name("tags", row["tags_id"]))],
        "dimensions": dict(_pairs(name("dimensions", row["dimensions_id"]))),
        "provider": name("provider", row["provider_id"]), "operation": name("operation", row["operation_id"]),
        "requested_model": name("model", row["model_id"]), "served_model": name("model", row["served_id"]),
        "sandbox": row["kind"] == FACT_KINDS.index("sandbox") + 1,
        "state": "refused" if refused else "open" if row["flags"] & OPEN else "settled",
        "status": row["status"], "outcome": "refused" if refused else _word(OUTCOMES, row["outcome"]),
        "method": _word(METHODS, row["method"]), "basis": _word(BASES, row["basis"]), "code": name("code", row["code_id"]),
        "usage": {name: row[f"{column}_tokens"] for name, column in _LISTED if row[f"{column}_tokens"]} or None,
        **_money(row["cost_nanos"]),
        **({"booked_cost_nanos": row["cost_nanos"] - row["adjusted_nanos"]} if row["adjusted_nanos"] else {}),
        "would_be_cost_nanos": row["would_be_nanos"], "drift": bool(row["flags"] & DRIFT),
        "latency_ms": _ms(row["latency_us"]),
    }


def _pairs(text: str | None) -> tuple[tuple[str, str], ...]:
    return read_pairs(text) if text else ()


def line_document(line: Line, source: Source) -> dict[str, Any]:
    """One line of the arithmetic: quantity × rate / per × factor = amount, exactly."""
    document: dict[str, Any] = {"unit": line.unit, "quantity": quantity(line.quantity), "part": line.part, "price_row": line.row}
    if line.row is None:
        return document | {"unpriced": True}
    known = source(line)
    return document | {
        "rate_usd": f"{line.rate:f}", "per": line.per, "factor": f"{line.factor:f}", "factor_row": line.factor_row,
        "amount_usd": f"{amount(line).normalize():f}",
        **_line_at_list(line),
        **{name: known[name] for name in ("source", "valid_from", "valid_to", "checked_on") if known.get(name)},
    }


def adjustment_document(posted: Posted, source: Source) -> dict[str, Any]:
    """A correction: from what to what, why, by whom, and on which days the call and the correction fall."""
    made = posted.adjustment
    return {
        "entry": posted.seq, "attempt": made.attempt, "at": moment(made.at_us), "call_day": made.call_day, "posted_day": made.posted_day,
        "reason": made.reason, "text": made.text, "actor": made.actor, "approved_by": made.approved or None,
        "delta_nanos": made.delta_nanos, "delta_usd": decimal_text(made.delta_nanos),
        "cost_nanos": made.cost_nanos, "cost_usd": decimal_text(made.cost_nanos),
        "price_version": made.price_version or None, "lines": [line_document(line, source) for line in made.lines],
    }


def adds_up(attempt: AttemptRecord) -> bool:
    """Whether an attempt's corrections lead from each cost to the next, and each re-pricing's lines to its own."""
    cost = attempt.settlement.cost_nanos if attempt.settlement else 0
    for _, made in attempt.adjustments:
        exact = to_nanos(sum((amount(line) for line in made.lines), Decimal(0)))
        if cost + made.delta_nanos != made.cost_nanos or (made.reason == "reprice" and exact != made.cost_nanos):
            return False
        cost = made.cost_nanos
    return True


def _line_at_list(line: Line) -> dict[str, Any]:
    """Which override priced the line, and the list's terms beside it."""
    listed = line.listed
    if listed is None:
        return {}
    if listed.row is None:
        return {"override": listed.override, "list_price_row": None}
    return {"override": listed.override, "list_price_row": listed.row, "list_rate_usd": f"{listed.rate:f}", "list_per": listed.per,
            "list_factor": f"{listed.factor:f}", "list_amount_usd": f"{list_amount(line).normalize():f}"}


def _at_list(settled: Sequence[Settlement]) -> dict[str, Any]:
    """What the booked cost would have been at list prices; None where no override changed it."""
    if all(settlement.list_nanos is None for settlement in settled):
        return {"list_cost_nanos": None, "list_cost_usd": None}
    listed = sum(settlement.cost_nanos if settlement.list_nanos is None else settlement.list_nanos for settlement in settled)
    return {"list_cost_nanos": listed, "list_cost_usd": decimal_text(listed)}


def arithmetic_nanos(attempt: AttemptRecord) -> int | None:
    """What the entry's own lines say it must have booked; None while it is open. A sandbox call's
    figure is what it would have cost."""
    settlement = attempt.settlement
    if settlement is None:
        return None
    if settlement.basis == "worst_case":
        return attempt.admission.hold_nanos
    if settlement.basis in ("zero_proven", "deferred"):
        return 0
    if settlement.stated_nanos is not None:              # also a stated zero that is not believed, and booked as `unpriced`
        return settlement.stated_nanos
    return to_nanos(sum((amount(line) for line in settlement.lines), Decimal(0)))


def booked_nanos(settlement: Settlement) -> int:
    """What was booked, or would have been outside the sandbox."""
    return settlement.cost_nanos if settlement.would_be_nanos is None else settlement.would_be_nanos


def usage_document(usage: Usage | None) -> dict[str, int | str] | None:
    """Usage under the inclusive names; None where none is known."""
    return None if usage is None else {name: quantity(value) for name, value in usage.inclusive().items()}


def quantity(value: Quantity) -> int | str:
    """A whole number as such, any other as decimal text."""
    return value if isinstance(value, int) else f"{value:f}"


def moment(at_us: int | None) -> str | None:
    """A time as people and programs read it: RFC 3339, UTC."""
    return None if at_us is None else moment_text(at_us)


def _head(request_id: str, at_us: int, attribution: Attribution | None) -> dict[str, Any]:
    head: dict[str, Any] = {"id": request_id, "at": moment(at_us)}
    if attribution is None:
        return head | {"organization": None, "attribution": None}
    return head | {
        "organization": attribution.organization,
        "attribution": {
            "key_id": attribution.key_id, **attribution.labels,
            "tags": [list(tag) for tag in attribution.tags], "dimensions": dict(attribution.dimensions),
            "claimed": sorted(attribution.claimed),
        },
    }


def _money(cost_nanos: int) -> dict[str, Any]:
    """What it costs. One currency so far: the second figure and the rate behind it keep their place."""
    return {
        "cost_nanos": cost_nanos, "cost_usd": decimal_text(cost_nanos),
        "currency": "USD", "cost_in_currency_nanos": cost_nanos, "fx_rate_id": None,
    }


def _booked(settled: Sequence[Settlement], attempts: Sequence[AttemptRecord]) -> dict[str, Any]:
    """What was booked, where corrections came after it."""
    if not any(attempt.adjustments for attempt in attempts):
        return {}
    booked = sum(settlement.cost_nanos for settlement in settled)
    return {"booked_cost_nanos": booked, "booked_cost_usd": decimal_text(booked)}


def _attempt(attempt: AttemptRecord, source: Source) -> dict[str, Any]:
    admission, end = attempt.admission, attempt.settlement or attempt.deferred
    document: dict[str, Any] = {
        "attempt": admission.attempt, "at": moment(admission.at_us), "provider": admission.provider,
        "credential": admission.credential, "held_nanos": admission.hold_nanos, "price_version": admission.price_version or None,
    }
    if end is None:
        return document | {"outcome": None}
    return document | {
        "status": end.status, "outcome": end.outcome, "method": end.method, "basis": end.basis, "code": end.code,
        "served_model": end.model, "response_id": end.response_id, "traits": dict(end.traits), "notes": list(end.notes),
        "usage": usage_document(end.usage),
        "parts": [{"role": part.role, "model": part.model, "usage": usage_document(part.usage)} for part in end.parts],
        "cost_nanos": attempt.cost_nanos, **_booked([end], [attempt]),
        "would_be_cost_nanos": end.would_be_nanos, "stated_cost_nanos": end.stated_nanos,
        "computed_cost_nanos": end.computed_nanos, "list_cost_nanos": end.list_nanos, "latency_ms": _ms(end.latency_us),
        "lines": [line_document(line, source) for line in end.lines],
    }


def _sum(settled: Sequence[Settlement]) -> Usage | None:
    total: Usage | None = None
    for settlement in settled:
        if settlement.usage is not None:
            total = settlement.usage if total is None else total.plus(settlement.usage)
    return total


def _total(settled: Sequence[Settlement], name: str) -> int | None:
    known = [getattr(settlement, name) for settlement in settled if getattr(settlement, name) is not None]
    return sum(known) if known else None


def _word(words: Sequence[str], code: int) -> str | None:
    """The word of a code, which is its place from 1; 0 is none."""
    return words[code - 1] if code else None


def _ms(span_us: int | None) -> int | None:
    """Microseconds as whole milliseconds, rounded up."""
    return None if span_us is None else -(-span_us // 1000)
