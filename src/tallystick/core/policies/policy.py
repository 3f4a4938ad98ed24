"""The nouns of policies. A *policy* is one rule, of one kind, on one scope; a *case* is what it sees of a call; a
*verdict* is what it says of it. A rule that has nothing to say answers None.

A policy matches a call by what the call is booked on, claimed or verified: a policy only narrows what a caller may do,
so a claim brings nobody more than its key allows. Who leaves a claim out is not matched by it; what must be named
is demanded by `required_dimensions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from tallystick.core.budget import Scope, Subject
from tallystick.core.call import Call
from tallystick.core.credential_health import Failure
from tallystick.core.errors import Denied
from tallystick.core.identity import Attribution
from tallystick.core.lean import lean
from tallystick.core.policies.spellings import Spelling, spelling_of

Mode = Literal["observe", "enforce"]
"""`observe`: what the policy would have done is journaled with the call, and not done."""

MODES: Final[tuple[Mode, ...]] = ("enforce", "observe")


def _unknown(_: Call) -> int | None:
    return None


def _not_known() -> int | None:
    return None


def _not_known_of(_: int) -> int | None:
    return None


@lean
@dataclass(frozen=True, slots=True)
class Case:
    """A call as policies see it. `address`: the caller's, "" where no policy asks for it or it is not known. `model_in_path`:
    the path names the model, not the body. `expected`:
    what a call may cost, in nano-USD, None where no price is known. `budget_used`: percent of the limit that the tightest
    budget on its path has spent, None where none is or it is not known; `used_of`: the same of one budget by its number."""

    call: Call
    attribution: Attribution
    billable: bool = True
    confirmed: bool = False
    address: str = ""
    model_in_path: bool = False
    expected: Callable[[Call], int | None] = _unknown
    budget_used: Callable[[], int | None] = _not_known
    used_of: Callable[[int], int | None] = _not_known_of

    @property
    def spelling(self) -> Spelling | None:
        """How this request states its output limit; None where it has none."""
        return spelling_of(self.call.dialect, self.call.operation, self.call.provider)

    @property
    def subject(self) -> Subject:
        """The call as scopes are matched with it."""
        return Subject(self.attribution, self.call.provider, self.call.facts.model)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the request: another model, another limit on the output. None leaves as it is."""

    model: str | None = None
    output_limit: int | None = None

    def of(self, call: Call) -> Call:
        """The call as it goes out."""
        facts = call.facts
        if self.model is not None:
            facts = replace(facts, model=self.model)
        if self.output_limit is not None:
            facts = replace(facts, output_limit=self.output_limit)
        return replace(call, facts=facts)

    def then(self, later: Edit) -> Edit:
        """Both changes as one."""
        return Edit(later.model if later.model is not None else self.model,
                    later.output_limit if later.output_limit is not None else self.output_limit)


@dataclass(frozen=True, slots=True)
class Warn:
    """The call passes, and its answer says this in `x-tallystick-warning`."""

    text: str


@lean
@dataclass(frozen=True, slots=True)
class Claim:
    """The call passes where it finds room: these are the limits in a window, `needed_tokens` what it would take."""

    requests: int | None
    tokens: int | None
    concurrent: int | None
    window_us: int
    needed_tokens: int = 0


@lean
@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim as it is counted: of which policy, for which subject (of a scope that is each value's own), and what a
    refusal says of the policy."""

    policy: int
    subject: str
    claim: Claim
    enforced: bool
    about: Mapping[str, str]


@lean
@dataclass(frozen=True, slots=True)
class Capped:
    """The call falls under a cap of its own for this subject: so many calls, so many nano-USD in total; None: any number."""

    subject: str
    calls: int | None
    nanos: int | None


@dataclass(frozen=True, slots=True)
class Delegate:
    """What the caller says of itself in these respects counts for hard budgets."""

    names: frozenset[str]


@lean
@dataclass(frozen=True, slots=True)
class Fallback:
    """Where the call's own credential does not carry it, these may, in this order: after failures of these kinds, and so that
    at most `attempts` are made in all. `policy`: whose word it is; the book adds it."""

    credentials: tuple[str, ...]
    on: frozenset[Failure]
    attempts: int
    policy: int = 0


Verdict = Denied | Edit | Warn | Claim | Capped | Delegate | Fallback


class Rule(Protocol):
    """What a policy of one kind says. A frozen dataclass whose fields are its parameters."""

    def judge(self, case: Case) -> Verdict | None:
        """What it says of a call; None: nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule in force from `starts_us` until `ends_us` (None: for good). `parameters`: as they were set, for people;
    `rule` is what was read out of them. `version` counts changes."""

    id: int
    name: str
    kind: str
    scope: Scope
    rule: Rule
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = "enforce"
    version: int = 1
    starts_us: int = 0
    ends_us: int | None = None

    def in_force(self, at_us: int) -> bool:
        return self.starts_us <= at_us and (self.ends_us is None or at_us < self.ends_us)


@dataclass(frozen=True, slots=True)
class Bypass:
    """Break glass: until a moment, a policy (0: every one but kill switches) does nothing to calls in this scope."""

    policy: int
    scope: Scope
    until_us: int


def refused(message: str, **details: str) -> Denied:
    """A refusal by a rule; the book adds which policy it was."""
    return Denied("policy_denied", message, details=details)
