"""Write docs/reference/ from the tables the code itself uses, so that the pages cannot say otherwise.

    python scripts/build_reference.py            write the pages
    python scripts/build_reference.py --check    exit 1 when a page is not what it would write

`tests/test_docs.py` makes each page of `PAGES` and compares.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import click
import msgspec
import typer.main

from tallystick import cli, config, telemetry

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tallystick"
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/build_reference.py from the code; edit the code, then run `make reference`. -->\n"


def cell(text: object) -> str:
    """Text that may stand in a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


# --- settings -------------------------------------------------------------------------------------

SETTINGS_INTRO = """# Settings

One file, `tallystick.toml`, in the data directory (or `--config FILE`, or `$TALLYSTICK_CONFIG`); over it the
environment, over that the command line. An unknown key is an error that names the nearest known one.

- A variable is `TALLYSTICK_<SECTION>__<KEY>`, deeper tables by a further `__`:
  `TALLYSTICK_SERVER__PORT=9000`, `TALLYSTICK_GATEWAY__LIMITS__BODY_BYTES_MAX=1048576`. Lists are separated by commas.
- The data directory is no key of the file: `--data DIR`, else `$TALLYSTICK_DATA`, else `~/.local/share/tallystick`.
- `TALLYSTICK_ADMIN_EMAIL` and `TALLYSTICK_ADMIN_PASSWORD` (both or neither) make the first administrator.
- A provider key is never a setting: a stored credential names the environment variable that holds it.
"""


def settings_page() -> str:
    """Every section and key: type, default, meaning."""
    return MADE + SETTINGS_INTRO + "".join(section(config.Settings, ""))


def section(shape: type[msgspec.Struct], path: str) -> Iterator[str]:
    """One table for the section's own values, then its sub-sections."""
    docs, inner = config.field_docs(shape), []
    rows = []
    for field in msgspec.structs.fields(shape):
        below = struct_in(field.type)
        if below is not None:
            inner.append((below, f"{path}.{field.encode_name}".lstrip(".") + ("" if is_struct(field.type) else ".<name>")))
        elif path:
            rows.append(f"| `{field.encode_name}` | {type_text(field.type)} | {default_text(field)} | {cell(docs.get(field.name, ''))} |\n")
    if path:
        title = " ".join((shape.__doc__ or "").split())
        yield f"\n## `[{path}]`\n\n{title}\n"
        if rows:
            yield "\n| key | type | default | meaning |\n|---|---|---|---|\n"
            yield from rows
    for below, name in inner:
        yield from section(below, name)


def is_struct(hint: Any) -> bool:
    """Whether the hint is a section."""
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The section a field holds, directly or by name."""
    if is_struct(hint):
        return hint  # type: ignore[no-any-return]
    if get_origin(hint) is dict and is_struct(get_args(hint)[1]):
        return get_args(hint)[1]  # type: ignore[no-any-return]
    return None


def type_text(hint: Any) -> str:
    """A type in an operator's words."""
    hint = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    if get_origin(hint) is tuple:
        return "list"
    if get_origin(hint) is dict:
        return "table"
    options = [arg for arg in get_args(hint) if arg is not type(None)]
    if options:
        return " or ".join(f"`{arg}`" if isinstance(arg, str) else type_text(arg) for arg in options)
    names = {"str": "text", "int": "whole number", "bool": "`true` or `false`", "Path": "path"}
    return names.get(getattr(hint, "__name__", ""), cell(hint))


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """The default as it would stand in the file."""
    if field.default_factory is not msgspec.NODEFAULT or field.default in (None, (), {}):
        return "–"
    if field.default is msgspec.NODEFAULT:
        return "required"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


# --- metrics --------------------------------------------------------------------------------------

METRICS_INTRO = """# Metrics

`GET /metrics` answers in Prometheus' text form. Figures count from the start of the process; the money that must
outlive it is in the ledger. No user, key, prompt or tenant is a label, and past {models} distinct models the rest are
counted as `other`.

| metric | labels | meaning |
|---|---|---|
"""


def metrics_page() -> str:
    """Every metric with its labels and help text, read from the families the code would expose."""
    rows = []
    for family in telemetry.Telemetry("0").collect():
        suffix = "_total" if getattr(family, "type", "") == "counter" else ""
        labels = ", ".join(f"`{name}`" for name in getattr(family, "_labelnames", ())) or "–"
        rows.append(f"| `{family.name}{suffix}` | {labels} | {cell(family.documentation)} |\n")  # type: ignore[attr-defined]
    return MADE + METRICS_INTRO.format(models=telemetry.MODELS_MAX) + "".join(rows)


# --- commands -------------------------------------------------------------------------------------

CLI_INTRO = """# Commands

Every command prints a table for people and, with `--json`, one JSON document. Exit code 0: good; 1: it found something
wrong; 2: it could not judge, or could not do what was asked. Commands work with the server running or not.
"""


def cli_page() -> str:
    """Every command with its arguments and options, as `--help` knows them."""
    root = typer.main.get_command(cli.build())
    return MADE + CLI_INTRO + "".join(command_text(root, "tallystick"))


def command_text(command: click.Command, name: str) -> Iterator[str]:
    """A command's section, or those of the commands below it."""
    children = getattr(command, "commands", None)
    if children is not None:
        for child_name, child in children.items():
            yield from command_text(child, f"{name} {child_name}")
        return
    help_text = re.sub(r"\s+", " ", (command.help or "").replace("\f", " ").strip())
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    yield f"\n## `{' '.join([name, *(argument_text(a) for a in arguments)])}`\n\n{help_text}\n\n"
    for parameter in command.params:
        if parameter.param_type_name == "option":
            flags = ", ".join(parameter.opts + parameter.secondary_opts)
            value = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"
            yield f"- `{flags}{value}` {cell(getattr(parameter, 'help', '') or '')}\n"


def argument_text(argument: click.Parameter) -> str:
    """`REQUEST_ID`, in brackets where it may be missing."""
    name = (argument.metavar or argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def command_names() -> Iterator[str]:
    """Every command as it is typed, without the program's name: `keys create`."""
    def below(command: click.Command, name: str) -> Iterator[str]:
        yield name
        for child_name, child in getattr(command, "commands", {}).items():
            yield from below(child, f"{name} {child_name}".strip())

    yield from (name for name in below(typer.main.get_command(cli.build()), "") if name)


# --- refusals -------------------------------------------------------------------------------------

def refusal_codes() -> set[str]:
    """The code of every `Denied(…)` in the source."""
    codes = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Denied" and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    codes.add(str(code.value))
    return codes


# --- writing --------------------------------------------------------------------------------------

PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
}
"""File name → what makes its text."""


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        text, path = make(), FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("Not fresh: " if "--check" in sys.argv else "Written: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
