"""Tables that go through spreadsheets: CSV out, so that none runs a cell as a formula, and in, as spreadsheets write it (a mark
of UTF-8 in front, any end of line).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


class BadSheet(ValueError):
    """A table that cannot be read; the message says where."""


def write_sheet(out: TextIO, columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> None:
    """A line of column names, and a line for each; what a line does not have is empty. A text that begins like a formula
    gets an apostrophe before it (OWASP, CSV injection), and so does one that begins with an apostrophe, so that reading
    gives what was written."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_guarded(line.get(column)) for column in columns])


def read_sheet(text: str, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    """The lines of a table by its first line's names, without empty cells. Raises BadSheet for a cell without a column, a
    column twice, and one that is none of `columns`."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    names = list(reader.fieldnames or ())
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadSheet(f"There are two columns {', '.join(sorted(twice))}.")
    if columns is not None and (unknown := [name for name in names if name not in columns]):
        raise BadSheet(f"There is no column {', '.join(unknown)}; there are {', '.join(columns)}.")
    found = []
    for number, line in enumerate(reader, start=2):
        if None in line:
            raise BadSheet(f"Line {number} has more cells than there are columns.")
        found.append({name: _unguarded(cell) for name, cell in line.items() if cell})
    return found


def _guarded(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
