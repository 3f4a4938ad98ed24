"""The life of one attempt in records: an `Admission` is durable before the first byte goes upstream
and already carries the worst case; exactly one `Settlement` follows it. Between them the two hold
everything an entry of the ledger needs. A `Refusal` is a call that never became an attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from tallystick.core.call import Facts
from tallystick.core.draw import Draw
from tallystick.core.identity import Attribution
from tallystick.core.lean import lean
from tallystick.core.usage import Part, Quantity, Usage

Method = Literal["stated", "priced", "estimated", "unpriced", "sandbox"]
"""Where the cost comes from, best first; `unpriced`: billable, and no price is known."""

Basis = Literal["usage", "counted", "worst_case", "zero_proven", "deferred"]
"""What the cost rests on: stated usage, usage counted by us, the hold, proof that nothing was
billed, or a job whose result is still to come."""

Outcome = Literal["completed", "failed", "cut", "client_gone", "unreached", "deferred", "recovered"]
"""How the attempt ended: the provider's full answer; its own error answer; broken off by the provider;
drained after the client left; never reached; a job was opened; closed by recovery after a crash."""


class Judged(NamedTuple):
    """What a policy did to a call: `edited` or `warned`; `observed`: it would have acted, and only observes; `bypassed`: it
    would have acted, and somebody broke the glass."""

    policy: int
    how: Literal["edited", "warned", "observed", "bypassed"]


@lean
@dataclass(frozen=True, slots=True)
class Admission:
    """What is known before a byte goes upstream. `hold_nanos` is an upper bound of the bill, 0
    with `hold_priced=False` where no price is known; `hold_tokens` one of input and output together."""

    request_id: str
    attempt: int
    at_us: int
    attribution: Attribution
    provider: str
    operation: str
    dialect: str | None
    model: str | None                        # as requested
    facts: Facts
    body_bytes: int
    input_bound: int                         # tokens
    hold_nanos: int
    hold_priced: bool
    billable: bool
    credential: str = "caller"               # "caller" or the name of the stored one
    sandbox: bool = False
    budget_nanos: int | None = None          # header budget, journaled (enforced from issue B on)
    route_name: str | None = None
    price_version: str = ""
    holds: tuple[Draw, ...] = ()             # what it takes of each hard budget on its path
    judged: tuple[Judged, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)     # of what a policy changed, what the caller wrote; "": nothing
    hold_tokens: int = 0


@lean
@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says of a unit that an override of the organisation prices, by the override's id.
    `row` is None where the list has no price for it."""

    override: str
    row: str | None = None
    rate: Decimal = Decimal(0)
    per: int = 1
    factor: Decimal = Decimal(1)


@lean
@dataclass(frozen=True, slots=True)
class Line:
    """One line of the arithmetic: quantity × rate / per × factor. `row` is the price row's id, None
    where the unit has no rate. `part` 0 is the reply's own usage, 1… its parts. `listed`: the list's
    terms, where the line is priced by an override."""

    unit: str
    quantity: Quantity
    row: str | None
    rate: Decimal = Decimal(0)
    per: int = 1
    factor: Decimal = Decimal(1)
    factor_row: str | None = None
    part: int = 0
    listed: Listed | None = None


@lean
@dataclass(frozen=True, slots=True)
class Settlement:
    """The one end of an admission. `cost_nanos` is what is booked; `stated_nanos` and
    `computed_nanos` are kept side by side, and `drift` says that they disagree by more than
    max($0.0001, 0.5%). Times are microseconds after the admission."""

    request_id: str
    attempt: int
    at_us: int
    outcome: Outcome
    method: Method
    basis: Basis
    cost_nanos: int
    status: int = 0                          # the provider's, 0 where there was none
    model: str | None = None                 # as served
    usage: Usage | None = None
    lines: tuple[Line, ...] = ()
    parts: tuple[Part, ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)
    context_tokens: int | None = None        # chose the context tier where that is not the inclusive input
    stated_nanos: int | None = None
    computed_nanos: int | None = None
    list_nanos: int | None = None            # what the computed cost would be at list prices, where an override made it another
    would_be_nanos: int | None = None        # sandbox: what it would have cost
    upstream_nanos: int | None = None        # BYOK: billed to the key's owner elsewhere
    drift: bool = False
    response_id: str | None = None
    object_mark: bytes | None = None         # peppered digest of (organisation, provider, credential, response id)
    first_byte_us: int | None = None
    latency_us: int = 0
    reply_bytes: int = 0
    code: str | None = None                  # why it failed, where we know (upstream_timeout…)
    notes: tuple[str, ...] = ()
    draws: tuple[Draw, ...] = ()             # of each node it held: what it cost there, at most the hold


AdjustReason = Literal["reprice", "evidence"]
"""Why a past cost is corrected: another price book prices the same usage, or something shows what was
really billed (an invoice, a usage report)."""


@lean
@dataclass(frozen=True, slots=True)
class Adjustment:
    """A later correction of what an attempt costs. The settlement stands as it was booked; what the
    attempt costs is that and every delta since. Days are ISO dates in the organisation's zone: a call
    belongs to the day of its admission, a correction to the day it was posted, and it bears both."""

    request_id: str
    attempt: int
    at_us: int                               # when it was posted
    reason: AdjustReason
    cost_nanos: int                          # what the attempt costs from here on
    delta_nanos: int                         # the difference to what it cost before
    actor: str                               # who posted it: an account's id, or `cli`
    text: str                                # what shows it, or why it was re-priced
    call_day: str
    posted_day: str
    lines: tuple[Line, ...] = ()             # of a re-pricing: the arithmetic behind `cost_nanos`
    price_version: str = ""                  # and the book it is of
    approved: str = ""                       # who approved it: another account, or the same where it alone may


@lean
@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was answered by us. Without a valid key it is booked on the installation chain
    `system`, with no caller text in it."""

    request_id: str
    at_us: int
    organization: str                        # "system" where no key was valid
    code: str
    status: int = 0                          # what we answered; the edge fills it in
    attribution: Attribution | None = None
    provider: str | None = None
    operation: str | None = None
    model: str | None = None
    facts: Facts | None = None
    body_bytes: int = 0
    policy: int | None = None                # whose refusal it is, where a policy's; then the next three say what it judged
    dialect: str | None = None
    billable: bool = True
    judged: tuple[Judged, ...] = ()
    budget: Mapping[str, str] = field(default_factory=dict)    # which budget it did not fit, and how that stood
