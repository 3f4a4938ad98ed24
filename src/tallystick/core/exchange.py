"""The life of one call, as one straight line.

`exchange` is a generator: it yields a command, the gateway performs it and sends back what came of
it, and so on until the call has its one outcome. It does no I/O, knows no clock and no HTTP, and
never sees a body byte, so every rule of the line can be tested as a script of commands and replies
(tests/playbooks). `edge/gateway.py` is the only file that performs the commands.

    Authenticate → Read → [attribute] → [judge] → [bound] → Admit → Forward → [price] → Settle

Refusals leave the line early through `Refuse`; every path ends in exactly one `Refuse` or `Settle`.
An organisation's policies judge a call once it is known whose it is; they may refuse it or change what goes out.
What a call may cost at most is worked out before it is admitted; `Admit` holds that on every hard budget
of its path, all or none, and a denial there travels the same `Refuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.budget import NO_BUDGETS, BudgetBook, Match, Subject
from tallystick.core.call import Call, name, written
from tallystick.core.clamping import CLAMPS_MAX, fitting_limit, least_limit
from tallystick.core.custody import Kept, denied_with_stored, owner_of
from tallystick.core.dialect import Provider, Route
from tallystick.core.draw import NodeKey
from tallystick.core.errors import Denied
from tallystick.core.holding import holds_of, standing_of
from tallystick.core.identity import Attribution, Claims, Principal, attribute, check_claims
from tallystick.core.lean import lean
from tallystick.core.policies.book import Judgement, Policies, PolicyBook, changed, judge
from tallystick.core.policies.policy import Case, Claimed, Edit
from tallystick.core.policies.spellings import spelling_of
from tallystick.core.price_scopes import Prices
from tallystick.core.pricebook import PriceBook
from tallystick.core.settlement import Served, settle
from tallystick.core.worst_case import NOTHING, WorstCase, denied_under_a_cap, worst_case
from tallystick.core.worst_case import Asked as Whom

OWN_CREDENTIAL = "caller"                    # the attempt goes out with the caller's own provider key
SYSTEM = "system"                            # the installation's own chain: calls without a valid key


@lean
@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who calls, from headers alone. Answered by `Caller` or `Denied`."""


@lean
@dataclass(frozen=True, slots=True)
class Caller:
    principal: Principal
    credential: str                          # OWN_CREDENTIAL, or the name of the stored one
    address: str = ""                        # where the call comes from, where a policy asks for it


@lean
@dataclass(frozen=True, slots=True)
class Read:
    """Read the body within its limits and what it asks for. Answered by `Asked` or `Denied`."""

    caller: Caller


@lean
@dataclass(frozen=True, slots=True)
class Asked:
    """`previous`: what is known of the earlier response that the request continues."""

    call: Call
    claims: Claims
    previous: Kept | None = None


@lean
@dataclass(frozen=True, slots=True)
class Admit:
    """Hold what the admission says, then make it durable: nothing goes upstream before. Answered by the
    admission as it was written down, or `Denied`."""

    admission: Admission
    claims: tuple[Claimed, ...] = ()         # what the call must find room for in the rates of its policies


@lean
@dataclass(frozen=True, slots=True)
class Forward:
    """Send the attempt, changed as policies ask, and relay the reply up to its last piece, which is held back. `warnings`:
    what the reply says of it. Answered by `Delivered`."""

    admission: Admission
    edit: Edit | None = None
    warnings: tuple[str, ...] = ()


@lean
@dataclass(frozen=True, slots=True)
class Delivered:
    """`at_us`: UTC. `job`: on a poll, what is known of the job whose state it shows."""

    served: Served
    at_us: int
    job: Kept | None = None


@lean
@dataclass(frozen=True, slots=True)
class SettleJob:
    """Make durable the settlement of an earlier attempt whose result this call brought to light.
    Answered by None."""

    settlement: Settlement


@lean
@dataclass(frozen=True, slots=True)
class Settle:
    """Make the settlement durable, then let the last piece go. Answered by None."""

    settlement: Settlement


@lean
@dataclass(frozen=True, slots=True)
class Refuse:
    """Journal the refusal and answer it in the caller's dialect. Answered by None."""

    refusal: Refusal
    denied: Denied


@lean
@dataclass(frozen=True, slots=True)
class Judging:
    """What a policy refused: whose call it was, claims included, so that the decision can be made again."""

    attribution: Attribution
    judgement: Judgement


Command = Authenticate | Read | Admit | Forward | SettleJob | Settle | Refuse


@lean
@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a call from its first line and headers: where it goes, and when it came."""

    request_id: str
    at_us: int
    provider: Provider
    route: Route


@dataclass(frozen=True, slots=True)
class Rules:
    """What the line decides by. `budgets`, `policies`: of each organisation that has any."""

    prices: Prices
    budgets: Mapping[str, BudgetBook] = field(default_factory=dict)
    policies: Policies = field(default_factory=dict[str, PolicyBook])
    spent: Callable[[NodeKey], int] = lambda _: 0        # of a budget's node, as it was a moment ago, for policies that ask


def exchange(opening: Opening, rules: Rules) -> Generator[Command, Any, Settlement | Refusal]:
    """Run one call. Yields commands, takes their answers, returns its one outcome."""
    caller = yield Authenticate()
    if isinstance(caller, Denied):
        return (yield from _refuse(opening, caller))
    asked = yield Read(caller)
    if isinstance(asked, Denied):
        return (yield from _refuse(opening, asked, caller))
    attribution = check_claims(asked.claims) or attribute(caller.principal, asked.claims)
    if isinstance(attribution, Denied):
        return (yield from _refuse(opening, attribution, caller, asked))
    if caller.credential != OWN_CREDENTIAL:
        closed = denied_with_stored(opening.route, asked.call.facts, owner_of(attribution), asked.previous)
        if closed is not None:
            return (yield from _refuse(opening, closed, caller, asked))
    book = rules.policies.get(attribution.organization)
    judgement = judge(book, case_of(opening, caller, asked, attribution, rules)) if book is not None else Judgement(asked.call)
    if judgement.denied is not None:
        return (yield from _refuse(opening, judgement.denied, caller, asked, Judging(attribution, judgement)))
    admission = admit(opening, caller, asked, attribution, rules, judgement)
    if isinstance(admission, Denied):
        return (yield from _refuse(opening, admission, caller, asked))
    admitted = yield Admit(admission, judgement.claims)
    for _ in range(CLAMPS_MAX):
        clamped = _clamped(opening, caller, asked, attribution, rules, judgement, admitted) if isinstance(admitted, Denied) else None
        if clamped is None:
            break
        judgement, admission = clamped
        admitted = yield Admit(admission)
    if isinstance(admitted, Denied):
        of_policy = admitted.details.get("policy_id")
        judging = Judging(attribution, replace(judgement, policy=int(of_policy))) if of_policy is not None else None
        return (yield from _refuse(opening, admitted, caller, asked, judging))
    admission = admitted
    delivered = yield Forward(admission, judgement.edit, judgement.warnings)
    served, at_us = delivered.served, delivered.at_us
    if delivered.job is not None:
        yield from _settle_job(opening, rules, delivered)
        served = replace(served, billed_elsewhere=True)
    settlement = settle(admission, served, book_of(admission, rules), opening.provider, at_us)
    yield Settle(settlement)
    return settlement


def case_of(opening: Opening, caller: Caller, asked: Asked, attribution: Attribution, rules: Rules) -> Case:
    """A call as policies see it."""

    def expected(call: Call) -> int | None:
        worst = worst_case(call.facts, call.body_bytes, _whom(opening.provider, call),
                           rules.prices.of(call.provider, attribution, caller.credential), call.at_us, strict=False)
        return worst.nanos if worst.priced else None

    def budget_used() -> int | None:
        call = asked.call
        subject = Subject(attribution, call.provider, call.facts.model, caller.principal.delegated)
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(subject, call.at_us)
        return max((100 * rules.spent(match.budget.node(match.subject, call.at_us)) // max(match.budget.cap(call.at_us), 1)
                    for match in path if match.budget.scope.kind != "header"), default=None)

    return Case(asked.call, attribution, billable=not opening.route.free, confirmed=asked.claims.confirm, address=caller.address,
                expected=expected, budget_used=budget_used)


def _settle_job(opening: Opening, rules: Rules, delivered: Delivered) -> Generator[Command, Any, None]:
    """Book the cost of a job on the call that made it, at the first answer that states it."""
    job, served = delivered.job, delivered.served
    assert job is not None, "there is a job to settle"
    if job.admission is not None and served.reading is not None and served.reading.usage is not None:
        yield SettleJob(settle(job.admission, served, book_of(job.admission, rules), opening.provider, delivered.at_us))


def book_of(admission: Admission, rules: Rules) -> PriceBook:
    """The prices that hold for an attempt."""
    return rules.prices.of(admission.provider, admission.attribution, admission.credential)


def admit(opening: Opening, caller: Caller, asked: Asked, attribution: Attribution, rules: Rules,
          judgement: Judgement) -> Admission | Denied:
    """The admission of the call's attempt, with the hold: an upper bound of what it can cost, on every hard budget
    of its path. Denied where a hard budget binds and the cost has no bound."""
    call, claims, provider = judgement.call, asked.claims, opening.provider
    facts = call.facts
    billable = not opening.route.free
    book = rules.prices.of(call.provider, attribution, caller.credential)
    path: tuple[Match, ...] = ()
    if billable and not claims.sandbox and rules.budgets:
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(
            Subject(attribution, call.provider, facts.model, caller.principal.delegated | judgement.delegated), call.at_us)
    binding = {match.budget.unit for match in path if match.binding}
    if claims.budget_nanos is not None and billable and not claims.sandbox:
        binding.add("money")                     # a bound of the call's own is as hard as any cap
    worst = NOTHING
    if billable:
        worst = worst_case(facts, call.body_bytes, _whom(provider, call), book, call.at_us, strict=bool(binding))
    if binding and (unbounded := denied_under_a_cap(worst, facts.model, binding)) is not None:
        return unbounded
    return Admission(
        request_id=call.request_id,
        attempt=1,
        at_us=call.at_us,
        attribution=attribution,
        provider=call.provider,
        operation=call.operation,
        dialect=call.dialect,
        model=name(facts.model),
        facts=written(replace(facts, confirmed=True) if claims.confirm else facts),
        body_bytes=call.body_bytes,
        input_bound=worst.input_tokens,
        hold_nanos=0 if claims.sandbox else worst.nanos,
        hold_priced=worst.priced,
        billable=billable,
        credential=caller.credential,
        sandbox=claims.sandbox,
        budget_nanos=claims.budget_nanos,
        route_name=claims.route,
        price_version=book.version,
        holds=holds_of(path, worst, call.at_us) if binding else (),
        judged=judgement.judged,
        asked=changed(asked.call, call) if judgement.edit is not None else {},
    )


def _clamped(
    opening: Opening, caller: Caller, asked: Asked, attribution: Attribution, rules: Rules, judgement: Judgement, denied: Denied,
) -> tuple[Judgement, Admission] | None:
    """The call with an output limit that fits a budget which clamps, as it is to be admitted; None where none fits."""
    call, facts, room = judgement.call, judgement.call.facts, denied.room
    spelling = spelling_of(call.dialect, call.operation, call.provider)
    if room is None or spelling is None:
        return None

    def bound(limit: int) -> WorstCase:
        return _bound(opening, replace(call, facts=replace(facts, output_limit=limit)), attribution, caller, rules)

    now = _bound(opening, call, attribution, caller, rules)
    most = (now.tokens - now.input_tokens) // max(facts.n, 1)
    limit = fitting_limit(bound, room, least_limit(facts, spelling.least), most)
    if limit is None:
        return None
    edit = Edit(output_limit=limit)
    smaller = replace(judgement, call=edit.of(call), edit=edit if judgement.edit is None else judgement.edit.then(edit),
                      warnings=(*judgement.warnings, f"clamped_by_budget={room.budget}"))
    admission = admit(opening, caller, asked, attribution, rules, smaller)
    if isinstance(admission, Denied):
        return None
    return smaller, replace(admission, asked={**admission.asked, "clamped_by": str(room.budget)})


def _bound(opening: Opening, call: Call, attribution: Attribution, caller: Caller, rules: Rules) -> WorstCase:
    """The most that the call can cost, as a hard cap holds it."""
    book = rules.prices.of(call.provider, attribution, caller.credential)
    return worst_case(call.facts, call.body_bytes, _whom(opening.provider, call), book, call.at_us, strict=True)


def _whom(provider: Provider, call: Call) -> Whom:
    return Whom(call.provider, provider.price_book or call.provider, provider.free_models, provider.reasons_beyond)


def _refuse(
    opening: Opening, denied: Denied, caller: Caller | None = None, asked: Asked | None = None, judging: Judging | None = None
) -> Generator[Command, Any, Refusal]:
    """End the line with a refusal. Of a caller without a valid key nothing is kept but the code."""
    attribution = judging.attribution if judging is not None else None
    if caller is not None and attribution is None:
        principal = caller.principal
        attribution = Attribution(principal.key_id, principal.organization, principal.labels,
                                  dimensions=principal.dimensions)
    refusal = Refusal(
        request_id=opening.request_id,
        at_us=opening.at_us,
        organization=SYSTEM if caller is None else caller.principal.organization,
        code=denied.code,
        attribution=attribution,
        provider=opening.provider.id if caller is not None else None,
        operation=opening.route.operation if caller is not None else None,
        model=name(asked.call.facts.model) if asked is not None else None,
        facts=written(replace(asked.call.facts, confirmed=asked.claims.confirm)) if asked is not None else None,
        body_bytes=asked.call.body_bytes if asked is not None else 0,
        budget=standing_of(denied.details),
    )
    if judging is not None:
        refusal = replace(refusal, policy=judging.judgement.policy, judged=judging.judgement.judged, billable=not opening.route.free,
                          dialect=opening.route.dialect.name if opening.route.dialect is not None else None)
    yield Refuse(refusal, denied)
    return refusal
