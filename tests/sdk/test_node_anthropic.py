"""The Anthropic SDK under Node: its page of documentation as it stands, and what an application meets besides."""

from __future__ import annotations

import pytest

from tests.mini_upstream import Gate, MiniUpstream, json_reply
from tests.sdk import replies
from tests.sdk.conftest import PROVIDER_KEY, Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import Seen

pytestmark = programs.needs_node

MODEL = "claude-haiku-4-5"
COST_NANOS = programs.COST_NANOS[MODEL]
MESSAGES = "/v1/messages"
EVENTS = ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop")


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate = Gate()
    provider.expect("POST", f"{MESSAGES}/count_tokens", json_reply({"input_tokens": 25}))
    for answer in (
        replies.message(MODEL), replies.message(MODEL), replies.message(MODEL), replies.message_stream(MODEL),       # the page
        replies.message_stream(MODEL), replies.message(MODEL), replies.message(MODEL), replies.message(MODEL),
        programs.paused(replies.message_stream(MODEL), gate, 3),
    ):
        provider.expect("POST", MESSAGES, answer)
    provider.expect("POST", MESSAGES, programs.busy({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}))
    seen = programs.run_client(tmp_path_factory.mktemp("node"), gateway, "anthropic-js", "anthropic")
    programs.go_on(gateway, gate)
    return seen


def test_the_environment_alone(gateway: Gateway, ran: dict[str, Seen]) -> None:
    call = programs.booked(gateway, ran[programs.FROM_THE_ENVIRONMENT], cost_nanos=COST_NANOS, usage=replies.MESSAGE_USAGE)
    programs.claims(call, team="growth")
    assert call["attribution"]["tags"] == [["nightly", ""]]


def test_attribution_of_a_client_and_of_a_call(gateway: Gateway, ran: dict[str, Seen]) -> None:
    call = programs.booked(gateway, ran["saying-what-a-call-is-for"], cost_nanos=COST_NANOS, usage=replies.MESSAGE_USAGE,
                           printed="Hello there 0.000085000\n")
    programs.claims(call, team="growth", agent="triage", user="ada")


@pytest.mark.parametrize(("program", "printed"), [
    ("in-the-code", "Hello there\n"),
    ("streaming", "Hello there"),
    ("anthropic.events_of_a_stream", "".join(f"{event}\n" for event in EVENTS)),
    ("anthropic.the_key_as_a_bearer", "Hello there\n"),
    ("anthropic.an_own_key_beside_ours", "Hello there\n"),
    ("anthropic.the_form_of_s3", "Hello there\n"),
])
def test_a_reply_and_its_price(gateway: Gateway, ran: dict[str, Seen], program: str, printed: str) -> None:
    programs.booked(gateway, ran[program], cost_nanos=COST_NANOS, usage=replies.MESSAGE_USAGE, printed=printed)


def test_counting_tokens_is_free(gateway: Gateway, ran: dict[str, Seen]) -> None:
    seen = ran["counting-tokens"]
    assert (seen.printed, seen.error) == ("25\n", None)
    (request_id,) = seen.ids
    call = gateway.call(request_id)
    assert (call["operation"], call["basis"], call["cost_nanos"]) == ("count_tokens", "zero_proven", 0)


def test_whose_key_the_provider_saw(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    keys = {(line.request.header(b"x-api-key"), line.request.header(b"authorization")) for line in provider.bill}
    assert ran
    callers = PROVIDER_KEY.encode()
    assert keys == {(b"sk-stored-anthropic", None), (None, b"Bearer " + callers), (callers, None)}
    assert all(b"tallystick" not in line.request.head.lower() for line in provider.bill)


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    seen = ran["anthropic.leaves_in_the_middle"]
    assert seen.printed == "left APIUserAbortError\n"
    programs.left(gateway, seen, cost_nanos=COST_NANOS, usage=replies.MESSAGE_USAGE)


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["anthropic.refused_by_the_provider"], "RateLimitError", "rate_limit_error")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    programs.refused(ran["anthropic.refused_by_the_gateway"], "AuthenticationError", 401, "invalid_api_key")
    programs.refused(ran["anthropic.an_address_with_v1"], "NotFoundError", 404, "unknown_provider")
