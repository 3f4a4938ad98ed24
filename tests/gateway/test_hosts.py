"""What hosts do in ways of their own, through a running gateway: jobs that are polled, costs that are
stated, prices that depend on who served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

JOB = {"id": "geese1", "model": "stability-ai/stable-diffusion", "input": {"prompt": "geese"}, "error": None}
DONE = {**JOB, "status": "succeeded", "output": ["https://replicate.delivery/x/out-0.png"], "started_at": "2026-11-21T12:00:00Z",
        "metrics": {"predict_time": 2.811363}}


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("hosts"), upstream=provider.url) as running:
        yield running


def ask(gateway: RunningGateway, key: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call, and what was booked for it."""
    headers = {"X-Tallystick-Key": key, "Authorization": "Bearer own"}
    answer = httpx.request("GET" if body is None else "POST", f"{gateway.url}{path}", json=body, headers=headers, timeout=PATIENCE_S)
    assert answer.is_success, answer.text
    return gateway.call(answer.headers["x-tallystick-request-id"])


def chat(usage: dict[str, Any], model: str) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion", "model": model, "choices": [], "usage": usage}


def test_a_prediction_polled_three_times_is_billed_once_by_the_second(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", "/v1/predictions", json_reply({**JOB, "status": "starting"}, status=201))
    provider.expect("GET", "/v1/predictions/geese1", json_reply(DONE), times=3)
    made = ask(gateway, key, "/proxy/replicate/v1/predictions", {"version": "ac732df8", "input": {"prompt": "geese"}})
    assert made["basis"] == "deferred"
    polls = [ask(gateway, key, "/proxy/replicate/v1/predictions/geese1") for _ in range(3)]
    assert [poll["cost_nanos"] for poll in polls] == [0, 0, 0]
    settled = gateway.call(made["id"])
    assert (settled["cost_nanos"], settled["method"]) == (3_935_908, "priced")


def test_a_prediction_that_waited_is_billed_at_once(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    provider.expect("POST", "/v1/predictions", json_reply({**DONE, "id": "geese2"}, status=201))
    assert ask(gateway, key, "/proxy/replicate/v1/predictions", {"version": "ac732df8", "input": {}})["cost_nanos"] == 3_935_908


def test_a_rounded_cost_is_booked_as_stated_and_raises_no_alarm(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    cost = {"input_tokens_cost": 0.00001, "output_tokens_cost": 0, "request_cost": 0.005, "total_cost": 0.00501}
    usage = {"prompt_tokens": 6, "completion_tokens": 1, "total_tokens": 7, "search_context_size": "low", "cost": cost}
    provider.expect("POST", "/chat/completions", json_reply(chat(usage, "sonar")))
    call = ask(gateway, key, "/proxy/perplexity/chat/completions", {"model": "sonar", "messages": []})
    assert (call["cost_nanos"], call["computed_cost_nanos"], call["method"], call["drift"]) == (5_010_000, 5_007_000, "stated", False)


def test_the_noise_of_a_float_ends_in_the_entry(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    usage = {"prompt_tokens": 1695, "completion_tokens": 203, "total_tokens": 1898, "estimated_cost": 0.00034214999999999994}
    provider.expect("POST", "/v1/openai/chat/completions", json_reply(chat(usage, "meta-llama/Llama-3.3-70B-Instruct")))
    call = ask(gateway, key, "/proxy/deepinfra/v1/openai/chat/completions", {"model": "meta-llama/Llama-3.3-70B-Instruct", "messages": []})
    assert (call["cost_nanos"], call["method"]) == (342_150, "stated")


@pytest.mark.parametrize(("path", "model", "cost_nanos"), [
    ("/together/v1/chat/completions", "deepseek-ai/DeepSeek-R1", 1_000 * 3_000 + 100 * 7_000),
    ("/v1/chat/completions", "deepseek-ai/DeepSeek-R1:novita", 1_000 * 700 + 100 * 2_500),
    ("/v1/chat/completions", "deepseek-ai/DeepSeek-R1:cheapest", None),
])
def test_behind_a_router_the_hosts_price_holds(
    gateway: RunningGateway, provider: MiniUpstream, key: str, path: str, model: str, cost_nanos: int | None,
) -> None:
    provider.expect("POST", path, json_reply(chat({"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}, "deepseek-ai/DeepSeek-R1")))
    call = ask(gateway, key, f"/proxy/huggingface{path}", {"model": model, "messages": []})
    assert (call["method"], call["cost_nanos"]) == (("unpriced", 0) if cost_nanos is None else ("priced", cost_nanos))
