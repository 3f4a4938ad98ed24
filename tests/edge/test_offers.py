"""Requests that offer another protocol beside HTTP/1.1, as Java's HttpClient and `curl --http2` do over plain HTTP: they are
read exactly as without the offer, however the network cut them. The parser takes their bodies for the other protocol, so
what is at stake is a request that goes on without its body, or a body that is read as a request.

The gate is driven without a network: what it is fed is what one read of a socket would bring.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from tallystick.edge.body import BodyLimits, read_body
from tallystick.edge.gate import PIPELINED_MAX, Gate, GateHooks, GateLimits, server_config
from tests.build.gate import answer, statuses

OFFER = ((b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAA"))
HOST, JSON = (b"Host", b"gateway.example"), (b"Content-Type", b"application/json")

LIMITS = GateLimits()

Headers = Sequence[tuple[bytes, bytes]]
Seen = list[tuple[bytes, list[tuple[bytes, bytes]], bytes]]
"""What came through whole: target, headers, body."""


class Wire(asyncio.Transport):
    """A transport that goes nowhere, and keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8000)})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """We go on regardless, as one read on its way would."""

    resume_reading = pause_reading


async def fed(*pieces: bytes) -> tuple[Seen, bytes]:
    """What applications saw of the pieces and what was answered, once the client has sent all it will."""
    seen: Seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(scope, receive, BodyLimits())
        if isinstance(body, bytes):
            seen.append((scope["raw_path"], scope["headers"], body))
        await answer(send, 200 if isinstance(body, bytes) else 400, {})

    hooks = GateHooks(lambda: "req_1")
    state, wire = ServerState(), Wire()
    config = server_config(app, hooks, LIMITS, interface="asgi3", lifespan="off")
    gate = Gate(config, state, {}, asyncio.get_running_loop(), limits=LIMITS, hooks=hooks)
    gate.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            gate.data_received(piece)
    if wire.closed:
        gate.connection_lost(None)           # given up in the middle of a read
    else:
        gate.eof_received()
    while state.tasks:
        await asyncio.sleep(0)
    if not wire.closed:
        gate.connection_lost(None)
    return seen, wire.written


def outcome(*pieces: bytes) -> tuple[Seen, bytes]:
    return asyncio.run(fed(*pieces))


def request(headers: Headers, body: bytes = b"", *, target: bytes = b"/v1/chat/completions", method: bytes = b"POST", version: bytes = b"1.1") -> bytes:
    return b"%b %b HTTP/%b\r\n%b\r\n%b" % (method, target, version, b"".join(b"%b: %b\r\n" % header for header in headers), body)


def offering(*framing: tuple[bytes, bytes], body: bytes = b"", **more: bytes) -> bytes:
    return request((OFFER[0], *framing, HOST, *OFFER[1:], JSON), body, **more)


BODIES: dict[str, tuple[bytes, bytes]] = {
    "a length": (offering((b"Content-Length", b"13"), body=b'{"model":"m"}'), b'{"model":"m"}'),
    "chunks": (offering((b"Transfer-Encoding", b"chunked"), body=b'6;a=b\r\n{"mode\r\n7\r\nl":"m"}\r\n0\r\n\r\n'), b'{"model":"m"}'),
    "a length of nothing": (offering((b"Content-Length", b"0")), b""),
    "no chunks": (offering((b"Transfer-Encoding", b"chunked"), body=b"0\r\n\r\n"), b""),
    "no body": (offering(method=b"GET"), b""),
    "a body that looks like a request": (offering((b"Content-Length", b"37"), body=b"GET /smuggled HTTP/1.1\r\nHost: a.b\r\n\r\n"),
                                         b"GET /smuggled HTTP/1.1\r\nHost: a.b\r\n\r\n"),
    "a body like HTTP/2's preface": (offering((b"Content-Length", b"24"), body=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_an_offer_is_passed_over_wherever_the_network_cuts_it(name):
    """A second offer and a plain request behind it on the connection: three requests, each whole."""
    first, body = BODIES[name]
    second = offering((b"Content-Length", b"2"), body=b"{}", target=b"/v1/second")
    raw = first + second + request([HOST], target=b"/v1/third", method=b"GET")
    whole = await fed(raw)
    assert [(target, read) for target, _, read in whole[0]] == [(b"/v1/chat/completions", body), (b"/v1/second", b"{}"), (b"/v1/third", b"")]
    assert statuses(whole[1].replace(b"{}HTTP", b"{}\r\nHTTP")) == [200] * 3
    for place in range(1, len(raw)):
        assert await fed(raw[:place], raw[place:]) == whole, place
    assert await fed(*(raw[n:n + 1] for n in range(len(raw)))) == whole


def test_what_is_left_of_the_head_is_as_it_came():
    (target, headers, _), = outcome(request((
        HOST, (b"X-Empty", b""), (b"X-Odd", b"a: b;\t\xe9 "), (b"uPGRADE", b"\t H2C "), (b"X-Two", b"1"), (b"conNection", b"foo,  uPgrade"), (b"X-Two", b"2"),
        (b"Content-Length", b"0"),
    ), target=b"/v1/models?a=%2F"))[0]
    assert target == b"/v1/models"
    assert headers == [
        (b"host", b"gateway.example"), (b"x-empty", b""), (b"x-odd", b"a: b;\t\xe9 "), (b"x-two", b"1"), (b"connection", b"foo,  uPgrade"), (b"x-two", b"2"),
        (b"content-length", b"0")]


@pytest.mark.parametrize("offer", [b"h2c", b"H2C", b"h2c, h2", b"TLS/1.3", b"foo/2"])
@pytest.mark.parametrize("connection", [(b"Connection", b"upgrade"), (b"X-None", b"")])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_no_offer_but_a_websocket_is_an_error(offer, connection, version):
    raw = request((HOST, (b"Upgrade", offer), connection, (b"Content-Length", b"2")), b"{}", version=version)
    assert [body for _, _, body in outcome(raw)[0]] == [b"{}"]


@pytest.mark.parametrize(("target", "shape"), [(b"/v1/realtime", b'"type":"invalid_request_error"'), (b"/v1/messages", b'"type":"error"')])
@pytest.mark.parametrize("offer", [b"websocket", b"WebSocket", b"h2c, websocket"])
def test_who_asks_for_a_websocket_is_told_in_their_dialect(target, shape, offer):
    """Its client can use no other answer than 101, so passing over the offer would only hide why."""
    seen, written = outcome(request((HOST, (b"Connection", b"Upgrade"), (b"Upgrade", offer), (b"Sec-WebSocket-Key", b"YWJj")), target=target, method=b"GET"))
    assert seen == []
    assert statuses(written) == [400]
    assert b"WebSockets are not served here" in written
    assert shape in written


REFUSED: dict[str, tuple[int, bytes]] = {
    "length and chunked": (400, offering((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked"), body=b"0\r\n\r\n")),
    "two lengths": (400, offering((b"Content-Length", b"4"), (b"Content-Length", b"4"), body=b"abcd")),
    "gzip, then chunked": (400, offering((b"Transfer-Encoding", b"gzip, chunked"), body=b"0\r\n\r\n")),
    "another transfer encoding": (400, offering((b"Transfer-Encoding", b"identity"))),
    "chunked in HTTP/1.0": (400, offering((b"Transfer-Encoding", b"chunked"), body=b"0\r\n\r\n", version=b"1.0")),
    "a bad chunk": (400, offering((b"Transfer-Encoding", b"chunked"), body=b"zz\r\nab\r\n0\r\n\r\n")),
    "a trailer": (400, offering((b"Transfer-Encoding", b"chunked"), body=b"0\r\nUpgrade: h2c\r\n\r\n")),
    "two offers": (400, offering((b"Upgrade", b"h2c"))),
    "a twin of the offer": (400, request((HOST, *OFFER, (b"http2_settings", b"")))),
    "a folded offer": (400, request((HOST, OFFER[0], (b"Upgrade", b"h2c\r\n h2"), (b"Content-Length", b"2")), b"{}")),
    "an offer with a line feed": (400, request((HOST, OFFER[0], (b"Upgrade", b"h2c\nX-A: 1"), (b"Content-Length", b"2")), b"{}")),
    "CONNECT": (405, offering(method=b"CONNECT", target=b"evil.example:443")),
    "a body cut short": (400, offering((b"Content-Length", b"5"), body=b"abcd")),
    "too many headers": (431, request((HOST, *OFFER, *((b"X-%d" % n, b"1") for n in range(97))))),
    "too long a head": (431, request((HOST, *OFFER, (b"X-A", b"a" * 33_000)))),
    "too long an offer": (431, request((HOST, *OFFER[::2], (b"Upgrade", b"h2c," * 9_000)))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_offer_opens_no_way_around_what_is_refused(name):
    status, raw = REFUSED[name]
    seen, written = outcome(raw if "cut" in name else raw + request([HOST], target=b"/smuggled", method=b"GET"))
    assert seen == []
    assert statuses(written) == [status]


def test_as_many_headers_as_ever_are_read():
    assert len(outcome(request((HOST, *OFFER, *((b"X-%d" % n, b"1") for n in range(96)))))[0]) == 1


def test_no_endless_line_of_offers():
    """A connection is given up where too many requests wait on it, whatever else one read brought."""
    seen, written = outcome(offering(method=b"GET") * 2_000)
    assert (len(seen), written) == (1, b"")                      # the first was under way
    assert len(outcome(offering(method=b"GET") * PIPELINED_MAX)[0]) == PIPELINED_MAX


# --- anything at all --------------------------------------------------------------------------------

def pieces_of(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(places) if start < end]


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A body and the headers that frame it."""
    body = draw(st.binary(max_size=40) | st.sampled_from([offering(), request([HOST], method=b"GET"), b"0\r\n\r\n"]))
    if draw(st.booleans()):
        return [(b"Content-Length", b"%d" % len(body))], body
    chunks = pieces_of(body, draw(st.lists(st.integers(0, 1000), max_size=3)))
    return [(b"Transfer-Encoding", b"chunked")], b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@st.composite
def twins(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The same requests on one connection, with offers and without."""
    with_offers = without = b""
    for n in range(draw(st.integers(1, 4))):
        framing, body = draw(framed())
        headers = draw(st.permutations([HOST, JSON, (b"X-A", b"b"), (b"Connection", draw(st.sampled_from([b"Upgrade, HTTP2-Settings", b"upgrade"]))), *framing]))
        offered = list(headers)
        if draw(st.booleans()):
            offered.insert(draw(st.integers(0, len(headers))), (draw(st.sampled_from([b"Upgrade", b"upgrade", b"UPGRADE"])), b"h2c"))
        with_offers += request(offered, body, target=b"/v1/%d" % n)
        without += request(headers, body, target=b"/v1/%d" % n)
    return with_offers, without


@given(twins(), st.lists(st.integers(0, 5000), max_size=8))
def test_with_an_offer_the_same_is_read_as_without(both, cuts):
    with_offers, without = both
    assert outcome(*pieces_of(with_offers, cuts)) == outcome(without)


JUNK = [b"\r\n", b"\n", b"\r", b" ", b"\x00", b":", b"0", b"chunked", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n",
        b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"Connection: upgrade\r\n", b"\xff", b"POST / HTTP/1.1\r\nHost: a\r\n"]


@given(st.sampled_from(sorted(BODIES)), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 4), st.sampled_from(JUNK)), min_size=1, max_size=3),
       st.lists(st.integers(0, 5000), max_size=6))
def test_damaged_bytes_are_read_one_way_however_they_are_cut(name, damages, cuts):
    """What depends on the cuts of the network could be steered by whoever steers them."""
    raw = BODIES[name][0] + offering((b"Content-Length", b"2"), body=b"{}", target=b"/v1/second")
    for place, dropped, junk in damages:
        place %= len(raw)
        raw = raw[:place] + junk + raw[place + dropped:]
    whole = outcome(raw)
    assert outcome(*pieces_of(raw, cuts)) == whole
    assert statuses(whole[1].replace(b"}HTTP", b"}\r\nHTTP"))[-1:] in ([], [200], [400], [405], [408], [431])
