"""Chat calls of which no two cost the same, so that the books can be laid beside a bill line by line: the
usage of call `number` is its own, in the provider's answer, in what a caller saw and in the ledger.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, json_reply, sse_reply

PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
DONE = b"data: [DONE]\n\n"
_INPUTS = 2_000                                  # below what any request's input bound allows for
_INPUT_NANOS, _OUTPUT_NANOS = 150, 600           # $0.15 and $0.60 a million


def asked(*, stream: bool = False, **more: Any) -> dict[str, Any]:
    """A request, at most 100 tokens to come."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 100, **more}
    return body | {"stream": True, "stream_options": {"include_usage": True}} if stream else body


def headers(key: str) -> dict[str, str]:
    return {"X-Tallystick-Key": key, "Authorization": "Bearer sk-own"}


def usage(number: int) -> dict[str, int]:
    """What call `number` used, in the ledger's words."""
    return {"input": 1 + number % _INPUTS, "output": 1 + number // _INPUTS}


def number_of(used: Mapping[str, int]) -> int:
    """The call that used this."""
    return used["input"] - 1 + (used["output"] - 1) * _INPUTS


def cost_nanos(number: int) -> int:
    used = usage(number)
    return used["input"] * _INPUT_NANOS + used["output"] * _OUTPUT_NANOS


def completion(number: int = 0, text: str = "Hello") -> dict[str, Any]:
    """A whole reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return _frame("chat.completion", number) | {"choices": [choice], "usage": _stated(number)}


def delta(text: str, number: int = 0) -> bytes:
    """An event with a piece of the answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return _event(_frame("chat.completion.chunk", number) | {"choices": [choice], "usage": None})


def usage_event(number: int = 0) -> bytes:
    return _event(_frame("chat.completion.chunk", number) | {"choices": [], "usage": _stated(number)})


def events(number: int = 0, deltas: int = 5) -> list[bytes]:
    """A whole stream."""
    return [*(delta(f"word {at} ", number) for at in range(deltas)), usage_event(number), DONE]


def answers(number: int) -> tuple[Answer, Answer]:
    """Call `number`'s answer, whole and as a stream."""
    return json_reply(completion(number), usage=usage(number)), sse_reply(events(number), usage=usage(number))


@contextmanager
def raw_call(gateway: RunningGateway, head: bytes, body: bytes = b"") -> Iterator[socket.socket]:
    """A call by hand, over a socket of one's own; `head` with the empty line that ends it."""
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname or "", address.port or 0), PATIENCE_S) as client:
        client.sendall(head + body)
        yield client


def head(key: str, length: int, *lines: str, path: str = PATH) -> bytes:
    """The head of a POST."""
    told = [f"POST {path} HTTP/1.1", "Host: gateway", f"X-Tallystick-Key: {key}", "Authorization: Bearer sk-own",
            "Content-Type: application/json", f"Content-Length: {length}", *lines]
    return "\r\n".join([*told, "", ""]).encode()


def read_until(client: socket.socket, mark: bytes) -> bytes:
    """What comes, up to the mark."""
    seen, searched = bytearray(), 0
    while seen.find(mark, searched) < 0:
        searched = max(0, len(seen) - len(mark))
        piece = client.recv(65536)
        assert piece, f"the reply ended before {mark!r}: …{bytes(seen[-500:])!r}"
        seen += piece
    return bytes(seen)


def read_all(client: socket.socket) -> bytes:
    """What comes, up to the connection's end, however it ends."""
    seen = b""
    try:
        while piece := client.recv(65536):
            seen += piece
    except ConnectionResetError:
        pass
    return seen


def read_stream(client: socket.socket) -> bytes:
    """The rest of a chunked reply on a connection that stays open."""
    return read_until(client, b"0\r\n\r\n")


def id_in(reply_head: bytes) -> str:
    """The request id in a reply's head."""
    return next(line.split(b": ")[1].decode() for line in reply_head.split(b"\r\n") if line.startswith(b"x-tallystick-request-id"))


def _frame(kind: str, number: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": MODEL}


def _stated(number: int) -> dict[str, int]:
    used = usage(number)
    return {"prompt_tokens": used["input"], "completion_tokens": used["output"], "total_tokens": used["input"] + used["output"]}


def _event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"
