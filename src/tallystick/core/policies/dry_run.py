"""What policies would have done to past calls: who would have been stopped, and what that would have saved.

A past call is judged by the very function that judges a live one, from what its entry keeps of it. Rules that see only
that and the clock decide as they would have then (`EXACT`). Rates are replayed in the order of the calls, by one counter
for all instances; expected costs are what was held for the call: such policies are marked as simulated. Rules on
addresses and on how budgets stand cannot be asked, for neither is kept; their calls are counted, not guessed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tallystick.core.attempt import Admission, Refusal
from tallystick.core.call import Call, Facts
from tallystick.core.policies.book import Judgement, PolicyBook, asked_before, judge, policy_book
from tallystick.core.policies.counters import Counters
from tallystick.core.policies.policy import Capped, Case, Claimed

EXACT: Final = frozenset(
    ("kill", "hours", "model_access", "required_dimensions", "delegation", "request_size", "default_output", "reasoning"))
SIMULATED: Final = frozenset(("rates", "session_caps", "expensive"))
_NEVER: Final = frozenset(("addresses", "downgrade", "failover"))
_UNKEPT: Final = _NEVER | {"expensive", "session_caps"}                        # of a refused call no expected cost is kept
GROUPS_MAX: Final = 10_000
SESSIONS_MAX: Final = 100_000
STOPPED_MAX: Final = 1_000

@dataclass(frozen=True, slots=True)
class PastCall:
    """A call as its entry has it. `cost_nanos`, `tokens`, `ended_us`: of its settlement, 0 where there is none.
    `stopped_by`: the policy that refused it then."""

    request_id: str
    case: Case
    cost_nanos: int = 0
    tokens: int = 0
    ended_us: int = 0
    stopped_by: int | None = None


class Who(NamedTuple):
    """Whose calls are counted together."""

    key: str
    team: str
    project: str
    user: str


class Stopped(NamedTuple):
    """A call that would have been refused, and by which policy."""

    request_id: str
    policy: int
    code: str
    cost_nanos: int


@dataclass(slots=True)
class Tally:
    """`calls` of somebody, how many of them would have been stopped, and what those cost."""

    calls: int = 0
    stopped: int = 0
    saved_nanos: int = 0


@dataclass(slots=True)
class DryRun:
    """What came of it. `released`: calls that a policy refused then and none would refuse now. `unjudged`: calls that a
    policy could not be asked about, by its kind."""

    tally: Tally = field(default_factory=Tally)
    changed: int = 0
    warned: int = 0
    released: int = 0
    by_policy: dict[int, Tally] = field(default_factory=dict)
    by_who: dict[Who, Tally] = field(default_factory=dict)
    stopped: list[Stopped] = field(default_factory=list)
    unjudged: dict[str, int] = field(default_factory=dict)

    def count(self, past: PastCall, judgement: Judgement, policy: int | None, code: str) -> None:
        saved_nanos = past.cost_nanos if policy is not None else 0
        labels = past.case.attribution.labels
        who = Who(past.case.attribution.key_id, *(labels.get(name, "") for name in ("team", "project", "user")))
        if who not in self.by_who and len(self.by_who) >= GROUPS_MAX:
            who = Who("", "", "", "")
        tallies = [self.tally, self.by_who.setdefault(who, Tally())]
        if policy is not None:
            tallies.append(self.by_policy.setdefault(policy, Tally()))
            if len(self.stopped) < STOPPED_MAX:
                self.stopped.append(Stopped(past.request_id, policy, code, past.cost_nanos))
        elif past.stopped_by is not None:
            self.released += 1
        for tally in tallies:
            tally.calls += 1
            tally.stopped += policy is not None
            tally.saved_nanos += saved_nanos
        self.changed += policy is None and judgement.edit is not None
        self.warned += policy is None and bool(judgement.warnings)


def dry_run(book: PolicyBook, calls: Iterable[PastCall]) -> DryRun:
    """Judge past calls, in the order of their admissions."""
    asked = policy_book(policy for policy in book.policies if policy.kind not in _NEVER)
    doubtful = policy_book(policy for policy in book.policies if policy.kind in _UNKEPT)
    found, counters, sessions = DryRun(), Counters(), _Sessions()
    running: list[tuple[int, int, tuple[Claimed, ...], int, int]] = []
    for number, past in enumerate(calls):
        at_us = past.case.call.at_us
        while running and running[0][0] <= at_us:
            _, _, claims, began_us, tokens = heapq.heappop(running)
            counters.end(claims, began_us, tokens)
        for policy in doubtful.matching(past.case.subject, at_us) if doubtful.policies else ():
            if policy.kind in _NEVER or past.stopped_by is not None:
                found.unjudged[policy.kind] = found.unjudged.get(policy.kind, 0) + 1
        judgement = judge(asked, past.case)
        denied = judgement.denied
        stopped_by = judgement.policy
        if denied is None and judgement.claims:
            denied, _ = counters.take(judgement.claims, at_us)
            stopped_by = int(denied.details["policy_id"]) if denied is not None else None
            if denied is None:
                heapq.heappush(running, (max(past.ended_us, at_us), number, judgement.claims, at_us, past.tokens))
        code = denied.code if denied is not None else ""
        if denied is None and judgement.caps and (stopped_by := sessions.take(judgement.caps, past)) is not None:
            code = "budget_exceeded"
        found.count(past, judgement, stopped_by, code)
    return found


class _Sessions:
    """What sessions have come to in a replay: calls and nano-USD, by policy and session. Beyond `SESSIONS_MAX` the one that began
    first is forgotten."""

    def __init__(self) -> None:
        self._spent: dict[tuple[int, str], tuple[int, int]] = {}

    def take(self, caps: Sequence[tuple[int, Capped]], past: PastCall) -> int | None:
        """Count a call in all of its sessions, or say which policy's cap it does not fit, and then in none. It must fit with the
        most that it could have cost, and counts with what it did."""
        most_nanos = past.case.expected(past.case.call) or past.cost_nanos
        for policy, cap in caps:
            calls, nanos = self._spent.get((policy, cap.subject), (0, 0))
            if (cap.calls is not None and calls + 1 > cap.calls) or (cap.nanos is not None and nanos + most_nanos > cap.nanos):
                return policy
        for policy, cap in caps:
            calls, nanos = self._spent.get((policy, cap.subject), (0, 0))
            if (policy, cap.subject) not in self._spent and len(self._spent) >= SESSIONS_MAX:
                del self._spent[next(iter(self._spent))]
            self._spent[policy, cap.subject] = calls + 1, nanos + past.cost_nanos
        return None


def past_admission(admission: Admission, cost_nanos: int = 0, tokens: int = 0, ended_us: int = 0) -> PastCall:
    """An admitted call, as its caller wrote it."""
    call = Call(admission.request_id, admission.provider, "", "", admission.operation, admission.dialect, admission.facts,
                admission.body_bytes, admission.at_us)
    held = admission.hold_nanos if admission.hold_priced else None
    case = Case(asked_before(call, _policies_own(admission.asked)), admission.attribution, billable=admission.billable,
                confirmed=admission.facts.confirmed, expected=lambda _: held)
    return PastCall(admission.request_id, case, cost_nanos, tokens, ended_us)


def past_refusal(refusal: Refusal) -> PastCall | None:
    """A refused call; None where its entry does not say enough, because no policy refused it."""
    if refusal.policy is None or refusal.attribution is None or refusal.provider is None or refusal.operation is None:
        return None
    facts = refusal.facts or Facts()
    call = Call(refusal.request_id, refusal.provider, "", "", refusal.operation, refusal.dialect, facts, refusal.body_bytes, refusal.at_us)
    case = Case(call, refusal.attribution, billable=refusal.billable, confirmed=facts.confirmed)
    return PastCall(refusal.request_id, case, stopped_by=refusal.policy)


def _policies_own(asked: Mapping[str, str]) -> Mapping[str, str]:
    """What was changed of the call, a budget's change included: the caller wrote neither."""
    return {name: value for name, value in asked.items() if name in ("model", "output_limit")}
