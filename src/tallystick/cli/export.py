"""`tallystick export`: calls, or the ledger itself, as a file or on standard output, read piece by piece from
one view of the database. A file is written beside its place and moved there when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, fail, print_facts, print_json, settings_of

if TYPE_CHECKING:
    from tallystick.stores.sql.connection import Connection

    from tallystick.cli.installation import Installation
    from tallystick.exports.call_row import CallRow

_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="calls-csv, calls-jsonl or ledger-jsonl.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, in the organisation's zone.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day, which is included.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it [standard output].")] = None,
    organization: Annotated[str, typer.Option(
        "--organization", "--org", metavar="SLUG", help="Whose calls; `system` has those that came without a valid key.")] = "default",
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write calls, or the whole ledger with what is needed to check it offline."""
    settings = settings_of(data, config)
    from tallystick.exports import FORMATS

    if format_ not in FORMATS:
        fail(f"{format_} is no format; known are {', '.join(FORMATS)}.")
    if format_ == "ledger-jsonl" and (from_ or to):
        fail("A chain can be checked only as a whole: ledger-jsonl takes no days.")
    if as_json and out is None:
        fail("--json describes a file that was written; say which with --out.")
    days = _day_number(from_, "--from"), _day_number(to, "--to")
    from tallystick.cli import installation
    from tallystick.core.ledger import LedgerFault
    from tallystick.stores.sql.exported import organization_number
    from tallystick.stores.sql.pruned import rows_from

    with installation.opened(settings, make=False) as here, here.database.read() as db:
        number = organization_number(db, organization)
        if number is None:
            fail(f"There is no organisation {organization}.")
        counted = _Counted()
        if days[0] is None and format_ != "ledger-jsonl" and (begin := rows_from(db, number)) is not None:
            sys.stderr.write(f"The rows of calls before {begin} were dropped; the file begins there.\n")
        try:
            _write(out, _blocks(format_, here, db, (number, organization), days, counted))
        except LedgerFault as damage:
            fail(f"the ledger cannot be read ({damage}); see `tallystick verify`.", FOUND_WRONG)
    if out is not None:
        _answer({"format": format_, "file": str(out), "organization": organization, "from": from_, "to": to, **counted.document()}, as_json)


class _Counted:
    """What went by: control totals for whoever loads the file."""

    def __init__(self) -> None:
        self.calls: int | None = None
        self.cost_nanos = self.bytes = 0
        self.digest = hashlib.sha256()

    def rows(self, rows: Iterable[CallRow]) -> Iterator[CallRow]:
        self.calls = 0
        for row in rows:
            self.calls += 1
            self.cost_nanos += row.cost_nanos
            yield row

    def blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.bytes += len(block)
            self.digest.update(block)
            yield block

    def document(self) -> dict[str, Any]:
        from tallystick.core.money import decimal_text

        said = {"bytes": self.bytes, "sha256": self.digest.hexdigest()}
        if self.calls is None:
            return said
        return {"calls": self.calls, "cost_nanos": self.cost_nanos, "cost_usd": decimal_text(self.cost_nanos), **said}


def _blocks(format_: str, here: Installation, db: Connection, whose: tuple[int, str], days: tuple[int | None, int | None],
            counted: _Counted) -> Iterator[bytes]:
    from tallystick.exports import CALL_EXPORTS, ledger_jsonl
    from tallystick.stores.sql import exported
    from tallystick.stores.sql.facts import EVERY_KIND, Asked

    if format_ == ledger_jsonl.NAME:
        return counted.blocks(ledger_jsonl.render(*exported.chain(db, *whose, here.secrets.ledger_key.public_key)))
    return counted.blocks(CALL_EXPORTS[format_](counted.rows(exported.calls(db, *whose, Asked(*days, EVERY_KIND)))))


def _write(out: Path | None, blocks: Iterable[bytes]) -> None:
    """To standard output, or to a draft that takes the file's place once it is whole."""
    if out is None:
        try:
            _pour(sys.stdout.buffer, blocks)
        except BrokenPipeError:              # the reader has had enough (`| head`)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        draft.touch(0o600, exist_ok=False)
        with draft.open("wb") as file:
            _pour(file, blocks)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _pour(file: BinaryIO, blocks: Iterable[bytes]) -> None:
    file.writelines(blocks)
    file.flush()


def _answer(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print_facts(document)


def _day_number(text: str | None, option: str) -> int | None:
    """Days since 1970-01-01."""
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        fail(f"{option}: a day is YYYY-MM-DD.")
