"""Converse and InvokeModel, as documents, headers and binary streams, on exchanges of our own making."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.core.usage import Part, usage_of
from tallystick.providers import provider
from tallystick.providers.dialects.bedrock_converse import ApplyGuardrail, BedrockConverse
from tallystick.providers.dialects.bedrock_invoke import BedrockInvoke
from tests.build.event_streams import chunks, message, stream
from tests.build.replies import body, damaged, head, inclusive, read

CONVERSE, CONVERSE_STREAM = BedrockConverse(), BedrockConverse(streams=True)
INVOKE, INVOKE_STREAM = BedrockInvoke(), BedrockInvoke(streams=True)
JSON = head()
BINARY = head(streaming=True, content_type="application/vnd.amazon.eventstream")
CACHED = {
    "inputTokens": 3, "outputTokens": 121, "totalTokens": 2072, "cacheReadInputTokens": 1712, "cacheReadInputTokenCount": 1712,
    "cacheWriteInputTokens": 236, "cacheWriteInputTokenCount": 236, "cacheDetails": [{"inputTokens": 36, "ttl": "1h"}, {"inputTokens": 200, "ttl": "5m"}],
}
ASSESSED = {"invocationMetrics": {"usage": {
    "contentPolicyUnits": 1, "topicPolicyUnits": 1, "wordPolicyUnits": 1, "sensitiveInformationPolicyUnits": 1,
    "sensitiveInformationPolicyFreeUnits": 1, "contextualGroundingPolicyUnits": 0,
}}}
TRACE = {"guardrail": {"inputAssessment": {"g1": ASSESSED}, "outputAssessments": {"g1": [ASSESSED]}}}
TWO_OF_EACH = usage_of(guardrail_content_units=2, guardrail_topic_units=2, guardrail_pii_units=2)


def converse(usage, **more):
    return {"output": {"message": {"role": "assistant", "content": [{"text": "Paris"}]}}, "stopReason": "end_turn", "usage": usage, **more}


# --- Converse


def test_input_excludes_the_cache_and_writes_have_lifetimes():
    reading = read(CONVERSE, body(converse(CACHED)), JSON)
    assert inclusive(reading) == {"input": 1951, "cached_read": 1712, "cache_write_5m": 200, "cache_write_1h": 36, "output": 121}
    assert (reading.ended, reading.output_bytes, reading.model) == (True, 5, None)


def test_a_write_without_a_lifetime_is_the_short_one():
    usage = {key: value for key, value in CACHED.items() if key != "cacheDetails"}
    assert inclusive(read(CONVERSE, body(converse(usage)), JSON))["cache_write_5m"] == 236


def test_the_tier_is_the_served_one():
    assert read(CONVERSE, body(converse(CACHED, serviceTier={"type": "default"})), JSON).traits == {}
    reading = read(CONVERSE, body(converse(CACHED, serviceTier={"type": "flex"}, performanceConfig={"latency": "optimized"})), JSON)
    assert reading.traits == {"tier": "flex", "speed": "optimized"}


def test_guardrails_are_a_part_of_their_own():
    reading = read(CONVERSE, body(converse(CACHED, trace=TRACE)), JSON)
    assert reading.parts == (Part("guardrail", "guardrail", TWO_OF_EACH),)
    assert reading.usage["input_text"] == 3


def test_a_stream_is_billed_at_its_metadata_event():
    data = stream(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Héllo"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a":1}'}}}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": CACHED, "metrics": {"latencyMs": 1}, "trace": TRACE, "serviceTier": {"type": "priority"}}),
    )
    reading = read(CONVERSE_STREAM, data, BINARY)
    assert inclusive(reading)["input"] == 1951
    assert (reading.ended, reading.failed, reading.traits, len(reading.parts)) == (True, False, {"tier": "priority"}, 1)
    assert reading.output_bytes == len("Héllo".encode()) + 2 + 7
    cut = read(CONVERSE_STREAM, data[:-20], BINARY)
    assert (cut.usage, cut.ended, cut.output_bytes) == (None, False, reading.output_bytes)


def test_a_stream_that_breaks_says_so():
    data = stream(("messageStart", {})) + message(b'{"message":"no"}', event="modelStreamErrorException", kind="exception")
    assert read(CONVERSE_STREAM, data, BINARY).failed
    torn = read(CONVERSE_STREAM, b"\xff" * 40, BINARY)
    assert torn.notes == ("the event stream is damaged and was not read to its end",)
    assert read(CONVERSE_STREAM, body({"message": "no"}), JSON).usage is None


def test_what_a_request_asks_for():
    facts = CONVERSE_STREAM.facts({
        "messages": [{"role": "user", "content": [
            {"text": "hi"}, {"image": {"format": "png", "source": {"bytes": "aGFsbG8="}}},
            {"video": {"source": {"s3Location": {"uri": "s3://bucket/key"}}}},
            {"toolResult": {"toolUseId": "t", "content": [{"document": {"source": {"bytes": "YQ=="}}}]}},
        ]}],
        "inferenceConfig": {"maxTokens": 100},
        "toolConfig": {"tools": [{"toolSpec": {}}, {"systemTool": {"name": "nova_grounding"}}]},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 64}},
        "serviceTier": {"type": "flex"},
    }, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert facts == Facts(
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0", stream=True, output_limit=100, reasoning_limit=64, media=2,
        media_bytes=12, references=1, objects=("s3://bucket/key",), tools=1, server_tools=1, tier="flex")


@pytest.mark.parametrize(("name", "model"), [
    ("arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
    ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
    ("arn:aws:bedrock:us-east-1:012345678901:application-inference-profile/mi1", "arn:aws:bedrock:us-east-1:012345678901:application-inference-profile/mi1"),
    ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
])
def test_an_arn_of_something_public_is_read_as_its_public_name(name, model):
    assert CONVERSE.facts({}, name).model == INVOKE.facts({}, name).model == model


def test_judging_text_alone_is_charged_by_the_unit():
    reading = read(ApplyGuardrail(), body({"action": "NONE", "usage": ASSESSED["invocationMetrics"]["usage"]}), JSON)
    assert reading.model == "guardrail"
    assert reading.usage == usage_of(guardrail_content_units=1, guardrail_topic_units=1, guardrail_pii_units=1)


# --- InvokeModel


COUNTED = head(
    x_amzn_bedrock_input_token_count="6", x_amzn_bedrock_output_token_count="10",
    x_amzn_bedrock_cache_read_input_token_count="4", x_amzn_bedrock_cache_write_input_token_count="2",
)
SIX_TEN = {"input": 6, "output": 10}


def test_headers_count_whatever_the_body_is():
    reading = read(INVOKE, body({"outputs": [{"text": "A man stands"}]}), COUNTED)
    assert inclusive(reading) == {"input": 12, "cached_read": 4, "cache_write_5m": 2, "output": 10}
    assert reading.output_bytes == 12
    vectors = read(INVOKE, body({"embedding": [0.25, 1]}), head(x_amzn_bedrock_input_token_count="5"))
    assert inclusive(vectors) == {"input": 5}
    torn = read(INVOKE, b"[", COUNTED)
    assert torn.usage is not None


@pytest.mark.parametrize("document", [
    {"inputTextTokenCount": 6, "results": [{"tokenCount": 4, "outputText": "a"}, {"tokenCount": 6, "outputText": "b"}]},
    {"generation": "x", "prompt_token_count": 6, "generation_token_count": 10},
    {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 6, "completion_tokens": 10}},
    {"output": {"message": {"content": [{"text": "x"}]}}, "usage": {"inputTokens": 6, "outputTokens": 10, "cacheReadInputTokenCount": 0}},
    {"type": "message", "model": "claude-x", "content": [], "usage": {"input_tokens": 6, "output_tokens": 10}},
], ids=["titan", "llama", "chat", "nova", "messages"])
def test_without_headers_each_family_is_read_in_its_own_words(document):
    reading = read(INVOKE, body(document), JSON)
    assert (inclusive(reading), reading.model, reading.notes) == (SIX_TEN, None, ())


@pytest.mark.parametrize(("documents", "units"), [(1, 1), (100, 1), (101, 2)])
def test_a_ranking_is_charged_by_the_search(documents, units):
    facts = INVOKE.facts({"query": "q", "documents": ["d"] * documents, "api_version": 2}, "cohere.rerank-v3-5:0")
    reading = read(INVOKE, body({"results": [{"index": 0, "relevance_score": 0.5}]}), JSON, facts)
    assert reading.usage == usage_of(rerank_units=units)


def test_a_messages_reply_knows_more_than_the_headers():
    usage = {"input_tokens": 6, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 10,
             "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2}, "service_tier": "standard"}
    reading = read(INVOKE, body({"type": "message", "content": [{"type": "text", "text": "hi"}], "usage": usage}), COUNTED)
    assert inclusive(reading) == {"input": 12, "cached_read": 4, "cache_write_1h": 2, "output": 10}
    assert (reading.traits, reading.output_bytes) == ({}, 2)


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 6, "outputTokenCount": 10, "invocationLatency": 1, "firstByteLatency": 1}}


def test_the_last_chunk_of_a_stream_counts():
    data = chunks({"outputText": "Hello", "index": 0}, {"outputText": "", "completionReason": "FINISH", "amazon-bedrock-trace": TRACE, **METRICS})
    reading = read(INVOKE_STREAM, data, BINARY)
    assert (inclusive(reading), reading.ended, reading.output_bytes) == (SIX_TEN, True, 5)
    assert reading.parts == (Part("guardrail", "guardrail", TWO_OF_EACH),)
    half = read(INVOKE_STREAM, data[:-9], BINARY)
    assert (half.usage, half.ended, half.output_bytes) == (None, False, 5)


def test_a_messages_stream_is_read_as_one():
    start = {"type": "message_start", "message": {"id": "m1", "model": "claude-x", "usage": {
        "input_tokens": 6, "cache_creation_input_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 2}, "output_tokens": 1}}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a\r\nb"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}}
    reading = read(INVOKE_STREAM, chunks(start, text, end, {"type": "message_stop", **METRICS}), BINARY)
    assert inclusive(reading) == {"input": 8, "cache_write_1h": 2, "output": 10}
    assert (reading.model, reading.ended, reading.output_bytes) == (None, True, 4)
    cut = read(INVOKE_STREAM, chunks(start, text), BINARY)
    assert cut.usage is None
    assert cut.floor.input_tokens == 8


@pytest.mark.parametrize(("asked", "limit"), [
    ({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 9}}, 9), ({"prompt": "x", "max_gen_len": 9}, 9),
    ({"messages": [], "inferenceConfig": {"max_new_tokens": 9}}, 9), ({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}, 9),
    ({"max_tokens": "9"}, None),
])
def test_each_family_asks_for_its_limit_in_its_own_words(asked, limit):
    facts = INVOKE_STREAM.facts(asked, "m")
    assert (facts.output_limit, facts.stream, facts.model) == (limit, True, "m")


# --- the provider


def test_counting_is_free_and_jobs_are_not():
    bedrock = provider("bedrock")
    assert bedrock.route_for("POST", "/model/anthropic.claude-v2%3A1/count-tokens")[0].free
    assert bedrock.route_for("POST", "/model/m:0/converse")[1] == "m:0"
    assert bedrock.route_for("POST", "/model/anthropic.claude-v2%3A1/converse")[1] == "anthropic.claude-v2:1"
    assert not bedrock.route_for("POST", "/async-invoke")[0].free


# --- hostile replies


@given(damaged(converse(CACHED, trace=TRACE, serviceTier={"type": "flex"})))
def test_no_damaged_document_breaks_a_meter(document):
    for dialect in (CONVERSE, INVOKE, ApplyGuardrail()):
        read(dialect, body(document), JSON)


@given(damaged({"bytes": "e30=", "usage": CACHED, "delta": {"text": "a"}, "trace": TRACE}))
def test_no_damaged_event_breaks_a_meter(document):
    data = stream(("chunk", document), ("metadata", document), ("contentBlockDelta", document)) + chunks(document)
    for dialect in (CONVERSE_STREAM, INVOKE_STREAM):
        read(dialect, data, BINARY)


@given(st.binary(max_size=120))
def test_no_bytes_break_a_meter(data):
    for dialect, of in ((CONVERSE, JSON), (INVOKE, JSON), (CONVERSE_STREAM, BINARY), (INVOKE_STREAM, BINARY)):
        assert read(dialect, data, of).usage is None


@given(damaged({"messages": [{"content": [{"image": {"source": {"bytes": "aa"}}}, {"toolResult": {"content": []}}]}],
                "toolConfig": {"tools": [{"toolSpec": {}}]}, "inferenceConfig": {"maxTokens": 4}, "anthropic_version": "x", "texts": ["a"]}))
def test_no_request_breaks_its_facts(document):
    if isinstance(document, dict):
        for dialect in (CONVERSE, INVOKE, ApplyGuardrail()):
            assert dialect.facts(json.loads(json.dumps(document)), "m").media >= 0
