"""Callers that leave in the middle: the provider bills them all the same, so must we (M5)."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.build import chat
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import Gate, MiniUpstream, sse_reply

EVENTS = chat.events(number=44, deltas=18)
STREAM = json.dumps(chat.asked(stream=True)).encode()


def asks(key: str) -> bytes:
    return chat.head(key, len(STREAM)) + STREAM


def heard(gateway: RunningGateway) -> None:
    """Return once the gateway has read what was on its sockets before: it answers in turn."""
    for _ in range(3):
        httpx.get(f"{gateway.url}/healthz", timeout=PATIENCE_S).raise_for_status()


@pytest.mark.parametrize("point", range(len(EVENTS) - 1))
def test_a_caller_that_leaves_within_a_stream_is_booked_what_was_billed(
    gateway: RunningGateway, provider: MiniUpstream, key: str, point: int,
) -> None:
    gate = Gate()
    provider.expect("POST", chat.PATH, sse_reply([*EVENTS[:point + 1], gate, *EVENTS[point + 1:]]))
    with chat.raw_call(gateway, asks(key)) as client:
        seen = chat.read_until(client, EVENTS[point].strip())
    gate.open()
    call = gateway.call(chat.id_in(seen))
    assert (call["cost_nanos"], call["basis"], call["state"]) == (chat.cost_nanos(44), "usage", "settled")


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_leaves_before_the_first_byte(gateway: RunningGateway, provider: MiniUpstream, key: str, stream: bool) -> None:
    known, gate = {call["id"] for call in gateway.calls()}, Gate()
    provider.expect("POST", chat.PATH, chat.answers(45)[stream].before(gate))
    body = json.dumps(chat.asked(stream=stream)).encode()
    with chat.raw_call(gateway, chat.head(key, len(body)) + body):
        gate.wait_reached()
    heard(gateway)
    gate.open()
    [call] = [call for call in gateway.calls(at_least=len(known) + 1) if call["id"] not in known]
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (chat.cost_nanos(45), "usage", "client_gone")


def test_a_caller_that_leaves_while_sending_its_request_is_never_admitted(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    before, asked = refused(gateway), len(provider.bill)
    with chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM[:20]):
        heard(gateway)
    refusals = refused(gateway, at_least=len(before) + 1)
    assert (refusals[0]["code"], refusals[0]["status"], len(provider.bill)) == ("incomplete_body", 400, asked)


@pytest.mark.parametrize("stream", [True, False])
def test_callers_that_hang_up_at_once_are_booked_what_was_billed(
    gateway: RunningGateway, provider: MiniUpstream, key: str, stream: bool,
) -> None:
    """They reset the connection while the reply is on its way, some before it, some behind its end."""
    known, billed = {call["id"] for call in gateway.calls()}, len(provider.bill)
    body = json.dumps(chat.asked(stream=stream)).encode()
    for number in range(50):
        gate = Gate()
        gate.open()
        provider.expect("POST", chat.PATH, chat.answers(number)[stream].before(gate))
        with chat.raw_call(gateway, chat.head(key, len(body)) + body) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gate.wait_reached()
            if number % 3:
                client.recv(1 + number * 20)
    assert len(provider.bill) == billed + 50
    calls = [call for call in gateway.calls(at_least=len(known) + 50) if call["id"] not in known]
    assert sorted(chat.number_of(call["usage"]) for call in calls) == list(range(50))
    assert {call["basis"] for call in calls} == {"usage"}


def test_a_body_that_ends_early_is_a_400_and_no_call(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    asked = len(provider.bill)
    with chat.raw_call(gateway, chat.head(key, len(STREAM)) + STREAM[:-1]) as client:
        client.shutdown(socket.SHUT_WR)
        answer = chat.read_all(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"incomplete_body"' in answer
    assert gateway.call(chat.id_in(answer))["state"] == "refused"
    assert len(provider.bill) == asked


def refused(gateway: RunningGateway, at_least: int = 0) -> list[dict[str, Any]]:
    return gateway.calls(at_least, kind="refused")


@pytest.fixture(scope="module")
def tight(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One drain at a time, for a second."""
    config = "[gateway.drain]\nat_once_max = 1\ntimeout_s = 1\n"
    with RunningGateway(tmp_path_factory.mktemp("tight"), upstream=provider.url, config=config) as running:
        yield running


def leave(gateway: RunningGateway, provider: MiniUpstream, key: str) -> tuple[str, Gate, Gate]:
    """A caller leaves in the middle; the provider waits there, and once more two events later."""
    first, last = Gate(), Gate()
    provider.expect("POST", chat.PATH, sse_reply([*EVENTS[:3], first, *EVENTS[3:5], last, *EVENTS[5:]]))
    with chat.raw_call(gateway, asks(key)) as client:
        seen = chat.read_until(client, EVENTS[2].strip())
    heard(gateway)
    return chat.id_in(seen), first, last


def test_beyond_the_limits_of_the_drain_a_reply_is_cut_and_estimated(tight: RunningGateway, provider: MiniUpstream) -> None:
    """Two leave; one may be drained, and that one never ends: both are settled, at no less than the input."""
    key = tight.key()
    left = [leave(tight, provider, key) for _ in range(2)]
    for _, first, _ in left:
        first.open()
    calls = [tight.call(request_id) for request_id, _, _ in left]
    for _, _, last in left:
        last.open()
    for call in calls:
        assert (call["outcome"], call["method"], call["basis"], call["state"]) == ("client_gone", "estimated", "counted", "settled")
        assert call["usage"]["input"] > 0
        assert call["usage"]["output"] > 0


def test_every_place_in_the_drain_comes_back(tight: RunningGateway, provider: MiniUpstream) -> None:
    """One after the other they are read to their exact end, however the ones before ended."""
    key = tight.key()
    for _ in range(3):
        request_id, first, last = leave(tight, provider, key)
        first.open()
        last.open()
        assert tight.call(request_id)["cost_nanos"] == chat.cost_nanos(44)


def test_who_leaves_an_upload_costs_nothing(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    """The provider never had the whole request: there is nothing it could bill."""
    known = {call["id"] for call in gateway.calls()}
    half = b"x" * (1 << 20)
    with chat.raw_call(gateway, chat.head(key, 2 * len(half), path="/v1/files"), half):
        heard(gateway)
    [call] = [call for call in gateway.calls(at_least=len(known) + 1) if call["id"] not in known]
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (0, "zero_proven", "unreached")


@pytest.mark.parametrize("point", [0, 3])
def test_the_drains_clock_runs_though_the_provider_says_nothing_more(tmp_path: Path, point: int) -> None:
    """The reply has no place for ever: it is settled as far as it was seen, and its place is free again."""
    config = "[gateway.drain]\ntimeout_s = 1\nat_once_max = 1\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        key = gateway.key()
        for number in range(2):
            silent = Gate()
            provider.expect("POST", chat.PATH, sse_reply([*EVENTS[:point + 1], silent, *EVENTS[point + 1:]]))
            with chat.raw_call(gateway, asks(key)) as client:
                seen = chat.read_until(client, EVENTS[point].strip())
            [call] = [call for call in gateway.calls(at_least=number + 1) if call["id"] == chat.id_in(seen)]
            assert (call["method"], call["basis"], call["state"]) == ("estimated", "counted", "settled")
            silent.open()


def test_a_reply_that_finds_no_place_in_the_drain_is_cut_at_once(tmp_path: Path) -> None:
    config = "[gateway.drain]\nat_once_max = 1\n"
    with MiniUpstream() as provider, RunningGateway(tmp_path, upstream=provider.url, config=config) as gateway:
        key, gates, ids = gateway.key(), [], []
        for _ in range(2):
            gates.append(Gate())
            provider.expect("POST", chat.PATH, sse_reply([*EVENTS[:2], gates[-1], *EVENTS[2:]]))
            with chat.raw_call(gateway, asks(key)) as client:
                ids.append(chat.id_in(chat.read_until(client, EVENTS[1].strip())))
            heard(gateway)
        [cut] = gateway.calls(at_least=1)
        assert (cut["id"], cut["basis"]) == (ids[1], "counted")
        for each in gates:
            each.open()
        assert {call["basis"] for call in gateway.calls(at_least=2)} == {"usage", "counted"}
