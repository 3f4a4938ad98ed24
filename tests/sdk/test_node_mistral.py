"""The Mistral SDK under Node: the address names the provider and has no `/v1`; attribution per call."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.build.gateway import RunningGateway
from tests.mini_upstream import Answer, Gate, MiniUpstream, sse_reply
from tests.sdk import replies
from tests.sdk.conftest import Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import Seen

pytestmark = programs.needs_node

MODEL = "mistral-small-latest"
COST_NANOS = programs.COST_NANOS[MODEL]
CHAT = "/v1/chat/completions"
SETTINGS = '[providers.mistral.credentials.default]\nenv = "STORED_MISTRAL"\n'


def stream() -> Answer:
    """As Mistral streams: nothing about usage until the last chunk, which has it beside the reason to stop."""
    frame = {"id": "1", "object": "chat.completion.chunk", "created": 1789000000, "model": MODEL}
    chunks = [
        {**frame, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}]},
        {**frame, "choices": [{"index": 0, "delta": {"content": " there"}, "finish_reason": None}]},
        {**frame, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 310, "completion_tokens": 44, "total_tokens": 354}},
    ]
    return sse_reply([*(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks), b"data: [DONE]\n\n"], usage=replies.CHAT_USAGE)


@pytest.fixture(scope="module")
def gateway(provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that holds a key of Mistral."""
    folder = tmp_path_factory.mktemp("gateway")
    with RunningGateway(folder, upstream=provider.url, config=SETTINGS, env={"STORED_MISTRAL": "stored-mistral"}) as running:
        yield Gateway(running)


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate = Gate()
    for answer in (replies.chat(MODEL), stream(), programs.paused(stream(), gate, 1)):
        provider.expect("POST", CHAT, answer)
    provider.expect("POST", CHAT, programs.busy({"object": "error", "message": "slow down", "type": "rate_limited", "code": "1300"}))
    seen = programs.run(tmp_path_factory.mktemp("node") / "code", gateway, programs.beside("mistral"))
    programs.go_on(gateway, gate)
    return seen


@pytest.mark.parametrize(("program", "printed"), [("mistral.a_reply", "Hello there\n"), ("mistral.a_stream", "Hello there")])
def test_a_reply_its_price_and_what_it_is_for(gateway: Gateway, ran: dict[str, Seen], program: str, printed: str) -> None:
    call = programs.booked(gateway, ran[program], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE, printed=printed)
    assert call["provider"] == "mistral"
    programs.claims(call, team="growth", user="ada")


def test_whose_key_the_provider_saw(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    assert ran
    assert {line.request.header(b"authorization") for line in provider.bill} == {b"Bearer stored-mistral"}


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.left(gateway, ran["mistral.leaves_in_the_middle"], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["mistral.refused_by_the_provider"], "SDKError", "rate_limited")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    programs.refused(ran["mistral.refused_by_the_gateway"], "SDKError", 401, "invalid_api_key")
