"""What policies judge, in at most 48 bytes: every admission and refusal carries its call's facts as a
row of small numbers, so that a rule made next year can be tried on last year's calls.

Numbers are LEB128 varints of "value + 1", 0 meaning "not said", in the order of `pack`; zeros at
the end are left out. They are clamped to 35 bits (five bytes) or 14 (two), which no real call reaches.
Efforts and tiers stand as places in literal tuples;
a word not in them is `other`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from tallystick.core.call import Facts

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "auto", "default", "dynamic", "other")
TIERS: Final = ("auto", "default", "standard", "standard_only", "flex", "priority", "scale", "batch", "fast",
                "on_demand", "performance", "other")
_WIDE, _NARROW = (1 << 35) - 1, (1 << 14) - 1
# Six wide and nine narrow numbers: at most 6 × 5 + 9 × 2 = 48 bytes.
_NUMBERS: Final = 6 + 9
BYTES_MAX: Final = 48
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Asked:
    """The facts of a call as its entry keeps them: the call's own, the size of its body, and the
    bound on its input tokens. `facts` lacks what stands in the entry by name (model, end user)."""

    facts: Facts
    body_bytes: int
    input_bound: int


def pack(facts: Facts, body_bytes: int, input_bound: int) -> str:
    """The facts as URL-safe base64 without padding."""
    flags = facts.stream | facts.wants_stream_usage << 1 | facts.background << 2 | facts.confirmed << 3
    effort, tools = facts.reasoning_effort, facts.server_tools
    packed = _varints((
        body_bytes + 1, input_bound + 1, _said(facts.output_limit), _said(facts.reasoning_limit), facts.media_bytes,
        facts.characters,
    ), _WIDE)
    narrow = (
        flags + 1, 0 if effort is None else _place(EFFORTS, effort.lower()), 0 if facts.tier is None else _place(TIERS, facts.tier),
        facts.n if facts.n != 1 else 0, facts.inputs if facts.inputs != 1 else 0, facts.tools,
        facts.media, facts.references,
        tools | min(_said(facts.server_tool_limit), 127) << 7 if tools < 128 else _NARROW,
    )
    packed += bytes(narrow) if max(narrow) < 128 and min(narrow) >= 0 else _varints(narrow, _NARROW)
    return binascii.b2a_base64(packed.rstrip(b"\0"), newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def unpack(text: str) -> Asked:
    """The reverse of `pack`. Raises ValueError for text that `pack` did not make."""
    numbers = _numbers(text)
    flags = max(numbers[6] - 1, 0)
    server = numbers[14]
    facts = Facts(
        stream=bool(flags & 1), wants_stream_usage=bool(flags & 2), background=bool(flags & 4), confirmed=bool(flags & 8),
        output_limit=_was(numbers[2]), reasoning_limit=_was(numbers[3]), media_bytes=numbers[4], characters=numbers[5],
        reasoning_effort=_word(EFFORTS, numbers[7]), tier=_word(TIERS, numbers[8]),
        n=numbers[9] or 1, inputs=numbers[10] or 1, tools=numbers[11], media=numbers[12], references=numbers[13],
        server_tools=server & 127, server_tool_limit=_was(server >> 7),
    )
    return Asked(facts, max(numbers[0] - 1, 0), max(numbers[1] - 1, 0))


def _numbers(text: str) -> list[int]:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError(f"not packed facts: {fault}") from None
    numbers: list[int] = []
    number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    if shift or len(numbers) > _NUMBERS:
        raise ValueError("not packed facts: cut short or too long")
    return numbers + [0] * (_NUMBERS - len(numbers))


def _varints(numbers: tuple[int, ...], number_max: int) -> bytearray:
    packed = bytearray()
    for number in numbers:
        if number < 128:
            packed.append(max(number, 0))
            continue
        rest = min(number, number_max)
        while rest > 127:
            packed.append(rest & 127 | 128)
            rest >>= 7
        packed.append(rest)
    return packed


def _said(value: int | None) -> int:
    return 0 if value is None else max(value, 0) + 1


def _was(number: int) -> int | None:
    return number - 1 if number else None


def _place(words: tuple[str, ...], word: str) -> int:
    return words.index(word) + 1 if word in words else len(words)


def _word(words: tuple[str, ...], place: int) -> str | None:
    if not place:
        return None
    return words[min(place, len(words)) - 1]
