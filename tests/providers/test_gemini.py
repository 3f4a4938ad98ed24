"""The generateContent format: what a request asks for, and what a reply will cost in each framing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.core.usage import usage_of
from tallystick.providers.dialects.gemini import Gemini, GeminiEmbeddings
from tests.build.replies import body, damaged, events, head, inclusive, pieces, read

GENERATE = Gemini(tier_header="x-gemini-service-tier")
STREAM = Gemini(streams=True)
JSON = head()
SSE = head(streaming=True)
ARRAY = head(streaming=True, content_type="application/json; charset=UTF-8")


def reply(usage, *parts, finish="STOP", **candidate):
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, "finishReason": finish, "index": 0, **candidate}],
        "usageMetadata": usage, "modelVersion": "gemini-3-flash", "responseId": "r1",
    }


def tokens(**by_modality):
    return [{"modality": name, "tokenCount": number} for name, number in by_modality.items()]


# --- requests ---------------------------------------------------------------------------------------


def test_a_request_states_its_facts():
    facts = STREAM.facts({
        "contents": [{"role": "user", "parts": [
            {"text": "hello"}, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
            {"functionResponse": {"name": "f", "parts": [{"inlineData": {"data": "QQ=="}}]}},
        ]}],
        "generationConfig": {"maxOutputTokens": 64, "candidateCount": 2, "thinkingConfig": {"thinkingBudget": 128, "thinkingLevel": "LOW"}},
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}, {"googleSearch": {}, "urlContext": {}},
                  {"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/s"]}}],
        "cachedContent": "cachedContents/c", "serviceTier": "flex",
    }, "gemini-3-flash")
    assert facts == Facts(
        model="gemini-3-flash", stream=True, output_limit=64, n=2, reasoning_effort="LOW", reasoning_limit=128,
        media=2, media_bytes=8, references=4,
        objects=("https://generativelanguage.googleapis.com/v1beta/files/abc", "cachedContents/c", "fileSearchStores/s"),
        tools=2, server_tools=3, tier="flex",
    )


def test_both_spellings_of_a_field_are_read():
    facts = GENERATE.facts({
        "contents": {"parts": [{"inline_data": {"data": "QQ=="}}, {"file_data": {"file_uri": "gs://b/o"}}]},
        "generation_config": {"max_output_tokens": 5, "thinking_config": {"thinking_budget": -1}},
        "tools": [{"function_declarations": [{}]}],
    }, "m")
    assert facts == Facts(model="m", output_limit=5, media=1, media_bytes=4, references=1, objects=("gs://b/o",), tools=1)


def test_a_limit_that_is_not_stated_is_none_and_not_zero():
    """Zero would hold nothing for the output, the dearest part of most calls."""
    facts = GENERATE.facts({"contents": [], "generationConfig": {"temperature": 0}}, "m")
    assert (facts.output_limit, facts.reasoning_limit, facts.n) == (None, None, 1)


def test_a_batch_of_texts_is_as_many_inputs():
    facts = GeminiEmbeddings().facts({"requests": [{"model": "models/e", "content": {"parts": [{"inlineData": {"data": "QQ=="}}]}}] * 3}, "e")
    assert facts == Facts(model="e", inputs=3, media=3, media_bytes=12)
    assert GeminiEmbeddings().facts({"model": "models/e", "content": {"parts": []}}, None).model == "e"


# --- the bill ---------------------------------------------------------------------------------------


def test_tool_prompts_and_thoughts_are_on_top():
    usage = {"promptTokenCount": 95, "toolUsePromptTokenCount": 439, "candidatesTokenCount": 66, "thoughtsTokenCount": 132, "totalTokenCount": 732}
    reading = read(GENERATE, body(reply(usage)), JSON)
    assert inclusive(reading) == {"input": 534, "tool_prompt": 439, "output": 198, "reasoning": 132}
    assert (reading.model, reading.response_id, reading.ended) == ("gemini-3-flash", "r1", True)


def test_the_cache_is_split_by_modality():
    usage = {
        "promptTokenCount": 17713, "promptTokensDetails": tokens(TEXT=16, VIDEO=15780, AUDIO=1917),
        "cachedContentTokenCount": 17379, "cacheTokensDetails": tokens(AUDIO=1881, TEXT=15, VIDEO=15483),
        "candidatesTokenCount": 68, "thoughtsTokenCount": 821,
    }
    assert read(GENERATE, body(reply(usage)), JSON).usage == usage_of(
        input_text=1, input_audio=36, input_video=297, cached_text=15, cached_audio=1881, cached_video=15483,
        output_text=68, output_reasoning=821,
    )


@pytest.mark.parametrize(("details", "expected"), [
    (tokens(TEXT=10) + tokens(IMAGE=258) + tokens(IMAGE=258) + tokens(DOCUMENT=84), {"image_in": 600}),
    ([{"modality": 1, "tokenCount": 10}, {"modality": 4, "tokenCount": 30}, {"modality": 3, "tokenCount": 5}], {"audio_in": 30, "video_in": 5}),
    ([{"modality": 99, "tokenCount": 3}, {"modality": "HOLOGRAM", "tokenCount": 3}, {"modality": [], "tokenCount": 3}, 7], {}),
    ("TEXT", {}),
])
def test_modalities_may_repeat_and_may_be_numbers(details, expected):
    usage = {"promptTokenCount": 700, "promptTokensDetails": details, "candidatesTokenCount": 1}
    assert inclusive(read(GENERATE, body(reply(usage)), JSON)) == {"input": 700, "output": 1, **expected}


def test_pictures_and_speech_have_output_classes_of_their_own():
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1300, "candidatesTokensDetails": tokens(IMAGE=1290, TEXT=4, AUDIO=6)}
    assert read(GENERATE, body(reply(usage)), JSON).usage == usage_of(input_text=5, output_image=1290, output_audio=6, output_text=4)


def test_lists_that_exceed_their_total_take_no_more_than_it_has():
    usage = {
        "promptTokenCount": 100, "promptTokensDetails": tokens(IMAGE=300), "cachedContentTokenCount": 120,
        "cacheTokensDetails": tokens(VIDEO=500), "candidatesTokenCount": 3, "candidatesTokensDetails": tokens(AUDIO=9),
    }
    assert read(GENERATE, body(reply(usage)), JSON).usage == usage_of(cached_video=120, output_audio=3)


def test_what_is_not_stated_is_not_there():
    assert inclusive(read(GENERATE, body(reply({"candidatesTokenCount": 18, "thoughtsTokenCount": 58})), JSON)) == {"output": 76, "reasoning": 58}
    assert inclusive(read(GENERATE, body(reply({"promptTokenCount": 9})), JSON)) == {"input": 9}
    assert read(GENERATE, body(reply(None)), JSON).usage is None


def test_a_blocked_prompt_used_nothing():
    blocked = {"promptFeedback": {"blockReason": "MODEL_ARMOR"}, "usageMetadata": {"trafficType": "ON_DEMAND"}}
    assert read(GENERATE, body(blocked), JSON).usage == usage_of()
    assert read(GENERATE, body({"usageMetadata": {"trafficType": "ON_DEMAND"}}), JSON).usage is None


def test_queries_and_the_grounded_prompt_are_both_counted():
    grounding = {"webSearchQueries": ["", "weather in Tokyo"], "groundingChunks": []}
    usage = inclusive(read(GENERATE, body(reply({"promptTokenCount": 1}, groundingMetadata=grounding)), JSON))
    assert usage == {"input": 1, "grounding_queries": 2, "grounded_prompts": 1}
    assert inclusive(read(GENERATE, body(reply({"promptTokenCount": 1}, groundingMetadata={})), JSON)) == {"input": 1}


@pytest.mark.parametrize(("stated", "traits"), [
    ({"serviceTier": "standard"}, {}), ({"serviceTier": "flex"}, {"tier": "flex"}), ({"serviceTier": "PRIORITY"}, {"tier": "priority"}),
    ({"trafficType": "ON_DEMAND"}, {}), ({"trafficType": 1}, {}), ({"trafficType": "ON_DEMAND_FLEX"}, {"tier": "flex"}),
    ({"trafficType": 4}, {"tier": "flex"}), ({"trafficType": "PROVISIONED_THROUGHPUT"}, {"tier": "provisioned_throughput"}),
    ({"trafficType": "SOMETHING_NEW"}, {"tier": "something_new"}), ({}, {}), ({"trafficType": None}, {}), ({"trafficType": {}}, {}),
])
def test_the_tier_is_the_one_served(stated, traits):
    assert read(GENERATE, body(reply({"promptTokenCount": 1, **stated})), JSON).traits == traits


def test_a_header_states_the_tier_where_the_body_does_not():
    flex = head(x_gemini_service_tier="flex")
    assert read(GENERATE, body(reply({"promptTokenCount": 1})), flex).traits == {"tier": "flex"}
    assert read(GENERATE, body(reply({"promptTokenCount": 1, "serviceTier": "standard"})), flex).traits == {}
    assert read(Gemini(), body(reply({"promptTokenCount": 1})), flex).traits == {}


@pytest.mark.parametrize("number", [-1, 2.0, "7", 10**13, True])
def test_what_is_no_count_is_not_read_as_one(number):
    reading = read(GENERATE, body(reply({"promptTokenCount": number, "candidatesTokenCount": 0})), JSON)
    assert (reading.usage, reading.notes) == (None, ("promptTokenCount is no count and was not read",))


# --- streams ----------------------------------------------------------------------------------------

CHUNKS = (
    reply({"trafficType": "ON_DEMAND"}, {"text": "Grüezi", "thought": True}, finish=None),
    reply({"promptTokenCount": 9, "candidatesTokenCount": 21, "thoughtsTokenCount": 35}, {"functionCall": {"name": "f", "args": {"a": 1}}}, finish=None,
          groundingMetadata={"webSearchQueries": ["q"]}),
    reply({"promptTokenCount": 87, "thoughtsTokenCount": 78}, {"inlineData": {"data": "QQ=="}}, groundingMetadata={"webSearchQueries": ["q", "r"]}),
)


@pytest.mark.parametrize(("data", "of"), [(events(*CHUNKS, named=False), SSE), (body(list(CHUNKS)), ARRAY)], ids=["events", "array"])
def test_the_last_chunk_is_the_bill_taken_whole(data, of):
    reading = read(STREAM, data, of)
    assert inclusive(reading) == {"input": 87, "output": 78, "reasoning": 78, "grounding_queries": 2, "grounded_prompts": 1}
    assert (reading.ended, reading.output_bytes, reading.notes) == (True, 7 + 1 + 7, ())


def test_a_chunk_without_counts_does_not_take_them_back():
    data = events(reply({"promptTokenCount": 5, "candidatesTokenCount": 2}), reply({"trafficType": "ON_DEMAND"}), named=False)
    assert inclusive(read(STREAM, data, SSE)) == {"input": 5, "output": 2}


def test_only_an_array_has_a_marker_that_ends_it():
    array, sse = STREAM.meter(Facts(), ARRAY), STREAM.meter(Facts(), SSE)
    seen = []
    for piece in pieces(body(list(CHUNKS)), 1):
        array.feed(piece)
        seen.append(array.ended)
    assert seen.count(True) == 1 and seen[-1]
    sse.feed(events(*CHUNKS, named=False))
    assert not sse.ended and sse.finish().ended


def test_a_stream_that_is_cut_has_not_ended():
    reading = read(STREAM, events(CHUNKS[1], named=False), SSE)
    assert (reading.ended, reading.running, inclusive(reading)["output"]) == (False, True, 56)
    assert not read(STREAM, events(*CHUNKS, named=False), SSE).running, "the last chunk's counts are the bill"
    assert not read(STREAM, body(list(CHUNKS))[:-40], ARRAY).ended


def test_an_error_in_a_stream_is_a_failure():
    error = {"error": {"code": 503, "status": "UNAVAILABLE"}}
    assert read(STREAM, body([CHUNKS[1], error]), ARRAY).failed
    assert read(STREAM, events(CHUNKS[1], error, named=False), SSE).failed
    assert read(STREAM, body(error), ARRAY).failed


def test_where_the_reply_names_no_type_its_streaming_decides():
    assert inclusive(read(STREAM, events(*CHUNKS, named=False), head(streaming=True, content_type="")))["input"] == 87
    assert inclusive(read(GENERATE, body(CHUNKS[2]), head(content_type="")))["input"] == 87


# --- embeddings -------------------------------------------------------------------------------------


def test_embeddings_state_usage_on_newer_models_only():
    vectors = {"embeddings": [{"values": [0.1, -0.2]}]}
    old = read(GeminiEmbeddings(), body(vectors), JSON)
    assert (old.usage, old.ended, old.output_bytes) == (None, True, 0)
    usage = {"promptTokenCount": 300, "promptTokenDetails": tokens(TEXT=42, IMAGE=258)}
    assert inclusive(read(GeminiEmbeddings(), body({**vectors, "usageMetadata": usage}), JSON)) == {"input": 300, "image_in": 258}


# --- whatever comes ---------------------------------------------------------------------------------

WHOLE = reply({
    "promptTokenCount": 20, "cachedContentTokenCount": 5, "promptTokensDetails": tokens(TEXT=10, IMAGE=10), "cacheTokensDetails": tokens(IMAGE=5),
    "candidatesTokenCount": 3, "candidatesTokensDetails": tokens(AUDIO=3), "thoughtsTokenCount": 2, "toolUsePromptTokenCount": 1, "serviceTier": "flex",
}, {"text": "a"}, {"functionCall": {"name": "f", "args": {}}}, {"executableCode": {"code": "1"}}, groundingMetadata={"webSearchQueries": ["q"]})
REQUEST = {
    "contents": [{"parts": [{"inlineData": {"data": "QQ=="}}, {"fileData": {"fileUri": "files/a"}}]}], "systemInstruction": {"parts": [{"text": "x"}]},
    "generationConfig": {"maxOutputTokens": 1, "candidateCount": 1, "thinkingConfig": {"thinkingBudget": 1}}, "cachedContent": "c",
    "tools": [{"functionDeclarations": [{}]}, {"fileSearch": {"fileSearchStoreNames": ["s"]}}], "requests": [{"content": {"parts": [{"text": "x"}]}}],
}


@given(damaged(WHOLE))
def test_no_damaged_reply_breaks_a_meter(document):
    for dialect, of in ((GENERATE, JSON), (STREAM, ARRAY), (GeminiEmbeddings(), JSON)):
        reading = read(dialect, body(document), of)
        assert reading.usage is None or (reading.usage.input_tokens >= 0 and reading.usage.output_tokens >= 0)


@given(st.binary(max_size=200))
def test_no_bytes_break_a_meter(data):
    for dialect, of in ((GENERATE, JSON), (STREAM, ARRAY), (STREAM, SSE)):
        assert read(dialect, data, of).usage is None


@given(damaged(REQUEST))
def test_no_request_breaks_its_facts(document):
    if isinstance(document, dict):
        for dialect in (GENERATE, GeminiEmbeddings()):
            facts = dialect.facts(document, None)
            assert min(facts.media, facts.media_bytes, facts.references, facts.tools, facts.server_tools) >= 0
