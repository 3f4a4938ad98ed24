"""What a reply's JSON says, decoded no further than a meter asks.

A reply is mostly content (prose, pictures in base64, vectors) and a little usage. `fields` cuts an
object into its members without building Python values for them, and `value` decodes the one that is
wanted. `count` is the only door through which a number becomes a count: providers, proxies before
them and hostile upstreams send nulls, floats, strings and negative numbers, and none of those may be
guessed at. Nothing here raises on any bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

COUNT_MAX: Final = 10**12
"""More tokens than any reply can hold; a number above it is damage, not usage."""

NOTES_MAX: Final = 8
BODY_BYTES_MAX: Final = 32 << 20
"""The longest buffered reply a meter keeps. Longer ones pass by unread, with a note."""

Fields = Mapping[str, msgspec.Raw]

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Body:
    """The bytes of a buffered reply, kept until its end and up to a limit."""

    __slots__ = ("_pieces", "_size", "bytes_max")

    def __init__(self, bytes_max: int = BODY_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def overflowed(self) -> bool:
        return self._size > self.bytes_max

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self.overflowed:
            self._pieces = []
        elif data:
            self._pieces.append(data)

    def join(self) -> bytes:
        """All of it; nothing where it overflowed."""
        return b"".join(self._pieces)

    @property
    def fault(self) -> str:
        """Why there is nothing to read in it."""
        return "reply too long to read" if self.overflowed else "reply is no JSON object"


def fields(data: bytes | msgspec.Raw) -> Fields | None:
    """The members of a JSON object, undecoded; None where `data` is not one whole object."""
    try:
        return _FIELDS.decode(data)
    except _FAULTS:
        return None


def value(members: Fields, name: str) -> Any:
    """One member, decoded; None where it is missing or cannot be read."""
    return decoded(members.get(name))


def decoded(raw: msgspec.Raw | None) -> Any:
    """An undecoded member, decoded; None where it is missing or cannot be read."""
    if raw is None:
        return None
    try:
        return _ANY.decode(raw)
    except _FAULTS:
        return None


def text(members: Fields, name: str) -> str | None:
    """One member where it is a string with something in it."""
    found = value(members, name)
    return found if isinstance(found, str) and found else None


def encode(found: object) -> bytes:
    """JSON bytes of a decoded value, to measure them."""
    return _ENCODER.encode(found)


def mapping(found: object) -> Mapping[str, Any]:
    """`found` where it is an object, else an empty one: a wrong type is read as not said."""
    return found if isinstance(found, dict) else {}


def listing(found: object) -> list[Any]:
    """`found` where it is a list, else an empty one."""
    return found if isinstance(found, list) else []


def count(stated: Mapping[str, Any], name: str, notes: list[str]) -> int | None:
    """A stated count. None where it was not stated or is no count, the latter with a note; a stated
    zero is 0."""
    number = stated.get(name)
    if number is None:
        return None
    if type(number) is int and 0 <= number <= COUNT_MAX:
        return number
    note(notes, f"{name} is not a count")
    return None


def note(notes: list[str], remark: str) -> None:
    """Add a remark once, up to a bound."""
    if remark not in notes and len(notes) < NOTES_MAX:
        notes.append(remark)


def utf8_bytes(found: object) -> int:
    """The UTF-8 length of a string; 0 for anything else."""
    if not isinstance(found, str):
        return 0
    return len(found) if found.isascii() else len(found.encode("utf-8", "surrogatepass"))


def whole(found: object) -> int | None:
    """A positive whole number of a request, else None."""
    return found if type(found) is int and 0 < found <= COUNT_MAX else None


def words(found: object) -> str | None:
    """A non-empty string of a request, else None."""
    return found if isinstance(found, str) and found else None
