"""The cost explorer: what calls come to by up to two dimensions and over time, beside an earlier period, as a document for
a screen and as a file with every row. All of it is one question to the books (stores/sql/breakdown.py); who sees
their own only, gets what that comes to.

The dearest groups are told one by one, what is left as `other`; together they are the total. Groups by `tag` overlap, as
a call may have several: then there is no `other`.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.explore_document import (
    QUANTILES, Grain, Metric, csv_lines, days_asked, days_of, fold, hours_asked, left_beside, measures, needed, places, range_of, ranked,
)
from tallystick.control.figures import Day, Hour, answer, day_number, local
from tallystick.control.problems import Problem
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.stores.sql.breakdown import Chart, Cut, Group, Question, Step, Total, all_calls, broken_down, charted, only
from tallystick.stores.sql.breakdown_names import NAMES, Filter, Test, TooMany, dimension, matching
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.facts import ATTEMPTS, REFUSALS, SANDBOX, days_around
from tallystick.stores.sql.pruned import rows_from

BUCKETS_MAX: Final = 400
HOURS_MAX: Final = 24 * 7
FILTERS_MAX: Final = 12
VALUES_MAX: Final = 100
_KINDS: Final = {"calls": ATTEMPTS, "refused": REFUSALS, "sandbox": SANDBOX}
_DAYS_MAX: Final = BUCKETS_MAX * 31
Compare = Literal["none", "previous", "month", "year", "custom"]
FiltersText = Annotated[str | None, Field(
    max_length=8_000, description='A JSON list of `{"dimension", "test": "is"|"is_not"|"contains", "values": [text or null]}`.')]


Since = Annotated[Hour | None, Field(description="Instead of days: from this whole hour on, as `2026-11-20T15:00:00Z`, as many `hours`.")]
Hours = Annotated[int, Field(ge=1, le=HOURS_MAX, description="With `since`: how many hours.")]


class Asked(BaseModel):
    """What is asked. Days are the organisation's, both included; without them the last 30."""

    model_config = ConfigDict(extra="forbid")

    start: Day | None = None
    end: Day | None = None
    since: Since = None
    hours: Hours = 24
    group: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=2)] = []
    filters: FiltersText = None
    kind: Literal["calls", "refused", "sandbox"] = "calls"


class Charted(Asked):
    """What is asked for a chart and the table beneath it."""

    grain: Grain = "day"
    metric: Metric = "cost"
    compare: Annotated[Compare, Field(
        description="Another period: as long and right before, a month or a year earlier, or as long from `compare_start` on.")] = "none"
    compare_start: Day | None = None
    top: Annotated[int, Field(ge=1, le=50, description="How many groups are told one by one.")] = 12


class Listed(Asked):
    """What is asked for a file."""

    grain: Grain = "none"


class Measures(BaseModel):
    """What some calls come to. `off_list_nanos`: how much more list prices would have been; latencies in microseconds."""

    requests: int
    attempts: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    cost_usd: str
    off_list_nanos: int
    would_be_nanos: int
    latency_mean_us: int | None
    values: Annotated[list[float | None], Field(description="The metric in each bucket: nanos, counts, microseconds or a share.")]
    value: Annotated[float | None, Field(description="The metric over all.")]


class Series(Measures):
    """A group: its names in the order of `group` (null: calls that name nothing there), and the same of the earlier period."""

    names: list[str | None]
    before: Measures | None


class Span(BaseModel):
    """Days, both included; of hours the days that they are in, and from when on and before when."""

    start: date
    end: date
    since: datetime | None = None
    until: datetime | None = None


class Explored(BaseModel):
    """The answer. `groups`: how many there are in all. `other`: what is left beside `series`; null where groups overlap. `rows_from`:
    the first day whose sums have rows behind them; null where all have."""

    range: Span
    zone: str
    currency: str
    buckets: list[str]
    metric: str
    group: list[str]
    groups: int
    overlapping: bool
    total: Measures
    series: list[Series]
    other: Measures | None
    before_range: Span | None
    before: Measures | None
    rows_from: date | None


class Matches(BaseModel):
    """Names of a dimension."""

    values: list[str]


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/explore", tags=["explore"])
    router.add_api_route("", explore, methods=["GET"], response_model=Explored)
    router.add_api_route("/rows.csv", rows_csv, methods=["GET"], response_class=Response)
    router.add_api_route("/values", values_of, methods=["GET"], response_model=Matches)
    return router


def explore(parts: PartsOf, caller: CallerOf, asked: Annotated[Charted, Query()]) -> Response:
    """The metric by group and bucket, the dearest groups first."""
    here, question = _question(parts, caller, asked)
    question = replace(question, latencies=asked.metric in QUANTILES)
    earlier = _earlier(question, asked.compare, asked.compare_start, here.zone)
    axis, earlier_axis = _axis(question, asked.grain, here.zone), _axis(earlier, asked.grain, here.zone) if earlier else {}
    with parts.database.read() as db:
        books = _Books(db, here.id, asked.grain)
        chart = books.chart(question, asked.metric, asked.top)
        before = books.totals(only(earlier, [*chart.top])) if earlier and chart.top else {}
        before_whole, before_cut = books.all_calls(earlier) if earlier else (Total(), {})
        begin = rows_from(db, here.id)
    told = {place: [chart.told[place, group] for group in chart.top if (place, group) in chart.told] for place in axis}
    alone = "tag" not in question.groups     # a call is in one group only
    rest = [left_beside(chart.cut.get((place, ()), Total()), told[place]) for place in axis]
    return answer({
        "range": range_of(question, here.zone), "zone": here.zone, "currency": "USD", "buckets": list(axis.values()),
        "metric": asked.metric, "group": list(question.groups), "groups": chart.groups, "overlapping": not alone,
        "total": measures(chart.whole, [chart.cut.get((place, ()), Total()) for place in axis], asked.metric),
        "series": [{
            "names": group, **measures(total, [chart.told.get((place, group), Total()) for place in axis], asked.metric),
            "before": measures(before.get(group, Total()), [], asked.metric) if earlier else None} for group, total in chart.top.items()],
        "other": measures(left_beside(chart.whole, chart.top.values()), rest, asked.metric)
        if alone and len(chart.top) < chart.groups else None,
        "before_range": range_of(earlier, here.zone) if earlier else None,
        "before": measures(before_whole, [before_cut.get((place, ()), Total()) for place in earlier_axis], asked.metric)
        if earlier else None, "rows_from": begin,
    })


def rows_csv(parts: PartsOf, caller: CallerOf, asked: Annotated[Listed, Query()]) -> StreamingResponse:
    """Every group, and every bucket where a grain is given, as CSV: what a table of the same question shows."""
    here, question = _question(parts, caller, asked)
    axis = _axis(question, asked.grain, here.zone)
    with parts.database.read() as db:
        books = _Books(db, here.id, asked.grain)
        found = books.cut(question) if axis else {(0, group): total for group, total in books.totals(question).items()}
    days = range_of(question, here.zone)
    name = "-".join(("tallystick", str(days["start"]), str(days["end"]), *(group.split(".")[0] for group in question.groups)))
    return StreamingResponse(csv_lines(question.groups, axis, found), media_type="text/csv; charset=utf-8",
                             headers={"content-disposition": f'attachment; filename="{name}.csv"'})


def values_of(
    parts: PartsOf, caller: CallerOf, name: Annotated[str, Query(alias="dimension", max_length=80)],
    contains: Annotated[str, Query(max_length=VALUE_CHARS_MAX)] = "",
) -> Response:
    """Names of a dimension that contain a text: what a filter may be set to. Who sees their own only, gets names that
    their own calls of the last 90 days carry."""
    _check_dimensions([name])
    here = organization(parts.database, caller.organization)
    today = day_number(local(parts.clock.now_us(), here.zone).date())
    with parts.database.read() as db:
        if caller.sight.reach == "all":
            found = matching(db, here.id, name, contains, VALUES_MAX)
        else:
            own = broken_down(db, here.id, Question(today - 90, today, (name,), sight=caller.sight))
            said = {label for _, (label,) in own if label is not None and contains.casefold() in label.casefold()}
            found = sorted(said)[:VALUES_MAX]
    return answer({"values": found})


# --- the question -----------------------------------------------------------------------------------------


def _question(parts: PartsOf, caller: Caller, asked: Asked) -> tuple[Organization, Question]:
    here = organization(parts.database, caller.organization)
    hours = hours_asked(asked.since, asked.hours, asked.start, asked.end)
    days = days_around(hours) if hours else days_asked(asked.start, asked.end, local(parts.clock.now_us(), here.zone).date())
    filters = checked_filters(asked.filters)
    _check_dimensions(asked.group)
    if len(set(asked.group)) < len(asked.group):
        raise Problem(400, "invalid_request", "Both groups are the same.")
    return here, Question(*days, tuple(asked.group), "", filters, _KINDS[asked.kind], sight=caller.sight, hours=hours)


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    dimension: str
    test: Test
    values: list[str | None]


def checked_filters(text: str | None) -> tuple[Filter, ...]:
    """The filters of a query, by dimensions that there are. Raises Problem 400."""
    try:
        said = msgspec.json.decode(text or "[]", type=list[_Said])
    except (msgspec.DecodeError, UnicodeError):
        raise Problem(400, "invalid_request", "`filters` is no list of filters.") from None
    if len(said) > FILTERS_MAX or any(not one.values or len(one.values) > VALUES_MAX for one in said):
        raise Problem(400, "invalid_request", f"At most {FILTERS_MAX} filters of 1 to {VALUES_MAX} values.")
    _check_dimensions([one.dimension for one in said])
    return tuple(Filter(one.dimension, one.test, tuple(one.values)) for one in said)


def _check_dimensions(names: Sequence[str]) -> None:
    if any(dimension(name) is None for name in names):
        raise Problem(400, "unknown_dimension", f"Dimensions are {', '.join(NAMES)} and dimension.NAME.")


def _axis(question: Question, grain: Grain, zone: str) -> dict[int, str]:
    """The buckets. Raises Problem 400 for more than a chart can show."""
    found = places(question, grain, zone) if question.last_day - question.first_day < _DAYS_MAX else {}
    if len(found) > BUCKETS_MAX or (not found and grain != "none"):
        raise Problem(400, "too_many_buckets", f"That is more than {BUCKETS_MAX} points; ask for a coarser grain or a shorter range.")
    return found


def _earlier(question: Question, compare: Compare, start: date | None, zone: str) -> Question | None:
    """The question of another period. Hours stay those of the day, but for the ones right before."""
    if compare == "none":
        return None
    first, last = days_of(question, zone)
    if compare == "custom":
        if start is None:
            raise Problem(400, "invalid_request", "`compare=custom` needs the day to begin at: `compare_start`.")
        return _moved(question, (first - start).days)
    if question.hours:
        months = {"month": 1, "year": 12}.get(compare)
        day_count = (first - _months_before(first, months)).days if months else 0
        return _moved(question, day_count, 0 if months else question.hours[1] - question.hours[0])
    if compare == "previous":
        days = question.last_day - question.first_day + 1
        return replace(question, first_day=question.first_day - days, last_day=question.first_day - 1)
    months = 1 if compare == "month" else 12
    whole = last.day == calendar.monthrange(last.year, last.month)[1] and first.day == 1
    begun, ended = _months_before(first, months), _months_before(last, months)
    if whole:                                # whole months stay whole
        ended = ended.replace(day=calendar.monthrange(ended.year, ended.month)[1])
    return replace(question, first_day=day_number(begun), last_day=day_number(ended))


def _moved(question: Question, days: int, hours: int = 0) -> Question:
    """The same so much earlier."""
    if question.hours is None:
        return replace(question, first_day=question.first_day - days, last_day=question.last_day - days)
    first, before = (hour - 24 * days - hours for hour in question.hours)
    around = days_around((first, before))
    return replace(question, hours=(first, before), first_day=around[0], last_day=around[1])


def _months_before(day: date, months: int) -> date:
    at = day.year * 12 + day.month - 1 - months
    year, month = divmod(at, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class _Books:
    """Answers of one view of the books. Every one raises Problem 400 where there is too much for one answer."""

    def __init__(self, db: Connection, organization_id: int, grain: Grain) -> None:
        self._db = db
        self._organization = organization_id
        self._grain: Grain = grain
        self._step: Step = "" if grain == "none" else "hour" if grain == "hour" else "day"

    def totals(self, question: Question) -> dict[Group, Total]:
        """Over the whole range, by group."""
        return {group: total for (_, group), total in self._read(question).items()}

    def chart(self, question: Question, metric: Metric, top: int) -> Chart:
        """Over the whole range and by bucket: the first groups by the metric, and all calls."""
        with _told_apart():
            chart = charted(self._db, self._organization, question, self._step, lambda totals: ranked(totals, metric)[:top], needed(metric))
        return replace(chart, told=fold(chart.told, self._grain), cut=fold(chart.cut, self._grain))

    def all_calls(self, question: Question) -> tuple[Total, Cut]:
        """Over the whole range and by bucket."""
        whole, cut = all_calls(self._db, self._organization, question, self._step)
        return whole, fold(cut, self._grain)

    def cut(self, question: Question) -> Cut:
        """By bucket and group; nothing without a grain."""
        return fold(self._read(replace(question, step=self._step)), self._grain) if self._step else {}

    def _read(self, question: Question) -> Cut:
        with _told_apart():
            return broken_down(self._db, self._organization, question)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Raises Problem 400 where there is too much for one answer."""
    try:
        yield
    except TooMany as many:
        raise Problem(400, "too_many_groups", f"This has more {many} than one answer holds; narrow it with a filter.") from None
