"""What a ledger says calls came to, worked out of its exported lines alone and of nothing that the program adds up: the entries of
a chain become rows, one for each attempt, and rows are added up by hand. Names of persons stand in no entry; they are taken from
the private table beside it, as an auditor with access to it would."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version", "session")
SAID: Final = (*LABELS, "key", "provider", "operation", "code")
INPUT: Final = ("input_", "cached_", "cache_write_")
COUNTS: Final = ("requests", "attempts", "input_tokens", "output_tokens", "cost_nanos", "would_be_nanos")
_OPENING: Final = ("ATTEMPT", "ADMIT", "DEFER", "REFUSED")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Totals = Counter[str]
Group = tuple[str | None, ...]


@dataclass(frozen=True)
class Row:
    """An attempt, or a refused call. `kind`: calls, refused or sandbox, as the API calls them."""

    request: str
    kind: str
    at: datetime
    names: Mapping[str, str | None]
    tags: tuple[str, ...]
    dimensions: Mapping[str, str]
    totals: Totals
    free: bool
    settled: bool

    def labels(self, dimension: str) -> tuple[str | None, ...]:
        """Under what the attempt is counted."""
        if dimension == "tag":
            return self.tags or (None,)
        if dimension.startswith("dimension."):
            return (self.dimensions.get(dimension.removeprefix("dimension.")),)
        return (self.names[dimension],)


def rows_of(lines: bytes, private: Mapping[tuple[str, int], str]) -> list[Row]:
    """The attempts of an exported chain, with whatever was posted on them since. `private`: what `dictionary_private` says."""
    names: dict[tuple[str, int], str] = dict(private)
    entries: dict[int, dict[str, Any]] = {}
    deltas: Counter[int] = Counter()
    for entry in map(json.loads, lines.splitlines()):
        if entry.get("kind") == "DEFINE" and "name" in entry:
            names[entry["of"], entry["id"]] = entry["name"]
        elif entry.get("kind") == "ADJUST":
            deltas[entry["ref"]] += int(entry["delta_nanos"])
        elif entry.get("kind") in ("SETTLE", "DEFER") and "ref" in entry:
            opened = entries[entry["ref"]]
            opened |= {**entry, "at": opened["at"], "seq": opened["seq"]}
        elif entry.get("kind") in _OPENING:
            entries[entry["seq"]] = entry
    return [_row(entry, names, deltas[seq]) for seq, entry in entries.items()]


def _row(entry: Mapping[str, Any], names: Mapping[tuple[str, int], str], delta: int) -> Row:
    def name(member: str, kind: str = "") -> str | None:
        return names[kind or member, entry[member]] if member in entry else None

    refused = "hold_nanos" not in entry
    usage = entry.get("usage") or {line[0]: line[1] for line in entry.get("lines", ()) if len(line) < 6}
    said = {member: name(member) for member in SAID} | {member: entry.get(member) for member in ("outcome", "method", "basis")}
    said |= {"requested_model": name("model"), "model": name("served", "model") or name("model")}
    kind = "refused" if refused else "sandbox" if "sandbox" in entry else "calls"
    totals = Counter({
        "requests": int(entry.get("attempt", 1) == 1), "attempts": 1, "cost_nanos": int(entry.get("cost_nanos", 0)) + delta,
        "input_tokens": sum(n for unit, n in usage.items() if unit.startswith(INPUT)) - entry.get("overlap", 0) * bool(usage),
        "output_tokens": sum(n for unit, n in usage.items() if unit.startswith("output_")),
        "would_be_nanos": int(entry.get("would_be_nanos", 0)), "upstream_nanos": int(entry.get("upstream_nanos", 0))})
    pairs = [line.partition("\t") for text in (name("tags"), ) if text for line in text.split("\n")]
    custom = [line.partition("\t") for text in (name("dimensions"), ) if text for line in text.split("\n")]
    return Row(f"req_{entry['request']}", kind, _EPOCH + timedelta(microseconds=entry["at"]), said,
               tuple(f"{tag}={value}" if value else tag for tag, _, value in pairs), {key: value for key, _, value in custom}, totals,
               "free" in entry, "settled" in entry and entry.get("outcome") != "deferred")


def added(rows: Iterable[Row]) -> Totals:
    """What rows come to."""
    totals: Totals = Counter()
    for row in rows:
        totals.update(row.totals)
    return totals


def grouped(rows: Iterable[Row], dimensions: tuple[str, ...], place: Callable[[Row], str] = lambda _row: "") -> dict[tuple[str, Group], Totals]:
    """By place and by what the rows are counted under; a row with several tags under each."""
    found: dict[tuple[str, Group], Totals] = {}
    for row in rows:
        groups: list[Group] = [()]
        for dimension in dimensions:
            groups = [(*group, label) for group in groups for label in row.labels(dimension)]
        for group in groups:
            found.setdefault((place(row), group), Counter()).update(row.totals)
    return found


def figures(document: Mapping[str, Any]) -> dict[str, int]:
    """The measures of an answer that rows have too."""
    return {name: int(document[name]) for name in COUNTS}


def counts(totals: Totals) -> dict[str, int]:
    """The same of rows."""
    return {name: totals[name] for name in COUNTS}
