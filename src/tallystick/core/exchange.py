"""The life of one call, as one straight line.

`exchange` is a generator: it yields a command, the gateway performs it and sends back what came of
it, and so on until the call has its one outcome. It does no I/O, knows no clock and no HTTP, and
never sees a body byte, so every rule of the line can be tested as a script of commands and replies
(tests/playbooks). `edge/gateway.py` is the only file that performs the commands.

    Authenticate → Read → [attribute] → [judge] → [bound] → Admit → Forward → [price] → Settle
                                                             ↑                     ↓
                                                             └──────── Book ───────┘

Refusals leave the line early through `Refuse`; every path ends in exactly one `Refuse` or `Settle`. Where a policy lets another
attempt follow one that failed, `Book` makes the books of that one durable, and the line goes back to `Admit`; is that denied, the
answer of the one before goes out (`GiveBack`), and its settlement was the outcome.
An organisation's policies judge a call once it is known whose it is; they may refuse it or change what goes out.
What a call may cost at most is worked out before it is admitted; `Admit` holds that on every hard budget
of its path, all or none, and a denial there travels the same `Refuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.core.attempt import Admission, Judged, Refusal, Settlement
from tallystick.core.budget import NO_BUDGETS, BudgetBook, Match, Subject
from tallystick.core.call import Call, name, written
from tallystick.core.clamping import CLAMPS_MAX, fitting_limit, least_limit
from tallystick.core.credential_health import Cooling, Place, failure_of
from tallystick.core.custody import Kept, denied_with_stored, owner_of
from tallystick.core.dialect import Provider, Route
from tallystick.core.draw import NodeKey
from tallystick.core.errors import Denied
from tallystick.core.holding import holds_of, standing_of
from tallystick.core.identity import ActiveVersions, Attribution, Claims, Principal, attribute, check_claims, with_active_version
from tallystick.core.lean import lean
from tallystick.core.policies.book import Judgement, Policies, PolicyBook, changed, denied_to_change, judge
from tallystick.core.policies.policy import Case, Claimed, Edit
from tallystick.core.policies.spellings import spelling_of
from tallystick.core.price_scopes import Prices
from tallystick.core.pricebook import PriceBook
from tallystick.core.settlement import Served, settle
from tallystick.core.succession import NOT_HELD, bound_to_its_own, carriers, may_follow
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
    sealed: bool = False                     # it signed its request, so that nothing in it can be changed


@lean
@dataclass(frozen=True, slots=True)
class Read:
    """Read the body within its limits and what it asks for. Answered by `Asked` or `Denied`."""

    caller: Caller


@lean
@dataclass(frozen=True, slots=True)
class Asked:
    """`previous`: what is known of the earlier response that the request continues. `whole`: its body is in memory, so that
    it can be sent again."""

    call: Call
    claims: Claims
    previous: Kept | None = None
    whole: bool = True


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
    """`at_us`: UTC. `job`: on a poll, what is known of the job whose state it shows. `in_hand`: nothing of the answer has reached
    the caller, and another may take its place. `wait_us`: how long the reply says to stay away."""

    served: Served
    at_us: int
    job: Kept | None = None
    in_hand: bool = False
    wait_us: int | None = None


@lean
@dataclass(frozen=True, slots=True)
class SettleJob:
    """Make durable the settlement of an earlier attempt whose result this call brought to light.
    Answered by None."""

    settlement: Settlement


@lean
@dataclass(frozen=True, slots=True)
class Book:
    """Make durable the settlement of an attempt that another is to follow; its answer stays in hand. Answered by None."""

    settlement: Settlement


@lean
@dataclass(frozen=True, slots=True)
class GiveBack:
    """No other attempt could be made: let the answer in hand go. Answered by None."""


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


Command = Authenticate | Read | Admit | Forward | SettleJob | Book | GiveBack | Settle | Refuse


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
    """What the line decides by. `budgets`, `policies`: of each organisation that has any. `cooling`: what speaks against sending
    a call to a model with a stored credential now."""

    prices: Prices
    budgets: Mapping[str, BudgetBook] = field(default_factory=dict)
    policies: Policies = field(default_factory=dict[str, PolicyBook])
    spent: Callable[[NodeKey], int] = lambda _: 0        # of a budget's node, as it was a moment ago, for policies that ask
    cooling: Callable[[Place, str | None], Cooling | None] = lambda _place, _model: None
    versions: ActiveVersions = field(default_factory=dict[str, Mapping[str, str]])       # of prompts, for calls that name none


@lean
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a call by the time an attempt of it is admitted. `order`: the credentials that may carry it, in the
    order in which they are tried; the first carries this attempt."""

    opening: Opening
    caller: Caller
    asked: Asked
    attribution: Attribution
    judgement: Judgement
    rules: Rules
    order: tuple[str, ...]
    attempt: int = 1

    @property
    def credential(self) -> str:
        return self.order[0]

    @property
    def moved(self) -> bool:
        """Whether a policy chose the credential."""
        return self.credential != self.caller.credential


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
    if (active := rules.versions.get(attribution.organization)) is not None:
        attribution = with_active_version(attribution, active)
    if caller.credential != OWN_CREDENTIAL:
        closed = denied_with_stored(opening.route, asked.call.facts, owner_of(attribution), asked.previous)
        if closed is not None:
            return (yield from _refuse(opening, closed, caller, asked))
    book = rules.policies.get(attribution.organization)
    judgement = judge(book, case_of(opening, caller, asked, attribution, rules)) if book is not None else Judgement(asked.call)
    if judgement.denied is not None:
        return (yield from _refuse(opening, judgement.denied, caller, asked, Judging(attribution, judgement)))
    if judgement.edit is not None and caller.sealed:
        return (yield from _refuse(opening, denied_to_change(judgement.edit), caller, asked))
    order = _carriers(opening, caller, attribution, judgement, rules)
    if isinstance(order, Denied):
        return (yield from _refuse(opening, order, caller, asked))
    admitted = yield from _carried(Known(opening, caller, asked, attribution, judgement, rules, order))
    if isinstance(admitted, Denied):
        of_policy = admitted.details.get("policy_id")
        judging = Judging(attribution, replace(judgement, policy=int(of_policy))) if of_policy is not None else None
        return (yield from _refuse(opening, admitted, caller, asked, judging))
    return (yield from _attempts(*admitted))


def _attempts(known: Known, admission: Admission) -> Generator[Command, Any, Settlement]:
    """Send the call, and again where it failed and its policy allows, to its one settled end."""
    while True:
        delivered = yield Forward(admission, known.judgement.edit, known.judgement.warnings)
        served = delivered.served
        if delivered.job is not None:
            yield from _settle_job(known.opening, known.rules, delivered)
            served = replace(served, billed_elsewhere=True)
        settlement = settle(admission, served, book_of(admission, known.rules), known.opening.provider, delivered.at_us)
        again = _again(known, delivered)
        if again is None:
            yield Settle(settlement)
            return settlement
        yield Book(settlement)
        admitted = yield from _carried(again)
        if isinstance(admitted, Denied):
            yield GiveBack()
            return settlement
        known, admission = admitted


def _carriers(opening: Opening, caller: Caller, attribution: Attribution, judgement: Judgement, rules: Rules) -> tuple[str, ...] | Denied:
    """The credentials that may carry the call, in their order. A caller's own is nobody's business but the caller's."""
    usual, call, route = caller.credential, judgement.call, opening.route
    if usual == OWN_CREDENTIAL:
        return (usual,)
    model = None if route.free else name(call.facts.model)

    def cooling(credential: str) -> Cooling | None:
        return rules.cooling(Place(attribution.organization, call.provider, credential), model)

    return carriers(usual, None if bound_to_its_own(route, call.facts) else judgement.fallback, cooling, call.at_us)


def _carried(known: Known) -> Generator[Command, Any, tuple[Known, Admission] | Denied]:
    """Admit an attempt with the first credential that is held."""
    while True:
        admitted = yield from _admitted(known)
        if not isinstance(admitted, Denied) or admitted.code not in NOT_HELD or len(known.order) == 1:
            return admitted
        known = replace(known, order=known.order[1:])


def _admitted(known: Known) -> Generator[Command, Any, tuple[Known, Admission] | Denied]:
    """Hold an attempt and write it down, with a shorter answer where a budget that clamps asks for one."""
    admission = admit(known)
    if isinstance(admission, Denied):
        return admission
    admitted = yield Admit(admission, known.judgement.claims)
    for _ in range(CLAMPS_MAX):
        clamped = _clamped(known, admitted) if isinstance(admitted, Denied) else None
        if clamped is None:
            break
        known, admission = clamped
        admitted = yield Admit(admission)
    return admitted if isinstance(admitted, Denied) else (known, admitted)


def _again(known: Known, delivered: Delivered) -> Known | None:
    """The call at the moment of its next attempt, with the next credential; None where none may follow. Its rates have taken
    the call already, and its journal has what was judged."""
    served, judgement, order = delivered.served, known.judgement, known.order[1:]
    if not order or not delivered.in_hand or served.client_gone or not known.asked.whole:
        return None
    failure = failure_of(served.status, served.fault, written=served.written, stated_wait=delivered.wait_us is not None)
    if not may_follow(judgement.fallback, known.attempt, failure):
        return None
    judgement = replace(judgement, call=replace(judgement.call, at_us=delivered.at_us), claims=(), judged=())
    return replace(known, judgement=judgement, order=order, attempt=known.attempt + 1)


def case_of(opening: Opening, caller: Caller, asked: Asked, attribution: Attribution, rules: Rules) -> Case:
    """A call as policies see it."""

    def expected(call: Call) -> int | None:
        worst = worst_case(call.facts, call.body_bytes, _whom(opening.provider, call),
                           rules.prices.of(call.provider, attribution, caller.credential), call.at_us, strict=False)
        return worst.nanos if worst.priced else None

    def used(budget: int | None = None) -> int | None:
        call = asked.call
        subject = Subject(attribution, call.provider, call.facts.model, caller.principal.delegated)
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(subject, call.at_us)
        return max((100 * rules.spent(match.budget.node(match.subject, call.at_us)) // max(match.budget.cap(call.at_us), 1)
                    for match in path if match.budget.scope.kind != "header" and budget in (None, match.budget.id)), default=None)

    return Case(asked.call, attribution, billable=not opening.route.free, confirmed=asked.claims.confirm, address=caller.address,
                model_in_path=opening.route.names_model, expected=expected, budget_used=used, used_of=used)


def _settle_job(opening: Opening, rules: Rules, delivered: Delivered) -> Generator[Command, Any, None]:
    """Book the cost of a job on the call that made it, at the first answer that states it."""
    job, served = delivered.job, delivered.served
    assert job is not None, "there is a job to settle"
    if job.admission is not None and served.reading is not None and served.reading.usage is not None:
        yield SettleJob(settle(job.admission, served, book_of(job.admission, rules), opening.provider, delivered.at_us))


def book_of(admission: Admission, rules: Rules) -> PriceBook:
    """The prices that hold for an attempt."""
    return rules.prices.of(admission.provider, admission.attribution, admission.credential)


def admit(known: Known) -> Admission | Denied:
    """The admission of one attempt, with the hold: an upper bound of what it can cost, on every hard budget
    of its path. Denied where a hard budget binds and the cost has no bound."""
    opening, asked, attribution, judgement, rules = known.opening, known.asked, known.attribution, known.judgement, known.rules
    call, claims, provider = judgement.call, asked.claims, opening.provider
    facts = call.facts
    billable = not opening.route.free
    book = rules.prices.of(call.provider, attribution, known.credential)
    path: tuple[Match, ...] = ()
    if billable and not claims.sandbox and rules.budgets:
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(
            Subject(attribution, call.provider, facts.model, known.caller.principal.delegated | judgement.delegated), call.at_us)
    if known.attempt > 1:                        # a call is one call, however often it is sent
        path = tuple(match for match in path if match.budget.unit != "calls")
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
        attempt=known.attempt,
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
        hold_tokens=0 if claims.sandbox else worst.tokens,
        hold_priced=worst.priced,
        billable=billable,
        credential=known.credential,
        sandbox=claims.sandbox,
        budget_nanos=claims.budget_nanos,
        route_name=claims.route,
        price_version=book.version,
        holds=holds_of(path, worst) if binding else (),
        judged=judgement.judged if not known.moved else (*judgement.judged, _moved(judgement)),
        asked=changed(asked.call, call) if judgement.edit is not None else {},
    )


def _moved(judgement: Judgement) -> Judged:
    """What the journal says of an attempt that another credential carries."""
    assert judgement.fallback is not None, "only a policy moves a call"
    return Judged(judgement.fallback.policy, "edited")


def _clamped(known: Known, denied: Denied) -> tuple[Known, Admission] | None:
    """The call with an output limit that fits a budget which clamps, as it is to be admitted; None where none fits."""
    judgement = known.judgement
    call, facts, room = judgement.call, judgement.call.facts, denied.room
    spelling = spelling_of(call.dialect, call.operation, call.provider)
    if room is None or spelling is None or known.caller.sealed:
        return None

    def bound(limit: int) -> WorstCase:
        return _bound(known, replace(call, facts=replace(facts, output_limit=limit)))

    now = _bound(known, call)
    most = (now.tokens - now.input_tokens) // max(facts.n, 1)
    limit = fitting_limit(bound, room, least_limit(facts, spelling.least), most)
    if limit is None:
        return None
    edit = Edit(output_limit=limit)
    smaller = replace(known, judgement=replace(
        judgement, call=edit.of(call), edit=edit if judgement.edit is None else judgement.edit.then(edit),
        warnings=(*judgement.warnings, f"clamped_by_budget={room.budget}")))
    admission = admit(smaller)
    if isinstance(admission, Denied):
        return None
    return smaller, replace(admission, asked={**admission.asked, "clamped_by": str(room.budget)})


def _bound(known: Known, call: Call) -> WorstCase:
    """The most that the call can cost, as a hard cap holds it."""
    book = known.rules.prices.of(call.provider, known.attribution, known.credential)
    return worst_case(call.facts, call.body_bytes, _whom(known.opening.provider, call), book, call.at_us, strict=True)


def _whom(provider: Provider, call: Call) -> Whom:
    answers = spelling_of(call.dialect, call.operation, call.provider) is not None
    return Whom(call.provider, provider.price_book or call.provider, provider.free_models, provider.reasons_beyond, answers)


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
