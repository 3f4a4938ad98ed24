"""The HTTP gate on real sockets: what can be read in two ways is refused and nothing of it comes
through; what a client may send, and how slowly, is bounded; the next request is always intact."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
import uvloop

from tallystick.edge.body import BodyLimits
from tallystick.edge.gate import GateLimits
from tests.build.gate import Echo, answer, gate, read_replies, statuses

HOST = b"Host: gateway.example\r\n"
PATIENT = GateLimits(head_timeout_s=600, body_timeout_s=600, body_window_s=600, write_timeout_s=600, linger_s=600)
WAIT_S = 20                                  # a bound against hanging, never a measure


def get(*lines: bytes, path: bytes = b"/v1/models", version: bytes = b"1.1", host: bytes = HOST) -> bytes:
    return b"GET %s HTTP/%s\r\n%s%s\r\n" % (path, version, host, b"".join(line + b"\r\n" for line in lines))


def post(body: bytes, *lines: bytes, path: bytes = b"/v1/chat/completions", version: bytes = b"1.1") -> bytes:
    return b"POST %s HTTP/%s\r\n%s%s\r\n%s" % (path, version, HOST, b"".join(line + b"\r\n" for line in lines), body)


async def test_an_ordinary_request_passes_and_the_connection_stays():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        for body in (b'{"model":"m"}', b"", b"x" * 300_000):
            writer.write(post(body, b"Content-Length: %d" % len(body)))
            raw = await read_replies(reader)
            assert raw == b'HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n{"path": "/v1/chat/completions", "bytes": %d}' % (
                len(b'{"path": "/v1/chat/completions", "bytes": }') + len(str(len(body))), len(body))     # no Date, no Server
        writer.write(post(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"))
        assert statuses(await read_replies(reader)) == [200]
        writer.close()
    assert [len(body) for _, _, body in app.seen] == [13, 0, 300_000, 5]


# The framing corpus after books.md §4: each row is one request, the status it gets, and why.
REFUSED: dict[str, tuple[int, bytes]] = {
    "length and chunked": (400, post(b"0\r\n\r\n", b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    "chunked and length": (400, post(b"0\r\n\r\n", b"Transfer-Encoding: chunked", b"Content-Length: 5")),
    "two lengths, one value": (400, post(b"abcd", b"Content-Length: 4", b"Content-Length: 4")),
    "two lengths, two values": (400, post(b"abcd", b"Content-Length: 4", b"Content-Length: 3")),
    "a list of lengths": (400, post(b"abcd", b"Content-Length: 4, 4")),
    "a signed length": (400, post(b"abcd", b"Content-Length: +4")),
    "a negative length": (400, post(b"abcd", b"Content-Length: -4")),
    "a hexadecimal length": (400, post(b"abcd", b"Content-Length: 0x4")),
    "an empty length": (400, post(b"", b"Content-Length:")),
    "a length with an underscore": (400, post(b"abcd", b"Content-Length: 1_0")),
    "an endless length": (400, post(b"abcd", b"Content-Length: 99999999999999999999")),
    "chunked twice": (400, post(b"0\r\n\r\n", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    "chunked in a list": (400, post(b"0\r\n\r\n", b"Transfer-Encoding: chunked, chunked")),
    "gzip, then chunked": (400, post(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked")),
    "another transfer encoding": (400, post(b"", b"Transfer-Encoding: identity")),
    "chunked with a tab": (400, post(b"0\r\n\r\n", b"Transfer-Encoding:\tchunked\x0b")),
    "chunked in HTTP/1.0": (400, post(b"0\r\n\r\n", b"Transfer-Encoding: chunked", version=b"1.0")),
    "a chunk size that is no number": (400, post(b"zz\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "a signed chunk size": (400, post(b"+2\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "a chunk size with a prefix": (400, post(b"0x2\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "an endless chunk size": (400, post(b"fffffffffffffffff\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "a chunk longer than it says": (400, post(b"2\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "a chunk that ends in a bare line feed": (400, post(b"2\nab\n0\n\n", b"Transfer-Encoding: chunked")),
    "a line feed within a chunk's extension": (400, post(b"2;a\nb\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "a trailer": (400, post(b"2\r\nab\r\n0\r\nX-Tallystick-Key: tsk_x\r\n\r\n", b"Transfer-Encoding: chunked")),
    "bare line feeds": (400, b"GET /v1/models HTTP/1.1\nHost: a\n\n"),
    "a folded header": (400, get(b"X-A: 1\r\n 2")),
    "a space before the colon": (400, get(b"X-A : 1")),
    "a header without a colon": (400, get(b"nonsense")),
    "a header with a bare carriage return": (400, get(b"X-A: 1\rX-B: 2")),
    "a header with a NUL": (400, get(b"X-A: 1\x002")),
    "an empty header name": (400, get(b": 1")),
    "no Host": (400, get(host=b"")),
    "two Hosts": (400, get(HOST.rstrip())),
    "a Host with a path": (400, get(host=b"Host: a/health?\r\n")),
    "a Host with credentials": (400, get(host=b"Host: a@b\r\n")),
    "a Host with a space": (400, get(host=b"Host: a b\r\n")),
    "an empty Host": (400, get(host=b"Host:\r\n")),
    "two Authorizations": (400, get(b"Authorization: Bearer a", b"Authorization: Bearer b")),
    "two API keys": (400, get(b"x-api-key: a", b"X-API-Key: b")),
    "two keys of ours": (400, get(b"X-Tallystick-Key: a", b"X-Tallystick-Key: b")),
    "two Content-Types": (400, post(b"", b"Content-Type: a/b", b"Content-Type: a/c", b"Content-Length: 0")),
    "a twin of our key header": (400, get(b"X_Tallystick_Key: a")),
    "a twin of one of our prefixes": (400, get(b"x-tallystick_team: a")),
    "a twin of Content-Length": (400, get(b"content_length: 5")),
    "a twin of a credential": (400, get(b"x_api_key: a")),
    "an absolute target": (400, get(path=b"http://evil.example/v1/models")),
    "a fragment in the target": (400, get(path=b"/v1/models#a")),
    "a target with a high byte": (400, get(path=b"/v1/\xe9")),
    "a target with a space": (400, get(path=b"/v1/ models")),
    "an encoded slash on the control plane": (400, get(path=b"/api/..%2fmetrics")),
    "two slashes on the control plane": (400, get(path=b"//metrics")),
    "an asterisk": (400, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": (405, b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "TRACE": (405, b"TRACE /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an unknown method": (400, b"BREW /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a lower-case method": (400, b"get /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/2 without asking": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/3.7": (400, get(version=b"3.7")),
    "HTTP/0.9": (400, b"GET /v1/models\r\n\r\n"),
    "a WebSocket": (400, get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: YWJj")),
    "HTTP/2 offered twice": (400, get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")),
    "an odd expectation": (400, post(b"{}", b"Content-Length: 2", b"Expect: 200-ok")),
    "a TLS hello": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "a PROXY line": (400, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get()),
    "too long a head": (431, get(b"X-A: " + b"a" * 33_000)),
    "too long a head in many lines": (431, get(*(b"X-%d: %s" % (n, b"a" * 900) for n in range(40)))),
    "too long a target": (431, get(path=b"/v1/" + b"a" * 33_000)),
    "a header line without end": (431, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000),
    "too many headers": (431, get(*(b"X-%d: 1" % n for n in range(100)))),
    "ten thousand headers": (431, get(*(b"X-%d: 1" % n for n in range(10_000)))),
    "a megabyte of header": (431, get(b"X-A: " + b"a" * 1_048_576)),
}


@pytest.fixture(scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def refused_and_seen(request):
    """Every row of the corpus on a connection of its own, followed by a request that must not be answered."""

    async def run() -> tuple[dict[str, bytes], list[tuple[str, str, bytes]]]:
        app = Echo()
        async with asyncio.timeout(60), gate(app, GateLimits(linger_s=0)) as gateway:
            return {name: await gateway.exchange(raw + get(path=b"/smuggled")) for name, (_, raw) in REFUSED.items()}, app.seen

    with asyncio.Runner(loop_factory=request.param) as runner:
        return runner.run(run())


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_two_readers_could_read_differently_is_refused(refused_and_seen, name):
    replies, _ = refused_and_seen
    assert statuses(replies[name]) == [REFUSED[name][0]]         # one answer: what follows is no request any more
    assert b"\r\nconnection: close\r\n" in replies[name]


def test_nothing_of_them_came_through(refused_and_seen):
    assert refused_and_seen[1] == []


async def test_what_only_looks_odd_passes():
    app = Echo()
    rows = [
        get(host=b"Host: [::1]:8000\r\n"), get(host=b"Host: my_service:8000\r\n"), get(host=b"", version=b"1.0"),
        get(b"_aipromptcost: {}"), get(b"x_custom: 1"), get(b"X-A: \xe9"), get(b"X-A:"), get(b"X-Tag: 1", b"X-Tag: 2"),
        get(path=b"/v1/models?a=%2F..//;b"), post(b"ab", b"content-length:2"), post(b"", b"Content-Length: 0", b"Expect: 100-continue"),
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),   # test_offers.py
        post(b"ab", b"Content-Length: 2", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        get(*(b"X-%d: 1" % n for n in range(99))),
    ]
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        for row in rows:
            assert statuses(await gateway.exchange(row)) == [200], row
    assert len(app.seen) == len(rows)


async def test_an_incomplete_body_is_an_error_and_never_a_short_request():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        for request in (
            post(b'{"model":"m"', b"Content-Length: 100"), post(b"", b"Content-Length: 1"),
            post(b"3\r\nabc\r\n", b"Transfer-Encoding: chunked"), post(b"3\r\na", b"Transfer-Encoding: chunked"),
        ):
            assert statuses(await gateway.exchange(request, eof=True)) == [400]
    assert app.seen == []
    assert app.refused == ["incomplete_body"] * 4


async def test_a_client_that_vanishes_mid_body_leaves_no_request():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        _, writer = await gateway.connect()
        writer.write(post(b"abc", b"Content-Length: 100"))
        await writer.drain()
        writer.transport.abort()
        while not app.refused:
            await asyncio.sleep(0)
    assert (app.seen, app.refused) == ([], ["incomplete_body"])


async def test_a_refusal_has_the_caller_s_dialect_and_an_id():
    async with asyncio.timeout(WAIT_S), gate(Echo(), PATIENT) as gateway:
        anthropic = await gateway.exchange(get(path=b"/v1/messages", host=b"Host: a/b\r\n"))
        openai = await gateway.exchange(get(host=b"Host: a/b\r\n"))
        assert gateway.refusals == ["bad_request", "bad_request"]
    assert b'"type":"error"' in anthropic
    assert b'"type":"invalid_request_error","param":null,"code":"bad_request"' in openai
    assert b"x-tallystick-request-id: req_00000000000000000000000000000002" in openai
    assert b"x-should-retry: false" in openai


# --- several requests on one connection -------------------------------------------------------------

async def test_pipelined_requests_are_answered_in_order():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(b"".join(post(b"x" * n, b"Content-Length: %d" % n, path=b"/v1/%d" % n) for n in range(10)))
        replies = await read_replies(reader, 10)
        writer.close()
    assert [path for _, path, _ in app.seen] == [f"/v1/{n}" for n in range(10)]
    assert [line for line in replies.split(b"\r\n") if b'"path"' in line or b"HTTP" in line]
    assert statuses(replies.replace(b"}HTTP", b"}\r\nHTTP")) == [200] * 10


async def test_a_bad_request_behind_a_good_one_waits_for_its_turn():
    release = asyncio.Event()

    async def slow(scope, receive, send):
        await release.wait()
        await answer(send, 200, {"path": scope["raw_path"].decode()})

    async with asyncio.timeout(WAIT_S), gate(slow, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(get() + get(host=b"Host: a b\r\n") + get())
        await writer.drain()
        await asyncio.sleep(0)
        release.set()
        replies = await reader.read()
        writer.close()
    assert statuses(replies.replace(b"}HTTP", b"}\r\nHTTP")) == [200, 400]


async def test_no_endless_line_of_pipelined_requests():
    never = asyncio.Event()

    async def stuck(scope, receive, send):
        await never.wait()

    async with asyncio.timeout(WAIT_S), gate(stuck, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(get() * 200)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        never.set()


async def test_an_early_answer_to_an_unread_body_closes_the_connection():
    """Else the rest of the body would be read as the next request."""

    async def refuses(scope, receive, send):
        await answer(send, 401, {})

    async with asyncio.timeout(WAIT_S), gate(refuses, GateLimits(linger_s=0)) as gateway:
        raw = await gateway.exchange(post(b"x" * 10, b"Content-Length: 100"))
        assert statuses(raw) == [401]
        assert b"connection: close" in raw
        whole = await gateway.exchange(post(b"x" * 10, b"Content-Length: 10"))
        assert b"connection: close" not in whole


async def test_a_refused_client_may_finish_sending_before_it_reads():
    """A reset at once would take the answer away from a client that is still sending."""
    app = Echo(BodyLimits(body_bytes_max=1_000))
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        raw = await gateway.exchange(post(b"", b"Content-Length: 3000000"), *[b"x" * 100_000] * 30)
        assert statuses(raw) == [413]
        chunked = await gateway.exchange(post(b"", b"Transfer-Encoding: chunked"), *[b"3e8\r\n" + b"x" * 1000 + b"\r\n"] * 3)
        assert statuses(chunked) == [413]
    assert app.seen == []


async def test_expect_100_continue_is_answered_when_the_body_is_wanted():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(post(b"", b"Content-Length: 2", b"Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert statuses(await read_replies(reader)) == [200]
        writer.close()


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"zstd", b"deflate", b"GZIP, identity"])
async def test_compressed_bodies_are_refused_unread(encoding):
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, PATIENT) as gateway:
        await gateway.exchange(post(b"xx", b"Content-Length: 2", b"Content-Encoding: " + encoding))
    assert (app.seen, app.refused) == ([], ["unsupported_encoding"])


# --- slowness ---------------------------------------------------------------------------------------

async def test_a_head_that_trickles_is_cut_off():
    limits = GateLimits(head_timeout_s=0.05)
    async with asyncio.timeout(WAIT_S), gate(Echo(), limits) as gateway:
        assert statuses(await gateway.exchange(b"GET / HTTP/1.1\r\nX-A: ")) == [408]
        assert await gateway.exchange(b"") == b""                # not a byte: nobody to answer
        reader, writer = await gateway.connect()                 # and on a connection that was good once
        writer.write(get())
        assert statuses(await read_replies(reader)) == [200]
        writer.write(b"GET / HT")
        assert statuses(await read_replies(reader)) == [408]
        writer.close()


async def test_a_body_that_trickles_is_cut_off():
    app = Echo()
    async with asyncio.timeout(WAIT_S), gate(app, GateLimits(body_window_s=0.05)) as gateway:
        assert statuses(await gateway.exchange(post(b"x", b"Content-Length: 1000"))) == [408]
    assert (app.seen, app.refused) == ([], ["request_timeout"])


async def test_a_body_must_come_to_an_end_even_at_a_good_rate():
    app = Echo()
    limits = GateLimits(body_window_s=0.02, body_rate_bytes_per_s_min=0, body_timeout_s=0.05)
    async with asyncio.timeout(WAIT_S), gate(app, limits) as gateway:
        assert statuses(await gateway.exchange(post(b"x", b"Content-Length: 1000"))) == [408]
    assert (app.seen, app.refused) == ([], ["request_timeout"])


async def test_an_upload_has_only_its_rate_to_keep():
    finish = asyncio.Event()

    async def upload(scope, receive, send):
        scope["extensions"]["tallystick"].uploads()
        await receive()
        finish.set()
        while (await receive()).get("more_body", False):
            pass
        await answer(send, 200, {})

    limits = GateLimits(body_window_s=0.02, body_rate_bytes_per_s_min=0, body_timeout_s=0.03)
    async with asyncio.timeout(WAIT_S), gate(upload, limits) as gateway:
        reader, writer = await gateway.connect()
        writer.write(post(b"x", b"Content-Length: 2"))
        await finish.wait()
        await asyncio.sleep(0.2)                                 # well past the whole-body deadline
        writer.write(b"y")
        assert statuses(await read_replies(reader)) == [200]
        writer.close()


async def test_a_client_that_reads_nothing_is_cut_off():
    ended = asyncio.Event()

    async def floods(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not scope["extensions"]["tallystick"].gone():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        ended.set()

    async with asyncio.timeout(WAIT_S), gate(floods, GateLimits(write_timeout_s=0.05)) as gateway:
        _, writer = await gateway.connect()
        writer.write(get())
        await ended.wait()
        writer.close()


# --- replies ----------------------------------------------------------------------------------------

async def test_the_application_sees_that_its_client_is_gone():
    started, gone = asyncio.Event(), asyncio.Event()

    async def streams(scope, receive, send):
        control = scope["extensions"]["tallystick"]
        assert not control.gone()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        started.set()
        while not control.gone():
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"nobody reads this"})
        gone.set()

    async with asyncio.timeout(WAIT_S), gate(streams, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(get())
        await started.wait()
        await reader.readuntil(b"\r\n\r\n")                      # the head does not wait for the first byte of the body
        writer.close()
        await gone.wait()


async def test_a_cut_reply_looks_cut():
    async def cuts(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        scope["extensions"]["tallystick"].abort()

    async with asyncio.timeout(WAIT_S), gate(cuts, PATIENT) as gateway:
        raw = await gateway.exchange(get())
    assert raw.endswith(b"\r\n\r\n4\r\nhalf\r\n")                # no closing chunk


async def test_chunks_leave_as_they_come_and_names_keep_their_case():
    async def streams(scope, receive, send):
        await send({"type": "http.response.start", "status": 203, "headers": [(b"X-Case", b"Kept"), (b"x-case", b"2")]})
        for piece in (b"a" * 16, b"", b"b"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with asyncio.timeout(WAIT_S), gate(streams, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(get())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 203 Non-Authoritative Information\r\nX-Case: Kept\r\nx-case: 2\r\ntransfer-encoding: chunked\r\n\r\n"
        assert await reader.readuntil(b"0\r\n\r\n") == b"10\r\n" + b"a" * 16 + b"\r\n1\r\nb\r\n0\r\n\r\n"
        writer.close()


async def test_http_1_0_gets_no_chunks():
    async def streams(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await send({"type": "http.response.body", "body": b"c"})

    async with asyncio.timeout(WAIT_S), gate(streams, PATIENT) as gateway:
        assert await gateway.exchange(get(version=b"1.0")) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"


async def test_head_and_204_have_no_body():
    async def quiet(scope, receive, send):
        status = 204 if scope["raw_path"] == b"/v1/204" else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"5")] if status == 200 else []})
        await send({"type": "http.response.body", "body": b"hello" if status == 200 else b""})

    async with asyncio.timeout(WAIT_S), gate(quiet, PATIENT) as gateway:
        reader, writer = await gateway.connect()
        writer.write(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n" + get(path=b"/v1/204"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"
        writer.close()


@pytest.mark.parametrize("header", [(b"x-a", b"1\r\nset-cookie: x"), (b"x-a", b"1\n2"), (b"x\r\na", b"1"), (b"x-a", b"1\x00")])
async def test_no_header_of_a_reply_can_hold_another(header, caplog):
    async def injects(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [header]})

    async with asyncio.timeout(WAIT_S), gate(injects, PATIENT) as gateway:
        raw = await gateway.exchange(get())
    assert b"set-cookie" not in raw
    assert raw == b""                                            # the reply had begun: it can only be cut


async def test_an_application_that_fails_is_answered_for():
    async def fails(scope, receive, send):
        raise ValueError("sk-canary")

    async with asyncio.timeout(WAIT_S), gate(fails, PATIENT) as gateway:
        raw = await gateway.exchange(get())
        assert gateway.refusals == ["internal_error"]
    assert statuses(raw) == [500]
    assert b"canary" not in raw


async def test_more_connections_than_allowed_are_told_so():
    async with asyncio.timeout(WAIT_S), gate(Echo(), GateLimits(connections_max=1)) as gateway:
        _, first = await gateway.connect()
        reader, second = await gateway.connect()
        second.write(get())
        raw = await read_replies(reader)
        first.close()
        second.close()
    assert statuses(raw) == [503]
    assert b"retry-after: 1" in raw


# --- anything at all --------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(4))
async def test_no_mutation_of_a_request_harms_the_gate(seed):
    """Whatever arrives: an answer or a closed connection, no request that was not sent whole, and
    the gate serves the next client as before."""
    source = random.Random(seed)
    whole = [
        post(b'{"model":"m"}', b"Content-Length: 13", b"Content-Type: application/json", b"Authorization: Bearer sk-x"),
        post(b"6\r\nabcdef\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"), get(b"x-api-key: k", b"Accept-Encoding: gzip"),
        post(b'{"model":"m"}', b"Connection: Upgrade, HTTP2-Settings", b"Content-Length: 13", b"HTTP2-Settings: AAMAAABk", b"Upgrade: h2c"),
    ]
    junk = [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b":", b"0", b"-1", b"chunked", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"\xff", b"_", b"Host: b\r\n",
            b"Upgrade: h2c\r\n", b"Connection: upgrade\r\n"]
    app = Echo()
    async with asyncio.timeout(120), gate(app, GateLimits(linger_s=0)) as gateway:
        for _ in range(500):
            request = bytearray(source.choice(whole))
            for _ in range(source.randint(1, 3)):
                place = source.randrange(len(request))
                request[place:place + source.choice((0, 0, 1, 4))] = source.choice(junk)
            raw = await gateway.exchange(bytes(request), eof=True)
            assert raw == b"" or raw.startswith(b"HTTP/1.1 "), bytes(request)
            assert statuses(raw)[:1] in ([], [200], [400], [405], [408], [413], [431]), bytes(request)
        assert statuses(await gateway.exchange(get())) == [200]
    assert "internal_error" not in gateway.refusals


# --- the other event loop ---------------------------------------------------------------------------

@pytest.mark.parametrize("story", [
    test_an_ordinary_request_passes_and_the_connection_stays,
    test_what_only_looks_odd_passes,
    test_an_incomplete_body_is_an_error_and_never_a_short_request,
    test_a_client_that_vanishes_mid_body_leaves_no_request,
    test_pipelined_requests_are_answered_in_order,
    test_a_bad_request_behind_a_good_one_waits_for_its_turn,
    test_no_endless_line_of_pipelined_requests,
    test_an_early_answer_to_an_unread_body_closes_the_connection,
    test_a_refused_client_may_finish_sending_before_it_reads,
    test_expect_100_continue_is_answered_when_the_body_is_wanted,
    test_a_head_that_trickles_is_cut_off,
    test_a_body_that_trickles_is_cut_off,
    test_a_client_that_reads_nothing_is_cut_off,
    test_the_application_sees_that_its_client_is_gone,
    test_a_cut_reply_looks_cut,
    test_http_1_0_gets_no_chunks,
], ids=lambda story: story.__name__)
def test_the_same_on_uvloop(story):
    """It closes, half-closes and pauses in its own way, and is what the server runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
