"""What an organisation agreed with a provider, as layers over the book: a price of its own for a unit, a
percentage off a class of units, or what a deployment's name means. Each has dates, may be narrowed to a
team, project or credential, and cites its contract.

An override is data, written once and never edited; changing one is ending it and setting another. How
overrides meet the list is decided in `price_cards.py` (rates) and `pricebook.py` (names); which of them
apply to a call in `price_scopes.py`. Here stand the noun, its form in the ledger, and the order in which
one override goes before another: the narrower scope, then the model's own, then the more conditions, then
the later start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from tallystick.core.money import EXACT
from tallystick.core.price_rows import PER_MILLION, Traits, instant_us
from tallystick.core.usage import COUNTS, INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, UNIT_RANK

Kind = Literal["price", "percent", "model"]
KINDS: Final[tuple[Kind, ...]] = ("price", "percent", "model")
ANY: Final = "*"

CLASSES: Final[Mapping[str, frozenset[str]]] = {
    "all": frozenset(UNIT_RANK),
    "tokens": frozenset(TOKEN_CLASSES),
    "input": frozenset(INPUT_CLASSES),
    "output": frozenset(OUTPUT_CLASSES),
    "cached": frozenset(unit for unit in INPUT_CLASSES if unit.startswith("cached")),
    "tools": frozenset(COUNTS),
}
"""The classes of units a percentage may name, beside any single unit."""

PERCENT_MIN: Final = Decimal(-100)           # free
PERCENT_MAX: Final = Decimal(1_000)
PER_MAX: Final = 1_000_000_000
TEXT_CHARS_MAX: Final = 256
_PRICE_MAX: Final = Decimal(1_000_000)
_DIGITS_MAX: Final = 18
_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")
_USUAL: Final[Mapping[str, Any]] = {"model": ANY, "per": PER_MILLION, "context_from": 0}
_TEXTS: Final = ("provider", "model", "unit", "means", "valid_from", "valid_to", "team", "project", "credential", "contract", "note")


@dataclass(frozen=True, slots=True)
class Override:
    """One agreement. `price`: `value` currency units for `per` of `unit`, under `traits` and from
    `context_from` tokens on. `percent`: `value` percent on `unit`, which is a unit or one of `CLASSES`
    (-12.5 is a discount). `model`: the name `model` means the book's `means`. Empty scopes are any;
    dates are days or moments, half-open, empty: always was, still is."""

    id: str
    kind: Kind
    provider: str
    model: str = ANY
    unit: str = ""
    value: Decimal = Decimal(0)
    per: int = PER_MILLION
    means: str = ""
    traits: Traits = ()
    context_from: int = 0
    valid_from: str = ""
    valid_to: str = ""
    team: str = ""
    project: str = ""
    credential: str = ""
    contract: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise ValueError(fault)

    @property
    def factor(self) -> Decimal:
        """What a percentage multiplies the list price by."""
        return EXACT.add(Decimal(1), EXACT.divide(self.value, Decimal(100)))

    @property
    def start_us(self) -> int:
        return instant_us(self.valid_from) if self.valid_from else 0

    @property
    def end_us(self) -> int | None:
        return instant_us(self.valid_to) if self.valid_to else None

    @property
    def row(self) -> str:
        """How a line names the price: the override, and what it is the price of."""
        return ":".join((self.id, self.provider, self.model, self.unit, *(f"{name}={value}" for name, value in self.traits),
                         *((f"from{self.context_from}",) if self.context_from else ())))

    @property
    def rank(self) -> tuple[object, ...]:
        """The greater one goes first. Ids only settle what nothing else does."""
        return (bool(self.credential), bool(self.project), bool(self.team), self.provider != ANY, self.model != ANY,
                -len(CLASSES.get(self.unit, ())), len(self.traits), self.context_from, self.start_us, self.id)

    def covers(self, unit: str) -> bool:
        """Whether a percentage holds for a unit."""
        return unit == self.unit or unit in CLASSES.get(self.unit, ())

    def holds(self, at_us: int) -> bool:
        end_us = self.end_us
        return self.start_us <= at_us and (end_us is None or at_us < end_us)

    def fits(self, traits: Traits, context: int) -> bool:
        """Whether its conditions are met."""
        return self.context_from <= context and set(self.traits) <= set(traits)


def terms_of(override: Override) -> dict[str, Any]:
    """What an override says, as it stands in its table and in its ledger entry: what is not usual, the
    figure as decimal text."""
    said: dict[str, Any] = {"kind": override.kind}
    said |= {name: text for name in _TEXTS if (text := getattr(override, name)) and text != _USUAL.get(name)}
    if override.kind != "model":
        said["value"] = f"{override.value:f}"
    if override.kind == "price":
        said["per"] = override.per
    if override.traits:
        said["traits"] = dict(override.traits)
    if override.context_from:
        said["context_from"] = override.context_from
    return said


def read_override(id: str, terms: Mapping[str, Any]) -> Override:
    """An override from its terms. Raises ValueError saying what is wrong with them."""
    if unknown := terms.keys() - {*_TEXTS, "kind", "value", "per", "traits", "context_from"}:
        raise ValueError(f"an override says no {', '.join(sorted(unknown))}")
    if wrong := [name for name in _TEXTS if not isinstance(terms.get(name, ""), str)]:
        raise ValueError(f"not a text: {', '.join(wrong)}")
    traits, per, context_from = terms.get("traits", {}), terms.get("per", PER_MILLION), terms.get("context_from", 0)
    if not isinstance(traits, Mapping) or type(per) is not int or type(context_from) is not int:
        raise ValueError("traits are pairs of texts; per and context_from are whole numbers")
    try:
        value = Decimal(str(terms.get("value", "0")))
    except InvalidOperation:
        raise ValueError(f"not a decimal number: {terms.get('value')}") from None
    texts = {name: terms[name] for name in _TEXTS if name in terms and name != "provider"}
    return Override(id, terms.get("kind", ""), terms.get("provider", ""), value=value, per=per, context_from=context_from,
                    traits=tuple(sorted((str(name), str(said)) for name, said in traits.items())), **texts)


def _fault(override: Override) -> str | None:
    """What an override may not say, None where all is well."""
    texts = [getattr(override, name) for name in _TEXTS] + [part for pair in override.traits for part in pair]
    if any(len(text) > TEXT_CHARS_MAX or not _TEXT.fullmatch(text) for text in texts):
        return f"names and notes have at most {TEXT_CHARS_MAX} characters and no control characters"
    if override.kind not in KINDS:
        return f"an override is one of {', '.join(KINDS)}"
    if not override.provider or (override.provider == ANY and override.kind != "percent"):
        return "an override names its provider"
    return _fault_of_dates(override) or _FAULTS[override.kind](override)


def _fault_of_dates(override: Override) -> str | None:
    try:
        ended = override.end_us
        started = override.start_us
    except ValueError:
        return "dates are days or moments, such as 2026-08-21 or 2026-08-21T16:00Z"
    return "it ends before it begins" if ended is not None and ended < started else None


def _fault_of_price(override: Override) -> str | None:
    if override.model == ANY and override.unit in CLASSES["tokens"]:
        return "a token price names its model"
    if override.unit not in UNIT_RANK:
        return f"unknown unit {override.unit or '(none)'}"
    if not _is_figure(override.value) or not 0 <= override.value <= _PRICE_MAX:
        return f"a price is a decimal from 0 to {_PRICE_MAX}"
    if not 1 <= override.per <= PER_MAX:
        return f"a price is for 1 to {PER_MAX} units"
    return "a context begins at 0 tokens or more" if override.context_from < 0 else None


def _fault_of_percent(override: Override) -> str | None:
    if override.unit not in UNIT_RANK and override.unit not in CLASSES:
        return f"a percentage is of a unit or of {', '.join(CLASSES)}"
    if not _is_figure(override.value) or not PERCENT_MIN <= override.value <= PERCENT_MAX:
        return f"a percentage is a decimal from {PERCENT_MIN} to {PERCENT_MAX}"
    return None


def _fault_of_model(override: Override) -> str | None:
    if override.model == ANY or not override.model or not override.means:
        return "a deployment's name and the model it means are both needed"
    return "a name cannot mean itself" if override.model.lower() == override.means.lower() else None


def _is_figure(value: Decimal) -> bool:
    return value.is_finite() and len(value.as_tuple().digits) <= _DIGITS_MAX and abs(value.adjusted()) <= _DIGITS_MAX


_FAULTS: Final = {"price": _fault_of_price, "percent": _fault_of_percent, "model": _fault_of_model}
