"""What really happened, known to nobody inside: the provider's own bill, and what was promised about each cap.

The bill is laid on budgets by a matcher of its own, a few lines long, so that a hold that forgets a budget is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from tallystick.core.budget import Scope, Unit
from tallystick.core.windows import bounds, parse_window

UTC = ZoneInfo("UTC")
NEVER_US = 1 << 62
_Node = tuple[int, str, int]


class Broken(AssertionError):
    """A promise that did not hold."""


@dataclass
class Cap:
    """A hard budget as it was promised. `first`: it was there before the first call, and its limit never fell, so that
    nothing excuses a bill above it. Otherwise calls that were open when it came, or fell, may pass it, but no call that
    is sent after `binds_us`. `fell`: a cap was there that bound everybody, and its limit moved; `falls_us`: since when a
    raise of it is over."""

    budget: int
    scope: Scope
    unit: Unit
    span: str
    limit: int
    first: bool
    change: int
    binds_us: int = NEVER_US
    extra: int = 0                               # a raise, until it ends
    fell: bool = False
    falls_us: int = 0

    @property
    def bound(self) -> bool:
        """Whether it has bound everybody who is there."""
        return self.first or self.fell or self.binds_us != NEVER_US

    @property
    def top(self) -> int:
        return self.limit + self.extra

    def node(self, labels: Mapping[str, str], at_us: int) -> _Node | None:
        """Where a call with these labels counts; None where it does not."""
        start_us, _ = bounds(parse_window(self.span), UTC, at_us)
        if self.scope.kind == "org":
            return self.budget, "", start_us
        said = labels.get(self.scope.kind)
        if said is None or self.scope.value not in (said, "*"):
            return None
        return self.budget, said if self.scope.value == "*" else "", start_us


@dataclass(frozen=True)
class Billed:
    """One line of the provider's bill. `held`: a hard cap was on its path; `bound_nanos`: the caller's own bound."""

    request_id: str
    at_us: int
    labels: Mapping[str, str]
    nanos: int
    tokens: int
    held: bool
    bound_nanos: int | None = None

    def amount(self, unit: Unit) -> int:
        return {"money": self.nanos, "tokens": self.tokens, "calls": 1}[unit]


@dataclass
class Bill:
    """The provider's bill, and the caps it is held against."""

    lines: dict[str, Billed] = field(default_factory=dict)
    caps: dict[int, Cap] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)        # attempts that were settled by their usage
    gone: set[str] = field(default_factory=set)          # calls of a machine that is gone: what comes later does not know them
    _spent: defaultdict[_Node, int] = field(default_factory=lambda: defaultdict(int))
    _bounded: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _allowed: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def promise(self, cap: Cap) -> None:
        known = self.caps.get(cap.budget)
        self.caps[cap.budget] = cap
        if known is None:
            self._lay_all(cap)

    def lose(self, requests: set[str]) -> None:
        """The machine that made these calls is gone: a cap that did not bind it yet does not know of them."""
        self.gone |= requests
        for cap in self.caps.values():
            if not cap.bound:
                self._lay_all(cap)

    def _lay_all(self, cap: Cap) -> None:
        for place in [place for place in self._spent if place[0] == cap.budget]:
            del self._spent[place]
        for line in self.lines.values():
            if line.request_id in self.gone or (line.request_id not in self.stated and not line.held):
                continue                         # nothing was known of its cost but an estimate
            if node := cap.node(line.labels, line.at_us):
                self._spent[node] += line.amount(cap.unit)

    def forget(self, budget: int) -> None:
        self.caps.pop(budget, None)

    def add(self, line: Billed) -> None:
        """The provider bills a request, whatever comes of it. Raises Broken where that passes a cap."""
        if line.request_id in self.lines:
            raise Broken(f"{line.request_id} went out twice")
        self.lines[line.request_id] = line
        self._lay(line)
        if line.bound_nanos is not None:
            place = line.labels["project"], str(bounds(parse_window("month"), UTC, line.at_us)[0])
            self._bounded[place] += line.nanos
            self._allowed[place] = max(self._allowed[place], line.bound_nanos)       # they are sent in another order than admitted
            if self._bounded[place] > self._allowed[place]:
                raise Broken(f"the calls with headers of {place} cost {self._bounded[place]}; they allowed {self._allowed[place]}")

    def state(self, request_id: str) -> None:
        """The attempt is settled by its usage."""
        self.stated.add(request_id)

    def _lay(self, line: Billed) -> None:
        for cap in self.caps.values():
            node = cap.node(line.labels, line.at_us)
            excused = not cap.first and line.at_us < cap.binds_us
            if node is None or (excused and not line.held):
                continue
            self._spent[node] += line.amount(cap.unit)
            if self._spent[node] > cap.top and not excused:
                raise Broken(f"the bill of {node} is {self._spent[node]} {cap.unit}, and its cap {cap.top}")
