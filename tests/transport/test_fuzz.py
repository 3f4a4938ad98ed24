"""Whatever a provider sends, however the network cuts it: a correct reply or an UpstreamFault.

The connection is driven without a network. Three claims: a valid reply is read exactly; a cut one is
a fault after a true beginning; and broken bytes give one and the same outcome in one read or in many,
for what depends on the cuts of the network can be steered by whoever steers them.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import UpstreamFault
from tallystick.transport.http1 import HEADERS_MAX, Limits, Link
from tests.mini_upstream import chunk_bytes, head_bytes

LIMITS = Limits(reply_bytes_max=100_000)


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Whatever is sent is well received."""

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """We go on regardless, as one read on its way would."""

    resume_reading = pause_reading


@dataclass(frozen=True)
class Outcome:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    fault: str | None
    reusable: bool


@dataclass
class Reader:
    """Reads a reply from bytes cut into reads."""

    runner: asyncio.Runner
    end: socket.socket

    def read(self, reads: Sequence[bytes], method: str = "POST") -> Outcome:
        return self.runner.run(self._read(reads, method))

    async def _read(self, reads: Sequence[bytes], method: str) -> Outcome:
        freed: list[Link] = []
        link = Link(LIMITS, freed.append, lambda _: None)
        wire = Wire(self.end)
        link.connection_made(wire)
        reply = link.send(method, b"POST / HTTP/1.1\r\nHost: x\r\n", b"{}", None)
        for data in reads:
            if not wire.closed:
                link.data_received(data)
        reusable = bool(freed) and not wire.closed
        if not wire.closed:
            link.eof_received()
        link.connection_lost(None)
        body, fault = b"", None
        try:
            async with asyncio.timeout(20):      # nothing more will come: whoever still waits, waits for ever
                await reply.head()
                while (piece := await reply.next()) is not None:
                    assert piece, "an empty piece says nothing"
                    body += piece
                assert reply.at_end
        except UpstreamFault as error:
            fault = error.kind if error.written else "claims that nothing was written"
        return Outcome(reply.status, tuple(reply.headers) if reply.status else (), body, fault, reusable)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    ours, theirs = socket.socketpair()
    with asyncio.Runner() as runner, ours, theirs:
        yield Reader(runner, ours)


TOKENS = st.text("abcXYZ-_!#09", min_size=1, max_size=12).map(str.encode).filter(
    lambda name: name.lower() not in (b"connection", b"upgrade"))
VALUES = st.binary(max_size=20).map(
    lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip(b" \t"))
HEADERS = st.lists(st.tuples(TOKENS, VALUES), max_size=6)
STATUS = st.integers(200, 599).filter(lambda status: status not in (204, 304))
CUTS = st.lists(st.integers(0, 400), max_size=12)


@dataclass(frozen=True)
class Valid:
    """A reply as it should be: what stands on the wire, and what has to come out."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    pieces: tuple[bytes, ...]
    framing: str
    interim: int

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def all_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        if self.framing == "chunks":
            return (*self.headers, (b"Transfer-Encoding", b"chunked"))
        if self.framing == "length":
            return (*self.headers, (b"Content-Length", b"%d" % len(self.body)))
        return self.headers

    @property
    def wire(self) -> bytes:
        body = self.body
        if self.framing == "chunks":
            body = b"".join(chunk_bytes(piece) for piece in self.pieces) + b"0\r\n\r\n"
        hints = head_bytes(103, [(b"Link", b"</a>")]) * self.interim
        return hints + head_bytes(self.status, self.all_headers) + body


REPLIES = st.builds(
    Valid, STATUS, HEADERS.map(tuple), st.lists(st.binary(min_size=1, max_size=80), max_size=6).map(tuple),
    st.sampled_from(["chunks", "length", "end of connection"]), st.integers(0, 2))


def cut(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(wire), *(mark for mark in cuts if mark < len(wire))})
    return [wire[start:end] for start, end in itertools.pairwise(marks)]


@given(reply=REPLIES, cuts=CUTS)
def test_a_valid_reply_is_read_exactly_however_it_is_cut(reader: Reader, reply: Valid, cuts: list[int]) -> None:
    outcome = reader.read(cut(reply.wire, cuts))
    assert outcome == Outcome(reply.status, reply.all_headers, reply.body, None, reply.framing != "end of connection")


@given(reply=REPLIES, cuts=CUTS, kept=st.integers(0, 400))
def test_a_reply_cut_short_is_a_fault_after_a_true_beginning(
    reader: Reader, reply: Valid, cuts: list[int], kept: int
) -> None:
    wire = reply.wire[:min(kept, len(reply.wire) - 1)]
    outcome = reader.read(cut(wire, cuts))
    assert reply.body.startswith(outcome.body)
    assert not outcome.reusable
    whole_by_its_own_rules = reply.framing == "end of connection" and outcome.status == reply.status
    assert outcome.fault == (None if whole_by_its_own_rules else "reset")


@given(reply=REPLIES, cuts=CUTS, extra=st.binary(min_size=1, max_size=60))
def test_bytes_after_a_reply_change_nothing_but_the_connections_fate(
    reader: Reader, reply: Valid, cuts: list[int], extra: bytes
) -> None:
    if reply.framing == "end of connection":
        return
    outcome = reader.read(cut(reply.wire + extra, cuts))
    assert (outcome.status, outcome.headers, outcome.body, outcome.fault) == (
        reply.status, reply.all_headers, reply.body, None)


@st.composite
def damaged(draw: Any) -> bytes:
    """A valid reply with a few bytes changed, dropped, doubled or put in."""
    wire = bytearray(draw(REPLIES).wire)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire) - 1))
        piece = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b"0", b"f", b"-", b"\xff",
                                      b"\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
                                      b"HTTP/1.1 200 OK\r\n\r\n"]))
        wire[at:at + draw(st.integers(0, 3))] = piece
    return bytes(wire)


@given(wire=damaged() | st.binary(max_size=200), cuts=CUTS, method=st.sampled_from(["POST", "HEAD"]))
def test_broken_bytes_have_one_outcome_however_they_are_cut(
    reader: Reader, wire: bytes, cuts: list[int], method: str
) -> None:
    at_once = reader.read([wire] if wire else [], method)
    in_reads = reader.read(cut(wire, cuts), method)
    byte_by_byte = reader.read([wire[at:at + 1] for at in range(len(wire))], method)
    facts = [(one.status, one.headers, one.body, one.fault is None) for one in (at_once, in_reads, byte_by_byte)]
    assert facts[0] == facts[1] == facts[2]


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (HEADERS_MAX + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 200 " + b"y" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"y" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 200_000,
        b"HTTP/1.1 103 OK\r\n\r\n" * 10_000,
    ],
    ids=["headers", "a header", "a reason", "a chunk's extension", "trailers", "a body", "interim replies"],
)
def test_nothing_grows_without_a_bound(reader: Reader, flood: bytes) -> None:
    reads = [flood[at:at + 1000] for at in range(0, len(flood), 1000)]
    assert reader.read(reads).fault in ("too_large", "protocol")
