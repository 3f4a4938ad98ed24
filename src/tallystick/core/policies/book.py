"""The policies of an organisation, ready to be looked up by what a call is, and the one place where a call is judged.

Policies are asked kind by kind in the order of `KINDS`, within a kind in the order they were made. The first refusal
ends it; changes of the request are made on the way, so that what follows sees the call as it will go out. What only
observes is asked in its place as well and changes nothing: what it would have done is noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final, NamedTuple, Protocol

from tallystick.core.attempt import Judged
from tallystick.core.budget import EACH, PATHS_MAX, Kind, Likeness, Subject, bound_by, likeness, subject_matches
from tallystick.core.call import Call, name
from tallystick.core.errors import Denied
from tallystick.core.lean import lean
from tallystick.core.policies import (
    addresses, default_output, delegation, downgrade, expensive, failover, hours, kill, model_access, rates, reasoning,
    request_size, required_dimensions, session_caps,
)
from tallystick.core.policies.parameters import BadPolicy, Parameters
from tallystick.core.policies.policy import Bypass, Capped, Case, Claim, Claimed, Delegate, Edit, Fallback, Policy, Rule
from tallystick.core.windows import END_OF_TIME_US

KINDS: Final[tuple[tuple[str, Callable[[Parameters], Rule]], ...]] = (
    ("kill", kill.read),
    ("addresses", addresses.read),
    ("hours", hours.read),
    ("model_access", model_access.read),
    ("required_dimensions", required_dimensions.read),
    ("delegation", delegation.read),
    ("downgrade", downgrade.read),
    ("request_size", request_size.read),
    ("default_output", default_output.read),
    ("reasoning", reasoning.read),
    ("expensive", expensive.read),
    ("rates", rates.read),
    ("session_caps", session_caps.read),
    ("failover", failover.read),
)
"""Every kind and how its parameters are read, in the order in which they are asked."""

KIND_NAMES: Final = tuple(name for name, _ in KINDS)
_READERS: Final = dict(KINDS)
_ORDER: Final = {name: place for place, name in enumerate(KIND_NAMES)}


def rule_of(kind: str, parameters: Mapping[str, Any], zone_of: Callable[[str], tzinfo] | None = None) -> Rule:
    """The rule that these parameters make. `zone_of` finds a time zone by its name. Raises BadPolicy."""
    if kind not in _READERS:
        raise BadPolicy(f"There is no kind {kind!r}; there are {', '.join(KIND_NAMES)}.")
    reading = Parameters(kind, parameters, zone_of)
    rule = _READERS[kind](reading)
    reading.done()
    return rule


@lean
@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a call: `denied`, or the call as it goes out (`edit`: how it was changed), what its answer must say
    (`warnings`), what it must find room for (`claims`), which other credentials may carry it (`fallback`), and for the
    journal which policies did or would have done something."""

    call: Call
    denied: Denied | None = None
    policy: int | None = None                # whose refusal it is
    edit: Edit | None = None
    warnings: tuple[str, ...] = ()
    judged: tuple[Judged, ...] = ()
    claims: tuple[Claimed, ...] = ()
    delegated: frozenset[str] = frozenset()  # claims that bind under hard budgets, besides those that the key delegates
    caps: tuple[tuple[int, Capped], ...] = ()            # by policy: what `delegated` has of them, in figures
    fallback: Fallback | None = None         # of the first policy that has one


class Applied(NamedTuple):
    """A policy that a call falls under. `whose`: of a scope that is each value's own, the call's; `about`: what a refusal
    says of the policy."""

    policy: Policy
    whose: str
    about: Mapping[str, str]


class _Stretch(NamedTuple):
    """What a call falls under from one moment until another, between which no policy on it begins or ends."""

    from_us: int
    until_us: int
    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """The policies of one organisation, and the bypasses of them that may be in force. Calls that are alike in all that
    policies are set on fall under the same ones, which are remembered."""

    policies: tuple[Policy, ...] = ()
    bypasses: tuple[Bypass, ...] = ()
    _by_value: Mapping[tuple[Kind, str], tuple[Policy, ...]] = field(default_factory=dict)
    _like: Likeness = field(default_factory=Likeness)
    _kinds: frozenset[str] = frozenset()     # of policies
    _known: dict[tuple[object, ...], _Stretch] = field(default_factory=dict, init=False, repr=False, compare=False)

    def applied(self, subject: Subject, at_us: int) -> tuple[Applied, ...]:
        """The policies that a call falls under, in the order in which they are asked."""
        alike = self._like.of(subject)
        known = self._known.get(alike)
        if known is None or not known.from_us <= at_us < known.until_us:
            if len(self._known) >= PATHS_MAX:
                self._known.clear()
            known = self._known[alike] = self._found(subject, at_us)
        return known.applied

    def matching(self, subject: Subject, at_us: int) -> list[Policy]:
        """The same, policies alone."""
        return [one.policy for one in self.applied(subject, at_us)]

    def _found(self, subject: Subject, at_us: int) -> _Stretch:
        """They are looked for among all policies."""
        found: list[Applied] = []
        from_us, until_us = 0, END_OF_TIME_US
        for kind, value, _ in subject.values():
            if kind not in self._like.kinds:
                continue
            for place, whose in ((value, ""), *(() if kind == "org" else ((_each(kind, value), value),))):
                for policy in self._by_value.get((kind, place), ()):
                    for edge_us in (policy.starts_us, END_OF_TIME_US if policy.ends_us is None else policy.ends_us):
                        from_us, until_us = (max(from_us, edge_us), until_us) if edge_us <= at_us else (from_us, min(until_us, edge_us))
                    if policy.in_force(at_us):
                        found.append(Applied(policy, whose, _about(policy)))
        return _Stretch(from_us, until_us, tuple(sorted(found, key=lambda one: _place(one.policy))))

    def killed(self, subject: Subject, at_us: int, *, running: bool = False) -> Denied | None:
        """The refusal of the kill switch that a call is under. `running`: only of one that lets no reply run out."""
        if "kill" not in self._kinds:
            return None
        for policy in self.matching(subject, at_us):
            rule = policy.rule
            if isinstance(rule, kill.Kill) and policy.mode == "enforce" and (rule.now or not running):
                if not self.bypassed(policy, subject, at_us):
                    return _named(rule.refusal(), policy)
        return None

    def opens(self, subject: Subject, at_us: int) -> Callable[[str], bool] | None:
        """Whether a model is open to who asks; None where every one is."""
        rules = [policy.rule for policy in self.matching(subject, at_us)
                 if isinstance(policy.rule, model_access.ModelAccess) and policy.mode == "enforce"
                 and not self.bypassed(policy, subject, at_us)]
        return (lambda model: all(rule.opens_model(model) for rule in rules)) if rules else None

    @property
    def asks_address(self) -> bool:
        """Whether a policy judges where calls come from; else nobody looks."""
        return "addresses" in self._kinds

    @property
    def asks_budgets_from(self) -> int | None:
        """From which percent of a budget on a policy judges what is spent of it; None where none does."""
        return min((policy.rule.at_percent for policy in self.policies if isinstance(policy.rule, downgrade.Downgrade)), default=None)

    @property
    def has_rates(self) -> bool:
        """Whether a policy limits rates, which instances share."""
        return "rates" in self._kinds

    def bypassed(self, policy: Policy, subject: Subject, at_us: int) -> bool:
        """Whether somebody broke the glass for this policy and call. A kill switch must be named."""
        return any(
            bypass.policy == policy.id or (bypass.policy == 0 and policy.kind != "kill")
            for bypass in self.bypasses
            if at_us < bypass.until_us and subject_matches(bypass.scope, subject) is not None)


def policy_book(policies: Iterable[Policy], bypasses: Iterable[Bypass] = ()) -> PolicyBook:
    """Compile an organisation's policies."""
    every = tuple(sorted(policies, key=_place))
    by_value: defaultdict[tuple[Kind, str], list[Policy]] = defaultdict(list)
    for policy in every:
        by_value[policy.scope.kind, policy.scope.value].append(policy)
    return PolicyBook(every, tuple(bypasses), {place: tuple(there) for place, there in by_value.items()},
                      likeness(kind for kind, _ in by_value), frozenset(policy.kind for policy in every))


class Policies(Protocol):
    """The books in force, by organisation."""

    def get(self, organization: str, /) -> PolicyBook | None:
        """None where an organisation has no policies: most have none, and that must cost nothing."""


def judge(book: PolicyBook, case: Case) -> Judgement:
    """Ask every policy that the call falls under."""
    edit: Edit | None = None
    warnings: list[str] = []
    judged: list[Judged] = []
    claims: list[Claimed] = []
    caps: list[tuple[int, Capped]] = []
    delegated: frozenset[str] = frozenset()
    fallback: Fallback | None = None
    subject, at_us = case.subject, case.call.at_us
    for policy, whose, about in book.applied(subject, at_us):
        verdict = policy.rule.judge(case)
        if verdict is None:
            continue
        if book.bypasses and book.bypassed(policy, subject, at_us):
            judged.append(Judged(policy.id, "bypassed"))
        elif isinstance(verdict, Claim):
            claims.append(Claimed(policy.id, whose, verdict, policy.mode == "enforce", about))
        elif isinstance(verdict, Capped):
            if policy.mode == "enforce":
                delegated |= {bound_by(policy.id)}
                caps.append((policy.id, verdict))
        elif isinstance(verdict, Delegate):
            delegated |= verdict.names if policy.mode == "enforce" else frozenset()
        elif isinstance(verdict, Fallback):
            if policy.mode == "enforce" and fallback is None:
                fallback = replace(verdict, policy=policy.id)
        elif policy.mode == "observe":
            judged.append(Judged(policy.id, "observed"))
        elif isinstance(verdict, Denied):
            return Judgement(case.call, _named(verdict, policy), policy.id, judged=tuple(judged))
        elif isinstance(verdict, Edit):
            if verdict.model is not None and (opens := book.opens(subject, at_us)) is not None and not opens(verdict.model):
                continue                     # nobody gets by another policy to a model that is closed to them
            edit = verdict if edit is None else edit.then(verdict)
            case = replace(case, call=verdict.of(case.call))
            judged.append(Judged(policy.id, "edited"))
        else:
            warnings.append(verdict.text)
            judged.append(Judged(policy.id, "warned"))
    return Judgement(case.call, edit=edit, warnings=tuple(warnings), judged=tuple(judged), claims=tuple(claims),
                     delegated=delegated, caps=tuple(caps), fallback=fallback)


def denied_to_change(edit: Edit) -> Denied:
    """The refusal of a call that policies would change and whose caller signed it as it is: the provider would refuse it."""
    said = [f"model {edit.model}"] if edit.model is not None else []
    said += [f"an output limit of at most {edit.output_limit}"] if edit.output_limit is not None else []
    return Denied("policy_denied", f"Policies would change this call, which its caller signed; send it with {' and '.join(said)}.")


def changed(before: Call, after: Call) -> dict[str, str]:
    """Of what policies changed, what the caller wrote; "" where it wrote nothing."""
    said: dict[str, str] = {}
    if before.facts.model != after.facts.model:
        said["model"] = name(before.facts.model) or ""
    if before.facts.output_limit != after.facts.output_limit:
        said["output_limit"] = "" if before.facts.output_limit is None else str(before.facts.output_limit)
    return said


def asked_before(call: Call, said: Mapping[str, str]) -> Call:
    """The call as its caller wrote it: `changed`, undone."""
    facts = call.facts
    if "model" in said:
        facts = replace(facts, model=said["model"] or None)
    if "output_limit" in said:
        facts = replace(facts, output_limit=int(said["output_limit"]) if said["output_limit"] else None)
    return call if facts is call.facts else replace(call, facts=facts)


def _named(denied: Denied, policy: Policy) -> Denied:
    """The refusal with the policy that it comes from."""
    return replace(denied, details={**_about(policy), **denied.details})


def _about(policy: Policy) -> dict[str, str]:
    return {"policy_id": str(policy.id), "policy": policy.name or policy.kind, "kind": policy.kind, "scope": str(policy.scope)}


def _place(policy: Policy) -> tuple[int, int]:
    return _ORDER[policy.kind], policy.id


def _each(kind: Kind, value: str) -> str:
    """The value of a scope that covers every value of a kind."""
    return value.partition("=")[0] + "=*" if kind in ("tag", "dimension") else EACH
