"""Who may spend how much in which time: the budgets of an organisation, and which of them a call draws on.

A budget watches one scope (a team, every user, calls to one model…) in one window; several windows on one
scope are several budgets. A call draws on every budget that matches it, and the tightest hard one wins
because all of them must hold it. A *node* is what is counted: one budget, for one subject, in one window.

Hard caps bind what is verified. A team or project that a caller names lies within its key's scope, so it
counts as verified; any other label that only the caller asserts could be changed at will to escape a cap,
so a hard budget on it merely watches, unless the key delegates that label (decisions.md, rule 5).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, NamedTuple

from tallystick.core.draw import NodeKey
from tallystick.core.identity import Attribution
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.core.windows import END_OF_TIME_US, BadWindow, Window, bounds, parse_window

Kind = Literal["org", "team", "project", "key", "user", "agent", "environment", "cost_center", "session", "prompt_key",
               "tag", "dimension", "provider", "model", "header"]
KINDS: Final[tuple[Kind, ...]] = ("org", "team", "project", "key", "user", "agent", "environment", "cost_center", "session",
                                  "prompt_key", "tag", "dimension", "provider", "model")
"""What a person may set a budget on. A `header` budget is made by the first call that brings a bound of its own: it has
no limit, counts what its team and project spend in a month, and is held against whatever a call says."""

Mode = Literal["hard", "soft", "observe"]
Unit = Literal["money", "tokens", "calls"]
EACH: Final = "*"
"""The subject of a template: a budget of its own for every value that comes up."""

_ALWAYS_VERIFIED: Final = frozenset({"org", "team", "project", "key", "provider", "model", "header"})
_AMOUNT: Final = re.compile(r"(?P<sign>\$|€|£)?\s*(?P<number>[0-9][0-9,_]*(\.[0-9]+)?)(?P<scale>[kmKM])?\s*(?P<word>[A-Za-z]*)")
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP"}
_SCALES: Final = {"": 1, "k": 1_000, "m": 1_000_000}
LIMIT_MAX: Final = 1 << 62
PATHS_MAX: Final = 8_192                     # that are remembered; beyond, they are looked for anew
_LABELS_OF: Final[Mapping[Kind, tuple[str, ...]]] = {
    "project": ("team", "project"), "header": ("team", "project"),
    "org": (), "key": (), "tag": (), "dimension": (), "provider": (), "model": ()}
"""The labels that decide about a kind of scope, where it is not the one of its name."""


class BadBudget(ValueError):
    """A budget that cannot be read; the message says what can."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`value` of a project is `team/project`, of a tag `name` or `name=value`, of a dimension `name=value`;
    `*` makes a template: `*` for each team, user, key…, `name=*` for each value of a dimension or tag."""

    kind: Kind
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind


@dataclass(frozen=True, slots=True)
class Raise:
    """More for a while: a temporary addition to a limit, in the budget's unit."""

    amount: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` is nano-USD, tokens or calls, by `unit`; what was set in another currency has been converted,
    once and by a rate that its entry names. `raises` add to it until they end. `version` counts changes. `clamp`: where an
    answer only asks for too many tokens, they are lowered to what fits. `except_in`: spans of time (first instant, first
    after it) in which it is not in force, for something else is. `policy`: it is one that a policy keeps, and binds only the
    calls of which that policy says so (`bound_by` is among what is delegated)."""

    id: int
    scope: Scope
    window: Window
    zone: tzinfo
    limit: int
    unit: Unit = "money"
    mode: Mode = "hard"
    name: str = ""
    starts_us: int = 0
    ends_us: int | None = None
    raises: tuple[Raise, ...] = ()
    version: int = 1
    clamp: bool = False
    except_in: tuple[tuple[int, int], ...] = ()
    policy: int = 0
    _last: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)], init=False, repr=False, compare=False)

    def cap(self, at_us: int) -> int:
        """The limit in force at a moment."""
        return self.limit + sum(extra.amount for extra in self.raises if at_us < extra.until_us)

    def in_force(self, at_us: int) -> bool:
        if not self.starts_us <= at_us or (self.ends_us is not None and at_us >= self.ends_us):
            return False
        return not self.except_in or not any(start_us <= at_us < end_us for start_us, end_us in self.except_in)

    def node(self, subject: str, at_us: int) -> NodeKey:
        """The node that an admission at this moment counts in."""
        return NodeKey(self.id, subject, self.span(at_us)[0])

    def edges(self, at_us: int) -> Iterable[int]:
        """The moments at which it could come into force, go out of it, or begin another window, as seen from one moment."""
        yield from self.span(at_us)
        yield self.starts_us
        if self.ends_us is not None:
            yield self.ends_us
        for gap in self.except_in:
            yield from gap

    def span(self, at_us: int) -> tuple[int, int]:
        """The window that a moment belongs to: its first instant, and the first after it. Worked out once a window: calls
        come in the one that calls came in before."""
        last = self._last[0]
        if not last[0] <= at_us < last[1]:
            last = self._last[0] = bounds(self.window, self.zone, at_us)
        return last


class Match(NamedTuple):
    """A budget that a call draws on, and the node that it counts in. `binding`: it may refuse the call; else it watches."""

    budget: Budget
    subject: str
    binding: bool
    node: NodeKey


class _Path(NamedTuple):
    """What a call draws on from one moment until another, between which no budget on it begins, ends or changes windows."""

    from_us: int
    until_us: int
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A call as budgets see it. `key` is the key's id; `team` and `project` as it is booked."""

    attribution: Attribution
    provider: str
    model: str | None
    delegated: frozenset[str] = frozenset()

    def values(self) -> Iterable[tuple[Kind, str, str]]:
        """(kind, value, name under which `claimed` would list it) of everything a budget could watch."""
        labels = self.attribution.labels
        yield "org", "", "org"
        team = labels.get("team", "")
        if team:
            yield "team", team, "team"
        project = labels.get("project", "")
        if project:
            yield "project", f"{team or 'default'}/{project}", "project"
        yield "header", f"{team}/{project}", "header"
        yield "key", self.attribution.key_id, "key"
        for kind in ("user", "agent", "environment", "cost_center", "session", "prompt_key"):
            if value := labels.get(kind):
                yield kind, value, kind
        for name, value in self.attribution.tags:
            yield "tag", f"{name}={value}" if value else name, "tags"
        for name, value in self.attribution.dimensions.items():
            yield "dimension", f"{name}={value}", f"dimension.{name}"
        yield "provider", self.provider, "provider"
        if self.model:
            yield "model", self.model, "model"


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two calls must have in common to be the same for everything that is set on these kinds of scope."""

    kinds: frozenset[Kind] = frozenset()
    labels: tuple[str, ...] = ()             # that decide about them

    def of(self, call: Subject) -> tuple[object, ...]:
        """Equal for calls that are alike."""
        attribution, kinds = call.attribution, self.kinds
        labels = attribution.labels
        return (
            attribution.key_id if "key" in kinds else "", call.provider, call.model, attribution.claimed, call.delegated,
            attribution.tags if "tag" in kinds else (), tuple(attribution.dimensions.items()) if "dimension" in kinds else (),
            *[labels.get(name) for name in self.labels])


def likeness(kinds: Iterable[Kind]) -> Likeness:
    """For things that are set on these kinds of scope."""
    every = frozenset(kinds)
    return Likeness(every, tuple(sorted({label for kind in every for label in _LABELS_OF.get(kind, (kind,))})))


@dataclass(frozen=True, slots=True)
class BudgetBook:
    """The budgets of one organisation, ready to be looked up by what a call is. Calls that are alike in all that budgets
    watch have one path, which is remembered."""

    budgets: tuple[Budget, ...] = ()
    _by_value: Mapping[tuple[Kind, str], tuple[Budget, ...]] = field(default_factory=dict)
    _like: Likeness = field(default_factory=Likeness)
    _known: dict[tuple[object, ...], _Path] = field(default_factory=dict, init=False, repr=False, compare=False)

    def header(self, value: str) -> Budget | None:
        """The budget that bounds calls of `team/project` by a header of theirs, None before the first."""
        found = self._by_value.get(("header", value))
        return found[0] if found else None

    def path(self, call: Subject, at_us: int) -> tuple[Match, ...]:
        """Every budget that the call draws on at this moment, in the order of KINDS as far as the call has them."""
        if not self.budgets:
            return ()
        alike = self._like.of(call)
        known = self._known.get(alike)
        if known is None or not known.from_us <= at_us < known.until_us:
            if len(self._known) >= PATHS_MAX:
                self._known.clear()
            known = self._known[alike] = self._found(call, at_us)
        return known.matches

    def _found(self, call: Subject, at_us: int) -> _Path:
        """The path, looked for among all budgets."""
        found: list[Match] = []
        from_us, until_us = 0, END_OF_TIME_US
        for kind, value, name in call.values():
            if kind not in self._like.kinds:
                continue
            verified = kind in _ALWAYS_VERIFIED or name not in call.attribution.claimed or name in call.delegated
            for place, subject in ((value, ""), (_each(kind, value), value)):
                for budget in self._by_value.get((kind, place), ()):
                    for edge_us in budget.edges(at_us):
                        from_us, until_us = (max(from_us, edge_us), until_us) if edge_us <= at_us else (from_us, min(until_us, edge_us))
                    if budget.in_force(at_us):
                        binds = bound_by(budget.policy) in call.delegated if budget.policy else verified
                        found.append(Match(budget, subject, binds and budget.mode == "hard", budget.node(subject, at_us)))
        return _Path(from_us, until_us, tuple(found))


def budget_book(budgets: Iterable[Budget]) -> BudgetBook:
    """Compile an organisation's budgets."""
    by_value: defaultdict[tuple[Kind, str], list[Budget]] = defaultdict(list)
    every = tuple(sorted(budgets, key=lambda budget: budget.id))
    for budget in every:
        by_value[budget.scope.kind, budget.scope.value].append(budget)
    return BudgetBook(every, {place: tuple(there) for place, there in by_value.items()}, likeness(kind for kind, _ in by_value))


NO_BUDGETS: Final = BudgetBook()


def bound_by(policy: int) -> str:
    """Under which name a call is known to be bound by the budgets that a policy keeps."""
    return f"policy.{policy}"


def _each(kind: Kind, value: str) -> str:
    """The value of a template that covers a value."""
    if kind in ("org", "header"):
        return "\0"                          # these have no templates
    if kind in ("tag", "dimension"):
        return value.partition("=")[0] + "=*"
    return EACH


def subject_matches(scope: Scope, call: Subject) -> str | None:
    """The subject under which a call counts in this scope, None where it does not. The slow twin of
    `BudgetBook.path` for one scope."""
    for kind, value, _ in call.values():
        if kind == scope.kind and value == scope.value:
            return ""
        if kind == scope.kind and _each(kind, value) == scope.value:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Amount:
    """A limit as a person wrote it: nanos of a currency, or a number of tokens or calls."""

    value: int
    unit: Unit
    currency: str = "USD"


def parse_limit(text: str) -> tuple[Amount, Window | None]:
    """`$500/month`, `500`, `1,000.50 EUR per week`, `2m tokens/day`, `10k calls/1h`, `€20`; a bare number is
    dollars. The window is None where the text names none.

    Raises BadBudget.
    """
    amount_text, slash, window_text = text.strip().replace(" per ", "/").partition("/")
    match = _AMOUNT.fullmatch(amount_text.strip())
    if match is None:
        raise BadBudget(f"{text!r} is no limit: say $500/month, 500, 200 EUR/week, 2m tokens/day or 10k calls/hour.")
    word = match["word"].lower()
    try:
        number = Decimal(match["number"].replace(",", "").replace("_", "")) * _SCALES[(match["scale"] or "").lower()]
        window = parse_window(window_text) if slash else None
    except (InvalidOperation, BadWindow) as fault:
        raise BadBudget(str(fault)) from None
    if word in ("token", "tokens", "call", "calls", "request", "requests"):
        if match["sign"] or number != number.to_integral_value():
            raise BadBudget(f"{text!r}: tokens and calls are whole numbers without a currency.")
        return Amount(_bounded(int(number), text), "tokens" if word.startswith("token") else "calls"), window
    currency = _SIGNS.get(match["sign"] or "", word.upper() or "USD")
    if word and (len(word) != 3 or (match["sign"] and word.upper() != currency)):
        raise BadBudget(f"{text!r}: {match['word']!r} is neither a currency's code nor tokens nor calls.")
    nanos = number * NANOS_PER_UNIT
    if nanos != nanos.to_integral_value():
        raise BadBudget(f"{text!r}: no finer than a billionth.")
    return Amount(_bounded(int(nanos), text), "money", currency), window


def _bounded(value: int, text: str) -> int:
    if value >= LIMIT_MAX:
        raise BadBudget(f"{text!r} is more than can be counted.")
    return value

