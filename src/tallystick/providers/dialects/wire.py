"""Reading JSON as it comes off the wire: what has the wrong type was not said.

A request with a wrong type is forwarded unchanged and refused by the provider; a reply with one is
read as far as it makes sense. So these functions answer "not there" where others would raise, and
counts that no bill can be made of (negative, fractional, text, absurdly large) are refused with a
note that names the field and never repeats its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

COUNT_MAX: Final = 10**12
USD_MAX: Final = Decimal(10**9)
MEASURE_CHARS_MAX: Final = 40
NOTHING: Final[Mapping[str, Any]] = {}

_Document = TypeVar("_Document")


def decoder_of(shape: type[_Document]) -> msgspec.json.Decoder[_Document]:
    """A decoder of one shape; fractions arrive as exact decimals, never as floats."""
    return msgspec.json.Decoder(shape, float_hook=Decimal)


def read(decoder: msgspec.json.Decoder[_Document], data: bytes | msgspec.Raw) -> _Document | None:
    """The document, or None where the bytes are not one of that shape. Never raises."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return None


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else one without members."""
    return value if isinstance(value, dict) else NOTHING


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """The value if it is a string that says something."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> int | None:
    """The value if it is a whole number of zero or more."""
    return value if type(value) is int and 0 <= value <= COUNT_MAX else None


def totals_hold(stated: Mapping[str, Any], *names: str) -> bool:
    """Whether the totals that are stated are counts. A bill without one of its totals would be wrong and
    look right; without any it is estimated, and says so."""
    for name in names:
        value = stated.get(name)
        if value is not None and number(value) is None:
            return False
    return True


def count(stated: Mapping[str, Any], name: str, notes: list[str]) -> int | None:
    """A stated count; None where it is absent or null, and where it is refused (then with a note)."""
    value = stated.get(name)
    if value is None or (type(value) is int and 0 <= value <= COUNT_MAX):
        return value
    remark = f"{name} is no count and was not read"
    if remark not in notes:                  # a stream may repeat it without end
        notes.append(remark)
    return None


def header_count(headers: Mapping[str, str], name: str | None) -> int | None:
    """A count that stands in a header of the reply; None where it does not."""
    said = headers.get(name, "") if name is not None else ""
    return number(int(said)) if said.isascii() and said.isdigit() and len(said) <= len(str(COUNT_MAX)) else None


def measure(value: object) -> Decimal | None:
    """A stated length (seconds) exactly as written, also where it is written as text; None where it
    is none."""
    if isinstance(value, str) and len(value) <= MEASURE_CHARS_MAX:
        try:
            value = Decimal(value)
        except ArithmeticError:
            return None
    if type(value) is int:
        value = Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and 0 <= value <= COUNT_MAX:
        return value
    return None


def dollars(value: object) -> Decimal | None:
    """A stated amount of money exactly as written; None where it is none."""
    if type(value) is int:
        value = Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and 0 <= value <= USD_MAX:
        return value
    return None


def string_bytes(data: bytes, opening: bytes) -> int | None:
    """UTF-8 bytes of the JSON string that begins right behind `opening` (`"content":"`). None where
    it does not stand in the data or holds escapes: then decode instead."""
    start = data.find(opening)
    if start < 0:
        return None
    start += len(opening)
    end = data.find(b'"', start)
    if end < 0 or data.find(b"\\", start, end) >= 0:
        return None
    return end - start


def utf8_bytes(value: object) -> int:
    """UTF-8 bytes of a string, 0 for anything else."""
    return len(value.encode("utf-8", "replace")) if isinstance(value, str) else 0
