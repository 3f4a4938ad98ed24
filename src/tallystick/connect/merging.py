"""Putting our settings into a tool's settings file that may hold others: what is not ours stays as it is. A file that
cannot be read, and one in which ours cannot be put without touching the rest, is left alone.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

from tallystick.connect.clients import Write
from tallystick.connect.filling import Unfit

_VARIABLE: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
_TABLE: Final = re.compile(r"^\s*\[\[?\s*([^\]]*?)\s*\]\]?")
_KEY: Final = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=")


def merged(old: str, ours: str, how: Write) -> str:
    """The file's text with ours in it. Raises Unfit."""
    if not old.strip():
        return ours
    return {"json": _json, "toml": _toml, "dotenv": _dotenv}[how](old, ours)


def _json(old: str, ours: str) -> str:
    try:
        document = json.loads(old)
    except ValueError as damage:
        raise Unfit(f"It is not JSON: {damage}.") from None
    if not isinstance(document, dict):
        raise Unfit("It is JSON, but no object.")
    return json.dumps(_laid_over(document, json.loads(ours)), indent=2, ensure_ascii=False) + "\n"


def _dotenv(old: str, ours: str) -> str:
    mine = {_name(line): line for line in ours.splitlines()}
    kept = [line for line in old.splitlines() if _name(line) not in mine]
    return "".join(line + "\n" for line in [*kept, *mine.values()])


def _name(line: str) -> str | None:
    found = _VARIABLE.match(line)
    return found[1] if found else None


def _toml(old: str, ours: str) -> str:
    """Top-level keys of ours are put before the first table, tables of ours replace those of the same name. Whether that
    was right is read back: the result says what the old text said, with ours laid over it."""
    try:
        wanted = _replaced(tomllib.loads(old), tomllib.loads(ours))
    except tomllib.TOMLDecodeError as damage:
        raise Unfit(f"It is not TOML: {damage}.") from None
    top, tables = _parts(ours.splitlines())
    names = {_TABLE.match(line)[1] for line in tables if _TABLE.match(line)}  # type: ignore[index]
    keys = {found[1] for line in top if (found := _KEY.match(line))}
    old_top, old_tables = _parts(old.splitlines())
    kept, inside = [], False
    for line in old_tables:
        found = _TABLE.match(line)
        if found:
            inside = any(found[1] == name or found[1].startswith(f"{name}.") for name in names)
        kept += [] if inside else [line]
    head = [line for line in old_top if not (found := _KEY.match(line)) or found[1] not in keys]
    text = "\n".join([*_trimmed([*top]), *_trimmed(head), "", *_trimmed(kept), "", *_trimmed(tables)]).strip("\n") + "\n"
    text = re.sub(r"\n{3,}", "\n\n", text)
    try:
        if tomllib.loads(text) == wanted:
            return text
    except tomllib.TOMLDecodeError:
        pass
    raise Unfit("Ours cannot be put into it without touching the rest; put the lines there by hand.")


def _parts(lines: list[str]) -> tuple[list[str], list[str]]:
    at = next((number for number, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    return lines[:at], lines[at:]


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").splitlines()


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {name: _laid_over(below.get(name), value) for name, value in above.items()}
    return above


def _replaced(old: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Ours over the old, where a table two levels deep (`model_providers.tallystick`) is replaced whole."""
    return old | {
        name: {**old.get(name, {}), **value} if isinstance(value, dict) and isinstance(old.get(name, {}), dict) else value
        for name, value in ours.items()}
