"""SDKs close their socket the moment they have read `[DONE]`. By then the settlement must be durable:
fifty calls in a row, each client gone with the last byte it needs, and every one booked exactly.
"""

from __future__ import annotations

import json
import socket
import struct
from urllib.parse import urlsplit

import pytest

from tests.mini_upstream import MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import PATIENCE_S, Gateway

CALLS = 50
BODY = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Say hello"}]}).encode()


def call_and_vanish(url: str, key: str, *, reset: bool) -> str:
    """Stream one call, close the socket at `[DONE]` (or reset it), and give the call's id."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {key}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY,
        )
        seen = b""
        while b"[DONE]" not in seen:
            piece = client.recv(65536)
            assert piece, f"the reply ended early: {seen!r}"
            seen += piece
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    head = seen.partition(b"\r\n\r\n")[0].decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    return headers["x-tallystick-request-id"]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_fifty_of_fifty_are_booked_exactly(gateway: Gateway, provider: MiniUpstream, reset: bool) -> None:
    provider.expect("POST", "/v1/chat/completions", replies.chat_stream("gpt-4o-mini"), times=CALLS)
    billed_before = len(provider.bill)
    ids = [call_and_vanish(gateway.url, gateway.key("tallystick"), reset=reset) for _ in range(CALLS)]

    calls = [gateway.call(request_id) for request_id in ids]
    assert len(set(ids)) == CALLS == len(provider.bill) - billed_before
    assert [call["usage"] for call in calls] == [line.usage for line in provider.bill[billed_before:]]
    assert {(call["method"], call["basis"], call["cost_nanos"]) for call in calls} == {("priced", "usage", 310 * 150 + 44 * 600)}
