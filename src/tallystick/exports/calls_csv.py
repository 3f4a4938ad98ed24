"""Calls as CSV (RFC 4180: commas, CRLF, doubled quotes; UTF-8 without a mark), one row for each call, for
spreadsheets and loaders. A text that a spreadsheet would run as a formula gets a `'` before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from tallystick.core.identity import LABELS
from tallystick.exports.call_row import FLAGS, CallRow, Value, columns_of

NAME: Final = "calls-csv"
COLUMNS: Final = (
    "id", "at", "state", "attempts", "organization", "key_id", *LABELS, "provider", "operation", "requested_model", "served_model",
    "status", "outcome", "method", "basis", "code", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens",
    "cost_nanos", "cost_usd", "currency", "booked_cost_nanos", "adjusted_nanos", "list_cost_nanos", "would_be_cost_nanos",
    "upstream_cost_nanos", "latency_us", "first_byte_us", *FLAGS,
    "tags", "dimensions",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def render(rows: Iterable[CallRow]) -> Iterator[bytes]:
    """A line of column names, then a line for each call. Tags and dimensions are `name=value`, a bare tag
    its name, joined by `;`."""
    yield line(COLUMNS)
    for row in rows:
        known = columns_of(row)
        known["tags"] = ";".join(f"{name}={value}" if value else name for name, value in row.tags)
        known["dimensions"] = ";".join(f"{name}={value}" for name, value in row.dimensions.items())
        yield line([cell(known[column]) for column in COLUMNS])


def cell(value: Value) -> str:
    """A value as text that no spreadsheet runs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def line(cells: Iterable[str]) -> bytes:
    """One row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8")
