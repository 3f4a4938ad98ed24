"""The explorer's answer put together: figures of a metric, the places on the axis of time, what is left beside the groups
that are told one by one, and the rows of a file. Pure arithmetic on what the books gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from tallystick.control.figures import EPOCH, day_number, share
from tallystick.control.problems import Problem
from tallystick.core.money import decimal_text
from tallystick.exports.calls_csv import cell, line
from tallystick.stores.sql.breakdown import Cut, Group, Question, Total
from tallystick.stores.sql.rollup_reads import quantile_us

Grain = Literal["none", "hour", "day", "week", "month"]
Metric = Literal[
    "cost", "off_list", "would_be", "requests", "attempts", "errors", "tokens", "input_tokens", "output_tokens", "cached_tokens",
    "reasoning_tokens", "error_rate", "cost_per_request", "cost_per_million_tokens", "latency_mean", "latency_p50", "latency_p95"]
QUANTILES: Final = frozenset({"latency_p50", "latency_p95"})
Totals = Mapping[Group, Total]

# What a metric is worked out of; those that are not here are a member of `Total` by the same name.
_PARTS: Final[Mapping[Metric, tuple[str, ...]]] = {
    "off_list": ("off_list_nanos",), "would_be": ("would_be_nanos",), "tokens": ("input_tokens", "output_tokens"),
    "error_rate": ("errors", "attempts"), "cost_per_request": ("requests",), "cost_per_million_tokens": ("input_tokens", "output_tokens"),
    "latency_mean": ("latency_us", "attempts"),
}
_HOUR_S: Final = 3_600
_COUNTS: Final = ("requests", "attempts", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nanos",
                  "off_list_nanos", "would_be_nanos")


def fold(cut: Cut, grain: Grain) -> Cut:
    """Days put together to the places of a grain."""
    folded: dict[tuple[int, Group], Total] = {}
    for (place, group), total in cut.items():
        folded.setdefault((_place_of(place, grain), group), Total()).merge(total)
    return folded


def places(question: Question, grain: Grain, zone: str) -> dict[int, str]:
    """The places of a range in order, and how each is written."""
    if grain == "none":
        return {}
    first, last = days_of(question, zone)
    if grain == "hour":
        at = ZoneInfo(zone)
        begin, end = (int(datetime.combine(day, datetime.min.time(), at).timestamp()) for day in (first, last + timedelta(days=1)))
        hours = range(*question.hours) if question.hours else range(begin // _HOUR_S, -(-end // _HOUR_S))
        return {hour: datetime.fromtimestamp(hour * _HOUR_S, UTC).astimezone(at).isoformat() for hour in hours}
    folded = dict.fromkeys(_place_of(day, grain) for day in range(day_number(first), day_number(last) + 1))
    return {place: date.fromordinal(place + EPOCH).isoformat() for place in folded}


def _place_of(day: int, grain: Grain) -> int:
    """The place that a day belongs to: the Monday of its week, the first of its month; an hour is its own."""
    if grain == "week":
        return day - (day + 3) % 7           # 1970-01-01 was a Thursday
    if grain == "month":
        return day + 1 - date.fromordinal(day + EPOCH).day
    return day


def span(first_day: int, last_day: int) -> dict[str, date]:
    """A range of days, both included."""
    return {"start": date.fromordinal(first_day + EPOCH), "end": date.fromordinal(last_day + EPOCH)}


def days_asked(start: date | None, end: date | None, today: date) -> tuple[int, int]:
    """The days of a question, both included: the last 30 where it names none. Raises Problem 400."""
    end = end or max(today, start or date.min)
    start = start or end - timedelta(days=29)
    if end < start:
        raise Problem(400, "invalid_request", "The end lies before the start.")
    return day_number(start), day_number(end)


def hours_asked(since: datetime | None, hours: int, start: date | None, end: date | None) -> tuple[int, int] | None:
    """The UTC hours of a question, from the first on and before the second; None where it is by days. Raises Problem 400."""
    if since is None:
        return None
    if start or end:
        raise Problem(400, "invalid_request", "Say either from which hour (`since`) or which days (`start`, `end`).")
    first = int(since.timestamp()) // _HOUR_S
    return first, first + hours


def days_of(question: Question, zone: str) -> tuple[date, date]:
    """The organisation's days that a question is about."""
    if question.hours is None:
        return date.fromordinal(question.first_day + EPOCH), date.fromordinal(question.last_day + EPOCH)
    first, last = (datetime.fromtimestamp(hour * _HOUR_S, ZoneInfo(zone)) for hour in (question.hours[0], question.hours[1] - 1))
    return first.date(), last.date()


def range_of(question: Question, zone: str) -> dict[str, date | datetime]:
    """What a question is about: days, both included, and of hours from when on and before when."""
    first, last = days_of(question, zone)
    since, until = (datetime.fromtimestamp(hour * _HOUR_S, ZoneInfo(zone)) for hour in question.hours or (0, 0))
    return {"start": first, "end": last, **({"since": since, "until": until} if question.hours else {})}


def ranked(totals: Totals, metric: Metric) -> list[Group]:
    """Groups, most of the metric first, then what cost most, then by name."""
    return sorted(totals, key=lambda group: (-Decimal(figure(totals[group], metric) or 0), -totals[group].cost_nanos, _text(group)))


def needed(metric: Metric) -> frozenset[str]:
    """The measures by which groups are ranked."""
    return frozenset((*_PARTS.get(metric, (metric,)), "cost_nanos"))


def left_beside(whole: Total, told: Iterable[Total]) -> Total:
    """What remains of the whole."""
    left = Total()
    left.merge(whole)
    for total in told:
        left.merge(total, -1)
    return left


def measures(total: Total, buckets: Iterable[Total], metric: Metric) -> dict[str, Any]:
    """What some calls come to, and their metric bucket by bucket."""
    return {
        **_counts(total), "cost_usd": decimal_text(total.cost_nanos), "latency_mean_us": figure(total, "latency_mean"),
        "value": figure(total, metric), "values": [figure(bucket, metric) for bucket in buckets],
    }


def figure(total: Total, metric: Metric) -> int | Decimal | None:
    """The metric of some calls: nanos, a count, microseconds, or a share to four places; None of nothing."""
    tokens = total.input_tokens + total.output_tokens
    match metric:
        case "cost" | "off_list" | "would_be":
            return int(getattr(total, f"{metric}_nanos"))
        case "tokens":
            return tokens
        case "error_rate":
            return Decimal(share(total.errors * 10_000, total.attempts)).scaleb(-4) if total.attempts else None
        case "cost_per_request":
            return share(total.cost_nanos, total.requests) if total.requests else None
        case "cost_per_million_tokens":
            return share(total.cost_nanos * 1_000_000, tokens) if tokens else None
        case "latency_mean":
            return share(total.latency_us, total.attempts) if total.attempts else None
        case "latency_p50" | "latency_p95":
            return quantile_us(tuple(total.latencies), 0.5 if metric == "latency_p50" else 0.95)
        case _:
            return int(getattr(total, metric))


def csv_lines(groups: Sequence[str], axis: Mapping[int, str], cut: Cut) -> Iterator[bytes]:
    """A line of column names, then every place and group, in order of time and then dearest first."""
    yield line([*(["from"] if axis else []), *groups, *_COUNTS, "cost_usd"])
    for (place, group), total in sorted(cut.items(), key=lambda one: (one[0][0], -one[1].cost_nanos, _text(one[0][1]))):
        begins = [axis[place]] if axis else []
        yield line([*begins, *map(cell, group), *map(str, _counts(total).values()), decimal_text(total.cost_nanos)])


def _counts(total: Total) -> dict[str, int]:
    return {name: getattr(total, name) for name in _COUNTS}


def _text(group: Group) -> tuple[str, ...]:
    return tuple(name or "" for name in group)
