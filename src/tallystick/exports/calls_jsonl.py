"""Calls as JSON lines, one object for each call, with the columns of the CSV; tags as a list of pairs,
dimensions as an object. Nothing is put before a text: JSON has no formulas.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tallystick.exports.call_row import CallRow, columns_of

NAME: Final = "calls-jsonl"


def render(rows: Iterable[CallRow]) -> Iterator[bytes]:
    """A line for each call."""
    for row in rows:
        document: dict[str, Any] = {
            **columns_of(row), "tags": [list(pair) for pair in row.tags], "dimensions": dict(row.dimensions),
        }
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
