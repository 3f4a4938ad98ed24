"""The Vercel AI SDK with three providers: its page of documentation as it stands, and what an application meets besides."""

from __future__ import annotations

import pytest

from tests.mini_upstream import Gate, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import COST_NANOS, Seen

pytestmark = programs.needs_node

GPT, HAIKU, GEMINI = "gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"
USAGE = {GPT: replies.CHAT_USAGE, HAIKU: replies.MESSAGE_USAGE, GEMINI: replies.GEMINI_USAGE}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate = Gate()
    for path, answers in {
        RESPONSES: [replies.response(GPT), replies.response(GPT), replies.response(GPT), replies.response_stream(GPT)],
        CHAT: [replies.chat(GPT), replies.chat_stream(GPT), programs.paused(replies.chat_stream(GPT), gate, 2)],
        MESSAGES: [replies.message(HAIKU), replies.message(HAIKU), replies.message_stream(HAIKU)],
        f"/v1beta/models/{GEMINI}:generateContent": [replies.gemini(GEMINI)],
        f"/v1beta/models/{GEMINI}:streamGenerateContent?alt=sse": [replies.gemini_stream(GEMINI)],
    }.items():
        for answer in answers:
            provider.expect("POST", path, answer)
    provider.expect("POST", RESPONSES, programs.busy({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}))
    seen = programs.run_client(tmp_path_factory.mktemp("node"), gateway, "vercel-ai", "vercel")
    programs.go_on(gateway, gate)
    return seen


@pytest.mark.parametrize(("program", "models"), [
    ("openai", (GPT, GPT)),
    (programs.FROM_THE_ENVIRONMENT, (GPT, HAIKU)),
])
def test_two_models_in_one_program(gateway: Gateway, ran: dict[str, Seen], program: str, models: tuple[str, str]) -> None:
    seen = ran[program]
    assert (seen.printed, seen.error) == ("Hello there\n" * 2, None)
    for model, request_id in zip(models, seen.ids, strict=True):
        programs.exact(gateway, request_id, cost_nanos=COST_NANOS[model], usage=USAGE[model])


def test_responses_are_the_default_and_chat_is_asked_for(gateway: Gateway, ran: dict[str, Seen]) -> None:
    assert [gateway.call(request_id)["operation"] for request_id in ran["openai"].ids] == ["responses", "chat"]


def test_attribution_of_a_provider_and_of_a_call(gateway: Gateway, ran: dict[str, Seen]) -> None:
    call = programs.booked(gateway, ran["saying-what-a-call-is-for"], cost_nanos=COST_NANOS[GPT], usage=USAGE[GPT],
                           printed="Hello there 0.000072900\n")
    programs.claims(call, team="growth", agent="triage", user="ada")


@pytest.mark.parametrize(("program", "model", "printed"), [
    ("anthropic", HAIKU, "Hello there\n"),
    ("google", GEMINI, "Hello there\n"),
    ("streaming", GPT, "Hello there"),
    ("vercel.a_stream_of_a_chat", GPT, "Hello there 310 44"),
    ("vercel.a_stream_of_anthropic", HAIKU, "Hello there 25 12"),
    ("vercel.a_stream_of_google", GEMINI, "Hello there 8 5"),
])
def test_a_reply_and_its_price(gateway: Gateway, ran: dict[str, Seen], program: str, model: str, printed: str) -> None:
    programs.booked(gateway, ran[program], cost_nanos=COST_NANOS[model], usage=USAGE[model], printed=printed)


def test_nothing_of_ours_reached_a_provider(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    assert ran
    assert all(b"tallystick" not in line.request.head.lower() and b"tsk_" not in line.request.head for line in provider.bill)


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.left(gateway, ran["vercel.leaves_in_the_middle"], cost_nanos=COST_NANOS[GPT], usage=USAGE[GPT])


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["vercel.refused_by_the_provider"], "APICallError", "rate_limit_exceeded")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    programs.refused(ran["vercel.refused_by_the_gateway"], "APICallError", 401, "invalid_api_key")
    programs.refused(ran["vercel.an_anthropic_address_without_v1"], "APICallError", 404, "not_found")
