r"""One strict reading of a request body. What policies judge must be what the provider reads, so a
body that two readers could take differently is refused: a key given twice (also spelt `\u006d`),
NaN and infinities, numbers no double can hold, a BOM or another encoding than UTF-8, lone
surrogates, raw control characters, anything after the value, nesting without end (books.md §4,
threats 3 and 22). The bytes themselves go upstream untouched; nothing here re-encodes.
"""

from __future__ import annotations

import re
from typing import Any, Final

import jiter

from tallystick.core.errors import Denied

DEPTH_MAX: Final = 128
KEYS_MAX: Final = 100_000
VALUES_MAX: Final = 1_000_000

_CROWD_BYTES: Final = 5 * KEYS_MAX           # `"":0,` is the shortest member; `0,` the shortest element
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"', re.DOTALL)

_INFINITIES: Final = (float("inf"), float("-inf"))
_INT_MAX: Final = int(float.fromhex("0x1.fffffffffffffp+1023"))      # the largest finite double

_DUPLICATE: Final = "Detected duplicate key"
_RECURSION: Final = "recursion limit exceeded"
_RANGE: Final = "number out of range"


def parse(body: bytes) -> dict[str, Any] | Denied:
    """The body as a dictionary, or why it is refused (all 400): `invalid_json`, `duplicate_key`,
    `number_out_of_range`, `json_too_deep`, `json_too_many`,
    `not_an_object`."""
    if _too_many(body):
        return Denied("json_too_many", f"The request body holds more than {KEYS_MAX} keys or {VALUES_MAX} values.")
    try:
        value = jiter.from_json(body, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        return _refusal(str(error))
    if type(value) is not dict:
        return Denied("not_an_object", "The request body must be a JSON object.")
    return _unbounded(value) or value


def _refusal(reason: str) -> Denied:
    """The parser's message in our words: it names a place, and may quote a key, which we do not."""
    place = reason[reason.rfind(" at line "):]
    if reason.startswith(_DUPLICATE):
        return Denied("duplicate_key", f"The request body names a key twice in one object,{place}.")
    if reason.startswith(_RECURSION):
        return _TOO_DEEP
    if reason.startswith(_RANGE):
        return _OUT_OF_RANGE
    return Denied("invalid_json", f"The request body is not valid JSON: error{place}.")


def _unbounded(value: dict[str, Any]) -> Denied | None:
    """Walk level by level, which counts the depth for free, and look for numbers out of range:
    `1e400` has become an infinity, and an integer of 400 digits would become one elsewhere."""
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX + 1):               # one more than the depth: scalars stand below the last container
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                below += node.values()
            elif kind is list:
                below += node
            elif (kind is float and node in _INFINITIES) or (kind is int and not -_INT_MAX <= node <= _INT_MAX):
                return _OUT_OF_RANGE
        if not below:
            return None
        level = below
    return _TOO_DEEP


def _too_many(body: bytes) -> bool:
    """More keys or values than a body can have reason for, judged before memory is spent on them.
    Colons and commas are counted with those inside strings first, which is cheap and errs on the
    safe side, and without them only where that count alarms (and then without the first strings
    only: whoever sends more of them pays with the cheap count)."""
    if len(body) < _CROWD_BYTES:
        return False
    return _crowded(body) and _crowded(_STRING.sub(b"", body, count=2 * KEYS_MAX))


def _crowded(text: bytes) -> bool:
    return text.count(b":") > KEYS_MAX or text.count(b",") + text.count(b"[") + text.count(b"{") > VALUES_MAX


_TOO_DEEP: Final = Denied("json_too_deep", f"The request body nests deeper than {DEPTH_MAX} levels.")
_OUT_OF_RANGE: Final = Denied("number_out_of_range", "The request body holds a number that no double can hold.")
