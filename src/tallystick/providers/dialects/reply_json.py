"""A reply's JSON, decoded no further than a meter asks.

A reply is mostly content (prose, pictures in base64, vectors) and a little usage. `fields` cuts an
object into its members without building Python values for them, and `value` decodes the one that is
wanted. Nothing here raises on any bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tallystick.providers.dialects.wire import decoder_of, read, text

NOTES_MAX: Final = 8

NO_OBJECT: Final = "the reply is not the JSON it should be"
"""What a meter notes when there is nothing to read."""

Fields = Mapping[str, msgspec.Raw]

_FIELDS: Final = decoder_of(dict[str, msgspec.Raw])
_ANY: Final = decoder_of(object)
_ENCODER: Final = msgspec.json.Encoder()


def fields(data: bytes | msgspec.Raw) -> Fields | None:
    """The members of a JSON object, undecoded; None where `data` is not one whole object."""
    return read(_FIELDS, data)


def value(members: Fields, name: str) -> Any:
    """One member, decoded; None where it is missing or cannot be read."""
    return decoded(members.get(name))


def decoded(raw: msgspec.Raw | None) -> Any:
    """An undecoded member, decoded; None where it is missing or cannot be read."""
    return None if raw is None else read(_ANY, raw)


def string(members: Fields, name: str) -> str | None:
    """One member where it is a string that says something."""
    return text(value(members, name))


def listing(found: object) -> list[Any]:
    """`found` where it is a list, else an empty one."""
    return found if isinstance(found, list) else []


def json_bytes(found: object) -> int:
    """The length of a decoded value as compact JSON, which is how a model generates arguments."""
    return len(_ENCODER.encode(found))


def note(notes: list[str], remark: str) -> None:
    """Add a remark once, up to a bound."""
    if remark not in notes and len(notes) < NOTES_MAX:
        notes.append(remark)
