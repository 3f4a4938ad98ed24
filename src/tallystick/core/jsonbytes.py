"""Changes to JSON text that leave every other byte as it was.

We forward what a client wrote, so a change we must make (asking for usage in a stream, taking it out
again) is a splice, never a decode and re-encode: key order, white space, number spelling and escapes
stay the caller's. The text must already have been accepted by a JSON parser as one object; on
anything else the result is unspecified, except that no function here loops or raises anything but
ValueError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SPACE: Final = b" \t\r\n"
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[\[\]{}]', re.DOTALL)
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^\s,\]}]+")
_GAP: Final = re.compile(rb"[ \t\r\n]*")


class Member(NamedTuple):
    """Where one `"name": value` stands: `start` is at its opening quote, `value` at its value's
    first byte, `end` behind its last."""

    name: str
    start: int
    value: int
    end: int


def members(text: bytes, at: int = 0) -> Iterator[Member]:
    """The members of the object that begins at or after `at`, in order. Raises ValueError where
    there is none."""
    at = _open(text, at)
    while True:
        at = _gap(text, at)
        if text[at:at + 1] == b",":
            at = _gap(text, at + 1)
        key = _STRING.match(text, at)
        if key is None:
            return
        value = _gap(text, key.end())
        value = _gap(text, value + 1)                                    # behind the colon
        end = _value_end(text, value)
        yield Member(json.loads(key.group()), at, value, end)
        at = end


def find_member(text: bytes, name: str, at: int = 0) -> Member | None:
    """The member called `name` of the object at `at`; the last where a name stands twice, as every
    parser reads it."""
    found = None
    for member in members(text, at):
        if member.name == name:
            found = member
    return found


def remove_member(text: bytes, name: str) -> bytes:
    """The object without its member `name` and without the comma that set it off; unchanged where
    there is none."""
    while (member := find_member(text, name)) is not None:
        text = _cut(text, member)
    return text


def add_member(text: bytes, name: str, value: bytes, at: int = 0) -> bytes:
    """The object with one more first member. The caller knows that it has none of that name."""
    at = _open(text, at)
    last = text[_gap(text, at):][:1] == b"}"
    return b"".join((text[:at], json.dumps(name).encode(), b":", value, b"" if last else b",", text[at:]))


def append_member(text: bytes, name: str, value: bytes) -> bytes:
    """The same behind its last member, without looking at those before: for long bodies."""
    end = text.rindex(b"}")
    empty = text[:end].strip(_SPACE) == b"{"
    return b"".join((text[:end], b"" if empty else b",", json.dumps(name).encode(), b":", value, text[end:]))


def set_member(text: bytes, name: str, value: bytes, at: int = 0) -> bytes:
    """The object whose member `name` has this value, changed in place or added."""
    member = find_member(text, name, at)
    if member is None:
        return add_member(text, name, value, at)
    return text[:member.value] + value + text[member.end:]


def set_nested(text: bytes, outer: str, inner: str, value: bytes) -> bytes:
    """The object whose member `outer` is an object whose member `inner` has this value. What stood
    in `outer` and is not an object (null) is replaced."""
    member = find_member(text, outer)
    if member is None:
        return append_member(text, outer, b"{" + json.dumps(inner).encode() + b":" + value + b"}")
    if text[member.value:member.value + 1] == b"{":
        return set_member(text, inner, value, member.value)
    return text[:member.value] + b"{" + json.dumps(inner).encode() + b":" + value + b"}" + text[member.end:]


def _cut(text: bytes, member: Member) -> bytes:
    """Without the member and one comma: the one before it, or behind it where it stands first. The
    white space that set it off goes with the comma."""
    head = text[:member.start].rstrip(_SPACE)
    if head.endswith(b","):
        return head[:-1] + text[member.end:]
    behind = _gap(text, member.end)
    if text[behind:behind + 1] == b",":
        return text[:member.start] + text[_gap(text, behind + 1):]
    return text[:member.start] + text[member.end:]


def _open(text: bytes, at: int) -> int:
    at = _gap(text, at)
    if text[at:at + 1] != b"{":
        raise ValueError("not a JSON object")
    return at + 1


def _gap(text: bytes, at: int) -> int:
    """Behind the white space at `at`."""
    match = _GAP.match(text, at)
    return match.end() if match else at


def _value_end(text: bytes, at: int) -> int:
    """Behind the value that begins at `at`."""
    first = text[at:at + 1]
    if first == b'"':
        string = _STRING.match(text, at)
        return string.end() if string else len(text)
    if first not in {b"{", b"["}:
        scalar = _SCALAR.match(text, at)
        return scalar.end() if scalar else len(text)
    depth = 0
    for token in _TOKEN.finditer(text, at):
        mark = token.group()
        if mark in {b"{", b"["}:
            depth += 1
        elif mark in {b"}", b"]"}:
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)
