"""What calls come to, by up to two dimensions and by hour or day, under any filter: the one question behind the cost
explorer, its tables and its exports. It is answered from the roll-ups wherever those know every dimension it names,
else from the rows; which of them it was changes how long the answer takes and nothing else.

A call with several tags is counted under each, so groups by `tag` overlap: their sum is no total. Every other
grouping is disjoint and adds up to the total to the nano.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tallystick.core.entry import PRIVATE, read_pairs
from tallystick.core.money import NANOS_PER_UNIT
from tallystick.stores.sql.callfact import BASES, METHODS, OUTCOMES
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, MODEL, NAMED_FILTERS, ZONES_US, Narrowed, month_of
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import months_between
from tallystick.stores.sql.rollups import DIMENSIONS, LATENCIES, MEASURES_IN_SQL
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_calls

Step = Literal["", "hour", "day"]
Test = Literal["is", "is_not", "contains"]

GROUPS_MAX: Final = 100_000                  # groups of one answer
CELLS_HELD_MAX: Final = 300_000              # some 50 MB
MATCHES_MAX: Final = 20_000                  # names that one filter may stand for
_NEEDS_ROWS: Final = "Sums by these dimensions together are read from the rows of calls."
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
class Question:
    """Days are the organisation's, both included. `step` cuts the answer by its days or by UTC hours. `latencies`: the
    counts behind quantiles are wanted too. `only`: of the other measures these; the rest of each `Total` stays zero."""

    first_day: int
    last_day: int
    groups: tuple[str, ...] = ()
    step: Step = ""
    filters: tuple[Filter, ...] = ()
    kind: int = ATTEMPTS
    latencies: bool = False
    only: frozenset[str] | None = None
    sight: Sight = EVERYTHING


@dataclass(slots=True)
class Total:
    """What some calls come to. `off_list_nanos` is how much more list prices would have been than what was booked,
    `would_be_nanos` what sandbox calls would have cost. `latency_us` is the sum over attempts."""

    requests: int = 0
    attempts: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    off_list_nanos: int = 0
    would_be_nanos: int = 0
    latency_us: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * len(LATENCIES))

    def add(self, row: Sequence[Any]) -> None:
        """A row of sums, in the order of `_MEASURES` and, where asked for, of the latency buckets."""
        counts = [int(value or 0) for value in row]
        self.requests += counts[0]
        self.attempts += counts[1]
        self.errors += counts[2]
        self.input_tokens += counts[3]
        self.output_tokens += counts[4]
        self.cached_tokens += counts[5]
        self.reasoning_tokens += counts[6]
        self.cost_nanos += counts[7] * NANOS_PER_UNIT + counts[8]
        self.off_list_nanos += counts[9] * NANOS_PER_UNIT + counts[10]
        self.would_be_nanos += counts[11] * NANOS_PER_UNIT + counts[12]
        self.latency_us += counts[13]
        for bucket, count in enumerate(counts[len(_MEASURES):]):
            self.latencies[bucket] += count

    def merge(self, other: Total, sign: int = 1) -> None:
        """Add another; with -1 take it out."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))
        for bucket, count in enumerate(other.latencies):
            self.latencies[bucket] += sign * count


_COUNTS: Final = tuple(name for name in Total.__slots__ if name != "latencies")
_MEASURES: Final = (
    "requests", "attempts", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_dollars",
    "cost_nanos", "off_list_dollars", "off_list_nanos", "would_be_dollars", "would_be_nanos", "latency_us")


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


Group = tuple[str | None, ...]
Cut = Mapping[tuple[int, Group], Total]      # by place in time and group


def broken_down(db: Connection, organization: int, question: Question) -> Cut:
    """The sums, by place in time (day or UTC hour, 0 without a step) and by the names of the groups; None is the calls that
    name nothing there. Raises TooMany, and RowsPruned where only rows could say it and some of them are gone."""
    return _broken_down(db, organization, question, _tables(db, organization, question))


def _broken_down(db: Connection, organization: int, question: Question, tables: Iterable[_Table]) -> Cut:
    names = Names(db, organization)
    totals: dict[tuple[int, Group], Total] = {}
    labels = [_labels(name, names) for name in question.groups]
    conditions = _conditions(db, organization, names, question)
    for place, numbers, row in _rows(db, question, conditions, tables):
        for group in _product([label(number) for label, number in zip(labels, numbers, strict=True)]):
            totals.setdefault((place, group), Total()).add(row)
        if len(totals) > GROUPS_MAX:
            raise TooMany("groups")
    return totals


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart and the table beneath it need. `groups`: how many there are. `top`: those that are told one by one, with all
    measures; `told`: the same by place. `whole` and `cut`: all calls, over the range and by place."""

    groups: int
    top: Mapping[Group, Total]
    told: Cut
    whole: Total
    cut: Cut


def charted(
    db: Connection, organization: int, question: Question, step: Step, rank: Callable[[Mapping[Group, Total]], Sequence[Group]],
    needs: frozenset[str],
) -> Chart:
    """The question over its whole range and, with a step, by place. `rank` names the groups to tell one by one, by the
    measures in `needs` and by latencies. Raises TooMany."""
    asked = replace(question, step=step)
    if not _is_worth_holding(db, organization, asked):
        return _charted(lambda one: broken_down(db, organization, one), question, step, rank, needs)
    with _held(db, organization, asked) as tables:
        return _charted(lambda one: _broken_down(db, organization, one, tables), replace(question, filters=()), step, rank, needs)


def _charted(
    read: Callable[[Question], Cut], question: Question, step: Step, rank: Callable[[Mapping[Group, Total]], Sequence[Group]],
    needs: frozenset[str],
) -> Chart:
    cut = read(replace(question, groups=(), step=step))
    whole = _added(cut.values())
    if not question.groups:
        return Chart(0, {}, {}, whole, cut if step else {})
    # Adding up wide cells is what costs where there are many, so ranks first, by few measures, then the rest of a few.
    totals = {group: total for (_, group), total in read(replace(question, only=needs)).items()}
    top = {group: Total() for group in rank(totals)}
    told = read(replace(only(question, [*top]), step=step)) if top else {}
    for (_, group), total in told.items():
        if group in top:
            top[group].merge(total)
    return Chart(len(totals), top, told if step else {}, whole, cut if step else {})


def all_calls(db: Connection, organization: int, question: Question, step: Step) -> tuple[Total, Cut]:
    """Whatever the groups: over the whole range and, with a step, by place."""
    cut = broken_down(db, organization, replace(question, groups=(), step=step))
    return _added(cut.values()), cut if step else {}


def only(question: Question, groups: Sequence[Group]) -> Question:
    """The question, of these groups alone; of pairs, of whatever has its two names from them."""
    return replace(question, filters=(*question.filters, *_is_one_of(question.groups, groups)))


def _is_one_of(dimensions: Sequence[str], groups: Sequence[Group]) -> Iterator[Filter]:
    """What was erased has no name to ask for, so all of its dimension stays."""
    for place, name in enumerate(dimensions):
        values = tuple({group[place] for group in groups})
        if values and ERASED not in values:
            yield Filter(name, "is", values)


def _added(totals: Iterable[Total]) -> Total:
    whole = Total()
    for total in totals:
        whole.merge(total)
    return whole


def sets_of_dimensions(db: Connection, organization: int, question: Question) -> dict[tuple[tuple[str, str], ...], Total]:
    """The sums by what calls said of dimensions altogether, as pairs of name and value; `()`: nothing. The question has
    neither groups nor a step. Raises TooMany."""
    names = Names(db, organization)
    asked = replace(question, groups=(f"{CUSTOM}*",))
    conditions = _conditions(db, organization, names, asked)
    totals: dict[tuple[tuple[str, str], ...], Total] = {}
    for _, (number,), row in _rows(db, asked, conditions, _tables(db, organization, asked)):
        said = names.of("dimensions", number)
        totals.setdefault(tuple(read_pairs(said)) if said else (), Total()).add(row)
        if len(totals) > GROUPS_MAX:
            raise TooMany("sets of dimensions")
    return totals


def narrowed(db: Connection, organization: int, filters: Sequence[Filter]) -> tuple[Narrowed, ...]:
    """The same filters for lists of rows (`facts.Asked`). Raises TooMany."""
    names = Names(db, organization)
    found = (_condition(db, organization, names, one) for one in filters)
    return tuple(Narrowed(known.fact, within, tuple(numbers)) for name, within, numbers in found if (known := dimension(name)))


def matching(db: Connection, organization: int, name: str, text: str, limit: int) -> list[str]:
    """Names of a dimension that contain a text, in order, at most `limit`."""
    known = dimension(name)
    assert known is not None, "the dimension was checked before"
    words = known.words or {
        label for _, set_or_name in _dictionary(db, organization, known.kind) for label in _parts(name, set_or_name)}
    return sorted(word for word in words if text.casefold() in word.casefold())[:limit]


# --- where the sums stand -----------------------------------------------------------------------------

_Found = tuple[int, tuple[int, ...], Sequence[Any]]
_In = tuple[str, bool, list[int]]            # dimension, whether its number is one of these or none of these
_CELLS: Final = {name: name for name in (*_MEASURES, *LATENCIES)}


@dataclass(frozen=True, slots=True)
class _Table:
    """What can be added up: the rows of `source`, in which `values` are bound, with what each dimension and each measure is there."""

    columns: Mapping[str, str]
    measures: Mapping[str, str]
    source: str
    values: Sequence[Any]


def _source(question: Question) -> Literal["day", "cube", "hour", "rows"]:
    """The smallest table that knows all the question names: one dimension's sums by day, the cube by day or by hour, or the rows."""
    found = [known for name in _wanted(question) if (known := dimension(name)) is not None]
    tables = {known.day[0] if known.day else "" for known in found} or {"total"}
    if question.step != "hour" and question.sight.reach == "all" and len(tables) == 1 and "" not in tables:
        return "day"
    if all(known.cube for known in found):
        return "hour" if question.step == "hour" else "cube"
    return "rows"


def _wanted(question: Question) -> set[str]:
    return {*question.groups, *(one.dimension for one in question.filters)}


def _tables(db: Connection, organization: int, question: Question) -> Iterator[_Table]:
    """Every word of them is a literal of these modules; what a caller chose is bound."""
    known = {name: found for name in _wanted(question) if (found := dimension(name)) is not None}
    seen = of_calls(question.sight, organization)
    which = " AND kind = ? AND day >= ? AND day <= ?" + seen.sql
    values = [question.kind, question.first_day, question.last_day, *seen.values]
    match _source(question):
        case "day":
            columns = {name: found.day[1] for name, found in known.items() if found.day}
            table = next((found.day[0] for found in known.values() if found.day), "total")
            source = f"rollup_day WHERE dimension = {DIMENSIONS.index(table)} AND organization = ?"
            yield _Table(columns, _CELLS, source + which, [organization, *values])
        case "rows":
            columns = {name: found.fact for name, found in known.items()}
            between = (question.first_day * DAY_US - ZONES_US, (question.last_day + 1) * DAY_US + ZONES_US)
            for month in months_between(db, organization, month_of(question.first_day), month_of(question.last_day), _NEEDS_ROWS):
                source = month_sql("call_fact_{month} WHERE organization = ? AND at_us >= ? AND at_us < ?", month)
                yield _Table(columns, MEASURES_IN_SQL, source + which, [organization, *between, *values])
        case cube:
            columns = {name: found.cube for name, found in known.items() if found.cube}
            yield _Table(columns, _CELLS, f"rollup_{cube} WHERE organization = ?" + which, [organization, *values])


@contextmanager
def _held(db: Connection, organization: int, question: Question) -> Iterator[list[_Table]]:
    """The rows of a narrowed question, read once for all that is asked of them: its filters are over, its groups and step stand."""
    keys = [*([question.step] if question.step else ()), *question.groups]
    measures = [*_MEASURES, *(LATENCIES if question.latencies else ())]
    conditions = _conditions(db, organization, Names(db, organization), question)
    with ExitStack() as held:
        tables = []
        for table in _tables(db, organization, question):
            columns = [table.columns.get(name, name) for name in keys]
            source, values = _narrowed(table, conditions)
            found = held.enter_context(db.held(columns, [table.measures[name] for name in measures], source, values))
            tables.append(_Table(dict(zip(keys, found.keys, strict=True)), dict(zip(measures, found.values, strict=True)),
                                 found.source, found.parameters))
        yield tables


def _is_worth_holding(db: Connection, organization: int, question: Question) -> bool:
    """Filters that only rows can answer cost more than what is left behind them, unless there may be too many cells."""
    if not question.filters or _source(question) != "rows":
        return False
    hours = 24 if question.step == "hour" else 1
    cells = (question.last_day - question.first_day + 1) * hours if question.step else 1
    for known in map(dimension, question.groups):
        if known is not None and not known.words:
            table = "dictionary_private" if known.kind in PRIVATE else "dictionary"
            query = f"SELECT max(id) FROM {table} WHERE organization = ? AND kind = ?"  # noqa: S608 - literals, above
            cells *= int(db.execute(query, (organization, known.kind)).fetchone()[0] or 0) + 1
    return cells <= CELLS_HELD_MAX


def _rows(db: Connection, question: Question, conditions: Sequence[_In], tables: Iterable[_Table]) -> Iterator[_Found]:
    for table in tables:
        yield from _read(db, question, conditions, table)


def _read(db: Connection, question: Question, conditions: Sequence[_In], table: _Table) -> Iterator[_Found]:
    wanted = [question.only is None or name.replace("_dollars", "_nanos") in question.only for name in _MEASURES]
    sums = [table.measures[name] for name, kept in zip(_MEASURES, wanted, strict=True) if kept]
    sums += [table.measures[name] for name in LATENCIES] if question.latencies else []
    keys = [table.columns.get(name, name) for name in (*([question.step] if question.step else ()), *question.groups)]
    for row in db.added_up(keys, sums, *_narrowed(table, conditions)):
        numbers, found = [*map(int, row[:len(keys)])], iter(row[len(keys):])
        place = numbers.pop(0) if question.step else 0
        yield place, tuple(numbers), [*(next(found) if kept else 0 for kept in wanted), *found]


def _narrowed(table: _Table, conditions: Sequence[_In]) -> tuple[str, list[Any]]:
    """The table's rows and what is bound in them, under conditions."""
    source, values = table.source, [*table.values]
    for name, within, numbers in conditions:
        source += f" AND {table.columns[name]} {'IN' if within else 'NOT IN'} ({', '.join('?' * len(numbers))})"
        values += numbers
    return source, values


# --- names and numbers ----------------------------------------------------------------------------------


def _conditions(db: Connection, organization: int, names: Names, question: Question) -> list[_In]:
    return [_condition(db, organization, names, one) for one in question.filters]


def _condition(db: Connection, organization: int, names: Names, asked: Filter) -> _In:
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


def _labels(dimension_name: str, names: Names) -> Callable[[int], tuple[str | None, ...]]:
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


def _product(labels: Sequence[tuple[str | None, ...]]) -> Iterator[Group]:
    if not labels:
        yield ()
    elif len(labels) == 1:
        for label in labels[0]:
            yield (label,)
    else:
        for first in labels[0]:
            for second in labels[1]:
                yield first, second
