"""The admission of an attempt, out of all that is known of its call: which prices and budgets hold, what it can cost at most,
and what of that must be held before a byte goes upstream. The line (exchange.py) asks for one for each attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tallystick.core.attempt import Admission, Judged
from tallystick.core.budget import NO_BUDGETS, BudgetBook, Match, Subject
from tallystick.core.call import Call, name, written
from tallystick.core.clamping import fitting_limit, least_limit
from tallystick.core.credential_health import Cooling, Place
from tallystick.core.custody import Kept
from tallystick.core.dialect import Provider, Route
from tallystick.core.draw import NodeKey
from tallystick.core.errors import Denied
from tallystick.core.holding import holds_of
from tallystick.core.identity import ActiveVersions, Attribution, Claims, Principal, TeamsOf
from tallystick.core.lean import lean
from tallystick.core.policies.book import Judgement, Policies, PolicyBook, changed
from tallystick.core.policies.policy import Case, Edit
from tallystick.core.policies.spellings import spelling_of
from tallystick.core.price_scopes import Prices
from tallystick.core.pricebook import PriceBook
from tallystick.core.worst_case import NOTHING, WorstCase, denied_under_a_cap, worst_case
from tallystick.core.worst_case import Asked as Whom

OWN_CREDENTIAL = "caller"                    # the attempt goes out with the caller's own provider key


@lean
@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a call from its first line and headers: where it goes, and when it came."""

    request_id: str
    at_us: int
    provider: Provider
    route: Route


@lean
@dataclass(frozen=True, slots=True)
class Caller:
    principal: Principal
    credential: str                          # OWN_CREDENTIAL, or the name of the stored one
    address: str = ""                        # where the call comes from, where a policy asks for it
    sealed: bool = False                     # it signed its request, so that nothing in it can be changed


@lean
@dataclass(frozen=True, slots=True)
class Asked:
    """`previous`: what is known of the earlier response that the request continues. `whole`: its body is in memory, so that
    it can be sent again."""

    call: Call
    claims: Claims
    previous: Kept | None = None
    whole: bool = True


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
    teams: TeamsOf = field(default_factory=dict[str, Mapping[str, str]])                 # that were renamed


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


def case_of(opening: Opening, caller: Caller, asked: Asked, attribution: Attribution, rules: Rules) -> Case:
    """A call as policies see it."""

    def expected(call: Call) -> int | None:
        worst = worst_case(call.facts, call.body_bytes, _whom(opening.provider, call),
                           rules.prices.of(call.provider, attribution, caller.credential), call.at_us, strict=False)
        return worst.nanos if worst.priced else None

    def used(budget: int | None = None) -> int | None:
        call = asked.call
        subject = Subject(attribution, call.provider, name(call.facts.model), caller.principal.delegated)
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(subject, call.at_us)
        return max((100 * rules.spent(match.budget.node(match.subject, call.at_us)) // max(match.budget.cap(call.at_us), 1)
                    for match in path if match.budget.scope.kind != "header" and budget in (None, match.budget.id)), default=None)

    return Case(asked.call, attribution, billable=not opening.route.free, confirmed=asked.claims.confirm, address=caller.address,
                model_in_path=opening.route.names_model, expected=expected, budget_used=used, used_of=used)


def book_of(admission: Admission, rules: Rules) -> PriceBook:
    """The prices that hold for an attempt."""
    return rules.prices.of(admission.provider, admission.attribution, admission.credential)


def admit(known: Known) -> Admission | Denied:
    """The admission of one attempt, with the hold: an upper bound of what it can cost, on every hard budget
    of its path. Denied where a hard budget binds and the cost has no bound."""
    opening, asked, attribution, judgement, rules = known.opening, known.asked, known.attribution, known.judgement, known.rules
    call, claims, provider, credential = judgement.call, asked.claims, opening.provider, known.credential
    facts = call.facts
    billable = not opening.route.free
    book = rules.prices.of(call.provider, attribution, credential)
    path: tuple[Match, ...] = ()
    if billable and not claims.sandbox and rules.budgets:
        path = rules.budgets.get(attribution.organization, NO_BUDGETS).path(
            Subject(attribution, call.provider, name(facts.model), known.caller.principal.delegated | judgement.delegated), call.at_us)
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
        credential=credential,
        sandbox=claims.sandbox,
        budget_nanos=claims.budget_nanos,
        route_name=claims.route,
        price_version=book.version,
        holds=holds_of(path, worst) if binding else (),
        judged=judgement.judged if credential == known.caller.credential else (*judgement.judged, _moved(judgement)),
        asked=changed(asked.call, call) if judgement.edit is not None else {},
    )


def _moved(judgement: Judgement) -> Judged:
    """What the journal says of an attempt that another credential carries."""
    assert judgement.fallback is not None, "only a policy moves a call"
    return Judged(judgement.fallback.policy, "edited")


def clamped(known: Known, denied: Denied) -> tuple[Known, Admission] | None:
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
