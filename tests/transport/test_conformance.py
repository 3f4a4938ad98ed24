"""What any way to a provider must do, run on ours and on a library's behind the same port.

The provider is a script on loopback. Order is proven by gates, not by clocks: a piece is sent only
after the test has received the one before. Limits are shortened and the peer is silent, so that
a time-out is certain however slow the machine is.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tallystick.core.errors import UpstreamFault
from tallystick.ports import UpstreamReply, UpstreamRequest, Upstreams
from tallystick.transport.http1 import HEAD_BYTES_MAX, QUEUED_BYTES_HIGH, Limits
from tallystick.transport.pool import Http1Upstreams, Tls
from tests.mini_upstream import (
    PATIENCE_S,
    Answer,
    Break,
    Gate,
    MiniUpstream,
    chunk_bytes,
    chunked,
    compressed,
    head_bytes,
    interim_flood,
    json_reply,
    reply,
    sse_reply,
    until_close,
)
from tests.transport.aiohttp_client import CANNOT, AiohttpUpstreams

Open = Callable[..., Upstreams]
CHAT = "/v1/chat/completions"


@pytest.fixture(params=[Http1Upstreams, AiohttpUpstreams], ids=["http1", "aiohttp"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens clients of one implementation and closes them; skips what the library cannot do."""
    need = request.node.get_closest_marker("needs")
    if request.param is AiohttpUpstreams and need is not None:
        pytest.skip(CANNOT[need.args[0]])
    opened = []

    def open_client(**arguments: object) -> Upstreams:
        opened.append(request.param(**arguments))
        return opened[-1]

    yield open_client
    for client in opened:
        await client.close()


@pytest.fixture
def provider() -> AsyncIterator[MiniUpstream]:
    with MiniUpstream() as running:
        yield running


def post(provider: MiniUpstream, body: bytes | AsyncIterator[bytes] = b"{}", **changes: object) -> UpstreamRequest:
    made = UpstreamRequest(provider.url, "POST", CHAT, [(b"Content-Type", b"application/json")], body)
    return replace(made, **changes)


async def whole(answer: UpstreamReply) -> bytes:
    pieces = []
    while (piece := await answer.next()) is not None:
        pieces.append(piece)
    await answer.close()
    return b"".join(pieces)


async def fault_of(awaitable: object) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as caught:
        await awaitable
    return caught.value


class TestBytesAsTheyAre:
    async def test_headers_keep_case_order_duplicates_and_bytes(self, connect, provider):
        theirs = [(b"X-Odd-CASE", b"caf\xc3\xa9 \xff"), (b"x-twice", b"1"), (b"X-Twice", b"2"), (b"X-Empty", b"")]
        provider.expect("POST", CHAT, reply(200, theirs, b"ok"))
        ours = [(b"x-MiXed", b"a  b"), (b"Accept", b"*/*"), (b"X-Utf", b"\xc3\xa9")]
        answer = await connect().send(post(provider, headers=ours))
        assert answer.headers == [*theirs, (b"Content-Length", b"2")]
        assert await whole(answer) == b"ok"
        sent = provider.calls[0].headers
        assert [header for header in sent if header[0] not in (b"Host", b"Content-Length")] == ours
        assert provider.calls[0].header(b"host") == provider.url.removeprefix("http://").encode()

    @pytest.mark.needs("name_case")
    async def test_repeated_request_headers_keep_their_case_and_place(self, connect, provider):
        ours = [(b"x-Beta", b"1"), (b"Accept", b"*/*"), (b"X-beta", b"2")]
        provider.expect("POST", CHAT, json_reply({}))
        await whole(await connect().send(post(provider, headers=ours)))
        assert provider.calls[0].headers[1:-1] == ours

    @pytest.mark.parametrize("path", ["/v1/x?a=%2F&b=c+d&b=%e4", "/v1beta/models/m:streamGenerateContent?alt=sse", "/a;b/%7E"])
    async def test_the_path_is_not_normalised(self, connect, provider, path):
        provider.expect("GET", path, json_reply({}))
        await whole(await connect().send(post(provider, b"", method="GET", url_path=path)))

    async def test_a_base_path_goes_before_the_path(self, connect, provider):
        provider.expect("POST", "/openai" + CHAT, json_reply({}))
        await whole(await connect().send(post(provider, origin=provider.url + "/openai")))

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
    async def test_content_encoding_is_left_on(self, connect, provider, encoding):
        provider.expect("POST", CHAT, json_reply({"a": "b" * 99}, encoding=encoding))
        body = await whole(await connect().send(post(provider)))
        assert body == compressed(encoding, b'{"a": "' + b"b" * 99 + b'"}')

    async def test_large_bodies_go_both_ways_whole(self, connect, provider):
        question, answer = bytes(range(256)) * 20_000, bytes(reversed(range(256))) * 20_000
        provider.expect("POST", CHAT, reply(200, [], answer), body=question)
        assert await whole(await connect().send(post(provider, question))) == answer

    async def test_an_empty_post_says_so(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}))
        await whole(await connect().send(post(provider, b"")))
        assert provider.calls[0].header(b"content-length") == b"0"

    async def test_a_get_has_no_length(self, connect, provider):
        provider.expect("GET", CHAT, json_reply({}))
        await whole(await connect().send(post(provider, b"", method="GET")))
        assert provider.calls[0].header(b"content-length") is None


class TestEnds:
    @pytest.mark.parametrize(
        ("method", "answer"),
        [
            ("HEAD", Answer((head_bytes(200, [(b"Content-Length", b"99")]),))),
            ("POST", Answer((head_bytes(204, []),))),
            ("GET", Answer((head_bytes(304, [(b"Content-Length", b"99")]),))),
            ("POST", reply(200, [], b"")),
            ("POST", chunked(200, [], [])),
        ],
        ids=["HEAD", "204", "304", "zero length", "no chunks"],
    )
    async def test_a_reply_without_a_body_ends_with_its_head(self, connect, provider, method, answer):
        provider.expect(method, CHAT, answer, times=2)
        client = connect()
        for _ in range(2):
            got = await client.send(post(provider, b"" if method != "POST" else b"{}", method=method))
            assert await got.next() is None
            assert got.at_end
            await got.close()

    async def test_a_body_may_end_with_the_connection(self, connect, provider):
        provider.expect("POST", CHAT, until_close(200, [], [b"one ", b"two"]), times=2)
        client = connect()
        for _ in range(2):
            assert await whole(await client.send(post(provider))) == b"one two"
        assert provider.connections == 2

    async def test_chunk_extensions_and_trailers_are_no_part_of_the_body(self, connect, provider):
        body = b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nX-Checksum: 7\r\n\r\n"
        provider.expect("POST", CHAT, Answer((head_bytes(200, [(b"Transfer-Encoding", b"chunked")]) + body,)))
        answer = await connect().send(post(provider))
        assert await whole(answer) == b"abcde"
        assert (b"X-Checksum", b"7") not in answer.headers

    @pytest.mark.parametrize("answer", [reply(200, [], b"all"), Answer((b"".join(chunked(200, [], [b"al", b"l"]).steps),))])
    async def test_the_end_is_known_with_the_last_piece(self, connect, provider, answer):
        provider.expect("POST", CHAT, answer)
        got = await connect().send(post(provider))
        assert not got.at_end
        assert await got.next() == b"all"
        assert got.at_end

    async def test_the_end_is_not_known_before_the_closing_chunk(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, chunked(200, [], [b"all", gate]))
        got = await connect().send(post(provider))
        assert await got.next() == b"all"
        assert not got.at_end
        gate.open()
        assert await got.next() is None
        assert got.at_end


class TestTimeliness:
    async def test_each_piece_arrives_before_the_next_is_sent(self, connect, provider):
        gates = [Gate() for _ in range(20)]
        pieces = [b"data: %d\n\n" % at for at in range(20)]
        provider.expect("POST", CHAT, sse_reply([step for pair in zip(gates, pieces, strict=True) for step in pair]))
        answer = await connect().send(post(provider))
        for gate, piece in zip(gates, pieces, strict=True):
            await gate.reached()
            gate.open()
            assert await answer.next() == piece
        assert await answer.next() is None

    async def test_the_head_arrives_before_the_first_piece_is_sent(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, reply(200, [], b"x" * 5).cut_after(0).before(
            head_bytes(200, [(b"Content-Length", b"5")]), gate, b"12345"))
        answer = await connect().send(post(provider))
        assert answer.status == 200
        gate.open()
        assert await answer.next() == b"12345"

    async def test_a_streamed_upload_arrives_piece_by_piece(self, connect, provider):
        arrived = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for expected in (b"first", b"second"):
                assert await reader.readexactly(len(chunk_bytes(expected))) == chunk_bytes(expected)
                arrived.set()
            assert await reader.readexactly(5) == b"0\r\n\r\n"
            writer.write(head_bytes(204, []))
            writer.close()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            await arrived.wait()                 # hangs for ever if the first piece is held back
            yield b"second"

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            answer = await connect().send(UpstreamRequest(url, "POST", "/v1/files", [], pieces()))
            assert answer.status == 204
            await answer.close()


class TestUploads:
    @pytest.mark.parametrize("length", [None, 300_000])
    async def test_an_iterator_is_sent_counted_or_in_chunks(self, connect, provider, length):
        async def pieces() -> AsyncIterator[bytes]:
            for letter in (b"a", b"", b"b", b"c"):
                yield letter * 100_000

        provider.expect("POST", CHAT, json_reply({}), body=b"a" * 100_000 + b"b" * 100_000 + b"c" * 100_000)
        await whole(await connect().send(post(provider, pieces(), body_length=length)))
        announced = {b"transfer-encoding": None, b"content-length": None}
        announced = {name: provider.calls[0].header(name) for name in announced}
        assert announced == {b"transfer-encoding": b"chunked" if length is None else None,
                             b"content-length": b"300000" if length else None}

    async def test_a_reply_may_come_while_we_still_send(self, connect, provider):
        never = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"begun"
            await never.wait()

        provider.expect("POST", CHAT, json_reply({"error": "too large"}, status=413), before_body=True)
        provider.expect("POST", CHAT, json_reply({}))
        client = connect()
        answer = await client.send(post(provider, endless()))
        assert answer.status == 413
        await whole(answer)
        await whole(await client.send(post(provider)))
        assert [call.connection for call in provider.calls] == [0, 1], "half a request stays on the first"

    @pytest.mark.needs("body_trouble")
    @pytest.mark.parametrize(("yielded", "written"), [(0, False), (1, True)])
    async def test_a_body_that_breaks_off_cuts_the_request(self, connect, provider, yielded, written):
        async def broken() -> AsyncIterator[bytes]:
            for _ in range(yielded):
                yield b"part"
            raise ConnectionError

        fault = await fault_of(connect().send(post(provider, broken())))
        assert (fault.kind, fault.written) == ("cancelled", written)
        assert not provider.bill

    @pytest.mark.needs("body_trouble")
    async def test_a_fault_of_the_body_is_passed_on_as_it_is(self, connect, provider):
        own = UpstreamFault("cancelled", "the client left", written=True)

        async def broken() -> AsyncIterator[bytes]:
            yield b"part"
            raise own

        assert await fault_of(connect().send(post(provider, broken()))) is own

    @pytest.mark.needs("body_trouble")
    @pytest.mark.parametrize("length", [3, 5])
    async def test_a_body_of_another_length_than_announced_is_never_a_request(self, connect, provider, length):
        async def four() -> AsyncIterator[bytes]:
            yield b"four"

        fault = await fault_of(connect().send(post(provider, four(), body_length=length)))
        assert fault.kind == "cancelled"
        assert not provider.bill


class TestConnections:
    async def test_a_drained_connection_is_used_again(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}), times=5)
        client = connect()
        for _ in range(5):
            await whole(await client.send(post(provider)))
        assert provider.connections == 1

    async def test_an_undrained_one_is_not(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate, b"two"]))
        provider.expect("POST", CHAT, json_reply({"fresh": True}))
        client = connect()
        answer = await client.send(post(provider))
        await answer.next()
        await answer.close()
        assert await whole(await client.send(post(provider))) == b'{"fresh": true}'
        gate.open()
        assert provider.connections == 2

    @pytest.mark.parametrize("parting", [[(b"Connection", b"close")], []], ids=["announced", "unannounced"])
    async def test_a_connection_the_provider_closed_is_replaced_without_an_attempt(self, connect, provider, parting):
        provider.expect("POST", CHAT, reply(200, parting, b"ok").then(Break.CLOSE), times=3)
        client = connect()
        for _ in range(3):
            assert await whole(await client.send(post(provider))) == b"ok"
            await closed_by(provider)
        assert (len(provider.bill), provider.connections) == (3, 3)

    async def test_a_half_closed_connection_is_not_used_again(self, connect, provider):
        provider.expect("POST", CHAT, reply(200, [], b"ok").then(Break.HALF_CLOSE))
        provider.expect("POST", CHAT, reply(200, [], b"ok"))
        client = connect()
        await whole(await client.send(post(provider)))
        await closed_by(provider)
        await whole(await client.send(post(provider)))
        assert provider.connections == 2

    async def test_bytes_after_a_reply_spoil_the_connection_and_never_the_next_reply(self, connect, provider):
        forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        provider.expect("POST", CHAT, Answer((reply(200, [], b"mine").steps[0] + forged,)))
        provider.expect("POST", CHAT, reply(200, [], b"yours"))
        client = connect()
        assert await whole(await client.send(post(provider))) == b"mine"
        assert await whole(await client.send(post(provider))) == b"yours"

    @pytest.mark.needs("no_body_of_head")
    async def test_a_body_after_head_is_dropped_with_its_connection(self, connect, provider):
        provider.expect("HEAD", CHAT, reply(200, [], b"not wanted"))
        provider.expect("POST", CHAT, reply(200, [], b"yours"))
        client = connect()
        assert await whole(await client.send(post(provider, b"", method="HEAD"))) == b""
        assert await whole(await client.send(post(provider))) == b"yours"
        assert provider.connections == 2

    async def test_no_more_connections_than_allowed(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate]), times=2)
        provider.expect("POST", CHAT, json_reply({}))
        client = connect(limits=Limits(connections_max=2))
        busy = [await client.send(post(provider)) for _ in range(2)]
        third = asyncio.ensure_future(client.send(post(provider)))
        for answer in busy:
            assert await answer.next() == b"one"
        assert (len(provider.bill), third.done()) == (2, False)
        gate.open()
        for answer in busy:
            await whole(answer)
        await whole(await third)
        assert provider.connections == 2

    async def test_waiting_for_a_connection_ends_and_nothing_was_written(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate]))
        client = connect(limits=Limits(connections_max=1, connect_s=0.05))
        busy = await client.send(post(provider))
        fault = await fault_of(client.send(post(provider)))
        assert (fault.kind, fault.written) == ("timeout", False)
        await busy.close()
        gate.open()

    async def test_who_gives_up_waiting_loses_no_connection(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate]))
        provider.expect("POST", CHAT, json_reply({}))
        client = connect(limits=Limits(connections_max=1))
        busy = await client.send(post(provider))
        waiting = [asyncio.ensure_future(client.send(post(provider))) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.open()
        await whole(busy)
        await whole(await waiting[1])
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]

    @pytest.mark.parametrize("count", [1, 3])
    async def test_calls_at_once_have_connections_of_their_own(self, connect, provider, count):
        gates = [Gate() for _ in range(count)]
        for at, gate in enumerate(gates):
            provider.expect("POST", CHAT, reply(200, [], b"%d" % at).before(gate), body=b"%d" % at)
        client = connect()
        calls = [asyncio.ensure_future(client.send(post(provider, b"%d" % at))) for at in range(count)]
        for at in reversed(range(count)):
            await gates[at].reached()
            gates[at].open()
            assert await whole(await calls[at]) == b"%d" % at


async def closed_by(provider: MiniUpstream) -> None:
    """Wait until the provider's last answer is out, and its parting with it (loopback: at once)."""
    while not provider.bill[-1].complete:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


class TestCancellation:
    async def test_a_caller_who_leaves_before_the_head_cuts_the_call(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, json_reply({}).before(gate))
        provider.expect("POST", CHAT, json_reply({"next": 1}))
        client = connect()
        call = asyncio.ensure_future(client.send(post(provider)))
        await gate.reached()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await whole(await client.send(post(provider))) == b'{"next": 1}'
        gate.open()
        assert provider.connections == 2

    async def test_a_cancelled_wait_for_a_piece_loses_nothing(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate, b"two"]))
        answer = await connect().send(post(provider))
        assert await answer.next() == b"one"
        wait = asyncio.ensure_future(answer.next())
        await gate.reached()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        gate.open()
        assert await whole(answer) == b"two"

    async def test_closing_twice_or_after_the_end_is_nothing(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}))
        answer = await connect().send(post(provider))
        await whole(answer)
        await answer.close()
        await answer.close()


class TestWhatWasWritten:
    """A fault says whether a byte may have reached the provider: its call's price hangs on it."""

    async def test_nothing_when_nobody_listens(self, connect):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            fault = await fault_of(connect().send(UpstreamRequest(url, "POST", CHAT, [], b"{}")))
        assert (fault.kind, fault.written) == ("connect", False)

    async def test_nothing_when_the_handshake_fails(self, connect):
        async def answer_in_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head_bytes(400, []))
            await reader.read()
            writer.close()

        async with await asyncio.start_server(answer_in_plain, "127.0.0.1", 0) as server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
            fault = await fault_of(connect().send(UpstreamRequest(url, "POST", CHAT, [], b"{}")))
        assert (fault.kind, fault.written) == ("connect", False)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer((Break.RESET,)),
            Answer((Break.CLOSE,)),
            json_reply({}).cut_after(12),
            json_reply({}).cut_after(12, Break.CLOSE),
        ],
        ids=["reset at once", "closed at once", "reset in the head", "closed in the head"],
    )
    async def test_something_when_it_broke_before_the_head(self, connect, provider, answer):
        provider.expect("POST", CHAT, answer)
        fault = await fault_of(connect().send(post(provider)))
        assert fault.written
        assert len(provider.bill) == 1, "a POST is never sent twice"

    async def test_a_pooled_connection_that_dies_after_the_request_is_no_reason_to_repeat_it(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}))
        provider.expect("POST", CHAT, Answer((Break.RESET,)))
        client = connect()
        await whole(await client.send(post(provider)))
        fault = await fault_of(client.send(post(provider)))
        assert (fault.kind, fault.written) == ("reset", True)
        assert (len(provider.bill), provider.connections) == (2, 1)

    @pytest.mark.parametrize("how", [Break.RESET, Break.CLOSE])
    @pytest.mark.parametrize(
        "answer",
        [reply(200, [], b"0123456789"), chunked(200, [], [b"01234", b"56789"])],
        ids=["counted", "chunked"],
    )
    async def test_a_reply_cut_short_is_a_fault_after_what_came(self, connect, provider, answer, how):
        gate = Gate()
        size = len(answer.steps[0]) - 5 if len(answer.steps) == 1 else len(answer.steps[0]) + 10
        short = answer.cut_after(size)
        provider.expect("POST", CHAT, Answer((*short.steps[:-1], gate, how)))
        got = await connect().send(post(provider))
        assert await got.next() == b"01234"
        gate.open()
        fault = await fault_of(got.next())
        assert fault.written
        assert not got.at_end
        await got.close()

    async def test_a_stream_cut_before_its_closing_chunk_did_not_end(self, connect, provider):
        provider.expect("POST", CHAT, Answer((*sse_reply([b"data: [DONE]\n\n"]).steps[:-1], Break.CLOSE)))
        got = await connect().send(post(provider))
        assert await got.next() == b"data: [DONE]\n\n"
        assert (await fault_of(got.next())).kind in ("reset", "protocol")


class TestLimits:
    async def test_no_head(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, json_reply({}).before(gate))
        fault = await fault_of(connect(limits=Limits(head_s=0.05)).send(post(provider)))
        assert (fault.kind, fault.written) == ("timeout", True)
        gate.open()

    async def test_silence_in_a_reply(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate]))
        answer = await connect(limits=Limits(silence_s=0.05)).send(post(provider))
        assert await answer.next() == b"one"
        assert (await fault_of(answer.next())).kind == "timeout"
        gate.open()

    async def test_a_slow_reader_is_not_a_silent_provider(self, connect, provider):
        """The piece lies here for four limits; the provider said its part in time."""
        provider.expect("POST", CHAT, reply(200, [], b"x" * 10))
        answer = await connect(limits=Limits(silence_s=0.05)).send(post(provider))
        await asyncio.sleep(0.2)
        assert await whole(answer) == b"x" * 10

    async def test_an_exchange_that_takes_too_long_in_all(self, connect, provider):
        gate = Gate()
        provider.expect("POST", CHAT, sse_reply([b"one", gate]))
        answer = await connect(limits=Limits(total_s=0.1)).send(post(provider))
        await answer.next()
        assert (await fault_of(answer.next())).kind == "timeout"
        gate.open()

    @pytest.mark.needs("bounded_silence_of_upload")
    async def test_an_upload_that_is_not_read(self, connect):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            request = UpstreamRequest(url, "POST", CHAT, [], b"x" * 32_000_000)
            fault = await fault_of(connect(limits=Limits(silence_s=0.1, head_s=60)).send(request))
        assert (fault.kind, fault.written) == ("timeout", True)

    async def test_an_idle_connection_is_closed(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}), times=2)
        client = connect(limits=Limits(idle_s=0.05))
        await whole(await client.send(post(provider)))
        await asyncio.sleep(0.2)
        await whole(await client.send(post(provider)))
        assert provider.connections == 2

    @pytest.mark.parametrize(
        "headers",
        [[(b"X-Big", b"x" * HEAD_BYTES_MAX)], [(b"X-%d" % at, b"") for at in range(250)]],
        ids=["bytes", "number"],
    )
    async def test_a_head_too_large(self, connect, provider, headers):
        provider.expect("POST", CHAT, reply(200, headers, b""))
        assert (await fault_of(connect().send(post(provider)))).kind in ("too_large", "protocol")

    @pytest.mark.needs("bounded_reply")
    async def test_a_reply_too_large(self, connect, provider):
        provider.expect("POST", CHAT, until_close(200, [], [b"x" * 1000] * 100))
        answer = await connect(limits=Limits(reply_bytes_max=10_000)).send(post(provider))
        assert (await fault_of(whole(answer))).kind == "too_large"

    @pytest.mark.needs("joins_reads")
    async def test_a_reader_who_stops_stops_the_provider(self, connect, provider):
        provider.expect("POST", CHAT, chunked(200, [], [b"x" * 65_536] * 400))
        answer = await connect().send(post(provider))
        async with asyncio.timeout(PATIENCE_S):
            while not answer._paused:
                await asyncio.sleep(0)
        assert answer._queued_bytes <= QUEUED_BYTES_HIGH + 262_144       # the mark, and one read beyond it
        assert not provider.bill[0].complete
        assert len(await whole(answer)) == 400 * 65_536


class TestHostileReplies:
    async def test_interim_replies_are_skipped(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}).before(*interim_flood(3), b"HTTP/1.1 100 Continue\r\n\r\n"))
        answer = await connect().send(post(provider))
        assert (answer.status, await whole(answer)) == (200, b"{}")

    @pytest.mark.needs("bounded_interim")
    async def test_a_flood_of_them_is_cut(self, connect, provider):
        provider.expect("POST", CHAT, json_reply({}).before(*interim_flood(1000)))
        assert (await fault_of(connect().send(post(provider)))).kind == "protocol"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, connect, provider, status):
        provider.expect("POST", CHAT, reply(status, [(b"Location", b"/elsewhere")], b""))
        answer = await connect().send(post(provider))
        assert answer.status == status
        await whole(answer)
        assert len(provider.bill) == 1

    async def test_the_environment_names_no_proxy(self, connect, provider, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        provider.expect("POST", CHAT, json_reply({}))
        await whole(await connect().send(post(provider)))

    @pytest.mark.parametrize(
        "wire",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok",
            b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nX a: b\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
        ],
    )
    async def test_framing_that_can_be_read_two_ways_is_a_fault(self, connect, provider, wire):
        provider.expect("POST", CHAT, Answer((wire, Break.CLOSE)))

        async def call() -> bytes:
            return await whole(await connect().send(post(provider)))

        fault = await fault_of(call())
        assert fault.written

    @pytest.mark.needs("one_encoding")
    @pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"identity", b"chunked, chunked"])
    async def test_other_transfer_codings_are_a_fault(self, connect, provider, coding):
        wire = head_bytes(200, [(b"Transfer-Encoding", coding)]) + b"2\r\nok\r\n0\r\n\r\n"
        provider.expect("POST", CHAT, Answer((wire, Break.CLOSE)))
        assert (await fault_of(connect().send(post(provider)))).kind == "protocol"

    @pytest.mark.needs("one_encoding")
    async def test_a_changed_protocol_is_a_fault(self, connect, provider):
        wire = head_bytes(101, [(b"Upgrade", b"websocket"), (b"Connection", b"upgrade")])
        provider.expect("POST", CHAT, Answer((wire, Break.CLOSE)))
        assert (await fault_of(connect().send(post(provider)))).kind == "protocol"


class TestTls:
    async def test_an_own_authority_is_trusted_and_only_where_named(self, connect, certificates):
        with MiniUpstream(ssl=certificates.server()) as provider:
            provider.expect("POST", CHAT, json_reply({}))
            trusting = connect(tls={provider.url: Tls(ca_file=certificates.ca_file)})
            assert await whole(await trusting.send(post(provider))) == b"{}"
            fault = await fault_of(connect().send(post(provider)))
            assert (fault.kind, fault.written) == ("connect", False)

    async def test_the_name_in_the_certificate_must_be_the_hosts(self, connect, certificates):
        with MiniUpstream(ssl=certificates.server()) as provider:
            url = provider.url.replace("localhost", "127.0.0.1")
            client = connect(tls={url: Tls(ca_file=certificates.ca_file)})
            fault = await fault_of(client.send(post(provider, origin=url)))
            assert (fault.kind, fault.written) == ("connect", False)

    async def test_we_show_a_client_certificate_where_asked(self, connect, certificates):
        with MiniUpstream(ssl=certificates.server(asks_client=True)) as provider:
            provider.expect("POST", CHAT, json_reply({"known": True}))
            ours = Tls(certificates.ca_file, certificates.client_file, certificates.client_key_file)
            client = connect(tls={provider.url: ours})
            assert await whole(await client.send(post(provider))) == b'{"known": true}'

    async def test_a_stream_arrives_piece_by_piece_over_tls_too(self, connect, certificates):
        with MiniUpstream(ssl=certificates.server()) as provider:
            gate = Gate()
            provider.expect("POST", CHAT, sse_reply([b"one", gate, b"two"]), times=1)
            provider.expect("POST", CHAT, json_reply({}))
            client = connect(tls={provider.url: Tls(ca_file=certificates.ca_file)})
            answer = await client.send(post(provider))
            assert await answer.next() == b"one"
            gate.open()
            assert await whole(answer) == b"two"
            await whole(await client.send(post(provider)))
            assert provider.connections == 1
