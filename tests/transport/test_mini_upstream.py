"""The provider that other tests rely on: it must not let anything pass unseen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tallystick.ports import UpstreamRequest
from tallystick.transport.reply import Http1Reply
from tallystick.transport.pool import Http1Upstreams
from tests.build import corpus
from tests.mini_upstream import (
    BENCH_EVENTS,
    Answer,
    Gate,
    MiniUpstream,
    bench_events,
    bench_reply,
    json_reply,
    recorded,
    split,
    sse_reply,
)

CHAT = "/v1/chat/completions"


async def call(url: str, body: bytes, path: str = CHAT) -> tuple[Http1Reply, bytes]:
    client = Http1Upstreams()
    reply = await client.send(UpstreamRequest(url, "POST", path, [], body))
    pieces = []
    while (piece := await reply.next()) is not None:
        pieces.append(piece)
    await client.close()
    return reply, b"".join(pieces)


async def test_a_call_that_nobody_expected_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="nobody expected: POST /v1/chat/completions with 2 bytes"), MiniUpstream() as provider:
        reply, _ = await call(provider.url, b"{}")
        assert reply.status == 418


async def test_so_does_an_expected_one_with_another_body() -> None:
    with pytest.raises(AssertionError, match="nobody expected") as failed, MiniUpstream() as provider:
        provider.expect("POST", CHAT, json_reply({}), body=b"[1]")
        await call(provider.url, b"[2]")
    assert "expected and never came: POST /v1/chat/completions" in str(failed.value)


def test_an_expected_call_that_never_came_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="expected and never came: POST /v1/files"), MiniUpstream() as provider:
        provider.expect("POST", "/v1/files", json_reply({}))


def test_a_failing_test_keeps_its_own_reason() -> None:
    with pytest.raises(ZeroDivisionError), MiniUpstream() as provider:
        provider.expect("POST", "/v1/files", json_reply({}))
        raise ZeroDivisionError


async def test_the_bill_lists_calls_with_their_bytes_and_usage() -> None:
    with MiniUpstream() as provider:
        provider.expect("POST", CHAT, json_reply({"usage": {"output": 99}}, usage={"output": 3}), times=2)
        for body in (b"one", b"two"):
            await call(provider.url, body)
    assert [(line.body, line.usage, line.complete) for line in provider.bill] == [
        (b"one", {"output": 3}, True), (b"two", {"output": 3}, True)]
    assert provider.calls[0].head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")


async def test_a_gate_holds_the_answer_until_it_is_opened() -> None:
    gate = Gate()
    with MiniUpstream() as provider:
        provider.expect("POST", CHAT, sse_reply([b"one", gate, b"two"]))
        asking = asyncio.ensure_future(call(provider.url, b"{}"))
        await gate.reached()
        assert not provider.bill[0].complete
        gate.open()
        assert (await asking)[1] == b"onetwo"


def test_bodies_are_split_where_told() -> None:
    assert split(b"0123456789", [1, 0, 4]) == [b"0", b"1234", b"56789"]
    assert json_reply({}).cut_after(9).steps[0] == b"HTTP/1.1 "
    assert Answer((b"ab", b"cd")).cut_after(3).steps[:-1] == (b"ab", b"c")


def test_the_benchs_replies_have_the_sizes_that_results_quote() -> None:
    assert len(bench_reply()) == 700
    assert (len(bench_events()), bench_events()[-1]) == (BENCH_EVENTS, b"data: [DONE]\n\n")


async def test_as_a_program_it_replays_recorded_exchanges(tmp_path: Path) -> None:
    row = {"method": "POST", "url": "https://api.example/v1/x?a=1", "status": 201, "response_headers": {"X-A": "b"},
           "response_body": "caf\u00e9", "streaming": False}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.mini_upstream", "--replay", str(file)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    with process.stdout:
        reply, body = await call(process.stdout.readline().strip(), b"", "/v1/x?a=1")
    process.terminate()
    process.wait()
    assert (reply.status, reply.headers[0], body) == (201, (b"X-A", b"b"), "caf\u00e9".encode())


def _one_of_each() -> list[dict[str, Any]]:
    """A recorded exchange of each provider, route and kind of reply."""
    found: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for row in corpus._rows(corpus.CORPUS / "exchanges.jsonl.gz"):
        if row["transport"] == "http" and row["status"] >= 200:
            found.setdefault((row["provider"], row["endpoint"], row["streaming"]), row)
    return list(found.values())


@pytest.mark.skipif(not corpus.present(), reason="the recorded traffic is not here (TALLYSTICK_SHARED)")
async def test_recorded_replies_pass_the_wire_unchanged() -> None:
    rows = _one_of_each()
    assert len(rows) > 50
    with MiniUpstream() as provider:
        client = Http1Upstreams()
        for number, row in enumerate(rows):
            provider.expect("POST", f"/{number}", recorded(row, piece_bytes=37))
            reply = await client.send(UpstreamRequest(provider.url, "POST", f"/{number}", [], b""))
            pieces = []
            while (piece := await reply.next()) is not None:
                pieces.append(piece)
            answer = recorded(row)
            assert reply.status == row["status"]
            whole = recorded({**row, "streaming": False})
            assert isinstance(whole.steps[0], bytes)
            body = b"" if row["status"] == 204 else whole.steps[0].partition(b"\r\n\r\n")[2]
            assert b"".join(pieces) == body, answer.label
        await client.close()
    assert provider.connections == 1
