"""Replies of providers, fed to meters whole and byte by byte, and hostile variations of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from tallystick.core.call import Dialect, Facts, ReplyHead
from tallystick.core.usage import Reading


def head(*, streaming: bool = False, content_type: str | None = None, path: str = "", **headers: str) -> ReplyHead:
    kind = content_type or ("text/event-stream" if streaming else "application/json")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ReplyHead(200, {"content-type": kind, **named}, streaming, path)


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def events(*documents: Mapping[str, Any], named: bool = True) -> bytes:
    """Server-sent events named by their `type`, as Anthropic sends them, or nameless, as Gemini does."""
    return b"".join(
        (f"event: {document['type']}\n".encode() if named else b"") + b"data: " + body(document) + b"\n\n"
        for document in documents
    )


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at:at + size] for at in range(0, len(data), size))


def read(dialect: Dialect, data: bytes, of: ReplyHead, facts: Facts | None = None) -> Reading:
    """What a meter reads of a reply; the same whole, byte by byte and in threes, and asked twice."""
    readings: list[Reading] = []
    for size in (len(data) or 1, 1, 3):
        meter = dialect.meter(facts or Facts(), of)
        for piece in pieces(data, size):
            meter.feed(piece)
        readings.append(meter.finish())
        assert meter.finish() == readings[-1]
    assert readings[1:] == readings[:1] * 2
    return readings[0]


def inclusive(reading: Reading) -> dict[str, Any]:
    assert reading.usage is not None
    return reading.usage.inclusive()


_WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**30), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3),
    st.just([]), st.just({}), st.lists(st.integers(), max_size=2), st.just([None, 1, "x", {}]),
)


def damaged(document: Any) -> st.SearchStrategy[Any]:
    """The document with some of its values replaced by others of the wrong kind."""
    if isinstance(document, dict):
        whole = st.fixed_dictionaries({name: damaged(value) for name, value in document.items()})
    elif isinstance(document, list):
        whole = st.tuples(*(damaged(value) for value in document)).map(list)
    else:
        whole = st.just(document)
    return st.one_of(whole, whole, whole, _WRONG)
