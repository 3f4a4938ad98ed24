"""`tallystick import litellm config.yaml`: what a LiteLLM proxy's configuration comes to here, line by line. It changes nothing:
with `--out` it writes files that `tallystick apply`, `keys create --from` and a shell take from there.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli.answers import AsJson, fail, print_json, print_table

if TYPE_CHECKING:
    from tallystick.connect.litellm import Line

_BYTES_MAX: Final = 64 * 1024 * 1024
_DEPTH_MAX: Final = 60
_VALUES_MAX: Final = 2_000_000

Out = Annotated[Path | None, typer.Option(
    "--out", metavar="DIR", help="Write the files into this new folder; without it nothing is written.")]


def build() -> typer.Typer:
    """The commands of this noun."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_noun)
    app.command("litellm")(litellm)
    return app


def _noun() -> None:
    """One command for each source."""


def litellm(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="LiteLLM's config.yaml.")],
    keys: Annotated[Path | None, typer.Option("--keys", metavar="FILE", help="What /key/list?return_full_object=true answered.")] = None,
    teams: Annotated[Path | None, typer.Option("--teams", metavar="FILE", help="What /team/list answered.")] = None,
    made: Annotated[Path | None, typer.Option(
        "--made", metavar="FILE", help="The keys made since: what `keys create --from --out` wrote.")] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Read a LiteLLM proxy's configuration and say of each line whether it is taken, taken differently or not taken, and why.
    Nothing is changed; secrets are never copied."""
    from tallystick.connect.litellm import Import
    from tallystick.providers import PROVIDERS

    done = Import({provider.id: provider.base_url for provider in PROVIDERS}, _made(made))
    if teams is not None:
        done.teams(_read(teams))
    done.config(_read(config))
    if keys is not None:
        done.key_list(_read(keys))
    files = done.files()
    if out is not None:
        _write(out, files)
    if as_json:
        findings = [asdict(found) for found in done.sorted()]
        print_json({"findings": findings, "files": files, "written_to": None if out is None else str(out)})
        return
    several = keys is not None or teams is not None
    print_table("", ("line", "what", "", "so"), [
        (f"{found.source} {found.line}" if several else found.line, found.where, found.verdict, found.text) for found in done.sorted()])
    counts = Counter(found.verdict for found in done.findings)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in ("taken", "differently", "not taken")) + ".")
    _next(out, files, keys is not None and made is None)


_STEPS: Final = {
    "tallystick.toml": "add it to your settings file, set the variables it names, and start the gateway anew",
    "prices.sh": "sh prices.sh, prices of your own",
    "rules.toml": "tallystick apply -f rules.toml, budgets and policies",
    "keys.csv": "tallystick keys create --from keys.csv --out made.csv, new keys",
}


def _next(out: Path | None, files: dict[str, str], waiting: bool) -> None:
    if out is None:
        print(f"Nothing is written. --out DIR writes {', '.join(files)}." if files else "There is nothing to write.")
        return
    print(f"\nWritten to {out}. Next:")
    for name in files:
        print(f"  {name:<16} {_STEPS[name]}")
    if waiting and "keys.csv" in files:
        print("  Then import again with --made made.csv: budgets and limits of keys need the new keys' ids.")


def _write(out: Path, files: dict[str, str]) -> None:
    try:
        out.mkdir(mode=0o700, parents=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except FileExistsError:
        fail(f"{out} is there already; name a new folder.")
    except OSError as reason:
        fail(f"{out}: {reason.strerror}.")


def _made(path: Path | None) -> dict[str, str]:
    """The ids of the keys that were made, by name."""
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {line["name"]: line["id"] for line in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as reason:
        fail(f"{path} is not what `tallystick keys create --from … --out` writes: {reason}.")


def _read(path: Path) -> Line:
    """A file's values with their lines. JSON is YAML too."""
    try:
        import yaml
    except ImportError:
        fail("Reading YAML needs PyYAML: pip install 'tallystick[litellm]'.")
    try:
        raw = sys.stdin.buffer.read(_BYTES_MAX + 1) if str(path) == "-" else path.read_bytes()
        if len(raw) > _BYTES_MAX:
            fail(f"{path} is larger than {_BYTES_MAX >> 20} MiB.")
        root = yaml.compose(raw.decode(), Loader=yaml.SafeLoader)
        return _valued(root, [0], 0)
    except OSError as reason:
        fail(f"{path}: {reason.strerror}.")
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as damage:
        fail(f"{path} is no YAML that can be read: {damage}")


def _valued(node: Any, count: list[int], depth: int) -> Line:
    """A node of YAML as a value. Aliases are followed, as often as they stand there; nothing is constructed."""
    from tallystick.connect.litellm import Line

    count[0] += 1
    if count[0] > _VALUES_MAX or depth > _DEPTH_MAX:
        raise ValueError("it holds too much")
    if node is None:
        return Line(1, {})
    line = node.start_mark.line + 1
    if node.id == "mapping":
        return Line(line, {str(key.value): _at(_valued(value, count, depth + 1), key.start_mark.line + 1) for key, value in node.value})
    if node.id == "sequence":
        return Line(line, [_valued(item, count, depth + 1) for item in node.value])
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return Line(line, None)
    return Line(line, node.value.lower() in ("true", "yes", "on") if kind == "bool" else node.value)


def _at(value: Line, line: int) -> Line:
    """A value of a table stands where its name stands."""
    from tallystick.connect.litellm import Line

    return Line(line, value.value)
