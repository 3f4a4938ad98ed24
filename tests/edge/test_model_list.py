"""A list of models loses those that are not open, and nothing else of it changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.edge.model_list import LIST_BYTES_MAX, ModelFilter, narrowed


def small(model: str) -> bool:
    return "mini" in model


@pytest.mark.parametrize(("body", "expected"), [
    (b'{"object":"list","data":[{"id":"gpt-4o","created":1.50},{"id":"gpt-4o-mini", "created":1.50}]}',
     b'{"object":"list","data":[{"id":"gpt-4o-mini", "created":1.50}]}'),
    (b'{"data":[{"id":"a"},{"id":"a-mini"},{"id":"b-mini"}],"first_id":"a","has_more":false,"last_id":"b-mini"}',
     b'{"data":[{"id":"a-mini"},{"id":"b-mini"}],"first_id":"a-mini","has_more":false,"last_id":"b-mini"}'),
    (b'{"data":[{"id":"a"}],"first_id":"a","last_id":"a"}', b'{"data":[],"first_id":null,"last_id":null}'),
    (b'{"models":[{"name":"models/g-mini"},{"name":"models/g"}]}', b'{"models":[{"name":"models/g-mini"}]}'),
    (b'[{"id":"x"},{"id":"x-mini"}]', b'[{"id":"x-mini"}]'),
    (b'{"error":{"message":"no"}}', b'{"error":{"message":"no"}}'),
    (b'{"id":"gpt-4o"}', b'{"id":"gpt-4o"}'),
    (b"<html>", b"<html>"),
])
def test_only_what_is_open_is_listed(body: bytes, expected: bytes) -> None:
    assert narrowed(body, small) == expected


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_however_it_comes_in_pieces(size: int) -> None:
    body = json.dumps({"data": [{"id": name} for name in ("a", "a-mini", "ü-mini")]}).encode()
    stage = ModelFilter(small)
    out = b"".join(stage.feed(body[at:at + size]) for at in range(0, len(body), size)) + stage.finish()
    found: Any = json.loads(out)
    assert [model["id"] for model in found["data"]] == ["a-mini", "ü-mini"]


def test_what_is_too_long_to_hold_passes() -> None:
    stage, part = ModelFilter(small), b" " * LIST_BYTES_MAX
    assert stage.feed(part) == b""
    assert stage.feed(b"x") == part + b"x"
    assert stage.feed(b"y") + stage.finish() == b"y"
