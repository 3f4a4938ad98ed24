"""How every command answers: a table for people, or one JSON document with `--json`; what went wrong
goes to standard error. The exit code is part of the answer: 0 good, 1 something wrong was found,
2 it could not be judged (also: what was asked for could not be done).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from tallystick.config import Settings, load
from tallystick.config_sources import BadSettings

FOUND_WRONG: Final = 1
CANNOT_JUDGE: Final = 2

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data directory [$TALLYSTICK_DATA, ~/.local/share/tallystick].")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings file [tallystick.toml in the data directory].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]

_WHICH: Final = "Which organisation, where there are several [default]."
Org = Annotated[str | None, typer.Option("--org", "--organization", metavar="SLUG", help=_WHICH)]
OrgOnly = Annotated[str | None, typer.Option("--organization", metavar="SLUG", help=_WHICH)]      # where --org means something else


def settings_of(data: Path | None, config: Path | None, **server: Any) -> Settings:
    """The settings a command runs under; ends the command when they cannot be used. `server` are
    flags of the [server] section, None where not given."""
    try:
        return load(data=data, config=config, flags={"server": server})
    except BadSettings as error:
        fail(str(error))


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table for people; `right` names the columns of figures. What callers named is printed as
    it is, never read as markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    Console().print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """A name and its value on each line, empty values left out."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        if value not in (None, "", {}, []):
            print(f"{name:<{width}}  {printable(str(value))}")


def printable(text: str) -> str:
    """Text of others without control characters, which a terminal would obey."""
    return "".join(mark if mark.isprintable() else "�" for mark in text)


def fail(message: str, code: int = CANNOT_JUDGE) -> NoReturn:
    """Say on standard error why, and end with this exit code."""
    sys.stderr.write(f"tallystick: {message}\n")
    raise typer.Exit(code)
