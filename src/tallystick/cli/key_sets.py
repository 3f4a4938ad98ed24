"""`tallystick keys create --from FILE` and `--count N`: many keys at once, all or none. Their texts go out once, as CSV: to
standard output, or to a new file that only its owner reads. The file is written before the keys are kept, so that none
is made whose text could not be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from tallystick.cli.answers import fail, print_json
from tallystick.cli.apply import text_in
from tallystick.cli.expiry import expiry_us
from tallystick.cli.sheets import BadSheet, read_sheet, write_sheet

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.core.secret import Secret
    from tallystick.stores.sql.directory import KeyRow, KeySpec

LABELS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version")
COLUMNS: Final = ("name", *LABELS, "expires", "credential", "owner", "format")
SHOWN: Final = ("id", "key", "name", "team", "project", "user", "agent", "environment", "cost_center", "credential", "owner", "expires_at")
NUMBER: Final = "{n}"


def lines_of(file: Path | None, count: int | None, pattern: str | None, given: Mapping[str, str]) -> list[dict[str, str]]:
    """What each key shall say: a line of the file or one of so many, over what was given for all of them. Ends the command
    for what makes no set."""
    if (file is None) == (count is None) or (pattern is not None and (count is None or NUMBER not in pattern)):
        fail(f"Say --from FILE, or --count N with --name-pattern 'ci-{NUMBER}'.")
    if count is not None:
        width = len(str(count))
        return [{**given, **({"name": pattern.replace(NUMBER, f"{number:0{width}}")} if pattern else {})} for number in range(1, count + 1)]
    assert file is not None, "one of the two is given"
    try:
        return [{**given, **line} for line in read_sheet(text_in(file), COLUMNS)]
    except BadSheet as fault:
        fail(str(fault))


def create_set(here: Installation, lines: Sequence[Mapping[str, str]], out: Path | None, *, as_json: bool) -> None:
    """Make these keys and give their texts out."""
    from tallystick.control.key_document import key_document
    from tallystick.stores.sql.directory import Refused
    from tallystick.stores.sql.key_sets import create_keys

    now_us = here.now_us()
    specs = [_spec(here, line, number, now_us) for number, line in enumerate(lines, start=1)]

    def documents(made: list[tuple[KeyRow, Secret]]) -> list[dict[str, Any]]:
        return [{"id": row.id, "key": key.reveal(), **key_document(row, now_us)} for row, key in made]

    try:
        if out is None:
            found = documents(create_keys(here.directory, here.organization, specs, now_us))
        else:
            with _private(out) as file:
                found = documents(create_keys(here.directory, here.organization, specs, now_us,
                                              keep=lambda made: _write(file, documents(made))))
    except (Refused, OSError) as fault:
        fail(f"{fault}")
    if as_json:
        print_json({"keys": [{name: value for name, value in key.items() if out is None or name != "key"} for key in found]})
    elif out is None:
        write_sheet(sys.stdout, SHOWN, found)
    else:
        print(f"{len(found)} keys, shown this once, in {out}. They work now.")


def _spec(here: Installation, line: Mapping[str, str], number: int, now_us: int) -> KeySpec:
    from tallystick.cli.members import found_member
    from tallystick.stores.sql.directory import KeySpec

    try:
        expires_us = expiry_us(line["expires"], now_us) if "expires" in line else None
    except ValueError as fault:
        fail(f"Key {number}: {fault}")
    return KeySpec({label: line[label] for label in LABELS if label in line}, name=line.get("name", ""), credential=line.get("credential"),
                   expires_us=expires_us, format=line.get("format", "tallystick"),
                   owner=found_member(here, line["owner"]).account if "owner" in line else None)


@contextmanager
def _private(path: Path) -> Iterator[TextIO]:
    """A new file that only its owner reads; gone again where what it is for is not done."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _write(file: TextIO, documents: Sequence[Mapping[str, Any]]) -> None:
    """What was made, on the disk."""
    write_sheet(file, SHOWN, documents)
    file.flush()
    os.fsync(file.fileno())
