"""A provider on loopback that says exactly what a test tells it to say, and keeps its own bill.

An `Answer` is a script: bytes to put on the wire, gates at which the provider waits until the test
says go, and ways to break off. So every misbehaviour is a few steps, and nothing depends on timing.
A call that nobody expected, and an expected one that never came, fail the test when the `with` block
ends. The server runs in a thread with a loop of its own: tests may be sync, async or subprocesses.

    with MiniUpstream() as provider:
        provider.expect("POST", "/v1/chat/completions", json_reply(CHAT, usage={"output": 3}))
        ...                                   # a client that calls provider.url
    assert provider.bill[0].body == b"{...}"

`python -m tests.mini_upstream --port 9000` is the bench's provider: a 700-byte chat reply, or 103
events if the body asks for a stream, as fast as Python can say it. With `--replay FILE.jsonl` it
serves recorded exchanges instead.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import brotli
import httptools
import uvloop
import zstandard

Headers = Sequence[tuple[bytes, bytes]]
Encoding = Literal["gzip", "deflate", "br", "zstd"]
PATIENCE_S = 20.0
"""How long a test may be stuck before it fails; no test's result depends on it."""


class Break(Enum):
    """How a provider ends a connection."""

    CLOSE = "close both ways"
    HALF_CLOSE = "close our sending side, go on reading"
    RESET = "RST: the peer loses what it has not read"


class Gate:
    """The provider waits here until the test opens it; the test can wait until it has come here."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait_reached(self) -> None:
        assert self._reached.wait(PATIENCE_S), "the provider never came to this gate"

    async def reached(self) -> None:
        await asyncio.to_thread(self.wait_reached)

    async def pass_through(self) -> None:
        self._reached.set()
        await asyncio.to_thread(self._open.wait, PATIENCE_S)


Step = bytes | Gate | Break


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes on the wire, step by step. `usage`: what this provider bills for it, whatever the
    body claims. `label`: stands in the bill."""

    steps: tuple[Step, ...]
    usage: Mapping[str, int] | None = None
    label: str = ""

    def before(self, *steps: Step) -> Answer:
        """These steps first: a gate for a slow first byte, interim heads."""
        return replace(self, steps=(*steps, *self.steps))

    def then(self, *steps: Step) -> Answer:
        return replace(self, steps=(*self.steps, *steps))

    def cut_after(self, size: int, how: Break = Break.RESET) -> Answer:
        """The first `size` bytes of it, then the break."""
        kept: list[Step] = []
        for step in self.steps:
            if isinstance(step, bytes):
                if len(step) >= size:
                    return replace(self, steps=(*kept, step[:size], how))
                size -= len(step)
            kept.append(step)
        return replace(self, steps=(*kept, how))


def head_bytes(status: int, headers: Headers) -> bytes:
    lines = [b"HTTP/1.1 %d Because" % status, *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk_bytes(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def reply(status: int, headers: Headers, body: bytes, *, announced_bytes: int | None = None,
          usage: Mapping[str, int] | None = None) -> Answer:
    """A counted reply in one write. `announced_bytes`: a Content-Length that is not the truth."""
    length = len(body) if announced_bytes is None else announced_bytes
    head = head_bytes(status, [*headers, (b"Content-Length", b"%d" % length)])
    return Answer((head + body,), usage, f"{status}")


def json_reply(document: object, *, status: int = 200, headers: Headers = (), encoding: Encoding | None = None,
               usage: Mapping[str, int] | None = None) -> Answer:
    body = json.dumps(document).encode()
    extra: list[tuple[bytes, bytes]] = [(b"Content-Type", b"application/json")]
    if encoding is not None:
        body = compressed(encoding, body)
        extra.append((b"Content-Encoding", encoding.encode()))
    return reply(status, [*extra, *headers], body, usage=usage)


def chunked(status: int, headers: Headers, pieces: Iterable[Step], *, usage: Mapping[str, int] | None = None) -> Answer:
    """One chunk and one write for each piece; gates and breaks may stand between them."""
    steps: list[Step] = [head_bytes(status, [*headers, (b"Transfer-Encoding", b"chunked")])]
    steps += [chunk_bytes(piece) if isinstance(piece, bytes) else piece for piece in pieces if piece]
    return Answer((*steps, b"0\r\n\r\n"), usage, f"{status} stream")


def sse_reply(pieces: Iterable[Step], *, status: int = 200, headers: Headers = (),
              usage: Mapping[str, int] | None = None) -> Answer:
    return chunked(status, [(b"Content-Type", b"text/event-stream; charset=utf-8"), *headers], pieces, usage=usage)


def until_close(status: int, headers: Headers, pieces: Iterable[Step]) -> Answer:
    """A body that ends with the connection."""
    return Answer((head_bytes(status, [*headers, (b"Connection", b"close")]), *pieces, Break.CLOSE), None, f"{status}")


def interim_flood(count: int) -> tuple[bytes, ...]:
    return (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",) * count


def split(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The body cut into pieces of these sizes, the rest as the last piece."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at:at + size])
        at += size
    return [piece for piece in (*pieces, body[at:]) if piece]


def compressed(encoding: Encoding, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    if encoding == "deflate":
        return zlib.compress(body)
    if encoding == "br":
        return bytes(brotli.compress(body))
    return zstandard.ZstdCompressor().compress(body)


def recorded(row: Mapping[str, Any], *, piece_bytes: int | None = None) -> Answer:
    """A row of recorded traffic (`status`, `response_headers`, `response_body`, its encoding, `streaming`)."""
    raw = row["response_body"] or ""
    body = raw.encode() if row.get("response_body_encoding") != "base64" else base64.b64decode(raw)
    headers = [(name.encode(), value.encode()) for name, value in row["response_headers"].items()
               if name.lower() not in ("content-length", "transfer-encoding", "connection", "content-encoding")]
    if not row.get("streaming"):
        return reply(row["status"], headers, body)
    size = piece_bytes or 1024
    return chunked(row["status"], headers, split(body, [size] * (len(body) // size)))


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it stood on the wire (`body` without chunk framing)."""

    method: str
    path: str
    head: bytes
    body: bytes
    connection: int                          # 0 for the first connection made, and so on

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines if line)]

    def header(self, name: bytes) -> bytes | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


@dataclass(slots=True)
class Billed:
    """A line of the provider's own bill. `complete`: every step of the answer was written."""

    request: Received
    answer: Answer | None
    complete: bool = False

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def usage(self) -> Mapping[str, int] | None:
        return self.answer.usage if self.answer is not None else None


@dataclass(slots=True)
class _Expected:
    method: str
    path: str
    answer: Answer
    body: bytes | Callable[[bytes], bool] | None
    before_body: bool

    def matches(self, method: str, path: str, body: bytes | None) -> bool:
        if (self.method, self.path) != (method, path) or self.before_body != (body is None):
            return False
        if self.body is None or body is None:
            return True
        return self.body(body) if callable(self.body) else self.body == body


@dataclass(slots=True)
class MiniUpstream:
    """The server; a context manager. `strict=False` keeps the complaints in `complaints` only.
    `ssl`: a server context for TLS."""

    ssl: Any = None
    strict: bool = True
    bill: list[Billed] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _expected: list[_Expected] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ready: threading.Event = field(default_factory=threading.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.ssl else ''}://{'localhost' if self.ssl else '127.0.0.1'}:{self.port}"

    def expect(self, method: str, path: str, answer: Answer, *, body: bytes | Callable[[bytes], bool] | None = None,
               times: int = 1, before_body: bool = False) -> None:
        """Queue an answer for a call. The first expectation that matches is used up. `before_body`:
        answer when the head is in, without reading the body first."""
        with self._lock:
            self._expected += [_Expected(method, path, answer, body, before_body) for _ in range(times)]

    @property
    def calls(self) -> list[Received]:
        return [line.request for line in self.bill]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mini-upstream", daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S), "the provider did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self.complaints += [f"expected and never came: {one.method} {one.path}" for one in self._expected]
        if self.strict and error is None and self.complaints:
            raise AssertionError("\n".join(self.complaints))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        open_: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            open_[task] = writer
            task.add_done_callback(open_.pop)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self.ssl, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await _settled()
        server.close()                           # not while asyncio is still accepting one: it would leak
        left = dict(open_)
        for task, writer in left.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*left, return_exceptions=True)
        await _settled()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        try:
            while await self._exchange(number, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass                                 # the peer has gone, or was cut by the script
        finally:
            writer.transport.abort()

    async def _exchange(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        method, path = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
        early = self._take(method, path, None)
        body = b"" if early is not None else await _read_body(head, reader)
        answer = early or self._take(method, path, body)
        line = Billed(Received(method, path, head, body, number), answer)
        self.bill.append(line)
        if answer is None:
            self.complaints.append(f"nobody expected: {method} {path} with {len(body)} bytes of body")
            answer = json_reply({"error": {"message": "nobody expected this call"}}, status=418)
        alive = await _play(answer, reader, writer)
        line.complete = True
        return alive

    def _take(self, method: str, path: str, body: bytes | None) -> Answer | None:
        with self._lock:
            for at, expected in enumerate(self._expected):
                if expected.matches(method, path, body):
                    return self._expected.pop(at).answer
        return None


async def _settled() -> None:
    """A few rounds of the loop: connections just accepted get their task, aborted ones are closed."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _play(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Say it. False when the script broke the connection."""
    for step in answer.steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, Gate):
            await step.pass_through()
        elif step is Break.HALF_CLOSE:
            writer.write_eof()
        elif step is Break.CLOSE:
            writer.close()
            await writer.wait_closed()
            return False
        else:
            linger_not = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
            writer.transport.abort()
            return False
    if Break.HALF_CLOSE in answer.steps:
        await reader.read()                      # whoever asks again is read, and never answered
        return False
    return True


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    fields = {name.strip().lower(): value.strip() for name, _, value in
              (line.partition(b":") for line in head.split(b"\r\n")[1:])}
    if fields.get(b"transfer-encoding") == b"chunked":
        pieces = []
        while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(pieces)
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))


# --- as a program: the bench's provider, and replay of recorded exchanges ---------------------------

BENCH_EVENTS = 103


def bench_reply() -> bytes:
    """A chat completion of exactly 700 bytes."""
    document: dict[str, Any] = {
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1789000000, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                     "message": {"role": "assistant", "content": "", "refusal": None, "annotations": []}}],
        "usage": {"prompt_tokens": 310, "completion_tokens": 44, "total_tokens": 354,
                  "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                  "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}},
        "service_tier": "default", "system_fingerprint": "fp_bench",
    }
    missing = 700 - len(json.dumps(document))
    document["choices"][0]["message"]["content"] = ("tally " * 200)[:missing]
    return json.dumps(document).encode()


def bench_events() -> list[bytes]:
    """103 events: 101 deltas of which the last says why it stops, the usage, `[DONE]`."""
    frame = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1789000000,
             "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_bench"}
    delta = {"index": 0, "delta": {"content": " tally"}, "logprobs": None, "finish_reason": None}
    usage = {"prompt_tokens": 310, "completion_tokens": 101, "total_tokens": 411}
    last = {**delta, "delta": {}, "finish_reason": "stop"}
    documents = [{**frame, "choices": [one], "usage": None} for one in [delta] * (BENCH_EVENTS - 3) + [last]]
    events = [json.dumps(document) for document in [*documents, {**frame, "choices": [], "usage": usage}]]
    return [b"data: %b\n\n" % event.encode() for event in [*events, "[DONE]"]]


class _Bench(asyncio.Protocol):
    """Answers the moment a request is complete. Unpaced, all events leave in one write; paced, one
    event every `pace_s`."""

    buffered = reply(200, [(b"Content-Type", b"application/json")], bench_reply()).steps[0]
    events = [chunk_bytes(event) for event in bench_events()]
    stream_head = head_bytes(200, [(b"Content-Type", b"text/event-stream; charset=utf-8"),
                                   (b"Transfer-Encoding", b"chunked")])

    def __init__(self, pace_s: float) -> None:
        self._pace_s = pace_s
        self._all = self.stream_head + b"".join(self.events) + b"0\r\n\r\n"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._streams = False

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._streams = self._streams or b'"stream":true' in body or b'"stream": true' in body

    def on_message_complete(self) -> None:
        streams, self._streams = self._streams, False
        if not streams:
            self._transport.write(self.buffered)
        elif not self._pace_s:
            self._transport.write(self._all)
        else:
            self._transport.write(self.stream_head)
            self._event(0)

    def _event(self, at: int) -> None:
        self._transport.write(self.events[at] + (b"0\r\n\r\n" if at + 1 == len(self.events) else b""))
        if at + 1 < len(self.events):
            asyncio.get_running_loop().call_later(self._pace_s, self._event, at + 1)


async def _serve_bench(port: int, pace_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Bench(pace_s), "127.0.0.1", port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _serve_replay(file: Path) -> None:
    with MiniUpstream(strict=False) as provider:
        for row in map(json.loads, file.read_text().splitlines()):
            url = urlsplit(row["url"])
            path = url.path + (f"?{url.query}" if url.query else "")
            provider.expect(row["method"], path, recorded(row), times=1000)
        print(provider.url, flush=True)
        threading.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A provider on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace-ms", type=float, default=0, help="time between two events of a stream")
    parser.add_argument("--replay", type=Path, help="recorded exchanges, one JSON document a line")
    chosen = parser.parse_args()
    if chosen.replay is not None:
        _serve_replay(chosen.replay)
        return
    uvloop.run(_serve_bench(chosen.port, chosen.pace_ms / 1000))


if __name__ == "__main__":
    main()
