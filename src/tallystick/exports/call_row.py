"""One call as exports see it: its attempts projected to one row, as the API's document of the call does it.
Money and tokens add up, what can only be one thing (model, status, outcome) is the last attempt's, who
and when is the first's. Amounts are integer nanos beside the same figure as decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tallystick.core.identity import LABELS
from tallystick.core.money import decimal_text

Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class CallRow:
    """One attempt of a call, or by `projected` all of them. Times are microseconds, UTC; empty texts
    stand for what was not said. `cost_nanos` is what the call costs: what was booked, and `adjusted_nanos`, the
    sum of all corrections posted since."""

    request_id: str
    at_us: int
    state: str                               # settled, open, deferred, refused
    organization: str
    key_id: str
    labels: Mapping[str, str]
    tags: Sequence[tuple[str, str]]
    dimensions: Mapping[str, str]
    provider: str
    operation: str
    requested_model: str
    served_model: str
    status: int
    outcome: str
    method: str
    basis: str
    code: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    would_be_nanos: int
    upstream_nanos: int
    latency_us: int
    first_byte_us: int
    flags: Mapping[str, bool] = field(default_factory=dict)          # claimed, drift, free, sandbox, stored_credential, stream
    attempts: int = 1
    adjusted_nanos: int = 0
    off_list_nanos: int = 0                  # how much more the booked cost would have been at list prices


FLAGS = ("stream", "sandbox", "claimed", "stored_credential", "free", "drift")


def projected(attempts: Sequence[CallRow]) -> CallRow:
    """The one row of a call from its attempts, in their order; at least one."""
    if len(attempts) == 1:
        return attempts[0]
    first, last = attempts[0], attempts[-1]
    return CallRow(
        first.request_id, first.at_us, last.state, first.organization, first.key_id, first.labels, first.tags, first.dimensions,
        first.provider, first.operation, first.requested_model, last.served_model, last.status, last.outcome, last.method,
        last.basis, last.code,
        sum(one.input_tokens for one in attempts), sum(one.output_tokens for one in attempts),
        sum(one.cached_tokens for one in attempts), sum(one.reasoning_tokens for one in attempts),
        sum(one.cost_nanos for one in attempts), sum(one.would_be_nanos for one in attempts),
        sum(one.upstream_nanos for one in attempts), last.latency_us, last.first_byte_us,
        {name: any(one.flags.get(name) for one in attempts) for name in FLAGS}, len(attempts),
        sum(one.adjusted_nanos for one in attempts), sum(one.off_list_nanos for one in attempts))


def columns_of(row: CallRow) -> dict[str, Value]:
    """The row's columns in the order of every flat format. Tags and dimensions are not among them: a
    format writes them in its own way."""
    return {
        "id": row.request_id, "at": _moment(row.at_us), "state": row.state, "attempts": row.attempts,
        "organization": row.organization, "key_id": row.key_id, **{label: row.labels.get(label, "") for label in LABELS},
        "provider": row.provider, "operation": row.operation,
        "requested_model": row.requested_model, "served_model": row.served_model,
        "status": row.status, "outcome": row.outcome, "method": row.method, "basis": row.basis, "code": row.code,
        "input_tokens": row.input_tokens, "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens, "reasoning_tokens": row.reasoning_tokens,
        "cost_nanos": row.cost_nanos, "cost_usd": decimal_text(row.cost_nanos), "currency": "USD",
        "booked_cost_nanos": row.cost_nanos - row.adjusted_nanos, "adjusted_nanos": row.adjusted_nanos,
        "list_cost_nanos": row.cost_nanos - row.adjusted_nanos + row.off_list_nanos,
        "would_be_cost_nanos": row.would_be_nanos, "upstream_cost_nanos": row.upstream_nanos,
        "latency_us": row.latency_us, "first_byte_us": row.first_byte_us,
        **{name: bool(row.flags.get(name)) for name in FLAGS},
    }


def _moment(at_us: int) -> str:
    """RFC 3339, UTC."""
    whole = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000, tzinfo=None)
    return whole.isoformat(timespec="microseconds") + "Z"
