"""Events come out the same however the network cut the bytes, and nothing makes a reader raise or grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.providers.dialects.framing import JsonLines, SseEvent, SseReader

STREAM = (
    b"\xef\xbb\xbf: keep-alive\n\nevent: message_start\ndata: {\"a\": \"\xc3\xa9\"}\n\n"
    b"data:{\"b\":1}\r\n\r\nid: 7\rretry: 10\rdata: one\rdata: two\r\rdata\n\n\n\n"
    b"event: ping\n\ndata: [DONE]\n\ndata: no blank line follows"
)
EVENTS = [
    SseEvent("message_start", b"{\"a\": \"\xc3\xa9\"}"),
    SseEvent("", b"{\"b\":1}"),
    SseEvent("", b"one\ntwo"),
    SseEvent("", b""),
    SseEvent("", b"[DONE]"),
    SseEvent("", b"no blank line follows"),
]


def read(pieces, line_bytes_max=1 << 20):
    reader = SseReader(line_bytes_max)
    events = [event for piece in pieces for event in reader.feed(piece)]
    events += reader.finish()
    assert reader.finish() == []
    return events, reader.dropped


def test_every_kind_of_line_end_and_field():
    assert read([STREAM]) == (EVENTS, 0)


@pytest.mark.parametrize("offset", range(len(STREAM) + 1))
def test_a_cut_anywhere_changes_nothing(offset):
    assert read([STREAM[:offset], STREAM[offset:]]) == (EVENTS, 0)


def test_one_byte_at_a_time():
    assert read([STREAM[i:i + 1] for i in range(len(STREAM))]) == (EVENTS, 0)


def test_whole_events_take_the_short_way_and_read_the_same():
    chunk = b"data: {\"x\":1}\n\nevent: e\ndata: 2\n\n: comment\n\n\ndata: 3\n\n"
    reader = SseReader()
    reader.feed(b": begun\n\n")
    assert reader.feed(chunk) == [SseEvent("", b"{\"x\":1}"), SseEvent("e", b"2"), SseEvent("", b"3")]


@given(st.lists(st.sampled_from([b"data: a", b"data:b", b"event: e", b": c", b"\n", b"\r", b"\r\n", b"\n\n", b"x" * 9, b"data: " + b"y" * 40]), max_size=40),
       st.lists(st.integers(1, 30), max_size=40))
def test_any_bytes_read_the_same_under_any_split(tokens, cuts):
    stream = b"".join(tokens)
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(stream[at:at + cut])
        at += cut
    pieces.append(stream[at:])
    assert read(pieces, 32) == read([stream], 32)


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_garbage_never_raises(pieces):
    assert read(pieces) == read([b"".join(pieces)])


def test_a_line_over_the_limit_is_dropped_to_its_end_and_counted():
    stream = b"data: " + b"x" * 100 + b"\n\ndata: kept\n\n"
    assert read([stream], 50) == ([SseEvent("", b"kept")], 1)
    assert read([stream[i:i + 1] for i in range(len(stream))], 50) == ([SseEvent("", b"kept")], 1)


def test_an_event_of_many_lines_is_bounded_too():
    events, dropped = read([b"data: 12345678\n" * 10 + b"\ndata: kept\n\n"], 32)
    assert len(events[0].data) <= 32
    assert dropped == 7
    assert events[1] == SseEvent("", b"kept")


def test_json_lines_split_anywhere():
    stream = b'{"a":1}\n{"b":"\xc3\xa9"}\r\n\n  \n{"done":true}'
    documents = [b'{"a":1}', b'{"b":"\xc3\xa9"}', b'{"done":true}']
    for cut in range(len(stream) + 1):
        reader = JsonLines()
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.finish() == documents
        assert reader.finish() == []


def test_a_json_line_over_the_limit_is_dropped():
    reader = JsonLines(10)
    assert reader.feed(b"x" * 30 + b"\n{}\n") == [b"{}"]
    assert reader.dropped == 1
