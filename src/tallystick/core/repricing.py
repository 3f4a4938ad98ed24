"""What a past attempt would cost under a price book, from what the journal keeps of it: the rule behind
re-pricing and behind the money effect of a new book. Pure; it posts nothing.

The price is worked out by the very function that settled the call (`settlement.charge_of`), at the moment of
its admission. Only a figure that rests on prices can follow from prices: what a provider stated, what was
proved to be zero and what evidence corrected stay as they are (`KEPT`). Where the journal does not say
enough, or the book has no price, nothing is guessed: the attempt is counted as one that cannot be
re-priced, by reason (`BARRED`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.core.attempt import Admission, Line, Settlement
from tallystick.core.pricebook import PriceBook
from tallystick.core.settlement import Terms, charge_of
from tallystick.core.usage import Reading

Reason = Literal["stated", "zero_proven", "evidence", "sandbox",
                 "not_settled", "worst_case", "unmetered", "stated_zero", "unknown_provider", "no_price"]

KEPT: Final[Mapping[Reason, str]] = {
    "stated": "the provider stated what it charged",
    "zero_proven": "nothing was billed, and that is proved",
    "evidence": "corrected with evidence, which outranks a price",
    "sandbox": "a sandbox call costs nothing",
}
BARRED: Final[Mapping[Reason, str]] = {
    "not_settled": "not settled yet",
    "worst_case": "booked at its worst case; no usage is known, so only evidence can correct it",
    "unmetered": "no usage of it is known: its route has no meter, or its reply says nothing",
    "stated_zero": "the provider stated a zero that was not believed; only evidence can correct it",
    "unknown_provider": "its provider is not configured any more",
    "no_price": "the book has no price for part of what it used",
}

GROUPS_MAX: Final = 10_000                   # models told apart in an effect; what is more goes under REST
REST: Final = ("", "(further models)")


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An attempt as the journal has it. `settlement` is None while there is none; `cost_nanos` is what it
    costs now, with every adjustment so far; `by_evidence`: its latest adjustment rests on evidence."""

    seq: int                                 # of the entry that holds its admission
    admission: Admission
    settlement: Settlement | None
    cost_nanos: int
    by_evidence: bool = False

    @property
    def model(self) -> str:
        """The model it is shown under: as served, else as requested."""
        return (self.settlement.model if self.settlement else None) or self.admission.model or ""


@dataclass(frozen=True, slots=True)
class Repriced:
    """What an attempt costs under the book: the lines and their sum, rounded once."""

    cost_nanos: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """An attempt whose cost stays as it is, and why. `units`: what the book has no price for."""

    reason: Reason
    units: tuple[str, ...] = ()

    @property
    def barred(self) -> bool:
        """It cannot be re-priced, though its cost should follow from prices."""
        return self.reason in BARRED


def reprice(past: PastAttempt, book: PriceBook, terms: Terms | None) -> Repriced | Standing:
    """What the attempt costs under this book. `terms`: of its provider as configured, None where it is not."""
    settlement = past.settlement
    if past.admission.sandbox:
        return Standing("sandbox")
    if settlement is None:
        return Standing("not_settled")
    if (reason := _settled_otherwise(settlement, past.by_evidence)) is not None:
        return Standing(reason)
    if settlement.usage is None:
        return Standing("unmetered")
    if terms is None:
        return Standing("unknown_provider")
    reading = Reading(model=settlement.model, traits=settlement.traits, context_tokens=settlement.context_tokens, parts=settlement.parts)
    charge = charge_of(past.admission, reading, settlement.usage, book, terms)
    if charge.unpriced:
        return Standing("no_price", charge.unpriced)
    return Repriced(charge.nanos, charge.lines)


def _settled_otherwise(settlement: Settlement, by_evidence: bool) -> Reason | None:
    """Why prices do not decide what this cost; None where they do."""
    if by_evidence:
        return "evidence"
    if settlement.basis == "zero_proven":
        return "zero_proven"
    if settlement.basis == "worst_case":
        return "worst_case"
    if settlement.stated_nanos is not None:
        return "stated" if settlement.method == "stated" else "stated_zero"
    return None


# --- what a re-pricing comes to --------------------------------------------------------------------

@dataclass(slots=True)
class ModelEffect:
    """One model's re-priced attempts: how many, how many change, and their cost before and after."""

    attempts: int = 0
    changed: int = 0
    old_nanos: int = 0
    new_nanos: int = 0

    @property
    def delta_nanos(self) -> int:
        return self.new_nanos - self.old_nanos


@dataclass(slots=True)
class Effect:
    """What re-pricing comes to, added up. `models` is by (provider, model); `standing` counts by reason
    what stays as it is; `unpriced` counts by (provider, model, unit) what the book has no price for."""

    models: dict[tuple[str, str], ModelEffect] = field(default_factory=dict)
    standing: dict[Reason, int] = field(default_factory=dict)
    unpriced: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, past: PastAttempt, outcome: Repriced | Standing) -> None:
        place = past.admission.provider, past.model
        if isinstance(outcome, Repriced):
            group = self.models.setdefault(place if place in self.models or len(self.models) < GROUPS_MAX else REST, ModelEffect())
            group.attempts += 1
            group.changed += outcome.cost_nanos != past.cost_nanos
            group.old_nanos += past.cost_nanos
            group.new_nanos += outcome.cost_nanos
            return
        self.standing[outcome.reason] = self.standing.get(outcome.reason, 0) + 1
        for unit in outcome.units:
            named = *place, unit
            named = named if named in self.unpriced or len(self.unpriced) < GROUPS_MAX else (*REST, unit)
            self.unpriced[named] = self.unpriced.get(named, 0) + 1

    @property
    def total(self) -> ModelEffect:
        """All models together."""
        groups = self.models.values()
        return ModelEffect(sum(one.attempts for one in groups), sum(one.changed for one in groups),
                           sum(one.old_nanos for one in groups), sum(one.new_nanos for one in groups))

    @property
    def barred(self) -> dict[Reason, int]:
        """How many cannot be re-priced, by reason."""
        return {reason: count for reason, count in self.standing.items() if reason in BARRED}


def effect(attempts: Iterable[PastAttempt], book_of: Callable[[Admission], PriceBook], terms: Mapping[str, Terms]) -> Effect:
    """What re-pricing these attempts would change. `book_of`: whose prices hold for an admission; `terms`: by
    provider id."""
    found = Effect()
    for past in attempts:
        found.add(past, reprice(past, book_of(past.admission), terms.get(past.admission.provider)))
    return found
