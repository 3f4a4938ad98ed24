"""The OpenAI SDK under Node: its page of documentation as it stands, and what an application meets besides."""

from __future__ import annotations

import pytest

from tests.mini_upstream import Gate, MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import PROVIDER_KEY, Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import Seen

pytestmark = programs.needs_node

MODEL = "gpt-4o-mini"
COST_NANOS = programs.COST_NANOS[MODEL]
CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
FORMS = ("s0", "s2", "s3", "s4")


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate = Gate()
    provider.expect("POST", RESPONSES, replies.response(MODEL))
    provider.expect("POST", RESPONSES, replies.response_stream(MODEL))
    for answer in (
        replies.chat(MODEL), replies.chat(MODEL), replies.chat_stream(MODEL),        # the page
        replies.chat_stream(MODEL), replies.chat(MODEL),
        json_reply({"error": {"message": "try again", "type": "server_error"}}, status=500, headers=[(b"Retry-After-Ms", b"1")]),
        replies.chat(MODEL),
        programs.paused(replies.chat_stream(MODEL), gate, 2),
        programs.busy({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}),
        *[replies.chat(MODEL), replies.chat_stream(MODEL)] * len(FORMS),
    ):
        provider.expect("POST", CHAT, answer)
    seen = programs.run_client(tmp_path_factory.mktemp("node"), gateway, "openai-node", "openai", "openai-forms")
    programs.go_on(gateway, gate)
    return seen


def test_the_environment_alone(gateway: Gateway, ran: dict[str, Seen]) -> None:
    call = programs.booked(gateway, ran[programs.FROM_THE_ENVIRONMENT], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)
    programs.claims(call, team="growth")
    assert call["attribution"]["tags"] == [["nightly", ""]]


def test_attribution_of_a_client_and_of_a_call(gateway: Gateway, ran: dict[str, Seen]) -> None:
    call = programs.booked(gateway, ran["saying-what-a-call-is-for"], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE,
                           printed="Hello there 0.000072900\n")
    programs.claims(call, team="growth", agent="triage", user="ada")


@pytest.mark.parametrize(("program", "printed"), [
    ("in-the-code", "Hello there\n"),
    ("streaming", "Hello there"),
    ("openai.a_stream_of_a_response", "Hello there"),
    ("openai.usage_in_a_stream_that_asks_for_it", "0 310 44\n"),
    ("openai.an_own_key_beside_ours", "Hello there\n"),
])
def test_a_reply_and_its_price(gateway: Gateway, ran: dict[str, Seen], program: str, printed: str) -> None:
    programs.booked(gateway, ran[program], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE, printed=printed)


@pytest.mark.parametrize("how", ["buffered", "streamed"])
@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_each_source_system(gateway: Gateway, ran: dict[str, Seen], form: str, how: str) -> None:
    programs.booked(gateway, ran[f"openai-forms.{form}.{how}"], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE, printed="Hello there")


def test_whose_key_the_provider_saw(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    keys = [line.request.header(b"authorization") for line in provider.bill]
    assert ran
    assert set(keys) == {b"Bearer sk-stored-openai", b"Bearer " + PROVIDER_KEY.encode()}
    assert all(b"tallystick" not in line.request.head.lower() for line in provider.bill)


def test_each_try_is_a_call_of_its_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    seen = ran["openai.a_second_try"]
    first, second = seen.ids
    assert (gateway.call(first)["status"], gateway.call(first)["basis"], gateway.call(first)["cost_nanos"]) == (500, "zero_proven", 0)
    assert seen.printed == "Hello there\n"
    programs.exact(gateway, second, cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.left(gateway, ran["openai.leaves_in_the_middle"], cost_nanos=COST_NANOS, usage=replies.CHAT_USAGE)


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["openai.refused_by_the_provider"], "RateLimitError", "rate_limit_exceeded")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    programs.refused(ran["openai.refused_by_the_gateway"], "AuthenticationError", 401, "invalid_api_key")
    programs.refused(ran["openai.an_address_without_v1"], "NotFoundError", 404, "not_found")
