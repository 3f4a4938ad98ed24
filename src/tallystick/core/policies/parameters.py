"""How the parameters of a policy are read: every one by its name and type, and whatever is left over is an error. A
field that nobody applies must not be accepted in silence (product.md, P21).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from fnmatch import translate
from typing import Any, Final, cast

from tallystick.core.budget import EACH, KINDS, Scope

PATTERNS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 256
NUMBER_MAX: Final = 1 << 53


class BadPolicy(ValueError):
    """A policy that cannot be read; the message says what can."""


class Parameters:
    """The parameters of one policy while they are read. Every method takes one by its name; `done` ends the reading."""

    def __init__(self, kind: str, given: Mapping[str, Any], zone_of: Callable[[str], tzinfo] | None = None) -> None:
        """`zone_of`: finds a time zone by its name; raises ValueError."""
        self._kind = kind
        self._zone_of = zone_of
        self._left = dict(given)
        self._known: list[str] = []

    def number(self, name: str, *, least: int = 0) -> int | None:
        """A whole number, None where it is not given."""
        value = self._take(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= NUMBER_MAX:
            raise BadPolicy(f"{self._kind}: {name} is a whole number from {least}.")
        return value

    def flag(self, name: str, *, usual: bool = False) -> bool:
        """Yes or no."""
        value = self._take(name)
        if value is not None and type(value) is not bool:
            raise BadPolicy(f"{self._kind}: {name} is true or false.")
        return usual if value is None else value

    def text(self, name: str) -> str | None:
        """One line of text, None where it is not given. A whole number stands for its digits (amounts of money)."""
        value: Any = self._take(name)
        if type(value) is int:
            value = str(value)
        if value is not None and not _is_text(value):
            raise BadPolicy(f"{self._kind}: {name} is a text of 1 to {TEXT_CHARS_MAX} characters on one line.")
        return cast("str | None", value)

    def zone(self, name: str) -> tzinfo:
        """The time zone of that name."""
        try:
            if self._zone_of is not None:
                return self._zone_of(name)
        except ValueError:
            pass
        raise self.wrong(f"{name} is no time zone; say Europe/Berlin, America/New_York, UTC…")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text stands for itself."""
        value = self._take(name)
        if isinstance(value, str):
            value = [value]
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not 0 < len(value) <= PATTERNS_MAX or not all(map(_is_text, value)):
            raise BadPolicy(f"{self._kind}: {name} is a list of 1 to {PATTERNS_MAX} texts.")
        return tuple(value)

    def lists(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """A list of texts for each name."""
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or len(value) > PATTERNS_MAX or not all(map(_is_text, value)):
            raise BadPolicy(f"{self._kind}: {name} is a table of lists.")
        inner = Parameters(f"{self._kind}: {name}", value)
        return {key: inner.texts(key) for key in value}

    def done(self) -> None:
        """Raises BadPolicy where something is left that no rule applies."""
        if self._left:
            raise BadPolicy(f"{self._kind} has no {', '.join(sorted(self._left))}; it takes {', '.join(self._known) or 'no parameters'}.")

    def wrong(self, what: str) -> BadPolicy:
        """The complaint about values that were read and cannot stand; where something is left over, that is the complaint."""
        self.done()
        return BadPolicy(f"{self._kind}: {what}")

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._left.pop(name, None)


def parse_scope(text: str) -> Scope:
    """`org`, `team:search`, `project:search/web` (`project:web` of team `default`), `user:*` for each user, `key:ID`,
    `tag:NAME=VALUE`, `dimension:NAME=VALUE`… Raises BadPolicy."""
    kind, _, value = text.strip().partition(":")
    if kind not in KINDS or (kind == "org") != (not value):
        raise BadPolicy(f"{text!r} is no scope: say org, or one of {', '.join(KINDS[1:])} with its value, as in team:search or user:*.")
    if kind == "project" and "/" not in value and value != EACH:
        value = f"default/{value}"
    return Scope(kind, value)


def globs(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern for names that match any of these: `*` stands for anything, `?` for one character, without regard to
    case. None for no patterns."""
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns)) if patterns else None


def matches(pattern: re.Pattern[str] | None, name: str) -> bool:
    return pattern is not None and pattern.match(name.lower()) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TEXT_CHARS_MAX and value.isprintable()
