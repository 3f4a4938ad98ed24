"""An organisation's rules as a file: read, compared with what stands, written out again. What is in the file is made so;
what is not in it is left alone, whole items as well as single fields, unless pruning is asked for. Applying what was
dumped changes nothing, applying twice is applying once, and a file is done whole or not at all: one transaction.

TOML, for it has comments and one way to be read. An unknown section or field is an error: a limit that nobody applies
must not be accepted in silence (product.md, P21).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Refused
from tallystick.stores.sql.journal import Sequencer

Fields = Mapping[str, Any]
Identity = tuple[str, ...]
ITEMS_MAX: Final = 10_000
FILE_BYTES_MAX: Final = 8 << 20
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class Section(Protocol):
    """One kind of item. Fields are plain values in a canonical form, so that equal ones are equal."""

    @property
    def name(self) -> str:
        """Of the section in the file."""

    @property
    def fields(self) -> tuple[str, ...]:
        """All that an item may say, in the order in which it is written."""

    @property
    def prunable(self) -> bool:
        """Whether pruning removes what the file does not have."""

    def read(self, raw: Fields) -> tuple[Identity, Fields]:
        """Which item it is, and what is said of it. Raises Refused."""

    def standing(self, db: Connection) -> Mapping[Identity, Fields]:
        """What stands."""

    def check(self, fields: Fields) -> None:
        """Raises Refused for what cannot stand."""

    def put(self, fields: Fields) -> None:
        """Make it so. Raises Refused."""

    def take(self, identity: Identity) -> None:
        """Remove it. Raises Refused."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done to one item. `fields`: as it is to be; `before`: as it is."""

    how: Literal["make", "change", "remove"]
    section: str
    identity: Identity
    fields: Fields
    before: Fields

    @property
    def differences(self) -> Mapping[str, tuple[Any, Any]]:
        """(was, will be) of each field that differs."""
        was, will_be = _said(self.before), _said(self.fields)
        names = [name for name in (*was, *will_be) if was.get(name) != will_be.get(name)]
        return {name: (was.get(name), will_be.get(name)) for name in dict.fromkeys(names)}


def parse(text: str) -> Mapping[str, Any]:
    """The file. Raises Refused."""
    if len(text.encode()) > FILE_BYTES_MAX:
        raise Refused("invalid_request", f"The file is larger than {FILE_BYTES_MAX} bytes.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise Refused("invalid_request", f"The file is not TOML: {fault}.") from None


def plan(db: Connection, sections: Sequence[Section], document: Mapping[str, Any], *, prune: bool = False) -> list[Change]:
    """What applying the document would do, in the order in which it is done. Everything is checked before anything is
    done. Raises Refused naming the item."""
    known = {section.name for section in sections}
    if unknown := document.keys() - known:
        raise Refused("invalid_request", f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}.")
    changes: list[Change] = []
    for section in sections:
        wanted = _wanted(section, document.get(section.name, []))
        standing = section.standing(db)
        changes += [change for identity, fields in wanted.items()
                    if (change := _change(section, identity, fields, standing.get(identity))) is not None]
        if prune and section.prunable and section.name in document:
            changes += [Change("remove", section.name, identity, {}, before)
                        for identity, before in standing.items() if identity not in wanted]
    return changes


def apply(sequencer: Sequencer, now_us: int, sections_on: Callable[[Sequencer], Sequence[Section]], document: Mapping[str, Any],
          planned: Sequence[Change], *, prune: bool = False) -> None:
    """Do what was planned, all of it or nothing. `sections_on`: the sections, writing through a sequencer. Raises Refused,
    also where something else has changed since the plan was made: nobody has agreed to that."""
    with sequencer.together(now_us) as one:
        sections = sections_on(one)
        with one.database.read() as db:
            if plan(db, sections, document, prune=prune) != list(planned):
                raise Refused("changed_meanwhile", "Somebody has changed something meanwhile; nothing was done. Look at the plan again.")
        by_name = {section.name: section for section in sections}
        for change in planned:
            section = by_name[change.section]
            try:
                if change.how == "remove":
                    section.take(change.identity)
                else:
                    section.put(change.fields)
            except Refused as refused:
                raise Refused(refused.code, f"{section.name} {_called(change.identity)}: {refused} Nothing was done.") from None


def dump(db: Connection, sections: Sequence[Section]) -> str:
    """Everything that stands, as a file that changes nothing."""
    parts = []
    for section in sections:
        for fields in section.standing(db).values():
            said = [f"{name} = {_value(fields[name])}" for name in section.fields if fields.get(name) not in _NOTHING]
            parts.append("\n".join((f"[[{section.name}]]", *said, "")))
    return "\n".join(parts)


def _wanted(section: Section, raw: Any) -> dict[Identity, Fields]:
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw) or len(raw) > ITEMS_MAX:
        raise Refused("invalid_request", f"Write each of {section.name} as [[{section.name}]], at most {ITEMS_MAX} of them.")
    wanted: dict[Identity, Fields] = {}
    for number, item in enumerate(raw, start=1):
        if unknown := item.keys() - set(section.fields):
            raise Refused("invalid_request", f"{section.name} {number}: no field {', '.join(sorted(unknown))}; "
                                             f"there are {', '.join(section.fields)}.")
        try:
            identity, fields = section.read(item)
        except Refused as refused:
            raise Refused(refused.code, f"{section.name} {number}: {refused}") from None
        if identity in wanted:
            raise Refused("invalid_request", f"{section.name} {number}: {_called(identity)} stands in the file twice.")
        wanted[identity] = fields
    return wanted


def _change(section: Section, identity: Identity, fields: Fields, before: Fields | None) -> Change | None:
    merged = {**(before or {}), **fields}
    if before is not None and _said(merged) == _said(before):
        return None
    try:
        section.check(merged)
    except Refused as refused:
        raise Refused(refused.code, f"{section.name} {_called(identity)}: {refused}") from None
    return Change("make" if before is None else "change", section.name, identity, merged, before or {})


def _said(fields: Fields) -> dict[str, Any]:
    """Without what is empty: to say nothing and to say that there is nothing come to the same."""
    return {name: value for name, value in fields.items() if value not in _NOTHING}


def _called(identity: Identity) -> str:
    return " ".join(filter(None, identity))


def _value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in value.items()) + "}"
    return "[" + ", ".join(map(_value, value)) + "]"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
