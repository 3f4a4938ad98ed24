"""`tallystick apply` and `tallystick dump`: an organisation's budgets, envelopes, policies, members and what its keys say as
one file, and back; and the same for budgets alone as CSV. What would be done is printed before it is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli.answers import FOUND_WRONG, AsJson, Config, Data, Org, fail, print_json, printable, settings_of
from tallystick.cli.in_force import fail_behind, followed
from tallystick.cli.sheets import BadSheet, read_sheet, write_sheet

if TYPE_CHECKING:
    from tallystick.cli.installation import Installation
    from tallystick.stores.declaring import Change, Section
    from tallystick.stores.sql.journal import Sequencer

File = Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="The file; - is standard input.")]
Diff = Annotated[bool, typer.Option("--diff", help="Only print what would change; exit code 1 if anything would.")]
Prune = Annotated[bool, typer.Option(
    "--prune", help="Remove what stands and is not in the file, in the sections that the file has; keys never.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def apply(
    file: File,
    diff: Diff = False,
    prune: Prune = False,
    yes: Yes = False,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make budgets, envelopes, policies, members and what keys say as a file says: all of it, or nothing. What it does not
    say is left alone."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.declaring import parse

    with installation.opened(settings, org=org) as here:
        carry_out(here, parse(text_in(file)), diff=diff, prune=prune, yes=yes, as_json=as_json)


def dump(
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write out what stands, as `apply` reads it."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores import declaring

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        sys.stdout.write(declaring.dump(db, sections_on(here)(here.directory.sequencer)))


def export_csv(
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write all budgets as CSV, one a line, as `import-csv` reads it."""
    settings = settings_of(data, config)
    from tallystick.cli import installation

    with installation.opened(settings, make=False, org=org) as here, here.database.read() as db:
        section = _budgets(here)
        write_sheet(sys.stdout, section.fields, section.standing(db).values())


def import_csv(
    file: File,
    diff: Diff = False,
    prune: Prune = False,
    yes: Yes = False,
    as_json: AsJson = False,
    org: Org = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make budgets as a CSV file says, with the columns of `export-csv`. An empty cell leaves as it is."""
    settings = settings_of(data, config)
    from tallystick.cli import installation

    with installation.opened(settings, org=org) as here:
        try:
            items = read_sheet(text_in(file))
        except BadSheet as fault:
            fail(str(fault))
        carry_out(here, {"budgets": items}, diff=diff, prune=prune, yes=yes, as_json=as_json)


def carry_out(here: Installation, document: Any, *, diff: bool, prune: bool, yes: bool, as_json: bool) -> None:
    """Print the plan, ask, do it, and wait until it is in force."""
    from tallystick.stores import declaring

    sections = sections_on(here)
    with here.database.read() as db:
        changes = declaring.plan(db, sections(here.directory.sequencer), document, prune=prune)
    if not as_json:
        _print_plan(changes)
    doing, behind = bool(changes) and not diff and (yes or _agreed(len(changes))), list[str]()
    if doing:
        declaring.apply(here.directory.sequencer, here.now_us(), sections, document, changes, prune=prune)
        behind = followed(here)
    if as_json:
        print_json({"changes": [_document(change) for change in changes], "applied": doing, "not_in_force_on": behind})
    fail_behind(behind)
    if changes and not doing:
        raise typer.Exit(FOUND_WRONG)


def sections_on(here: Installation) -> Callable[[Sequencer], tuple[Section, ...]]:
    """What a file can say, in the order in which it is done; written through whichever sequencer is given."""
    import uuid_utils

    from tallystick.config import rates_of
    from tallystick.stores.sql.declared import BudgetSection, Hand, MemberSection, PolicySection
    from tallystick.stores.sql.declared_envelopes import EnvelopeSection
    from tallystick.stores.sql.declared_keys import KeySection
    from tallystick.stores.sql.members import Members

    def through(sequencer: Sequencer) -> tuple[Section, ...]:
        hand = Hand(sequencer, here.organization, "cli", here.now_us, rates_of(here.settings))
        return (MemberSection(hand, Members(sequencer, lambda: uuid_utils.uuid7().hex)),
                KeySection(hand, replace(here.directory, sequencer=sequencer)),
                BudgetSection(hand), EnvelopeSection(hand), PolicySection(hand))

    return through


def _budgets(here: Installation) -> Section:
    return next(section for section in sections_on(here)(here.directory.sequencer) if section.name == "budgets")


def text_in(file: Path) -> str:
    """What a file or, for -, standard input says; ends the command where it cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        fail(f"{file}: {fault}")


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        fail("Say --yes to do it, or --diff to look only: there is nobody to ask.")
    return typer.confirm(f"Make {count} change{'' if count == 1 else 's'}?")


def _print_plan(changes: list[Change]) -> None:
    marks = {"make": "+", "change": "~", "remove": "-"}
    for change in changes:
        print(f"{marks[change.how]} {change.section}: {printable(' '.join(filter(None, change.identity)))}")
        if change.how != "remove":
            for name, (was, will_be) in change.differences.items():
                if was not in (None, "") or will_be not in (None, ""):
                    print(f"    {name}: {printable(str(was)) + ' → ' if change.how == 'change' else ''}{printable(str(will_be))}")
    if not changes:
        print("Nothing to change.")


def _document(change: Change) -> dict[str, Any]:
    return {"how": change.how, "section": change.section, "item": list(change.identity),
            "fields": {name: {"was": was, "will_be": will_be} for name, (was, will_be) in change.differences.items()}}
