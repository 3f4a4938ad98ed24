"""What the soak asks and what the provider says: four dialects, whole and streamed, errors, and calls
that their client gives up. The provider of the dialect answers in its own shape (the sandbox's), from
the loop of the load itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httptools

from tallystick import providers
from tallystick.core.call import Facts
from tallystick.transport.sandbox import answer
from tests.mini_upstream import chunked, reply

HALF_TIME_S = 0.02                               # between the halves of a stream
_QUESTION = "How much did each team spend on the nightly reports? " * 24
_ERROR = b'{"error": {"message": "Not now.", "type": "server_error", "param": null, "code": null}}'


@dataclass(frozen=True)
class Kind:
    """One kind of call. `weight`: its share in a hundred. `halves`: what the provider writes, in two
    pieces; `hang_up`: the client closes the connection after the first."""

    name: str
    weight: int
    provider: str
    path: str
    body: bytes
    status: int
    reply: bytes
    halves: tuple[bytes, bytes]
    hang_up: bool = False


def _said(name: str, path: str, document: dict[str, Any], *, stream: bool) -> list[bytes]:
    """A reply of the sandbox, in pieces."""
    provider = providers.provider(name)
    route, model = provider.route_for("POST", path.partition("?")[0])
    told = answer(provider, route.operation, Facts(model=model or document.get("model", ""), stream=stream),
                  json.dumps(document).encode(), path)
    assert told.status == 200, name
    pieces = []
    while not told.at_end:
        try:
            told.next().send(None)
        except StopIteration as end:
            pieces.append(end.value)
    return pieces


def _whole(name: str, weight: int, provider: str, path: str, document: dict[str, Any]) -> Kind:
    body = b"".join(_said(provider, path, document, stream=False))
    wire = b"".join(step for step in reply(200, [(b"Content-Type", b"application/json")], body).steps if isinstance(step, bytes))
    return Kind(name, weight, provider, path, json.dumps(document).encode(), 200, body, (wire, b""))


def _stream(name: str, weight: int, provider: str, path: str, document: dict[str, Any], *, hang_up: bool = False) -> Kind:
    pieces = _said(provider, path, document, stream=True)
    steps = [step for step in chunked(200, [(b"Content-Type", b"text/event-stream")], pieces).steps if isinstance(step, bytes)]
    middle = len(steps) // 2
    halves = (b"".join(steps[:middle]), b"".join(steps[middle:]))
    return Kind(name, weight, provider, path, json.dumps(document).encode(), 200, b"".join(pieces), halves, hang_up)


def _error(name: str, weight: int, status: int) -> Kind:
    document = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"{name} {_QUESTION}"}]}
    wire = b"".join(step for step in reply(status, [(b"Content-Type", b"application/json")], _ERROR).steps if isinstance(step, bytes))
    return Kind(name, weight, "openai", "/v1/chat/completions", json.dumps(document).encode(), status, _ERROR, (wire, b""))


def kinds() -> tuple[Kind, ...]:
    """All kinds; no two have the same body, by which the provider knows them."""
    def chat(model: str, more: str = "", **fields: Any) -> dict[str, Any]:
        return {"model": model, "max_tokens": 400, "messages": [{"role": "user", "content": f"{more}{_QUESTION}"}], **fields}

    usage = {"stream": True, "stream_options": {"include_usage": True}}
    gemini = {"contents": [{"role": "user", "parts": [{"text": _QUESTION}]}]}
    return (
        _whole("OpenAI chat", 30, "openai", "/v1/chat/completions", chat("gpt-4o-mini")),
        _stream("OpenAI chat, stream", 15, "openai", "/v1/chat/completions", chat("gpt-4o-mini", **usage)),
        _whole("OpenAI responses", 5, "openai", "/v1/responses", {"model": "gpt-4o", "input": _QUESTION}),
        _stream("OpenAI responses, stream", 5, "openai", "/v1/responses", {"model": "gpt-4o", "input": _QUESTION, "stream": True}),
        _whole("Anthropic messages", 10, "anthropic", "/v1/messages", chat("claude-sonnet-4-5")),
        _stream("Anthropic messages, stream", 10, "anthropic", "/v1/messages", chat("claude-sonnet-4-5", stream=True)),
        _whole("Gemini", 5, "google", "/v1beta/models/gemini-2.5-flash:generateContent", gemini),
        _stream("Gemini, stream", 5, "google", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                {**gemini, "generationConfig": {"temperature": 0}}),
        _whole("Groq chat", 5, "groq", "/openai/v1/chat/completions", chat("llama-3.3-70b-versatile")),
        _error("error 429", 3, 429),
        _error("error 500", 2, 500),
        _stream("hang-up", 5, "openai", "/v1/chat/completions", chat("gpt-4o-mini", "I am gone soon. ", **usage), hang_up=True),
    )


def sequence(wanted: tuple[Kind, ...]) -> Iterator[Kind]:
    """A hundred calls in their shares, spread evenly, over and over."""
    turns = sorted(((turn + 0.5) / kind.weight, at) for at, kind in enumerate(wanted) for turn in range(kind.weight))
    while True:
        yield from (wanted[at] for _, at in turns)


async def serve(wanted: tuple[Kind, ...]) -> str:
    """The address of a provider of all kinds, in this loop."""
    by_body = {kind.body: kind for kind in wanted}
    assert len(by_body) == len(wanted)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(by_body), "127.0.0.1", 0)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class _Connection(asyncio.Protocol):
    def __init__(self, by_body: dict[bytes, Kind]) -> None:
        self._by_body = by_body
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        kind, self._body = self._by_body[self._body], b""
        first, second = kind.halves
        self._transport.write(first)
        if second:
            asyncio.get_running_loop().call_later(HALF_TIME_S, self._more, second)

    def _more(self, piece: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(piece)
