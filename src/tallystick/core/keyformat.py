"""The written form of issued keys: our own `tsk_<id>_<secret>` and those of the five source systems,
so that a migrating team may keep the look its tools expect. All have a public id (to find and name
the key), 256 random bits, and a check sum, so that a typing error is told from a revoked key without
asking the store. Pure: the random bytes come in as a value.

The prefix alone decides that a text is never forwarded to a provider, valid or not (decisions.md,
rule 9).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from tallystick.core.secret import Secret

ENTROPY_BYTES: Final = 8 + 32                # public id, secret


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """`name` is what `keys create --format` takes; `joint` stands between id and secret."""

    name: str
    prefix: str
    joint: str = "_"


FORMATS: Final[tuple[KeyFormat, ...]] = (
    KeyFormat("tallystick", "tsk_"),
    KeyFormat("cartie", "cartie_proxy_"),
    KeyFormat("aso", "aso_k_", joint="."),
    KeyFormat("vk", "vk_"),
    KeyFormat("apc", "apc_"),
    KeyFormat("acm", "acm_proj_"),
)
PERSONAL: Final = KeyFormat("personal", "tsp_")
"""Personal access tokens: they open the API, never a call, and go to no provider either."""
PREFIXES: Final = tuple(form.prefix for form in (*FORMATS, PERSONAL))

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS: Final = 11                        # 62¹¹ > 2⁶⁴
_SECRET_CHARS: Final = 43                    # 62⁴³ > 2²⁵⁶
_SUM_CHARS: Final = 6                        # 62⁶ > 2³²


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key: `id` and `preview` may be stored and shown, `key` only once."""

    id: str
    key: Secret
    preview: str


def mint(form: KeyFormat, entropy: bytes) -> Minted:
    """A key from `ENTROPY_BYTES` random bytes: the same bytes give the same key."""
    assert len(entropy) == ENTROPY_BYTES, "a key is made of exactly 40 random bytes"
    id = _base62(int.from_bytes(entropy[:8], "big"), _ID_CHARS)
    head = f"{form.prefix}{id}{form.joint}{_base62(int.from_bytes(entropy[8:], 'big'), _SECRET_CHARS)}"
    key = head + _check_sum(head)
    return Minted(id, Secret(key), preview(key))


def format_named(name: str) -> KeyFormat | None:
    """The format of that name, also by its prefix with or without the underscore."""
    return next((form for form in FORMATS if name in (form.name, form.prefix, form.prefix.rstrip("_"))), None)


def recognises(text: str) -> bool:
    """Whether the text has a prefix of ours, hence may never be forwarded, valid or not."""
    return text.startswith(PREFIXES)


def well_formed(text: str) -> bool:
    """Whether a text could be a key we minted: the length and the check sum of its format. Keys
    that were imported from a source system have neither, so this is a hint, not a verdict."""
    form = next((form for form in (*FORMATS, PERSONAL) if text.startswith(form.prefix)), None)
    if form is None or len(text) != len(form.prefix) + _ID_CHARS + len(form.joint) + _SECRET_CHARS + _SUM_CHARS:
        return False
    return _check_sum(text[:-_SUM_CHARS]) == text[-_SUM_CHARS:]


def preview(key: str) -> str:
    """The prefix and the last four characters: `apc_...x4f2`."""
    prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
    return f"{prefix}...{key[-4:]}"


def _check_sum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _SUM_CHARS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    assert number == 0, "the width holds the number"
    return "".join(reversed(digits))
