"""The dimensions that calls are told apart by: where each stands in rows and roll-ups, how a filter becomes the numbers that
are bound there, and how a number read from there becomes what somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.core.entry import PRIVATE, read_pairs
from tallystick.stores.sql.callfact import BASES, METHODS, OUTCOMES
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.facts import MODEL, NAMED_FILTERS, Narrowed
from tallystick.stores.sql.names import Names

Test = Literal["is", "is_not", "contains"]
In = tuple[str, bool, list[int]]             # dimension, whether its number is one of these or none of these

MATCHES_MAX: Final = 20_000                  # names that one filter may stand for
CUSTOM: Final = "dimension."                 # `dimension.region` is what callers said under that name


class TooMany(Exception):
    """The question has more groups, or a filter more names, than one answer can hold; narrow it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`is`, `is_not`: one of the values; None among them stands for calls that name nothing there. `contains`: one of
    the texts, in any case."""

    dimension: str
    test: Test
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """Where a dimension stands: its column of the rows, of the cube and of the sums by day (None where it has none), the
    kind of its names in the dictionary, or the words that its codes stand for."""

    fact: str
    kind: str = ""
    cube: str | None = None
    day: tuple[str, str] | None = None       # which of rollups.DIMENSIONS, and its column
    words: tuple[str, ...] = ()


def _named(name: str, *, cube: bool = False, day: bool = True) -> Dimension:
    column, kind = NAMED_FILTERS[name]
    return Dimension(column, kind, column if cube else None, (name, "value") if day else None)


_KNOWN: Final[Mapping[str, Dimension]] = {
    "team": _named("team", cube=True), "project": _named("project", cube=True), "key": _named("key", cube=True),
    "environment": _named("environment", cube=True), "provider": _named("provider", cube=True),
    "operation": _named("operation", cube=True), "requested_model": _named("requested_model", cube=True),
    "model": Dimension(MODEL, "model", MODEL, ("model", "value")),
    "user": _named("user"), "agent": _named("agent"), "cost_center": _named("cost_center"),
    "prompt_key": Dimension("prompt_key_id", "prompt_key", None, ("prompt", "value")),
    "prompt_version": Dimension("prompt_version_id", "prompt_version", None, ("prompt", "part")),
    "session": _named("session", day=False), "code": _named("code"),
    "outcome": Dimension("outcome", cube="outcome", words=OUTCOMES),
    "method": Dimension("method", words=METHODS), "basis": Dimension("basis", words=BASES),
    "tag": Dimension("tags_id", "tags", None, ("tags", "value")),
}
NAMES: Final = tuple(_KNOWN)
_CUSTOM: Final = Dimension("dimensions_id", "dimensions", None, ("dimensions", "value"))


def dimension(name: str) -> Dimension | None:
    """The dimension of that name; None where there is none."""
    return _CUSTOM if name.startswith(CUSTOM) and len(name) > len(CUSTOM) else _KNOWN.get(name)


def narrowed(db: Connection, organization: int, filters: Sequence[Filter]) -> tuple[Narrowed, ...]:
    """The same filters for lists of rows (`facts.Asked`). Raises TooMany."""
    names = Names(db, organization)
    found = (condition(db, organization, names, one) for one in filters)
    return tuple(Narrowed(known.fact, within, tuple(numbers)) for name, within, numbers in found if (known := dimension(name)))


def matching(db: Connection, organization: int, name: str, text: str, limit: int) -> list[str]:
    """Names of a dimension that contain a text, in order, at most `limit`."""
    known = dimension(name)
    assert known is not None, "the dimension was checked before"
    words = known.words or {
        label for _, set_or_name in _dictionary(db, organization, known.kind) for label in _parts(name, set_or_name)}
    return sorted(word for word in words if text.casefold() in word.casefold())[:limit]


def condition(db: Connection, organization: int, names: Names, asked: Filter) -> In:
    known = dimension(asked.dimension)
    assert known is not None, "the dimension was checked before"
    split = known.kind in ("tags", "dimensions")
    unnamed = [0] if asked.test != "contains" and None in asked.values else []
    if known.words:
        numbers = [code for code, word in enumerate(known.words, start=1) if says(asked, (word,))]
    elif asked.test == "contains" or split:
        numbers = [number for number, name in _dictionary(db, organization, known.kind) if says(asked, _parts(asked.dimension, name))]
        if len(numbers) > MATCHES_MAX:
            raise TooMany("names")
    else:
        numbers = [found for value in asked.values if value is not None and (found := names.number(known.kind, value)) is not None]
    return asked.dimension, asked.test != "is_not", [*unnamed, *numbers] or [-1]      # nothing has number -1


def says(asked: Filter, labels: Sequence[str]) -> bool:
    """Whether what a call says of the dimension is asked for; for `is_not`, whether it is asked against."""
    if asked.test == "contains":
        return any(value is not None and value.casefold() in label.casefold() for value in asked.values for label in labels)
    return any(label in asked.values for label in labels) if labels else None in asked.values


def _dictionary(db: Connection, organization: int, kind: str) -> Iterator[tuple[int, str]]:
    query = ("SELECT id, value FROM dictionary_private WHERE organization = ? AND kind = ?" if kind in PRIVATE
             else "SELECT id, name FROM dictionary WHERE organization = ? AND kind = ?")
    return ((int(number), str(name)) for number, name in db.execute(query, (organization, kind)))


def _parts(dimension_name: str, name: str) -> tuple[str, ...]:
    """What a name of the dictionary says of a dimension: itself, the tags of its set, or one dimension's value."""
    if dimension_name == "tag":
        return tuple(f"{tag}={value}" if value else tag for tag, value in read_pairs(name))
    if dimension_name.startswith(CUSTOM):
        return tuple(value for said, value in read_pairs(name) if said == dimension_name[len(CUSTOM):])
    return (name,)


def labels(dimension_name: str, names: Names) -> Callable[[int], tuple[str | None, ...]]:
    """From a number of this dimension to what its calls are counted under."""
    known = dimension(dimension_name)
    assert known is not None, "the dimension was checked before"

    def label(number: int) -> tuple[str | None, ...]:
        if not number:
            return (None,)
        if known.words:
            return (known.words[number - 1],)
        name = names.of(known.kind, number)
        return (ERASED,) if name is None else _parts(dimension_name, name) or (None,)

    return label
