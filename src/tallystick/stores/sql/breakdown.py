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
from tallystick.stores.sql.breakdown_names import CUSTOM, Filter, In, TooMany, condition, dimension, labels
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, HOUR_US, ZONES_US, month_of
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import months_between
from tallystick.stores.sql.rollups import DIMENSIONS, LATENCIES, MEASURES_IN_SQL
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_calls

Step = Literal["", "hour", "day"]

GROUPS_MAX: Final = 100_000                  # groups of one answer
CELLS_HELD_MAX: Final = 300_000              # some 50 MB
_NEEDS_ROWS: Final = "Sums by these dimensions together are read from the rows of calls."


@dataclass(frozen=True, slots=True)
class Question:
    """Days are the organisation's, both included. `hours`: of them the UTC hours since 1970 from the first one on and before the
    second. `step` cuts the answer by its days or by UTC hours. `latencies`: the counts behind quantiles are wanted too. `only`: of
    the other measures these; the rest of each `Total` stays zero."""

    first_day: int
    last_day: int
    groups: tuple[str, ...] = ()
    step: Step = ""
    filters: tuple[Filter, ...] = ()
    kind: int = ATTEMPTS
    latencies: bool = False
    only: frozenset[str] | None = None
    sight: Sight = EVERYTHING
    hours: tuple[int, int] | None = None


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


Group = tuple[str | None, ...]
Cut = Mapping[tuple[int, Group], Total]      # by place in time and group


def broken_down(db: Connection, organization: int, question: Question) -> Cut:
    """The sums, by place in time (day or UTC hour, 0 without a step) and by the names of the groups; None is the calls that
    name nothing there. Raises TooMany, and RowsPruned where only rows could say it and some of them are gone."""
    return _broken_down(db, organization, question, _tables(db, organization, question))


def _broken_down(db: Connection, organization: int, question: Question, tables: Iterable[_Table]) -> Cut:
    names = Names(db, organization)
    totals: dict[tuple[int, Group], Total] = {}
    told = [labels(name, names) for name in question.groups]
    conditions = _conditions(db, organization, names, question)
    for place, numbers, row in _rows(db, question, conditions, tables):
        for group in _product([label(number) for label, number in zip(told, numbers, strict=True)]):
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
    whole, cut = _all_calls(read, question, step)
    if not question.groups:
        return Chart(0, {}, {}, whole, cut)
    # Adding up wide cells is what costs where there are many, so ranks first, by few measures, then the rest of a few.
    totals = {group: total for (_, group), total in read(replace(question, only=needs)).items()}
    top = {group: Total() for group in rank(totals)}
    told = read(replace(only(question, [*top]), step=step)) if top else {}
    for (_, group), total in told.items():
        if group in top:
            top[group].merge(total)
    return Chart(len(totals), top, told if step else {}, whole, cut)


def all_calls(db: Connection, organization: int, question: Question, step: Step) -> tuple[Total, Cut]:
    """Whatever the groups: over the whole range and, with a step, by place."""
    return _all_calls(lambda one: broken_down(db, organization, one), question, step)


def _all_calls(read: Callable[[Question], Cut], question: Question, step: Step) -> tuple[Total, Cut]:
    cut = read(replace(question, groups=(), step=step))
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


# --- where the sums stand -----------------------------------------------------------------------------

_Found = tuple[int, tuple[int, ...], Sequence[Any]]
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
    by_hour = question.step == "hour" or question.hours is not None
    if not by_hour and question.sight.reach == "all" and len(tables) == 1 and "" not in tables:
        return "day"
    if all(known.cube for known in found):
        return "hour" if by_hour else "cube"
    return "rows"


def _wanted(question: Question) -> set[str]:
    return {*question.groups, *(one.dimension for one in question.filters)}


def _tables(db: Connection, organization: int, question: Question) -> Iterator[_Table]:
    """Every word of them is a literal of these modules; what a caller chose is bound."""
    known = {name: found for name in _wanted(question) if (found := dimension(name)) is not None}
    seen = of_calls(question.sight, organization)
    which = " AND kind = ? AND day >= ? AND day <= ?" + seen.sql
    values = [question.kind, question.first_day, question.last_day, *seen.values]
    if question.hours is not None:
        which, values = which + " AND hour >= ? AND hour < ?", [*values, *question.hours]
    match _source(question):
        case "day":
            columns = {name: found.day[1] for name, found in known.items() if found.day}
            table = next((found.day[0] for found in known.values() if found.day), "total")
            source = f"rollup_day WHERE dimension = {DIMENSIONS.index(table)} AND organization = ?"
            yield _Table(columns, _CELLS, source + which, [organization, *values])
        case "rows":
            columns = {name: found.fact for name, found in known.items()}
            between = _moments(question)
            for month in months_between(db, organization, month_of(question.first_day), month_of(question.last_day), _NEEDS_ROWS):
                source = month_sql("call_fact_{month} WHERE organization = ? AND at_us >= ? AND at_us < ?", month)
                yield _Table(columns, MEASURES_IN_SQL, source + which, [organization, *between, *values])
        case cube:
            columns = {name: found.cube for name, found in known.items() if found.cube}
            yield _Table(columns, _CELLS, f"rollup_{cube} WHERE organization = ?" + which, [organization, *values])


def _moments(question: Question) -> tuple[int, int]:
    """Between which moments the rows are found."""
    if question.hours is not None:
        return question.hours[0] * HOUR_US, question.hours[1] * HOUR_US
    return question.first_day * DAY_US - ZONES_US, (question.last_day + 1) * DAY_US + ZONES_US


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


def _rows(db: Connection, question: Question, conditions: Sequence[In], tables: Iterable[_Table]) -> Iterator[_Found]:
    for table in tables:
        yield from _read(db, question, conditions, table)


def _read(db: Connection, question: Question, conditions: Sequence[In], table: _Table) -> Iterator[_Found]:
    wanted = [question.only is None or name.replace("_dollars", "_nanos") in question.only for name in _MEASURES]
    sums = [table.measures[name] for name, kept in zip(_MEASURES, wanted, strict=True) if kept]
    sums += [table.measures[name] for name in LATENCIES] if question.latencies else []
    keys = [table.columns.get(name, name) for name in (*([question.step] if question.step else ()), *question.groups)]
    for row in db.added_up(keys, sums, *_narrowed(table, conditions)):
        numbers, found = [*map(int, row[:len(keys)])], iter(row[len(keys):])
        place = numbers.pop(0) if question.step else 0
        yield place, tuple(numbers), [*(next(found) if kept else 0 for kept in wanted), *found]


def _narrowed(table: _Table, conditions: Sequence[In]) -> tuple[str, list[Any]]:
    """The table's rows and what is bound in them, under conditions."""
    source, values = table.source, [*table.values]
    for name, within, numbers in conditions:
        source += f" AND {table.columns[name]} {'IN' if within else 'NOT IN'} ({', '.join('?' * len(numbers))})"
        values += numbers
    return source, values


def _conditions(db: Connection, organization: int, names: Names, question: Question) -> list[In]:
    return [condition(db, organization, names, one) for one in question.filters]


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
