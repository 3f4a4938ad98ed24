"""A provider's list of models as a key may see it: without those that its policies close. Every entry that stays is the
provider's own bytes; what is no list of models passes as it is, for asking for a closed model is refused anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

LIST_BYTES_MAX: Final = 8 * 1024 * 1024
_LISTS: Final = ("data", "models", "results", "language_models")
_NAMES: Final = ("id", "name", "model")


class ModelFilter:
    """A `StreamEdit` that keeps the reply back until it is whole. `opens`: whether a model may be seen."""

    def __init__(self, opens: Callable[[str], bool]) -> None:
        self._opens = opens
        self._held = bytearray()
        self._passing = False

    def feed(self, data: bytes) -> bytes:
        if self._passing:
            return data
        self._held += data
        if len(self._held) <= LIST_BYTES_MAX:
            return b""
        self._passing = True
        return bytes(self._held)

    def finish(self) -> bytes:
        return b"" if self._passing else narrowed(bytes(self._held), self._opens)


def narrowed(body: bytes, opens: Callable[[str], bool]) -> bytes:
    """The list without the models that are not open."""
    try:
        whole = msgspec.json.decode(body, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
        if isinstance(whole, list):
            return _array(_open(whole, opens))
        found = next((name for name in _LISTS if name in whole and bytes(whole[name]).lstrip()[:1] == b"["), None)
        if found is None:
            return body
        kept = _open(msgspec.json.decode(whole[found], type=list[msgspec.Raw]), opens)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    whole[found] = msgspec.Raw(_array(kept))
    for name, place in (("first_id", 0), ("last_id", -1)):       # of Anthropic's pages
        if name in whole:
            whole[name] = msgspec.Raw(msgspec.json.encode(_name(kept[place]) if kept else None))
    return msgspec.json.encode(whole)


def _open(models: list[msgspec.Raw], opens: Callable[[str], bool]) -> list[msgspec.Raw]:
    return [model for model in models if (name := _name(model)) is None or opens(name.rpartition("models/")[2])]


def _name(model: msgspec.Raw) -> str | None:
    said: Any = msgspec.json.decode(model)
    if isinstance(said, str):
        return said
    return next((said[name] for name in _NAMES if isinstance(said.get(name), str)), None) if isinstance(said, dict) else None


def _array(models: list[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(map(bytes, models)) + b"]"
