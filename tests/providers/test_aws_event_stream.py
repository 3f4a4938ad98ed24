"""Binary event streams: any split gives the same messages, and no bytes whatever raise or fill memory."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.providers.dialects.aws_event_stream import EventMessage, EventStreamReader
from tests.build.event_streams import message

PAYLOADS = st.lists(st.binary(max_size=80), max_size=6)
LIMIT = 200


def read(data, sizes=(), limit=LIMIT):
    reader, found, at = EventStreamReader(limit), [], 0
    for size in sizes:
        found += reader.feed(data[at:at + size])
        at += size
    found += reader.feed(data[at:])
    return found, reader


@given(PAYLOADS, st.lists(st.integers(0, 40)))
def test_what_was_written_is_read_however_it_was_cut(payloads, sizes):
    data = b"".join(message(payload, event="metadata") for payload in payloads)
    found, reader = read(data, sizes)
    assert found == [EventMessage("event", "metadata", payload) for payload in payloads]
    assert (reader.dropped, reader.lost) == (0, False)


@given(PAYLOADS.filter(bool), st.data())
def test_one_damaged_byte_never_passes_for_a_message(payloads, data):
    whole = b"".join(message(payload) for payload in payloads)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1:]
    found, reader = read(broken)
    assert len(found) < len(payloads)
    assert reader.lost or reader.dropped == 1
    assert read(broken, [1] * len(broken))[0] == found


@given(st.binary(max_size=400), st.lists(st.integers(0, 40)))
def test_bytes_that_are_no_stream_are_given_up(junk, sizes):
    found, reader = read(junk, sizes)
    assert found == []
    assert reader.lost or len(junk) < 12


@given(st.lists(st.integers(0, 90)))
def test_a_message_over_the_limit_is_passed_over_and_the_next_is_read(sizes):
    data = message(b"a" * LIMIT) + message(b"after")
    found, reader = read(data, sizes)
    assert [entry.payload for entry in found] == [b"after"]
    assert reader.dropped == 1


def test_headers_of_every_kind_are_passed_over():
    values = {0: b"", 1: b"", 2: b"1", 3: b"22", 4: b"4444", 5: b"8" * 8, 6: b"\x00\x02xy", 8: b"t" * 8, 9: b"u" * 16}
    more = b"".join(b"\x01h" + bytes([kind]) + value for kind, value in values.items())
    assert read(message(b"{}", more=more))[0] == [EventMessage("event", "chunk", b"{}")]
    assert read(message(b"{}", more=b"\x01h\x0a"))[1].dropped == 1


def test_an_exception_is_told_from_an_event():
    found, _ = read(message(b"{}", event="throttlingException", kind="exception"))
    assert found == [EventMessage("exception", "throttlingException", b"{}")]
