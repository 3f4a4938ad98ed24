"""The text fields of a form, read off its bytes on their way to the provider. A form holds a recording
or a picture of any size, and beside it the few words that decide the price: model, size, number.

Nothing is kept of a file but its length. Fields are bounded in number and size, a head in bytes; a
form that breaks a bound, or is none, simply says nothing more. Never raises, and the same however the
bytes were split. Source: RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

FIELDS_MAX: Final = 32
VALUE_BYTES_MAX: Final = 1 << 10
HEAD_BYTES_MAX: Final = 8 << 10
NUMBER_CHARS_MAX: Final = 12

_BOUNDARY: Final = re.compile(r'^multipart/form-data\b.*?;\s*boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'(?:^|[;\s])name="([^"\r\n]{1,64})"', re.IGNORECASE)
_FILE: Final = re.compile(rb"(?:^|[;\s])filename\*?=", re.IGNORECASE)
_WORDS: Final[Mapping[str, bool]] = {"true": True, "false": False}


class FormFields:
    """Reads one form. `fields`: what it said so far, as a JSON body would say it (numbers and booleans
    as such); the first of a name counts. `file_bytes`: the length of its files."""

    __slots__ = ("_ended", "_in_head", "_is_file", "_mark", "_name", "_rest", "_value", "fields", "file_bytes")

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._rest = b"\r\n"                 # so that the first boundary begins like the others
        self._in_head = False                # between a boundary and the blank line after it
        self._ended = False
        self._is_file = False                # the open part
        self._name: str | None = None        # of the open part, as long as its value is kept
        self._value = b""
        self.fields: dict[str, Any] = {}
        self.file_bytes = 0

    @classmethod
    def of(cls, content_type: str) -> FormFields | None:
        """A reader for a body of that type; None where it is no form."""
        found = _BOUNDARY.match(content_type)
        return cls((found.group(1) or found.group(2)).encode("latin-1", "replace")) if found else None

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        if self._ended:
            return
        self._rest += data
        while self._take_head() if self._in_head else self._take_content():
            pass

    def _take_head(self) -> bool:
        """Read a part's head, once all of it is there; a boundary followed by `--` was the last."""
        end = self._rest.find(b"\r\n\r\n")
        if self._rest.startswith(b"--") or (end < 0 and len(self._rest) > HEAD_BYTES_MAX):
            self._ended = True
        if self._ended or end < 0:
            return False
        rows = self._rest[:end].split(b"\r\n")
        self._rest, self._in_head = self._rest[end + 4:], False
        disposition = next((row for row in rows if row.lower().startswith(b"content-disposition:")), b"")
        named = _NAME.search(disposition)
        self._is_file = _FILE.search(disposition) is not None
        kept = not self._is_file and len(self.fields) < FIELDS_MAX
        self._name = named.group(1).decode("utf-8", "replace") if named is not None and kept else None
        self._value = b""
        return True

    def _take_content(self) -> bool:
        """Read a part's content up to the next boundary; of what may begin one, wait for the rest."""
        at = self._rest.find(self._mark)
        size = at if at >= 0 else max(0, len(self._rest) - len(self._mark) + 1)
        if self._is_file:
            self.file_bytes += size
        elif self._name is not None:
            self._value += self._rest[:size]
            if len(self._value) > VALUE_BYTES_MAX:
                self._name = None
        if at < 0:
            self._rest = self._rest[size:]
            return False
        if self._name is not None:
            self.fields.setdefault(self._name, _value(self._value))
        self._rest = self._rest[at + len(self._mark):]
        self._in_head, self._is_file, self._name = True, False, None
        return True


def _value(content: bytes) -> str | int | bool:
    """A field's text as a JSON body would have it."""
    said = content.decode("utf-8", "replace")
    if said.isascii() and said.isdigit() and len(said) <= NUMBER_CHARS_MAX:
        return int(said)
    return _WORDS.get(said, said)
