"""The sandbox answers in the provider's own shape: its dialect's meter reads from it exactly the
usage that it states, and one that follows from the request's size.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallystick.core.call import Facts, ReplyHead
from tallystick.core.dialect import Provider
from tallystick.providers.anthropic import ANTHROPIC
from tallystick.providers.bedrock import BEDROCK
from tallystick.providers.cohere import COHERE
from tallystick.providers.google import GOOGLE
from tallystick.providers.groq import GROQ
from tallystick.providers.mistral import MISTRAL
from tallystick.providers.openai import OPENAI
from tallystick.transport.sandbox import DIMENSIONS, answer
from tallystick.transport.sandbox_reply import BYTES_PER_TOKEN, SandboxReply

SECRET = "the caller's own words"
CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/gemini-3-pro:generateContent"
GEMINI_STREAM = "/v1beta/models/gemini-3-pro:streamGenerateContent"

CONVERSE = {"messages": [{"role": "user", "content": [{"text": SECRET}]}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1024, "messages": [{"role": "user", "content": SECRET}]}

GENERATIONS = [
    (OPENAI, CHAT, {"model": "gpt-5", "messages": [{"role": "user", "content": SECRET}]}),
    (OPENAI, CHAT, {"model": "gpt-5", "messages": [], "n": 3}),
    (OPENAI, CHAT, {"model": "gpt-5", "messages": [], "stream": True, "stream_options": {"include_usage": True}}),
    (OPENAI, "/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": SECRET}),
    (OPENAI, "/v1/responses", {"model": "gpt-5", "input": SECRET}),
    (OPENAI, "/v1/responses", {"model": "gpt-5", "input": SECRET, "stream": True}),
    (MISTRAL, CHAT, {"model": "mistral-large-latest", "messages": [], "stream": True}),
    (GROQ, "/openai" + CHAT, {"model": "llama-4", "messages": []}),
    (ANTHROPIC, "/v1/messages", {"model": "claude-opus-5", "max_tokens": 1024, "messages": []}),
    (ANTHROPIC, "/v1/messages", {"model": "claude-opus-5", "max_tokens": 1024, "messages": [], "stream": True}),
    (GOOGLE, GEMINI, {"contents": [{"parts": [{"text": SECRET}]}]}),
    (GOOGLE, GEMINI_STREAM, {"contents": [{"parts": [{"text": SECRET}]}]}),
    (GOOGLE, "/v1beta/openai/chat/completions", {"model": "gemini-3-pro", "messages": []}),
    (GOOGLE, "/v1beta/interactions", {"model": "gemini-3-pro", "input": SECRET}),
    (GOOGLE, "/v1beta/interactions", {"model": "gemini-3-pro", "input": SECRET, "stream": True}),
    (BEDROCK, "/model/amazon.nova-pro-v1:0/converse", CONVERSE),
    (BEDROCK, "/model/amazon.nova-pro-v1:0/converse-stream", CONVERSE),
    (BEDROCK, "/model/anthropic.claude-3/invoke", INVOKE),
    (BEDROCK, "/model/anthropic.claude-3/invoke-with-response-stream", INVOKE),
    (COHERE, "/v2/chat", {"model": "command-a-03-2025", "messages": [{"role": "user", "content": SECRET}]}),
    (COHERE, "/v2/chat", {"model": "command-a-03-2025", "messages": [], "stream": True}),
    (COHERE, "/v1/chat", {"model": "command-r", "message": SECRET}),
    (COHERE, "/v1/chat", {"model": "command-r", "message": SECRET, "stream": True}),
]


def simulate(provider: Provider, path: str, document: dict[str, Any]) -> tuple[Facts, SandboxReply]:
    route, model = provider.route_for("POST", path)
    assert route.dialect is not None
    facts = route.dialect.facts(document, model)
    return facts, answer(provider, route.operation, facts, json.dumps(document).encode())


async def pieces_of(reply: SandboxReply) -> list[bytes]:
    pieces = []
    while (piece := await reply.next()) is not None:
        pieces.append(piece)
    assert reply.at_end
    return pieces


@pytest.mark.parametrize(("provider", "path", "document"), GENERATIONS)
async def test_the_dialects_meter_reads_usage_that_follows_from_sizes(
    provider: Provider, path: str, document: dict[str, Any]
) -> None:
    facts, reply = simulate(provider, path, document)
    pieces = await pieces_of(reply)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    route, _ = provider.route_for("POST", path)
    assert route.dialect is not None
    meter = route.dialect.meter(facts, ReplyHead(reply.status, headers, facts.stream, path))
    for piece in pieces:
        meter.feed(piece)
    usage = meter.finish().usage
    assert usage is not None
    assert usage.input_tokens == len(json.dumps(document)) // BYTES_PER_TOKEN + 1
    assert usage.output_tokens > 0
    assert (len(pieces) > 3) == facts.stream
    assert SECRET.encode() not in b"".join(pieces)


async def test_a_stream_states_usage_only_where_that_provider_would() -> None:
    document = {"model": "gpt-5", "messages": [], "stream": True}
    _, reply = simulate(OPENAI, CHAT, document)
    assert b'"usage"' not in b"".join(await pieces_of(reply))


async def test_the_same_request_has_the_same_answer() -> None:
    for provider, path, document in GENERATIONS:
        assert await pieces_of(simulate(provider, path, document)[1]) == await pieces_of(
            simulate(provider, path, document)[1])


async def test_an_output_limit_cuts_the_answer_and_says_so() -> None:
    document = {"model": "gpt-5", "messages": [], "max_completion_tokens": 5}
    (body,) = await pieces_of(simulate(OPENAI, CHAT, document)[1])
    reply = json.loads(body)
    assert (reply["usage"]["completion_tokens"], reply["choices"][0]["finish_reason"]) == (5, "length")


async def test_gemini_streams_are_a_json_array_unless_asked_for_events() -> None:
    body = b'{"contents": []}'
    array = answer(GOOGLE, "chat", Facts(model="gemini-3-pro", stream=True), body, GEMINI_STREAM)
    documents = json.loads(b"".join(await pieces_of(array)))
    assert documents[-1]["candidates"][0]["finishReason"] == "STOP"
    events = answer(GOOGLE, "chat", Facts(model="gemini-3-pro", stream=True), body, GEMINI_STREAM + "?alt=sse")
    assert [json.loads(event.removeprefix(b"data: ")) for event in await pieces_of(events)] == documents


@pytest.mark.parametrize(("encoding", "size"), [("base64", DIMENSIONS * 16 // 3), ("float", DIMENSIONS)])
async def test_embeddings_come_one_for_each_input_in_the_encoding_asked(encoding: str, size: int) -> None:
    document = {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": encoding}
    (body,) = await pieces_of(simulate(OPENAI, "/v1/embeddings", document)[1])
    assert [len(one["embedding"]) for one in json.loads(body)["data"]] == [size, size]


@pytest.mark.parametrize(
    ("provider", "document", "field"),
    [(OPENAI, {"model": "m", "input": ""}, "input_tokens"), (ANTHROPIC, {"model": "m", "messages": []}, "input_tokens"),
     (GOOGLE, {"contents": []}, "totalTokens"), (BEDROCK, {"input": {"converse": {}}}, "inputTokens")],
    ids=["openai", "anthropic", "google", "bedrock"],
)
async def test_counting_tokens_counts_as_the_answer_would(
    provider: Provider, document: dict[str, Any], field: str
) -> None:
    body = json.dumps(document).encode()
    (counted,) = await pieces_of(answer(provider, "count_tokens", Facts(), body))
    assert json.loads(counted)[field] == len(body) // BYTES_PER_TOKEN + 1


@pytest.mark.parametrize("provider", [OPENAI, ANTHROPIC, GOOGLE], ids=lambda one: one.id)
@pytest.mark.parametrize(("operation", "body"), [("videos", b"{}"), ("chat", b""), ("chat", b"[]"), ("chat", b"{")])
async def test_what_it_cannot_simulate_is_an_error_in_the_providers_shape(
    provider: Provider, operation: str, body: bytes
) -> None:
    reply = answer(provider, operation, Facts(), body)
    (error,) = await pieces_of(reply)
    assert reply.status == 400
    assert "sandbox" in json.loads(error)["error"]["message"]


@pytest.mark.parametrize(("provider", "one", "many"), [
    (OPENAI, "/v1/models/gpt-5", "/v1/models"), (ANTHROPIC, "/v1/models/claude-opus-5", "/v1/models"),
    (GOOGLE, "/v1beta/models/gemini-3-pro", "/v1beta/models"), (COHERE, "/v1/models/command-r", "/v1/models"),
], ids=lambda given: getattr(given, "id", None))
async def test_models_are_listed_and_described(provider: Provider, one: str, many: str) -> None:
    route, model = provider.route_for("GET", one)
    assert (route.operation, model) == ("models", one.rpartition("/")[2])
    (described,) = await pieces_of(answer(provider, "models", Facts(model=model), b""))
    assert model is not None
    assert model in described.decode()
    route, none = provider.route_for("GET", many)
    assert (route.operation, none) == ("models", None)
    (listed,) = await pieces_of(answer(provider, "models", Facts(), b""))
    found = json.loads(listed)
    assert len(found.get("data") or found["models"]) == 1


async def test_a_body_of_a_family_it_does_not_know_is_not_simulated() -> None:
    reply = answer(BEDROCK, "invoke", Facts(model="amazon.titan"), b'{"inputText":"hi"}')
    (error,) = await pieces_of(reply)
    assert (reply.status, "sandbox" in json.loads(error)["message"]) == (400, True)
