"""The Google GenAI SDK under Node: its key in `x-goog-api-key`, its version in the path."""

from __future__ import annotations

import pytest

from tests.mini_upstream import Gate, MiniUpstream
from tests.sdk import replies
from tests.sdk.conftest import Gateway
from tests.sdk.node import programs
from tests.sdk.node.programs import Seen

pytestmark = programs.needs_node

MODEL = "gemini-2.5-flash"
COST_NANOS = programs.COST_NANOS[MODEL]
BUFFERED = f"/v1/models/{MODEL}:generateContent"
STREAMED = f"/v1/models/{MODEL}:streamGenerateContent?alt=sse"
ENVIRONMENT = f'export GOOGLE_GEMINI_BASE_URL="{programs.HOST}"\nexport GEMINI_API_KEY="{programs.KEY}"'


@pytest.fixture(scope="module")
def ran(gateway: Gateway, provider: MiniUpstream, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What each program saw, after all of them ran in turn."""
    gate, folder = Gate(), tmp_path_factory.mktemp("node")
    provider.expect("POST", BUFFERED, replies.gemini(MODEL), times=3)
    provider.expect("POST", STREAMED, replies.gemini_stream(MODEL))
    provider.expect("POST", STREAMED, programs.paused(replies.gemini_stream(MODEL), gate, 1))
    provider.expect("POST", BUFFERED, programs.busy({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}))
    seen = programs.run(folder / "environment", gateway, programs.beside("google-environment"), ENVIRONMENT)
    seen |= programs.run(folder / "code", gateway, programs.beside("google"))
    programs.go_on(gateway, gate)
    return seen


@pytest.mark.parametrize(("program", "printed"), [
    ("google-environment", "Hello there\n"),
    ("google.a_reply", "Hello there\n"),
    ("google.the_headers_of_a_call", "Hello there\n"),
    ("google.a_stream", "Hello there"),
])
def test_a_reply_and_its_price(gateway: Gateway, ran: dict[str, Seen], program: str, printed: str) -> None:
    programs.booked(gateway, ran[program], cost_nanos=COST_NANOS, usage=replies.GEMINI_USAGE, printed=printed)


@pytest.mark.parametrize(("program", "labels"), [
    ("google.a_reply", {"team": "growth", "agent": "triage"}),
    ("google.a_stream", {"team": "growth", "agent": "triage"}),
    ("google.the_headers_of_a_call", {"team": "growth", "agent": "triage", "user": "ada"}),
])
def test_attribution_of_a_client_and_of_a_call(gateway: Gateway, ran: dict[str, Seen], program: str, labels: dict[str, str]) -> None:
    programs.claims(gateway.call(ran[program].ids[0]), **labels)


def test_whose_key_the_provider_saw(ran: dict[str, Seen], provider: MiniUpstream) -> None:
    assert ran
    assert {line.request.header(b"x-goog-api-key") for line in provider.bill} == {b"stored-google"}
    assert all(b"tallystick" not in line.request.head.lower() for line in provider.bill)


def test_who_aborts_a_stream_is_booked_what_was_billed(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.left(gateway, ran["google.leaves_in_the_middle"], cost_nanos=COST_NANOS, usage=replies.GEMINI_USAGE)


def test_the_providers_error_is_the_sdks_own(gateway: Gateway, ran: dict[str, Seen]) -> None:
    programs.failed(gateway, ran["google.refused_by_the_provider"], "ApiError", "RESOURCE_EXHAUSTED")


def test_our_refusal_is_the_sdks_own_error(ran: dict[str, Seen]) -> None:
    programs.refused(ran["google.refused_by_the_gateway"], "ApiError", 401, "UNAUTHENTICATED")
