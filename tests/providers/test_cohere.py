"""Billed units of chat, embeddings and reranking, on exchanges of our own making."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.providers import provider
from tallystick.providers.dialects.cohere_chat import CohereChat
from tallystick.providers.dialects.cohere_units import CohereUnits
from tests.build.replies import body, damaged, events, head, inclusive, read

CHAT, UNITS = CohereChat(), CohereUnits()
JSON, SSE = head(), head(streaming=True)
LINES = head(content_type="application/stream+json")
USAGE = {"billed_units": {"input_tokens": 431, "output_tokens": 661}, "tokens": {"input_tokens": 2190, "output_tokens": 1257}, "cached_tokens": 1024}
BILLED = {"input": 431, "output": 661}
SECOND = {"id": "c1", "finish_reason": "COMPLETE", "usage": USAGE, "message": {
    "role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Paris"}], "tool_plan": "abc",
    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]}}
FIRST = {"response_id": "r1", "text": "Paris", "meta": {"api_version": {"version": "1"}, **USAGE}}


def test_units_are_billed_and_tokens_are_not():
    reading = read(CHAT, body(SECOND), JSON)
    assert inclusive(reading) == BILLED
    assert (reading.model, reading.response_id, reading.ended, reading.output_bytes) == (None, "c1", True, 2 + 5 + 3 + 2)


def test_the_first_version_states_them_in_its_meta():
    reading = read(CHAT, body(FIRST), JSON)
    assert (inclusive(reading), reading.response_id, reading.output_bytes) == (BILLED, "r1", 5)
    generated = {"id": "g", "generations": [{"text": "Paris"}], "meta": {"billed_units": USAGE["billed_units"]}}
    assert inclusive(read(CHAT, body(generated), JSON)) == BILLED


def test_tokens_stand_in_where_no_units_are_stated():
    assert inclusive(read(CHAT, body({"usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}}), JSON)) == {"input": 3, "output": 4}
    assert read(CHAT, body({"message": {"content": []}}), JSON).usage is None


STREAM = events(
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Pa"}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hmm"}}}},
    {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}}},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
)


def test_a_stream_states_them_at_its_end():
    reading = read(CHAT, STREAM + b"data: [DONE]\n\n", SSE)
    assert (inclusive(reading), reading.response_id, reading.ended, reading.failed, reading.output_bytes) == (BILLED, "c1", True, False, 7)
    cut = read(CHAT, STREAM[:-60], SSE)
    assert (cut.usage, cut.ended, cut.output_bytes) == (None, False, 7)


def test_the_first_version_streams_lines():
    lines = [{"is_finished": False, "event_type": "text-generation", "text": "Pa"},
             {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": FIRST}]
    data = b"".join(body(line) + b"\n" for line in lines)
    reading = read(CHAT, data, LINES, Facts(stream=True))
    assert (inclusive(reading), reading.ended, reading.failed, reading.output_bytes) == (BILLED, True, False, 2)


def test_a_reply_that_failed_half_way_says_so():
    data = events({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}})
    assert read(CHAT, data, SSE).failed


@pytest.mark.parametrize(("units", "usage"), [
    ({"input_tokens": 4, "image_tokens": 0}, {"input": 4}),
    ({"input_tokens": 4, "image_tokens": 1000}, {"input": 1004, "image_in": 1000}),
    ({"images": 2}, {"images": 2}),
    ({"search_units": 1}, {"rerank_units": 1}),
])
def test_embeddings_and_searches(units, usage):
    document = {"id": "e1", "embeddings": {"float": [[0.5]]}, "results": [], "meta": {"billed_units": units}}
    assert inclusive(read(UNITS, body(document), JSON)) == usage


def test_what_a_request_asks_for():
    picture = "data:image/png;base64,aGFsbG8="
    asked = {"model": "command-a-vision", "stream": True, "max_tokens": 9, "thinking": {"token_budget": 5}, "tools": [{}], "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}, {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}]}]}
    assert CHAT.facts(asked, None) == Facts(
        model="command-a-vision", stream=True, output_limit=9, reasoning_limit=5, tools=1, media=1, media_bytes=len(picture), references=1)
    assert UNITS.facts({"model": "rerank-v3.5", "query": "q", "documents": ["a", "b", {"text": "c"}]}, None).inputs == 3


def test_what_costs_nothing_and_what_has_no_meter():
    cohere = provider("cohere")
    assert cohere.route_for("POST", "/v1/tokenize")[0].free
    classify = cohere.route_for("POST", "/v1/classify")[0]
    assert (classify.free, classify.dialect) == (False, None)


@given(damaged({**SECOND, **FIRST, "generations": [{"text": "a"}]}))
def test_no_damaged_document_breaks_a_meter(document):
    for dialect in (CHAT, UNITS):
        read(dialect, body(document), JSON)


@given(damaged({"type": "message-end", "delta": {"usage": USAGE, "message": {"content": {"text": "a"}, "tool_calls": {"function": {"arguments": "a"}}}}}),
       damaged({"event_type": "stream-end", "finish_reason": "COMPLETE", "response": FIRST}))
def test_no_damaged_event_breaks_a_meter(second, first):
    data = b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in (second, first))
    read(CHAT, data, SSE)
    read(CHAT, data.replace(b"data: ", b""), LINES, Facts(stream=True))


@given(st.binary(max_size=120))
def test_no_bytes_break_a_meter(data):
    for of in (JSON, SSE, LINES):
        assert read(CHAT, data, of, Facts(stream=True)).usage is None


@given(damaged({"model": "m", "messages": [{"content": [{"image_url": {"url": "data:x"}}]}], "images": ["a"], "documents": ["a"], "tools": [{}]}))
def test_no_request_breaks_its_facts(document):
    if isinstance(document, dict):
        for dialect in (CHAT, UNITS):
            assert dialect.facts(document, None).inputs >= 1
