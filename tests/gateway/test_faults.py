"""A provider that misbehaves and callers that leave: what the caller sees, and what is booked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Break, Encoding, Gate, MiniUpstream, Step, chunked, json_reply, reply, sse_reply

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 100}
STREAMED = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
PATH = "/v1/chat/completions"
COST_NANOS = 310 * 150 + 44 * 600


def headers(key: str) -> dict[str, str]:
    return {"X-Tallystick-Key": key, "Authorization": "Bearer sk-own"}


def event(text: str | None = None, *, usage: bool = False) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    stated = {"prompt_tokens": 310, "completion_tokens": 44, "total_tokens": 354} if usage else None
    document = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini", "choices": choices, "usage": stated}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def whole() -> dict[str, object]:
    return {"id": "c-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 310, "completion_tokens": 44, "total_tokens": 354}}


@contextmanager
def socket_call(gateway: RunningGateway, key: str, body: object) -> Iterator[socket.socket]:
    """A call by hand, for callers that leave."""
    address, data = urlsplit(gateway.url), json.dumps(body).encode()
    head = (f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nX-Tallystick-Key: {key}\r\nAuthorization: Bearer sk-own\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n")
    with socket.create_connection((address.hostname or "", address.port or 0), PATIENCE_S) as client:
        client.sendall(head.encode() + data)
        yield client


def read_until(client: socket.socket, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        piece = client.recv(65536)
        assert piece, f"the reply ended before {mark!r}: {seen!r}"
        seen += piece
    return seen


def id_in(head: bytes) -> str:
    return next(line.split(b": ")[1].decode() for line in head.split(b"\r\n") if line.startswith(b"x-tallystick-request-id"))


def test_a_provider_that_cannot_be_reached_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as closed, RunningGateway(tmp_path, upstream=f"http://127.0.0.1:{_port(closed)}") as lonely:
        answer = httpx.post(f"{lonely.url}{PATH}", json=ASKED, headers=headers(lonely.key()), timeout=PATIENCE_S)
        call = lonely.call(answer.headers["x-tallystick-request-id"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (0, "zero_proven", "unreached")


def _port(closed: socket.socket) -> int:
    closed.bind(("127.0.0.1", 0))
    port: int = closed.getsockname()[1]
    return port


def test_a_reset_before_any_answer_costs_the_worst_case(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", PATH, json_reply(whole()).cut_after(0))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_broke_off")
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (call["held_nanos"], "worst_case", "cut")
    assert call["held_nanos"] > 100 * 600


@pytest.mark.parametrize(("status", "body", "content_type", "basis"), [
    (400, b'{"error":{"message":"bad","type":"invalid_request_error"}}', b"application/json", "zero_proven"),
    (429, b'{"error":{"message":"slow down","type":"rate_limit_error"}}', b"application/json", "zero_proven"),
    (500, b'{"error":{"message":"sorry","type":"server_error"}}', b"application/json", "zero_proven"),
    (502, b"<html>Bad gateway</html>", b"text/html", "worst_case"),
    (504, b"", b"text/plain", "worst_case"),
])
def test_an_error_answer_passes_unchanged(
    gateway: RunningGateway, provider: MiniUpstream, key: str, status: int, body: bytes, content_type: bytes, basis: str,
) -> None:
    provider.expect("POST", PATH, reply(status, [(b"Content-Type", content_type), (b"Retry-After", b"7")], body))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (status, body, "7")
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["status"], call["outcome"], call["basis"]) == (status, "failed", basis)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_error_of_the_providers_own_costs_nothing(
    gateway: RunningGateway, provider: MiniUpstream, key: str, encoding: Encoding,
) -> None:
    """SDKs accept compressed replies, and providers compress errors as well: that is no edge's page."""
    provider.expect("POST", PATH, json_reply({"error": {"message": "sorry", "type": "server_error"}}, status=503, encoding=encoding))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["status"], call["basis"], call["cost_nanos"]) == (503, "zero_proven", 0)


def test_an_error_that_states_usage_costs_what_it_states(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", PATH, json_reply({**whole(), "error": {"message": "filtered", "type": "content_filter"}}, status=400))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["outcome"], call["method"], call["basis"], call["cost_nanos"]) == ("failed", "priced", "usage", COST_NANOS)


def test_a_picture_that_was_refused_costs_nothing(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """What a picture costs is known from the request; that it was made is not."""
    provider.expect("POST", "/v1/images/generations", json_reply({"error": {"message": "no", "type": "image_generation_user_error"}}, status=400))
    asked = {"model": "dall-e-3", "prompt": "a goose"}
    answer = httpx.post(f"{gateway.url}/v1/images/generations", json=asked, headers=headers(key), timeout=PATIENCE_S)
    call = gateway.call(answer.headers["x-tallystick-request-id"])
    assert (call["basis"], call["cost_nanos"], call["usage"]) == ("zero_proven", 0, None)


def test_the_error_of_a_stream_keeps_its_length(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Usage was asked for on the caller's behalf, but what came is no stream: there is nothing to undo."""
    provider.expect("POST", PATH, json_reply({"error": {"message": "bad", "type": "invalid_request_error"}}, status=400))
    answer = httpx.post(f"{gateway.url}{PATH}", json={**ASKED, "stream": True}, headers=headers(key), timeout=PATIENCE_S)
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "transfer-encoding" not in answer.headers


def test_curls_form_of_json_is_json_on_every_route(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """`curl -d` says form unasked; on a route without a meter the provider would refuse the form, and our own member would reach it."""
    provider.expect("POST", "/v1/moderations", json_reply({"id": "m-1", "results": []}), body=b'{"input":"x"}')
    told = {**headers(key), "Content-Type": "application/x-www-form-urlencoded"}
    answer = httpx.post(f"{gateway.url}/v1/moderations", content=b'{"input":"x","_aipromptcost":{"prompt_key":"p"}}', headers=told, timeout=PATIENCE_S)
    assert provider.bill[-1].request.header(b"content-type") == b"application/json"
    assert gateway.call(answer.headers["x-tallystick-request-id"])["attribution"]["prompt_key"] == "p"


def test_a_redirect_is_passed_on_and_not_followed(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", PATH, reply(307, [(b"Location", b"http://127.0.0.1:1/else"), (b"Set-Cookie", b"a=1")], b""))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:1/else")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_reply_passes_as_it_is_and_is_still_metered(
    gateway: RunningGateway, provider: MiniUpstream, key: str, encoding: str,
) -> None:
    answer = json_reply(whole(), encoding=encoding)  # type: ignore[arg-type]
    provider.expect("POST", PATH, answer)
    with httpx.stream("POST", f"{gateway.url}{PATH}", json=ASKED, timeout=PATIENCE_S,
                      headers={**headers(key), "Accept-Encoding": encoding}) as got:
        raw = b"".join(got.iter_raw())
    assert got.headers["content-encoding"] == encoding
    assert bytes(answer.steps[0]).endswith(b"\r\n\r\n" + raw)  # type: ignore[arg-type]
    assert gateway.call(got.headers["x-tallystick-request-id"])["cost_nanos"] == COST_NANOS


def test_pieces_pass_the_moment_they_come(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """The second piece is sent only after the caller has the first: nothing is held that need not be."""
    gate = Gate()
    provider.expect("POST", PATH, sse_reply([event("Hel"), gate, event("lo"), event(usage=True), b"data: [DONE]\n\n"]))
    with socket_call(gateway, key, STREAMED) as client:
        head = read_until(client, b'"Hel"')
        gate.open()
        read_until(client, b"[DONE]")
    assert gateway.call(id_in(head))["cost_nanos"] == COST_NANOS


def test_the_settlement_stands_before_the_end_marker_leaves(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """The provider keeps the connection open behind `[DONE]`; the call is in the books all the same."""
    gate = Gate()
    provider.expect("POST", PATH, sse_reply([event("Hello"), event(usage=True), b"data: [DONE]\n\n", gate]))
    with socket_call(gateway, key, STREAMED) as client:
        seen = read_until(client, b"[DONE]")
        call = gateway.call(id_in(seen))
        gate.open()
    assert (call["cost_nanos"], call["outcome"]) == (COST_NANOS, "completed")


def test_a_cut_stream_is_cut_for_the_caller_too_and_estimated(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", PATH, sse_reply([event("Hel"), event("lo"), Break.RESET]))
    with socket_call(gateway, key, STREAMED) as client:
        seen = b""
        while piece := client.recv(65536):
            seen += piece
    assert b'"Hel"' in seen
    assert b"[DONE]" not in seen
    assert not seen.endswith(b"0\r\n\r\n"), "a cut must not look like an end"
    call = gateway.call(id_in(seen))
    assert (call["outcome"], call["method"], call["basis"]) == ("cut", "estimated", "counted")
    assert call["cost_nanos"] > 0


def test_a_caller_that_leaves_is_billed_what_the_provider_bills(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    gate = Gate()
    pieces: list[Step] = [event("Hel"), gate, *[event("lo")] * 500, event(usage=True), b"data: [DONE]\n\n"]
    provider.expect("POST", PATH, sse_reply(pieces))
    with socket_call(gateway, key, STREAMED) as client:
        head = read_until(client, b'"Hel"')
    gate.open()
    call = gateway.call(id_in(head))
    assert (call["cost_nanos"], call["method"], call["basis"]) == (COST_NANOS, "priced", "usage")


def test_a_stream_that_was_not_asked_for_usage_shows_none(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    asked = {**ASKED, "stream": True}
    provider.expect("POST", PATH, sse_reply([event("Hello"), event(usage=True), b"data: [DONE]\n\n"]),
                    body=lambda body: json.loads(body)["stream_options"] == {"include_usage": True})
    with httpx.stream("POST", f"{gateway.url}{PATH}", json=asked, headers=headers(key), timeout=PATIENCE_S) as got:
        seen = b"".join(got.iter_raw())
    assert b"usage" not in seen
    assert seen.count(b"data: ") == 2
    assert gateway.call(got.headers["x-tallystick-request-id"])["cost_nanos"] == COST_NANOS


def test_a_200_stream_with_an_error_inside_is_booked_as_its_usage_says(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    error = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    provider.expect("POST", PATH, sse_reply([event("Hel"), error, b"data: [DONE]\n\n"]))
    with httpx.stream("POST", f"{gateway.url}{PATH}", json=STREAMED, headers=headers(key), timeout=PATIENCE_S) as got:
        assert error in b"".join(got.iter_raw())
    call = gateway.call(got.headers["x-tallystick-request-id"])
    assert (call["outcome"], call["method"]) == ("failed", "estimated")


def test_a_chunked_reply_without_length_is_priced_in_a_header_too(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    body = json.dumps(whole()).encode()
    provider.expect("POST", PATH, chunked(200, [(b"Content-Type", b"application/json")], [body[:40], body[40:]]))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    assert (answer.content, answer.headers["x-tallystick-cost-usd"]) == (body, "0.000072900")


def test_an_endless_error_page_is_bounded(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", PATH, reply(500, [(b"Content-Type", b"text/html")], b"x" * (3 << 20)))
    answer = httpx.post(f"{gateway.url}{PATH}", json=ASKED, headers=headers(key), timeout=PATIENCE_S)
    assert (answer.status_code, len(answer.content)) == (500, 3 << 20)
    assert gateway.call(answer.headers["x-tallystick-request-id"])["basis"] == "worst_case"


def test_a_host_of_ones_own_needs_no_credential(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """A local model server asks for none, so there is none to miss; our key stays here all the same."""
    provider.expect("POST", PATH, json_reply(whole()))
    answer = httpx.post(f"{gateway.url}/proxy/ollama{PATH}", json=ASKED, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S)
    assert answer.status_code == 200
    assert provider.bill[-1].request.header(b"authorization") is None
    assert gateway.call(answer.headers["x-tallystick-request-id"])["cost_nanos"] == 0


def test_the_promises_of_s3_ask_no_model_of_a_path_that_names_it(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    provider.expect("POST", path, json_reply({"candidates": [], "usageMetadata": {"promptTokenCount": 8}, "modelVersion": "gemini-2.5-flash"}))
    told = {"Authorization": f"Bearer {key}", "X-Provider-Key": "own"}
    answer = httpx.post(f"{gateway.url}/api/proxy/v1/google{path}", json={"contents": []}, headers=told, timeout=PATIENCE_S)
    assert (answer.status_code, provider.bill[-1].request.header(b"x-goog-api-key")) == (200, b"own")


def test_a_long_reply_that_was_cut_is_estimated_by_what_came_of_it(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """Its usage would have stood at its end; what was generated until then is most of what was billed."""
    document = {**whole(), "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 300_000}}]}
    provider.expect("POST", PATH, json_reply(document).cut_after(1_300_000, Break.CLOSE))
    with socket_call(gateway, key, ASKED) as client:
        seen = b""
        while piece := client.recv(65536):
            seen += piece
    call = gateway.call(id_in(seen))
    assert (call["outcome"], call["method"], call["basis"]) == ("cut", "estimated", "counted")
    assert call["usage"]["output"] > 100_000
