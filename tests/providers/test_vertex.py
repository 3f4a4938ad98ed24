"""Which paths of the platform are metered and how, and what its `predict` states."""

import pytest
from hypothesis import given

from tallystick.core.call import Facts
from tallystick.providers import provider
from tallystick.providers.dialects.predictions import Predictions
from tests.build.replies import body, damaged, events, head, inclusive, read

VERTEX = provider("vertex")
WHERE = "/v1/projects/p/locations/europe-west4"
PREDICT = Predictions()


@pytest.mark.parametrize(("path", "dialect", "model"), [
    (f"{WHERE}/publishers/google/models/gemini-2.5-pro:generateContent", "gemini", "gemini-2.5-pro"),
    ("/v1beta1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:streamGenerateContent", "gemini", "gemini-2.5-pro"),
    ("/v1/publishers/google/models/gemini-2.5-pro:generateContent", "gemini", "gemini-2.5-pro"),
    (f"{WHERE}/publishers/google/models/gemini-embedding-2:embedContent", "gemini_embeddings", "gemini-embedding-2"),
    (f"{WHERE}/publishers/google/models/text-embedding-005:predict", "predictions", "text-embedding-005"),
    (f"{WHERE}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict", "anthropic_messages", "claude-sonnet-4-5@20250929"),
    (f"{WHERE}/publishers/anthropic/models/claude-sonnet-4-5%4020250929:streamRawPredict", "anthropic_messages", "claude-sonnet-4-5@20250929"),
    (f"{WHERE}/publishers/mistralai/models/mistral-medium-3:rawPredict", "openai_chat", "mistral-medium-3"),
    (f"{WHERE}/endpoints/openapi/chat/completions", "openai_chat", None),
])
def test_generation_is_metered_wherever_it_stands(path, dialect, model):
    route, named = VERTEX.route_for("POST", path)
    assert (route.dialect.name, named, route.free) == (dialect, model, False)


@pytest.mark.parametrize(("path", "free"), [
    (f"{WHERE}/publishers/google/models/veo-3:predictLongRunning", False),
    (f"{WHERE}/publishers/google/models/veo-3:fetchPredictOperation", True),
    (f"{WHERE}/cachedContents", False), (f"{WHERE}/batchPredictionJobs", False), (f"{WHERE}/something/new", False),
])
def test_what_has_no_meter(path, free):
    route, _ = VERTEX.route_for("POST", path)
    assert (route.dialect, route.free) == (None, free)


def test_messages_are_read_as_they_are_elsewhere():
    route, model = VERTEX.route_for("POST", f"{WHERE}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict")
    facts = route.dialect.facts({"anthropic_version": "vertex-2023-10-16", "stream": True, "max_tokens": 5, "messages": []}, model)
    assert (facts.model, facts.stream, facts.output_limit) == ("claude-sonnet-4-5@20250929", True, 5)
    data = events(
        {"type": "message_start", "message": {"id": "m", "model": "claude-sonnet-4-5-20250929", "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}}, {"type": "message_stop"})
    reading = read(route.dialect, data, head(streaming=True), facts)
    assert (inclusive(reading), reading.traits) == ({"input": 7, "output": 3}, {})
    assert read(route.dialect, data, head(streaming=True, path="/v1/projects/p/locations/global/x"), facts) == reading
    assert read(route.dialect, data, head(streaming=True, path=f"{WHERE}/x"), facts).traits == {"location": "regional"}


def test_a_stream_may_be_one_json_array():
    route, _ = VERTEX.route_for("POST", f"{WHERE}/publishers/google/models/g:streamGenerateContent")
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1, "thoughtsTokenCount": 2, "trafficType": "ON_DEMAND_FLEX"}
    document = [{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage}]
    reading = read(route.dialect, body(document), head(streaming=True, content_type="application/json; charset=UTF-8"))
    assert (inclusive(reading), reading.traits) == ({"input": 5, "output": 3, "reasoning": 2}, {"tier": "flex"})


def test_embedded_texts_state_their_tokens_one_by_one():
    found = {"embeddings": {"values": [0.5], "statistics": {"token_count": 4, "truncated": False}}}
    assert inclusive(read(PREDICT, body({"predictions": [found, found], "metadata": {"billableCharacterCount": 30}}), head())) == {"input": 8}
    assert PREDICT.facts({"instances": [{"content": "a"}, {"content": "b"}]}, "text-embedding-005") == Facts(model="text-embedding-005", inputs=2)


def test_pictures_are_counted():
    document = {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": "aGFsbG8="}, {"gcsUri": "gs://b/k"}]}
    assert inclusive(read(PREDICT, body(document), head())) == {"images": 2}
    assert read(PREDICT, body({"predictions": []}), head()).usage is None


@given(damaged({"predictions": [{"embeddings": {"statistics": {"token_count": 4}}}, {"bytesBase64Encoded": "a"}]}))
def test_no_damaged_document_breaks_a_meter(document):
    read(PREDICT, body(document), head())
