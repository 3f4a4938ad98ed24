"""The narrow row beside each call's entry, for lists and sums without opening entries. It is a pure
function of the entry's fields, the organisation's calendar and the deltas posted since; the shipper inserts what it gives and
`verify` compares with it, so the two cannot mean different things.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from datetime import UTC, datetime
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo

from tallystick.core.attempt import Basis, Method, Outcome
from tallystick.core.entry import worst_tokens
from tallystick.core.usage import INPUT_CLASSES, OUTPUT_CLASSES

# A code is the place in its tuple, from 1; 0 means "none". Only ever append.
FACT_KINDS: Final = ("attempt", "refusal", "sandbox")
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)
DEFERRED: Final = OUTCOMES.index("deferred") + 1
METHODS: Final[tuple[str, ...]] = get_args(Method)
BASES: Final[tuple[str, ...]] = get_args(Basis)

STREAM: Final = 1
CLAIMED: Final = 2
DRIFT: Final = 4
FREE: Final = 8                              # the route is not billable
UNPRICED_HOLD: Final = 16
STORED_CREDENTIAL: Final = 32
OPEN: Final = 64                             # admitted, not settled yet

COLUMNS: Final = (
    "organization", "at_us", "seq", "kind", "day", "hour", "request_id", "attempt",
    "key_id", "team_id", "project_id", "user_id", "agent_id", "environment_id", "cost_center_id",
    "prompt_key_id", "prompt_version_id", "session_id", "tags_id", "dimensions_id",
    "provider_id", "operation_id", "model_id", "served_id", "status", "outcome", "method", "basis",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "worst_tokens",
    "cost_nanos", "upstream_nanos", "would_be_nanos", "adjusted_nanos", "off_list_nanos", "latency_us", "first_byte_us", "flags", "code_id",
)
FACT_INSERT: Final = (
    "INSERT INTO call_fact_{month} (" + ", ".join(COLUMNS) + ") VALUES (" + ", ".join("?" * len(COLUMNS)) + ")"  # noqa: S608 - literals, above
)
_RETURNING: Final = " RETURNING " + ", ".join(COLUMNS)
# An attempt settled after its admission was chained: its row is taken out, to be written anew.
FACT_TAKE: Final = (
    "DELETE FROM call_fact_{month} WHERE request_id = ? AND attempt = ? AND organization = ? AND seq = ?" + _RETURNING)  # noqa: S608 - literals
# An attempt that was adjusted: what it costs moves by the delta; the row as it is then.
FACT_ADJUST: Final = (
    "UPDATE call_fact_{month} SET cost_nanos = cost_nanos + ?, adjusted_nanos = adjusted_nanos + ?"  # noqa: S608 - literals
    " WHERE organization = ? AND at_us = ? AND seq = ?" + _RETURNING)

_LABEL_MEMBERS: Final = ("key", "team", "project", "user", "agent", "environment", "cost_center", "prompt_key",
                         "prompt_version", "session", "tags", "dimensions", "provider", "operation", "model", "served")
# Members of an entry that stand in the row as they are; 0 is what an entry leaves out.
_FLAGS: Final = {"stream": STREAM, "claimed": CLAIMED, "drift": DRIFT, "free": FREE, "unpriced_hold": UNPRICED_HOLD,
                 "credential": STORED_CREDENTIAL}
_ZEROS: Final = dict.fromkeys((*_LABEL_MEMBERS, "status", "latency_us", "first_byte_us", "code"), 0)
_labels_of: Final = itemgetter(*_LABEL_MEMBERS)
_OUTCOME_CODES: Final = {word: code for code, word in enumerate(OUTCOMES, start=1)}
_METHOD_CODES: Final = {word: code for code, word in enumerate(METHODS, start=1)}
_BASIS_CODES: Final = {word: code for code, word in enumerate(BASES, start=1)}
_INPUT: Final = frozenset(INPUT_CLASSES)
_OUTPUT: Final = frozenset(OUTPUT_CLASSES)
_CACHED: Final = frozenset(("cached_text", "cached_audio", "cached_image", "cached_video"))
_QUARTER_US: Final = 900_000_000
_QUARTERS_KEPT_MAX = 4096


class Calendar:
    """Days and months of one organisation's zone. Offsets change on quarter hours only, so each
    quarter is worked out once."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._quarters: dict[int, tuple[int, int]] = {}

    def day_and_month(self, at_us: int) -> tuple[int, int]:
        """Days since 1970-01-01 of the local date, and its month as YYYYMM."""
        quarter = at_us // _QUARTER_US
        found = self._quarters.get(quarter)
        if found is None:
            date = datetime.fromtimestamp(quarter * 900, UTC).astimezone(self._zone).date()
            found = date.toordinal() - 719_163, date.year * 100 + date.month
            if len(self._quarters) >= _QUARTERS_KEPT_MAX:
                self._quarters.clear()
            self._quarters[quarter] = found
        return found


def fact_of(fields: Mapping[str, Any], organization: int, calendar: Calendar, adjusted_nanos: int = 0) -> tuple[Any, ...]:
    """The row of an ATTEMPT, ADMIT, DEFER or REFUSED entry, in the order of `COLUMNS`. For a settled
    ADMIT or DEFER the fields are those of both entries, the settlement's last, `at` and `seq` the
    admission's. `adjusted_nanos`: the sum of its ADJUST entries' deltas."""
    get = fields.get
    at_us: int = fields["at"]
    refusal = "hold_nanos" not in fields
    usage: Mapping[str, Any] = get("usage") or {line[0]: line[1] for line in get("lines", ()) if len(line) < 6}
    said = {**_ZEROS, **fields}
    return (
        organization, at_us, fields["seq"], 2 if refusal else 3 if "sandbox" in fields else 1,
        calendar.day_and_month(at_us)[0], at_us // 3_600_000_000, bytes.fromhex(fields["request"]), get("attempt", 1),
        *_labels_of(said),
        said["status"], _code(_OUTCOME_CODES, get("outcome")), _code(_METHOD_CODES, get("method")), _code(_BASIS_CODES, get("basis")),
        *_tokens(usage, get("overlap", 0)), worst_tokens(fields),
        int(get("cost_nanos", 0)) + adjusted_nanos, int(get("upstream_nanos", 0)), int(get("would_be_nanos", 0)),
        adjusted_nanos, _off_list(fields),
        said["latency_us"], said["first_byte_us"], _flags(fields, refusal), said["code"],
    )


def _off_list(fields: Mapping[str, Any]) -> int:
    """What list prices would come to above the booked cost; in the sandbox nothing is paid, at list neither."""
    return int(fields["list_nanos"]) - int(fields["cost_nanos"]) if "list_nanos" in fields and "sandbox" not in fields else 0


def _tokens(usage: Mapping[str, Any], overlap: int) -> tuple[int, int, int, int]:
    """Input, output, cached and reasoning tokens of a usage that says something, else zeros."""
    if not usage:
        return 0, 0, 0, 0
    into, out, cached = -overlap, 0, 0
    for unit, quantity in usage.items():
        if unit in _INPUT:
            into += quantity
            if unit in _CACHED:
                cached += quantity
        elif unit in _OUTPUT:
            out += quantity
    return into, out, cached, usage.get("output_reasoning", 0)


def _flags(fields: Mapping[str, Any], refusal: bool) -> int:
    flags = 0
    if not _FLAGS.keys().isdisjoint(fields):
        flags = sum(flag for member, flag in _FLAGS.items() if member in fields)
    return flags if refusal or "outcome" in fields else flags | OPEN


def _code(codes: Mapping[str, int], word: str | None) -> int:
    return codes[word] if word else 0
