"""Jobs whose bill comes later, and what a stored credential opens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.build.gateway import PATIENCE_S, RunningGateway
from tests.mini_upstream import MiniUpstream, json_reply

USAGE = {"input_tokens": 1_000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 200,
         "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1_200}
COST_NANOS = 1_000 * 2_500 + 200 * 10_000    # gpt-4o: $2.50, $10 a million


def response(id: str, status: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": id, "object": "response", "created_at": 1, "status": status, "background": True, "model": "gpt-4o", "output": [], "usage": usage}


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    stored = '[providers.openai.credentials.default]\nenv = "STORED_OPENAI"\n'
    with RunningGateway(tmp_path_factory.mktemp("jobs"), upstream=provider.url, config=stored, env={"STORED_OPENAI": "sk-stored"}) as running:
        yield running


class Caller:
    """One key, with a provider key of its own or without."""

    def __init__(self, gateway: RunningGateway, key: str, *, own: str | None = "sk-own") -> None:
        self._gateway = gateway
        self._headers = {"X-Tallystick-Key": key, **({"Authorization": f"Bearer {own}"} if own else {})}

    def post(self, path: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{self._gateway.url}{path}", json=body, headers=self._headers, timeout=PATIENCE_S)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self._gateway.url}{path}", headers=self._headers, timeout=PATIENCE_S)

    def booked(self, answer: httpx.Response) -> dict[str, Any]:
        return self._gateway.call(answer.headers["x-tallystick-request-id"])


def test_a_background_response_is_billed_once_on_the_call_that_made_it(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    caller = Caller(gateway, key)
    provider.expect("POST", "/v1/responses", json_reply(response("resp_bg", "queued", None)))
    made = caller.post("/v1/responses", model="gpt-4o", input="hi", background=True, max_output_tokens=500)
    assert caller.booked(made)["basis"] == "deferred"

    provider.expect("GET", "/v1/responses/resp_bg", json_reply(response("resp_bg", "in_progress", None)))
    waiting = caller.get("/v1/responses/resp_bg")
    provider.expect("GET", "/v1/responses/resp_bg", json_reply(response("resp_bg", "completed", USAGE)), times=2)
    first, second = caller.get("/v1/responses/resp_bg"), caller.get("/v1/responses/resp_bg")

    bills = [caller.booked(answer) for answer in (waiting, first, second)]
    assert [(bill["cost_nanos"], bill["basis"]) for bill in bills] == [(0, "zero_proven")] * 3, "a poll opens no job of its own"
    assert bills[1]["usage"] == {"input": 1_000, "output": 200}, "a poll shows the usage it saw"
    settled = caller.booked(made)
    assert (settled["cost_nanos"], settled["basis"], settled["method"]) == (COST_NANOS, "usage", "priced")


def test_a_poll_of_a_response_that_was_billed_at_once_costs_nothing(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    caller = Caller(gateway, key)
    provider.expect("POST", "/v1/responses", json_reply(response("resp_now", "completed", USAGE)))
    provider.expect("GET", "/v1/responses/resp_now", json_reply(response("resp_now", "completed", USAGE)))
    made = caller.post("/v1/responses", model="gpt-4o", input="hi")
    polled = caller.get("/v1/responses/resp_now")
    assert [caller.booked(made)["cost_nanos"], caller.booked(polled)["cost_nanos"]] == [COST_NANOS, 0]


def test_a_job_made_elsewhere_is_billed_on_the_first_answer_that_states_it(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    caller = Caller(gateway, key)
    provider.expect("GET", "/v1/responses/resp_else", json_reply(response("resp_else", "completed", USAGE)), times=2)
    first, second = caller.get("/v1/responses/resp_else"), caller.get("/v1/responses/resp_else")
    assert [caller.booked(first)["cost_nanos"], caller.booked(second)["cost_nanos"]] == [COST_NANOS, 0]


def test_a_job_is_remembered_across_a_restart(gateway: RunningGateway, provider: MiniUpstream, key: str) -> None:
    caller = Caller(gateway, key)
    provider.expect("POST", "/v1/responses", json_reply(response("resp_re", "queued", None)))
    made = caller.post("/v1/responses", model="gpt-4o", input="hi", background=True, max_output_tokens=500)
    gateway.stop()
    gateway.start()
    provider.expect("GET", "/v1/responses/resp_re", json_reply(response("resp_re", "completed", USAGE)))
    polled = caller.get("/v1/responses/resp_re")
    assert caller.booked(polled)["cost_nanos"] == 0
    assert caller.booked(made)["cost_nanos"] == COST_NANOS
    assert gateway.run("verify").returncode == 0


@pytest.mark.parametrize(("method", "path", "code"), [
    ("POST", "/v1/chat/completions", None), ("GET", "/v1/models", None),
    ("GET", "/v1/files", "route_not_open"), ("POST", "/v1/batches", "route_not_open"), ("GET", "/v1/responses/resp_1", "route_not_open"),
    ("GET", "/v1/organization/usage/completions", "route_not_open"), ("POST", "/proxy/openai/v1/new/thing", "route_not_open"),
])
def test_a_stored_credential_opens_generation_and_lists_only(
    gateway: RunningGateway, provider: MiniUpstream, key: str, method: str, path: str, code: str | None,
) -> None:
    caller = Caller(gateway, key, own=None)
    if code is None:
        provider.expect(method, path, json_reply({"object": "list", "data": []}))
    answer = caller.get(path) if method == "GET" else caller.post(path, model="gpt-4o", messages=[])
    if code is None:
        assert answer.status_code == 200
        assert provider.calls[-1].header(b"authorization") == b"Bearer sk-stored"
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)


def test_an_earlier_response_opens_to_its_maker_alone(gateway: RunningGateway, provider: MiniUpstream) -> None:
    maker = Caller(gateway, gateway.key(team="a", project="p"), own=None)
    other = Caller(gateway, gateway.key(team="b", project="p"), own=None)
    provider.expect("POST", "/v1/responses", json_reply(response("resp_mine", "completed", USAGE)), times=2)
    assert maker.post("/v1/responses", model="gpt-4o", input="hi").status_code == 200
    assert maker.post("/v1/responses", model="gpt-4o", input="hi", previous_response_id="resp_mine").status_code == 200
    refused = other.post("/v1/responses", model="gpt-4o", input="hi", previous_response_id="resp_mine")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_your_object")


def test_a_file_named_by_id_is_nobodys_with_a_stored_credential(gateway: RunningGateway, key: str) -> None:
    part = {"role": "user", "content": [{"type": "input_file", "file_id": "file-123"}]}
    refused = Caller(gateway, key, own=None).post("/v1/responses", model="gpt-4o", input=[part])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_your_object")
