"""Providers that fall silent or break off, at every place of a reply (F11): the caller sees an error or a
cut, the books have one settlement on the right basis."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Answer, Break, Gate, MiniUpstream, chunk_bytes, json_reply, reply, sse_reply

NUMBER = 33
EVENTS = chat.events(NUMBER, deltas=4)
HASTE = "[gateway.limits]\nfirst_byte_timeout_s = 1\nidle_timeout_s = 1\nconnect_timeout_s = 1\n"


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("hasty"), upstream=provider.url, config=HASTE) as running:
        yield running


def called(gateway: RunningGateway, key: str, *, stream: bool) -> tuple[httpx.Response, bytes, bool]:
    """The reply's head, what came of its body, and whether it came to its proper end."""
    seen = b""
    with httpx.stream("POST", f"{gateway.url}{chat.PATH}", json=chat.asked(stream=stream), headers=chat.headers(key), timeout=PATIENCE_S) as got:
        try:
            for piece in got.iter_raw():
                seen += piece
        except httpx.RemoteProtocolError:
            return got, seen, False
    return got, seen, True


def test_silence_before_the_head_is_a_timeout_and_costs_the_worst_case(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    gate = Gate()
    provider.expect("POST", chat.PATH, json_reply(chat.completion(NUMBER)).before(gate))
    got, seen, _ = called(gateway, key, stream=False)
    gate.open()
    assert (got.status_code, b'"upstream_timeout"' in seen) == (504, True)
    call = gateway.call(got.headers["x-tallystick-request-id"])
    assert (call["basis"], call["cost_nanos"], call["outcome"]) == ("worst_case", call["held_nanos"], "cut")


@pytest.mark.parametrize(("events", "basis"), [(0, "counted"), (1, "counted"), (4, "counted"), (5, "usage")])
def test_silence_within_a_stream_cuts_it(gateway: RunningGateway, provider: MiniUpstream, key: str, events: int, basis: str) -> None:
    gate = Gate()
    provider.expect("POST", chat.PATH, sse_reply([*EVENTS[:events], gate, *EVENTS[events:]]))
    got, seen, complete = called(gateway, key, stream=True)
    gate.open()
    assert (seen, complete) == (b"".join(EVENTS[:events]), False)
    check(gateway, got, basis)


def check(gateway: RunningGateway, got: httpx.Response, basis: str) -> None:
    call = gateway.call(got.headers["x-tallystick-request-id"])
    assert (call["basis"], call["state"], len(call["attempts"])) == (basis, "settled", 1)
    if basis == "usage":
        assert call["cost_nanos"] == chat.cost_nanos(NUMBER)
    else:
        assert 0 < call["cost_nanos"] <= call["held_nanos"]


@pytest.mark.parametrize("how", [Break.RESET, Break.CLOSE, Break.HALF_CLOSE])
@pytest.mark.parametrize("at", range(0, 100, 10))
def test_a_stream_that_breaks_off_anywhere(gateway: RunningGateway, provider: MiniUpstream, key: str, at: int, how: Break) -> None:
    """The break falls at so many percent of the answer's bytes: in its head, in a chunk, in a chunk's size."""
    whole = b"".join(step for step in sse_reply(EVENTS).steps if isinstance(step, bytes))
    cut = whole[:len(whole) * at // 100]
    provider.expect("POST", chat.PATH, Answer((cut, how)))
    got, seen, complete = called(gateway, key, stream=True)
    if b"\r\n\r\n" not in cut:
        assert (got.status_code, b'"upstream_broke_off"' in seen) == (502, True)
        check(gateway, got, "worst_case")
        return
    assert (b"".join(EVENTS).startswith(seen), complete) == (True, False)
    check(gateway, got, "usage" if EVENTS[4] in seen else "counted")


def test_a_break_behind_the_end_marker_takes_nothing_away(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    answer = sse_reply([])
    provider.expect("POST", chat.PATH, Answer((*answer.steps[:1], *map(chunk_bytes, EVENTS), Break.RESET)))
    got, seen, _ = called(gateway, key, stream=True)
    assert b"".join(EVENTS).startswith(seen)
    check(gateway, got, "usage")


def test_bytes_behind_the_end_marker_belong_to_the_caller(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    gate = Gate()
    trail = [b": still here\n\n", b": bye\n\n"]
    provider.expect("POST", chat.PATH, sse_reply([*EVENTS, trail[0], gate, trail[1]]))
    with httpx.stream("POST", f"{gateway.url}{chat.PATH}", json=chat.asked(stream=True), headers=chat.headers(key), timeout=PATIENCE_S) as got:
        pieces = got.iter_raw()
        seen = b""
        while trail[0] not in seen:
            seen += next(pieces)
        check(gateway, got, "usage")             # booked, while the provider keeps talking
        gate.open()
        seen += b"".join(pieces)
    assert seen == b"".join([*EVENTS, *trail])


def test_a_body_shorter_than_announced_is_no_reply(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    body = b'{"id":"chatcmpl-33","object":"chat.completion","model":"gpt-4o-mini","choices":['
    answer = reply(200, [(b"Content-Type", b"application/json")], body, announced_bytes=len(body) + 100)
    known = {call["id"] for call in gateway.calls(at_least=len(provider.bill))}
    provider.expect("POST", chat.PATH, answer.then(Break.CLOSE))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{gateway.url}{chat.PATH}", json=chat.asked(), headers=chat.headers(key), timeout=PATIENCE_S)
    [call] = [call for call in gateway.calls(at_least=len(known) + 1) if call["id"] not in known]
    assert (call["outcome"], call["basis"]) == ("cut", "counted")


def test_every_call_here_is_booked_once(gateway: RunningGateway, provider: MiniUpstream) -> None:
    assert len(gateway.calls(at_least=len(provider.bill))) == len(provider.bill)
    assert gateway.run("verify").returncode == 0
