"""What an HTTP client costs by itself: CPU of this process per call and per streamed event, against
the loopback provider in another process on the other core. These figures chose the client (docs/adr/0005).

    python -m bench.micro.clients
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import uvloop
from pyreqwest.client import ClientBuilder

from bench.load.measure import PROXY_CORE, STREAM_EVENTS, chat_request
from bench.load.peers import CHAT, streaming_provider
from tallystick.ports import UpstreamRequest, Upstreams
from tallystick.transport.pool import Http1Upstreams
from tests.transport.aiohttp_client import AiohttpUpstreams

CALLS, STREAMS, ROUNDS = 6000, 1000, 3
HEADERS = [(b"Authorization", b"Bearer sk-bench"), (b"Content-Type", b"application/json"), (b"Accept", b"*/*"),
           (b"User-Agent", b"OpenAI/Python 3.52.0"), (b"X-Stainless-Lang", b"python")]

Call = Callable[[bytes], Awaitable[None]]


async def _protocols(url: str) -> Call:
    """The floor: a callback that counts bytes, no HTTP and no task woken but by the last byte."""
    host, port = url.removeprefix("http://").split(":")
    idle: list[_Raw] = []

    async def call(body: bytes) -> None:
        if not idle:
            idle.append((await asyncio.get_running_loop().create_connection(_Raw, host, int(port)))[1])
        link = idle.pop()
        head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(body))
        await link.ask(head + body, b'"stream": true' in body)
        idle.append(link)

    return call


class _Raw(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes, stream: bool) -> asyncio.Future[None]:
        self.end = b"\r\n0\r\n\r\n" if stream else b"}"
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        if data.endswith(self.end):
            self.done.set_result(None)


def _port(client: Upstreams) -> Callable[[str], Awaitable[Call]]:
    async def opened(url: str) -> Call:
        async def call(body: bytes) -> None:
            reply = await client.send(UpstreamRequest(url, "POST", CHAT, HEADERS, body))
            while not reply.at_end and await reply.next() is not None:
                pass
            await reply.close()

        return call

    return opened


async def _pyreqwest(url: str) -> Call:
    client = ClientBuilder().timeout(timedelta(seconds=60)).no_proxy().build()
    headers = {name.decode(): value.decode() for name, value in HEADERS}

    async def call(body: bytes) -> None:
        request = client.post(url + CHAT).headers(headers).body_bytes(body).streamed_read_buffer_limit(0).build_streamed()
        async with request as reply:
            while await reply.body_reader.read_chunk() is not None:
                pass

    return call


async def _measure(name: str, opened: Callable[[str], Awaitable[Call]], url: str) -> None:
    call = await opened(url)
    buffered, streamed = chat_request(stream=False), chat_request(stream=True)

    async def work(body: bytes, count: int) -> None:
        for _ in range(count):
            await call(body)

    async def cpu_us(body: bytes, calls: int, connections: int) -> float:
        begun = time.process_time()
        await asyncio.gather(*(work(body, calls // connections) for _ in range(connections)))
        return (time.process_time() - begun) / calls * 1e6

    figures = []
    for body, calls, connections, share in (
        (buffered, CALLS, 1, 1), (buffered, CALLS, 16, 1), (buffered, CALLS, 64, 1), (streamed, STREAMS, 16, STREAM_EVENTS),
    ):
        figures.append(min([await cpu_us(body, calls, connections) for _ in range(ROUNDS)]) / share)
    print(f"| {name} | " + " | ".join(f"{one:.1f}" for one in figures) + " |", flush=True)


async def _all(url: str) -> None:
    print("| client | buffered, c=1 | c=16 | c=64 | per event, c=16 |\n|---|---:|---:|---:|---:|")
    aiohttp = AiohttpUpstreams()
    for name, opened in (("socket and callback, no HTTP", _protocols), ("http1", _port(Http1Upstreams())),
                         ("pyreqwest", _pyreqwest), ("aiohttp", _port(aiohttp))):
        await _measure(name, opened, url)
    await aiohttp.close()


def main() -> None:
    os.sched_setaffinity(0, {int(PROXY_CORE)})
    with tempfile.TemporaryDirectory() as folder, streaming_provider(Path(folder) / "provider", 0) as url:
        uvloop.run(_all(url))


if __name__ == "__main__":
    main()
