"""A head that repeats the one before is read once; any other byte than the body's length makes it a new one."""

from __future__ import annotations

import pytest

from tallystick.edge.heads import Head

HEADERS = [(b"host", b"h"), (b"content-length", b"10"), (b"x-tallystick-key", b"tsk_1")]
HEAD = Head("POST", b"/v1/chat/completions", "1.1", HEADERS)


@pytest.mark.parametrize("length", [b"10", b"11", b"x"])
def test_the_length_of_the_body_alone_may_differ(length: bytes) -> None:
    again = [(b"host", b"h"), (b"content-length", length), (b"x-tallystick-key", b"tsk_1")]
    assert HEAD.says("POST", b"/v1/chat/completions", "1.1", again)


@pytest.mark.parametrize(("method", "url", "version", "headers"), [
    ("PUT", b"/v1/chat/completions", "1.1", HEADERS),
    ("POST", b"/v1/chat/completions?key=1", "1.1", HEADERS),
    ("POST", b"/v1/chat/completions", "1.0", HEADERS),
    ("POST", b"/v1/chat/completions", "1.1", HEADERS[:2]),
    ("POST", b"/v1/chat/completions", "1.1", [*HEADERS, (b"content-length", b"10")]),
    ("POST", b"/v1/chat/completions", "1.1", [*HEADERS[:2], (b"x-tallystick-key", b"tsk_2")]),
    ("POST", b"/v1/chat/completions", "1.1", [HEADERS[1], HEADERS[0], HEADERS[2]]),
    ("POST", b"/v1/chat/completions", "1.1", [HEADERS[0], (b"transfer-encoding", b"chunked"), HEADERS[2]]),
    ("POST", b"/v1/chat/completions", "1.1", [HEADERS[0], (b"content-type", b"10"), HEADERS[2]]),
])
def test_any_other_difference_makes_it_another_head(method: str, url: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> None:
    assert not HEAD.says(method, url, version, headers)
