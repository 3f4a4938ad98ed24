"""The money cases through the running gateway, at the moment of each: what the ledger books for what a
provider really answered, to the nano-dollar. The same cases run on the price book in tests/core/test_money_cases.py.

The recorded answers come from the corpus beside the repository and skip where it is absent; the answers
made here by hand run everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tallystick.core.money import to_nanos
from tests.build import chat, corpus
from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.build.replay import replayed
from tests.mini_upstream import Gate, MiniUpstream, json_reply, sse_reply

NOON = "2026-11-20T12:00:00+00:00"
JULY = "2026-07-24T09:59:00+00:00"

recorded = pytest.mark.skipif(not corpus.present(), reason=f"no recorded traffic at {corpus.CORPUS}")

AT_NOON = {
    1: ("04678d1181ae7160", "1.327645"),
    3: ("23e0cdf9c8480e91", "0.209637"),
    4: ("4621c3468cbf5249", "0.01913"),
    13: ("572801bc51c0193d", "0.00300094"),
    14: ("42dcaaad55b27f56", "0.00078375"),
    15: ("f4da3b1bd7728d06", "0.000861"),
    21: ("d48ac5755773de0b", "0"),
    22: ("2f99ba74a87451a2", "0.000497013"),
    25: ("24f628e02b366bb4", "0.0076875"),
    26: ("c5c0a1ea0a818cf0", "0.00354486"),
}
"""Case → the recorded exchange, and what it cost. Case 27 is a two-way session (tests/providers/test_realtime.py), case 20
was recorded over gRPC (tests/providers/test_corpus_whole.py)."""


class Calls:
    """Recorded and hand-made exchanges through one gateway, and what was booked for them."""

    def __init__(self, gateway: RunningGateway, provider: MiniUpstream) -> None:
        self.gateway, self.provider = gateway, provider
        self.key = gateway.key(team="money", project="cases")
        self._client = httpx.Client(timeout=PATIENCE_S)

    def replay(self, row: corpus.Exchange) -> httpx.Response:
        return replayed(row, self.key, self.gateway, self.provider, self._client)

    def post(self, provider_id: str, path: str, request: dict[str, Any], reply: dict[str, Any]) -> httpx.Response:
        self.provider.expect("POST", path, json_reply(reply))
        return self._client.post(f"{self.gateway.url}/proxy/{provider_id}{path}", json=request, headers=chat.headers(self.key))

    def get(self, provider_id: str, path: str, reply: dict[str, Any]) -> httpx.Response:
        self.provider.expect("GET", path, json_reply(reply))
        return self._client.get(f"{self.gateway.url}/proxy/{provider_id}{path}", headers=chat.headers(self.key))

    def booked(self, answer: httpx.Response) -> dict[str, Any]:
        return self.gateway.call(answer.headers["x-tallystick-request-id"])

    def close(self) -> None:
        self._client.close()


def calls_at(at: str, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    with RunningGateway(tmp_path_factory.mktemp("money"), upstream=provider.url, at=at) as gateway:
        calls = Calls(gateway, provider)
        yield calls
        calls.close()
        assert gateway.run("verify").returncode == 0


@pytest.fixture(scope="module")
def noon(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    yield from calls_at(NOON, provider, tmp_path_factory)


@pytest.fixture(scope="module")
def july(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    yield from calls_at(JULY, provider, tmp_path_factory)


@pytest.fixture(scope="module")
def rows() -> dict[str, corpus.Exchange]:
    return {row.id: row for row in corpus.exchanges()}


@recorded
@pytest.mark.parametrize("number", AT_NOON)
def test_a_recorded_call_costs_what_the_case_says(noon: Calls, rows: dict[str, corpus.Exchange], number: int) -> None:
    row_id, cost = AT_NOON[number]
    call = noon.booked(noon.replay(rows[row_id]))
    assert call["cost_nanos"] == to_nanos(Decimal(cost))


@recorded
def test_a_byok_call_books_nothing_here_and_a_line_for_the_keys_owner(noon: Calls, rows: dict[str, corpus.Exchange]) -> None:
    """Case 21."""
    call = noon.booked(noon.replay(rows[AT_NOON[21][0]]))
    assert (call["method"], call["cost_nanos"], call["upstream_cost_nanos"]) == ("stated", 0, 325_300)


@recorded
def test_a_call_of_july_is_priced_at_julys_rates(july: Calls, rows: dict[str, corpus.Exchange]) -> None:
    """Case 9: tokens, a cache write and a search, before the price cut."""
    assert july.booked(july.replay(rows["68bb3b13fe3aca0f"]))["cost_nanos"] == 59_962_500


def test_a_retired_name_is_charged_as_its_successor_and_the_book_agrees(july: Calls) -> None:
    """Case 20, as the HTTP API would have said it."""
    usage = {"prompt_tokens": 2_747, "completion_tokens": 23, "total_tokens": 3_007, "prompt_tokens_details": {"cached_tokens": 1_280},
             "completion_tokens_details": {"reasoning_tokens": 237}, "server_side_tool_usage_details": {"web_search_calls": 1},
             "cost_in_usd_ticks": 77_397_500}
    reply = chat.completion() | {"model": "grok-4-fast-reasoning", "usage": usage}
    call = july.booked(july.post("xai", "/v1/chat/completions", {"model": "grok-4-fast-reasoning", "messages": []}, reply))
    assert (call["method"], call["cost_nanos"], call["computed_cost_nanos"]) == ("stated", 7_739_750, 7_739_750)


@recorded
def test_a_recorded_prediction_is_billed_once_however_often_it_is_polled(noon: Calls, rows: dict[str, corpus.Exchange]) -> None:
    """Case 34: the job, three polls while it ran, and three that show its end."""
    made = noon.replay(rows["1c1a4317df3fa4ee"])
    assert noon.booked(made)["basis"] == "deferred"
    running = [noon.replay(rows[row]) for row in ("42541eec810b1636", "73de11cd177621f3", "f20aa2caa5054913")]
    ended = [noon.replay(rows["288d5136a7b91ca6"]) for _ in range(3)]
    assert [noon.booked(poll)["cost_nanos"] for poll in (*running, *ended)] == [0] * 6
    assert noon.booked(made)["cost_nanos"] == 3_935_908


@recorded
def test_a_recorded_background_response_is_billed_once(noon: Calls, rows: dict[str, corpus.Exchange]) -> None:
    """Case 41 with its recorded counts: 15 × 2.50 + 9 × 10 a million, once."""
    made = noon.replay(rows["0e34be9a37fd9c32"])
    polls = [noon.replay(rows[row]) for row in ("dcd0e6150ff5de78", "cbc00b5c9e96d53e", "cbc00b5c9e96d53e")]
    assert [noon.booked(poll)["cost_nanos"] for poll in polls] == [0, 0, 0]
    assert noon.booked(made)["cost_nanos"] == 127_500


def test_a_prediction_is_billed_once_however_often_it_is_polled(noon: Calls) -> None:
    """Case 34, by hand: nothing while it runs, then 2.811363 seconds at $0.0014, on the call that made it."""
    def prediction(status: str, **more: Any) -> dict[str, Any]:
        return {"id": "p34", "model": "stability-ai/stable-diffusion", "version": "v", "status": status, "input": {}, "output": None} | more

    ended = prediction("succeeded", output=["https://host.test/1.png"], metrics={"predict_time": 2.811363})
    made = noon.post("replicate", "/v1/predictions", {"version": "v", "input": {"prompt": "robots"}}, prediction("starting"))
    polls = [noon.get("replicate", "/v1/predictions/p34", state) for state in (prediction("processing"), ended, ended, ended)]
    assert [noon.booked(poll)["cost_nanos"] for poll in polls] == [0] * 4
    assert noon.booked(made)["cost_nanos"] == 3_935_908


def test_the_keys_owner_is_billed_elsewhere(noon: Calls) -> None:
    """Case 21, by hand."""
    usage = {"prompt_tokens": 326, "completion_tokens": 91, "total_tokens": 417, "cost": 0, "is_byok": True,
             "cost_details": {"upstream_inference_cost": 0.0003253}}
    reply = chat.completion() | {"model": "google/gemini-2.5-flash", "usage": usage}
    call = noon.booked(noon.post("openrouter", "/api/v1/chat/completions", {"model": "google/gemini-2.5-flash", "messages": []}, reply))
    assert (call["method"], call["cost_nanos"], call["upstream_cost_nanos"]) == ("stated", 0, 325_300)


def test_a_background_response_is_billed_once(noon: Calls) -> None:
    """Case 41 with its own counts."""
    def response(status: str, usage: dict[str, Any] | None) -> dict[str, Any]:
        return {"id": "resp_41", "object": "response", "status": status, "background": True, "model": "gpt-4o", "output": [], "usage": usage}

    usage = {"input_tokens": 1_000, "output_tokens": 200, "total_tokens": 1_200}
    made = noon.post("openai", "/v1/responses", {"model": "gpt-4o", "input": "hi", "background": True}, response("queued", None))
    polls = [noon.get("openai", "/v1/responses/resp_41", response(*state))
             for state in (("in_progress", None), ("completed", usage), ("completed", usage))]
    assert [noon.booked(poll)["cost_nanos"] for poll in polls] == [0, 0, 0]
    assert noon.booked(made)["cost_nanos"] == 4_500_000


def test_a_stream_is_drained_after_its_reader_left(noon: Calls) -> None:
    """Case 42: usage was asked for by the gateway alone, and the reader is gone after 120 pieces of the answer."""
    def event(**more: Any) -> bytes:
        return b"data: " + json.dumps({"id": "chatcmpl-42", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"} | more).encode() + b"\n\n"

    deltas = [event(choices=[{"index": 0, "delta": {"content": f"word {at} "}, "finish_reason": None}], usage=None) for at in range(350)]
    usage = {"prompt_tokens": 1_000, "completion_tokens": 350, "total_tokens": 1_350}
    left = Gate()
    noon.provider.expect("POST", chat.PATH, sse_reply([*deltas[:120], left, *deltas[120:], event(choices=[], usage=usage), chat.DONE]),
                         body=lambda body: json.loads(body)["stream_options"] == {"include_usage": True})
    asked = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}], "stream": True}).encode()
    with chat.raw_call(noon.gateway, chat.head(noon.key, len(asked)) + asked) as client:
        seen = chat.read_until(client, b"word 119 ")
    left.open()
    call = noon.gateway.call(chat.id_in(seen))
    assert (call["cost_nanos"], call["basis"], call["outcome"]) == (6_000_000, "usage", "client_gone")
    assert call["usage"] == {"input": 1_000, "output": 350}
