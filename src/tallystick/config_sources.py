"""What a file, variables and flags say of the settings, as nested tables of text and values: before anybody looks at types
(config.py). A key that no section has is refused with the nearest one that there is.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

_PLACE = re.compile(r"`\$\.([^`]*)`")        # msgspec's path of a wrong value


class BadSettings(ValueError):
    """The settings cannot be used. The message is for the operator and names the key."""


def read_file(path: Path) -> dict[str, Any]:
    """A settings file. Raises BadSettings."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: is not TOML ({error}).") from None
    if "data" in raw:
        raise BadSettings(f"{path}: 'data' is not a key of the file; use --data or TALLYSTICK_DATA.")
    return raw


def check_known(raw: Mapping[str, Any], shape: Any, where: str, path: str = "") -> None:
    """Raise BadSettings for a key that no section has. Wrong types are left to the conversion."""
    fields = _fields(shape)
    for key, value in raw.items():
        if fields is not None and key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise BadSettings(f"{where}unknown key '{path}{key}'; the nearest known one is '{path}{near[0]}'.")
        inner = _value_of(shape) if fields is None else fields[key]
        if isinstance(value, Mapping) and inner is not None:
            check_known(value, inner, where, f"{path}{key}.")


def _fields(shape: Any) -> dict[str, Any] | None:
    """The keys of a section and their types without documentation; None for a free table."""
    if isinstance(shape, type) and issubclass(shape, Struct):
        return {name: hint for name, hint in typing.get_type_hints(shape).items() if name != "data"}
    return None


def _value_of(shape: Any) -> Any:
    """What a free table holds (`dict[str, ProviderSettings]` holds ProviderSettings)."""
    arguments = typing.get_args(shape)
    return arguments[1] if typing.get_origin(shape) is dict else None


def who_said(error: str, given_by: Mapping[str, str], file: Path) -> str:
    """The variable or flag that gave the wrong value, else the file. msgspec hides the keys of free tables as `[...]`
    and numbers the places of a list."""
    found = _PLACE.search(error)
    place = re.escape(found[1]).replace(re.escape("[...]"), r"\.[^.]+") if found else ""
    place = re.sub(r"\\\[\d+\\\]$", "", place)
    return next((name for keys, name in given_by.items() if re.fullmatch(place, keys)), str(file))


def is_list(shape: Any, keys: Sequence[str]) -> bool:
    """Whether the setting at this path is a list, which a variable gives separated by commas."""
    for key in keys:
        fields = _fields(shape)
        shape = _value_of(shape) if fields is None else fields.get(key)
    return typing.get_origin(shape) is tuple


def split(text: str) -> list[str]:
    """A list as a variable gives it."""
    return [part.strip() for part in text.split(",") if part.strip()]


def nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A value in the tables on its way."""
    for key in reversed(keys):
        value = {key: value}
    return typing.cast("dict[str, Any]", value)


def put(raw: dict[str, Any], keys: Sequence[str], value: Any, where: str) -> None:
    """Set a value at a path, making the tables on the way. Raises BadSettings."""
    table: Any = raw
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise BadSettings(f"{where}: '{key}' is a value, not a section.")
    table[keys[-1]] = value
