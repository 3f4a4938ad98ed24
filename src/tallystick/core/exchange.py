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

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from tallystick.core.admitting import OWN_CREDENTIAL, Asked, Caller, Known, Opening, Rules, admit, book_of, case_of, clamped
from tallystick.core.attempt import Admission, Refusal, Settlement
from tallystick.core.call import name, written
from tallystick.core.clamping import CLAMPS_MAX
from tallystick.core.credential_health import Cooling, Place, failure_of
from tallystick.core.custody import Kept, denied_with_stored, owner_of
from tallystick.core.errors import Denied
from tallystick.core.holding import standing_of
from tallystick.core.identity import Attribution, attribute, by_first_name, check_claims, with_active_version
from tallystick.core.lean import lean
from tallystick.core.policies.book import Judgement, denied_to_change, judge
from tallystick.core.policies.policy import Claimed, Edit
from tallystick.core.settlement import Served, settle
from tallystick.core.succession import NOT_HELD, Carriers, bound_to_its_own, carriers, may_follow

__all__ = (
    "OWN_CREDENTIAL", "SYSTEM", "Admit", "Asked", "Authenticate", "Book", "Caller", "Command", "Delivered", "Forward", "GiveBack",
    "Judging", "Opening", "Read", "Refuse", "Rules", "Settle", "SettleJob", "book_of", "exchange",
)

SYSTEM = "system"                            # the installation's own chain: calls without a valid key


@lean
@dataclass(frozen=True, slots=True)
class Authenticate:
    """Find out who calls, from headers alone. Answered by `Caller` or `Denied`."""


@lean
@dataclass(frozen=True, slots=True)
class Read:
    """Read the body within its limits and what it asks for. Answered by `Asked` or `Denied`."""

    caller: Caller


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


def exchange(opening: Opening, rules: Rules) -> Generator[Command, Any, Settlement | Refusal]:
    """Run one call. Yields commands, takes their answers, returns its one outcome."""
    caller = yield Authenticate()
    if isinstance(caller, Denied):
        return (yield from _refuse(opening, caller))
    asked = yield Read(caller)
    if isinstance(asked, Denied):
        return (yield from _refuse(opening, asked, caller))
    claims = asked.claims
    if claims.labels and (first := rules.teams.get(caller.principal.organization)) is not None:
        claims = by_first_name(claims, first)
    attribution = check_claims(claims) or attribute(caller.principal, claims)
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
    order, otherwise = _carriers(opening, caller, attribution, judgement, rules)
    admitted = (yield from _carried(Known(opening, caller, asked, attribution, judgement, rules, order))) if order else otherwise
    if isinstance(admitted, Denied):
        admitted = otherwise if otherwise is not None and admitted.code in NOT_HELD else admitted
        of_policy = admitted.details.get("policy_id")
        judging = Judging(attribution, replace(judgement, policy=int(of_policy))) if of_policy is not None else None
        return (yield from _refuse(opening, admitted, caller, asked, judging))
    assert admitted is not None, "where nobody carries a call, its caller is told why"
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


def _carriers(opening: Opening, caller: Caller, attribution: Attribution, judgement: Judgement, rules: Rules) -> Carriers:
    """The credentials that may carry the call, in their order. A caller's own is nobody's business but the caller's."""
    usual, call, route = caller.credential, judgement.call, opening.route
    if usual == OWN_CREDENTIAL:
        return Carriers((usual,))
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
        shorter = clamped(known, admitted) if isinstance(admitted, Denied) else None
        if shorter is None:
            break
        known, admission = shorter
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


def _settle_job(opening: Opening, rules: Rules, delivered: Delivered) -> Generator[Command, Any, None]:
    """Book the cost of a job on the call that made it, at the first answer that states it."""
    job, served = delivered.job, delivered.served
    assert job is not None, "there is a job to settle"
    if job.admission is not None and served.reading is not None and served.reading.usage is not None:
        yield SettleJob(settle(job.admission, served, book_of(job.admission, rules), opening.provider, delivered.at_us))


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
