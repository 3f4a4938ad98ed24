"""LangChain under Node, with OpenAI and Anthropic: its page of documentation as it stands, and what an application meets besides."""

from __future__ import annotations

import pytest

from tests.mini_upstream import Gate, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import COST_NANOS, Seen

pytestmark = programs.needs_node

GPT, HAIKU = "gpt-4o-mini", "claude-haiku-4-5"
USAGE = {GPT: replies.CHAT_USAGE, HAIKU: replies.MESSAGE_USAGE}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate = Gate()
    for path, answers in {
        CHAT: [*[replies.chat(GPT)] * 3, replies.chat_stream(GPT), programs.paused(replies.chat_stream(GPT), gate, 2)],
        MESSAGES: [*[replies.message(HAIKU)] * 3, replies.message_stream(HAIKU)],
        RESPONSES: [replies.response(GPT)],
    }.items():
        for answer in answers:
            provider.expect("POST", path, answer)
    provider.expect("POST", CHAT, programs.busy({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}))
    seen = programs.run_client(tmp_path_factory.mktemp("node"), gateway, "langchain-js", "langchain")
    programs.go_on(gateway, gate)
    return seen


@pytest.mark.parametrize(("program", "labels"), [
    (programs.FROM_THE_ENVIRONMENT, {"team": "growth"}),
    ("saying-what-a-call-is-for", {"team": "growth", "agent": "triage", "user": "ada"}),
])
def test_both_providers_and_their_headers(gateway: Gateway, ran: dict[str, Seen], program: str, labels: dict[str, str]) -> None:
    seen = ran[program]
    assert (seen.printed, seen.error) == ("Hello there\n" * 2, None)
    for model, request_id in zip((GPT, HAIKU), seen.ids, strict=True):
        programs.claims(programs.exact(gateway, request_id, cost_nanos=COST_NANOS[model], usage=USAGE[model]), **labels)


@pytest.mark.parametrize(("program", "model", "printed"), [
    ("chatopenai", GPT, "Hello there 354\n"),
    ("chatanthropic", HAIKU, "Hello there 37\n"),
    ("streaming", GPT, "Hello there"),
    ("langchain.a_response", GPT, "Hello there\n"),
    ("langchain.a_stream_of_anthropic", HAIKU, "Hello there"),
])
def test_a_reply_and_its_price(gateway: Gateway, ran: dict[str, Seen], program: str, model: str, printed: str) -> None:
    programs.booked(gateway, ran[program], cost_nanos=COST_NANOS[model], usage=USAGE[model], printed=printed)


def test_nothing_of_ours_reached_a_provider(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    assert ran
    assert all(b"tallystick" not in line.request.head.lower() and b"tsk_" not in line.request.head for line in provider.bill)


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.left(gateway, ran["langchain.leaves_in_the_middle"], cost_nanos=COST_NANOS[GPT], usage=USAGE[GPT])


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["langchain.refused_by_the_provider"], "RateLimitError", "rate_limit_exceeded")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    for program in ("langchain.refused_by_the_gateway", "langchain.anthropic_refused_by_the_gateway"):
        programs.refused(ran[program], "AuthenticationError", 401, "invalid_api_key")
