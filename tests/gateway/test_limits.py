"""Bounds on what a caller or a provider can make a running gateway hold or wait for (B14–B17, L6): memory
stays bounded, every call is settled, and others are served meanwhile.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, Gate, MiniUpstream, chunked, compressed, reply, sse_reply, until_close

MIB = 1 << 20
TIGHT = """[gateway.limits]
head_timeout_s = 1
body_timeout_s = 3
body_rate_bytes_per_s_min = 1024
body_bytes_max = 1048576
upload_bytes_max = 4194304
"""


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("tight"), upstream=provider.url, config=TIGHT) as running:
        yield running


def post(gateway: RunningGateway, key: str, *, stream: bool) -> tuple[int, bytes, str]:
    """Status, the undecoded body and the request id."""
    with httpx.stream("POST", f"{gateway.url}{chat.PATH}", json=chat.asked(stream=stream), timeout=PATIENCE_S,
                      headers={**chat.headers(key), "Accept-Encoding": "gzip, br, zstd, deflate"}) as got:
        return got.status_code, b"".join(got.iter_raw()), got.headers["x-tallystick-request-id"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity"])
def test_a_compressed_request_is_refused(gateway: RunningGateway, key: str, encoding: str) -> None:
    answer = httpx.post(f"{gateway.url}{chat.PATH}", content=gzip.compress(json.dumps(chat.asked()).encode()), timeout=PATIENCE_S,
                        headers={**chat.headers(key), "Content-Type": "application/json", "Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert gateway.call(answer.headers["x-tallystick-request-id"])["state"] == "refused"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_without_end_is_cut_at_the_limit(gateway: RunningGateway, provider: MiniUpstream, key: str, announced: bool) -> None:
    asked = len(provider.bill)
    head = chat.head(key, 1 << 40) if announced else chat.head(key, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with chat.raw_call(gateway, head) as client:
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(0 if announced else 64):
                client.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        answer = chat.read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in answer
    assert len(provider.bill) == asked


def test_an_upload_over_the_limit_is_cut_and_costs_nothing(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    known = {call["id"] for call in gateway.calls()}         # nothing here was admitted and is still on its way

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 131_072
    with httpx.Client(timeout=PATIENCE_S) as client:
        try:
            answer = client.post(f"{gateway.url}/v1/files", content=endless(), headers=chat.headers(key))
        except httpx.WriteError:                 # the answer came while we were still writing
            pass
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    [call] = [call for call in gateway.calls(at_least=len(known) + 1) if call["id"] not in known]
    assert (call["operation"], call["cost_nanos"], call["outcome"]) == ("files", 0, "unreached")


def peak_kib(gateway: RunningGateway) -> int:
    """The most memory the process ever had."""
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


LONG = b'data: {"choices":[{"delta":{"content":"' + b"x" * (2 * MIB) + b'"}}]}\n\n'
ZEROS = b"0" * (128 * MIB)


@pytest.mark.parametrize(("answer", "basis"), [
    (sse_reply([chat.delta("a"), LONG, chat.usage_event(5), chat.DONE]), "usage"),
    (sse_reply([chat.delta("a"), *([b"x" * MIB] * 64)]), "counted"),
    (reply(200, [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")], compressed("gzip", ZEROS)), "counted"),
    (reply(200, [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"zstd")], compressed("zstd", ZEROS)), "counted"),
    (reply(200, [(b"Content-Type", b"text/event-stream"), (b"Content-Encoding", b"gzip")], compressed("gzip", ZEROS)), "counted"),
    (chunked(200, [(b"Content-Type", b"application/json")], [b" " * MIB] * 64), "counted"),
    (until_close(500, [(b"Content-Type", b"text/html")], [b"<" * MIB] * 64), "worst_case"),
], ids=["long line", "line without end", "gzip bomb", "zstd bomb", "bomb in a stream", "long JSON", "long error"])
def test_a_reply_of_any_size_passes_and_is_settled_in_bounded_memory(
    gateway: RunningGateway, provider: MiniUpstream, key: str, answer: Answer, basis: str,
) -> None:
    before = peak_kib(gateway)
    provider.expect("POST", chat.PATH, answer)
    _, body, request_id = post(gateway, key, stream="event" in str(answer.steps[0][:200]))
    assert body
    call = gateway.call(request_id)
    assert (call["state"], call["basis"]) == ("settled", basis)
    assert peak_kib(gateway) - before < 48 * 1024
    assert basis != "usage" or call["cost_nanos"] == chat.cost_nanos(5)


def test_a_slow_reader_holds_little(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Callers that do not read what they asked for: the provider is held up, not our memory."""
    before, gate = peak_kib(gateway), Gate()
    big = [chat.delta("a"), *([b": " + b"x" * 65_536 + b"\n\n"] * 512)]
    with ExitStack() as stack:
        for _ in range(8):
            provider.expect("POST", chat.PATH, sse_reply([*big, gate, chat.usage_event(7), chat.DONE]))
        body = json.dumps(chat.asked(stream=True)).encode()
        clients = [stack.enter_context(chat.raw_call(gateway, chat.head(key, len(body)) + body)) for _ in range(8)]
        for client in clients:
            chat.read_until(client, b"\r\n\r\n")
        gate.open()
        assert peak_kib(gateway) - before < 64 * 1024
        request_ids = [call["id"] for call in gateway.calls()]
        for client in clients:
            chat.read_until(client, b"[DONE]")
    done = [call for call in gateway.calls(at_least=len(request_ids) + 8) if call["id"] not in request_ids]
    assert [call["cost_nanos"] for call in done] == [chat.cost_nanos(7)] * 8


def test_who_never_reads_is_let_go_and_booked_what_was_billed(provider: MiniUpstream, tmp_path: Path) -> None:
    config = "[gateway.limits]\nwrite_timeout_s = 1\n"
    with RunningGateway(tmp_path, upstream=provider.url, config=config) as hasty:
        provider.expect("POST", chat.PATH, sse_reply([chat.delta("a"), *([b": " + b"x" * 65_536 + b"\n\n"] * 512), chat.usage_event(8), chat.DONE]))
        body = json.dumps(chat.asked(stream=True)).encode()
        with chat.raw_call(hasty, chat.head(hasty.key(), len(body)) + body) as client:
            chat.read_until(client, b"\r\n\r\n")
            [call] = hasty.calls(at_least=1)
    assert (call["cost_nanos"], call["outcome"]) == (chat.cost_nanos(8), "client_gone")


def test_slow_senders_are_closed_while_others_are_served(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Forty that never finish their head, forty that never finish their body, and a caller like any other."""
    body = json.dumps(chat.asked()).encode()
    with ExitStack() as stack:
        slow_heads = [stack.enter_context(chat.raw_call(gateway, chat.head(key, 9)[:40])) for _ in range(40)]
        slow_bodies = [stack.enter_context(chat.raw_call(gateway, chat.head(key, 9), b"{")) for _ in range(40)]
        for number in range(50):
            provider.expect("POST", chat.PATH, chat.answers(number)[0])
            answer = httpx.post(f"{gateway.url}{chat.PATH}", content=body, timeout=PATIENCE_S,
                                headers={**chat.headers(key), "Content-Type": "application/json"})
            assert answer.status_code == 200
        deadline = time.monotonic() + PATIENCE_S
        for client in [*slow_heads, *slow_bodies]:
            client.settimeout(max(0.1, deadline - time.monotonic()))
            assert b'"request_timeout"' in chat.read_all(client)


def test_the_books_are_whole_after_all_this(gateway: RunningGateway) -> None:
    assert gateway.run("verify").returncode == 0
