"""How the organisation's stored credentials stand with their providers, as far as the calls themselves show it: nobody
probes. What came of each attempt moves one credential's *health*; a rate limit makes it *cool* for the model that was
asked, so that the next call need not find out again what the provider has just said.

A caller is only ever turned away for a time that the provider itself stated. Where it stated none, a short guess of
ours decides which of several credentials is tried first, and nothing else: limits of the provider's are not ours to invent.
When the time is over all calls go; there is no probe. A probe would be one more limit of ours, and as long as its reply
takes, which for a long answer is longer than the provider asked anybody to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from tallystick.core.errors import FaultKind
from tallystick.core.lean import lean

Failure = Literal["rate_limit", "refused", "unavailable", "connect", "unanswered"]
"""What went wrong that says something of the credential or its provider. `rate_limit`: 429, Anthropic's 529, a 503 that
says when to come back. `refused`: 401, 402, 403. `unavailable`: 500, 502, 503. `connect`: no connection, and nothing was
written. `unanswered`: broken off, silent, or given up by an edge in front of it, so that what it may have cost is open."""

State = Literal["healthy", "cooling", "refused", "failing"]

STATES: Final[tuple[State, ...]] = ("healthy", "cooling", "refused", "failing")
FAILING_FROM: Final = 3                      # failures in a row: one 500 is no outage
GUESS_US: Final = 2_000_000                  # the first time; twice as long each time after that
GUESS_US_MAX: Final = 60_000_000
REFUSED_US: Final = 60_000_000               # how long another credential goes first
MODELS_MAX: Final = 10_000                   # that cool at once, of all credentials
COOLING_US_MAX: Final = 600_000_000          # whatever a provider states, unless the operator says less

_STATUSES: Final[Mapping[int, Failure]] = {
    401: "refused", 402: "refused", 403: "refused", 408: "unanswered", 429: "rate_limit", 499: "unanswered",
    500: "unavailable", 502: "unavailable", 503: "unavailable", 529: "rate_limit",
}


class Place(NamedTuple):
    """One stored credential."""

    organization: str
    provider: str
    name: str


def failure_of(status: int, fault: FaultKind | None, *, written: bool, stated_wait: bool = False) -> Failure | None:
    """What an attempt showed; None for an answer, for the caller's own mistake, and for a call that was stopped here."""
    if fault == "cancelled":
        return None
    if fault is not None:
        return "connect" if fault == "connect" and not written else "unanswered"
    if status == 503 and stated_wait:
        return "rate_limit"
    return _STATUSES.get(status, "unanswered" if status >= 500 else None)


@lean
@dataclass(frozen=True, slots=True)
class Cooling:
    """Until a moment, calls with this credential had better not be sent. `stated`: the provider said so."""

    why: Failure
    since_us: int
    until_us: int
    stated: bool
    times: int = 1                           # guesses in a row


@lean
@dataclass(frozen=True, slots=True)
class Health:
    """What the attempts of one process showed of one credential."""

    successes: int = 0
    failures: int = 0
    in_a_row: int = 0                        # failures since the last success
    success_us: int | None = None
    failure_us: int | None = None
    failure_status: int = 0                  # of the last failure, 0 where there was no answer
    failure: Failure | None = None           # its kind

    def after(self, failure: Failure | None, status: int, at_us: int) -> Health:
        """As it stands after one more attempt."""
        if failure is None:
            return Health(self.successes + 1, self.failures, 0, at_us, self.failure_us, self.failure_status, self.failure)
        return Health(self.successes, self.failures + 1, self.in_a_row + 1, self.success_us, at_us, status, failure)

    def state(self, *, cooling: bool) -> State:
        """The one word for it. `cooling`: for any model, because of a rate limit."""
        if self.in_a_row and self.failure == "refused":
            return "refused"
        if cooling:
            return "cooling"
        return "failing" if self.in_a_row >= FAILING_FROM and self.failure != "rate_limit" else "healthy"


def cooled(before: Cooling | None, failure: Failure, wait_us: int | None, sent_us: int, now_us: int) -> Cooling | None:
    """The cool-down after a failure; None where it asks for none. `sent_us`: when the attempt was begun. Attempts that were
    on their way together guess once, not once each."""
    if failure == "rate_limit" and wait_us is not None:
        return Cooling(failure, now_us, max(now_us + wait_us, before.until_us if before is not None and before.stated else 0), stated=True)
    if failure == "refused":
        return Cooling(failure, now_us, now_us + REFUSED_US, stated=False)
    if failure != "rate_limit" or (before is not None and ((before.stated and before.until_us > now_us) or sent_us < before.since_us)):
        return None
    times = before.times + 1 if before is not None and before.why == failure else 1
    return Cooling(failure, now_us, now_us + min(GUESS_US << min(times - 1, 8), GUESS_US_MAX), stated=False, times=times)


class Standings:
    """Every credential that was used, in memory. The line asks and observes; `adopt` and `take_changes` are for whoever
    shares it with other processes, from another thread: each touches a dict in one step."""

    def __init__(self, now_us: Callable[[], int], cooling_us_max: int = COOLING_US_MAX) -> None:
        """`cooling_us_max`: bounds what a provider may state; 0: nothing ever cools."""
        self._now_us = now_us
        self._us_max = cooling_us_max
        self._health: dict[Place, Health] = {}
        self._cooling: dict[tuple[Place, str | None], Cooling] = {}
        self._changed: dict[tuple[Place, str | None], Cooling] = {}

    def observe(self, place: Place, model: str | None, status: int, failure: Failure | None, wait_us: int | None, sent_us: int) -> None:
        """What came of an attempt. `wait_us`: what its reply stated. A rate limit that names no model cools nothing."""
        now_us = self._now_us()
        before = self._health.get(place)
        self._health[place] = (before or Health()).after(failure, status, now_us)
        if failure is None:
            if status < 400 and self._cooling:
                self._lift(place, model, sent_us)
            return
        spot = (place, None if failure == "refused" else model)
        if not self._us_max or (model is None and failure != "refused"):
            return
        cooling = cooled(self._cooling.get(spot), failure, None if wait_us is None else min(wait_us, self._us_max), sent_us, now_us)
        if cooling is not None:
            self._put(spot, cooling, now_us)
            if len(self._changed) < MODELS_MAX:
                self._changed[spot] = cooling

    def cooling(self, place: Place, model: str | None) -> Cooling | None:
        """What speaks against a call with this credential now: what was stated for the model before any guess."""
        if not self._cooling:
            return None
        now_us = self._now_us()
        for spot in ((place, model), (place, None)):
            cooling = self._cooling.get(spot)
            if cooling is not None and now_us < cooling.until_us <= now_us + self._us_max + GUESS_US_MAX:
                return cooling               # one that ends later than any can was made by a clock that was set back
        return None

    def health(self, place: Place) -> Health:
        """How one stands; that of one nobody used is empty."""
        return self._health.get(place, Health())

    def states(self) -> Mapping[tuple[str, str], int]:
        """How many credentials of each provider are in which state."""
        now_us, counted = self._now_us(), dict[tuple[str, str], int]()
        cooling = {spot[0] for spot, one in list(self._cooling.items()) if one.until_us > now_us and one.why == "rate_limit"}
        known = dict(list(self._health.items()))
        for place in known.keys() | cooling:
            state = known.get(place, Health()).state(cooling=place in cooling)
            counted[place.provider, state] = counted.get((place.provider, state), 0) + 1
        return counted

    # --- between processes ---------------------------------------------------------------------

    def adopt(self, place: Place, model: str | None, cooling: Cooling) -> None:
        """Take over what another process was told. What ends later counts."""
        now_us, spot = self._now_us(), (place, model)
        bounded = replace(cooling, until_us=min(cooling.until_us, now_us + self._us_max))
        known = self._cooling.get(spot)
        if self._us_max and bounded.until_us > now_us and (known is None or known.until_us < bounded.until_us):
            self._put(spot, bounded, now_us)

    def resume(self, found: Mapping[Place, Health]) -> None:
        """Go on from what an earlier run of this process counted. Before the first call."""
        self._health = {**found, **self._health}

    def take_changes(self) -> tuple[dict[Place, Health], dict[tuple[Place, str | None], Cooling]]:
        """Every health, and the cool-downs that began here since the last time."""
        changed, self._changed = self._changed, {}
        return dict(list(self._health.items())), changed

    def _put(self, spot: tuple[Place, str | None], cooling: Cooling, now_us: int) -> None:
        if len(self._cooling) >= MODELS_MAX and spot not in self._cooling:
            self._cooling = {one: left for one, left in list(self._cooling.items()) if left.until_us > now_us}
            if len(self._cooling) >= MODELS_MAX:
                self._cooling.pop(next(iter(self._cooling)))
        self._cooling[spot] = cooling

    def _lift(self, place: Place, model: str | None, sent_us: int) -> None:
        """An answer to a call that went out after a cool-down had begun ends it."""
        for spot in ((place, model), (place, None)):
            cooling = self._cooling.get(spot)
            if cooling is not None and cooling.since_us <= sent_us:
                self._cooling.pop(spot, None)
