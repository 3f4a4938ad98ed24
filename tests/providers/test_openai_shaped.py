"""The OpenAI-shaped forms: what each trap of their usage looks like, and how it is read."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts, ReplyHead
from tallystick.core.usage import Usage
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.ndjson_chat import NdjsonChat
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.openai_runs import OpenAIRuns
from tallystick.providers.groq import GROQ
from tallystick.providers.openrouter import stated_cost as credits_charged
from tallystick.providers.xai import CHAT as TICKS_CHAT
from tallystick.providers.xai import stated_cost as ticks_charged

ALL = (OpenAIChat(usage_in="x_own", breakdown="shares"), OpenAIResponses(), OpenAIEmbeddings(), OpenAIRuns(), NdjsonChat())


def read(dialect, *pieces, streaming=False, facts=None):
    meter = dialect.meter(facts or Facts(), ReplyHead(200, {}, streaming))
    for piece in pieces:
        meter.feed(piece)
    reading = meter.finish()
    assert meter.finish() == reading
    return reading


def reply(**members):
    return json.dumps(members).encode()


def sse(*documents, done=True):
    events = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
    return b"".join(b"data: " + event + b"\n\n" for event in (*events, *([b"[DONE]"] if done else [])))


def chunk(content=None, **members):
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": content} if content is not None else {}}], **members}


# --- chat ------------------------------------------------------------------------------------------

def test_cached_and_reasoning_tokens_stand_inside_their_totals():
    reading = read(OpenAIChat(), reply(
        id="chatcmpl-1", model="m-2026", service_tier="flex", choices=[], usage={
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0, "rejected_prediction_tokens": 5},
        }))
    assert reading.usage == Usage({"input_text": 30, "input_audio": 6, "cached_text": 64, "output_text": 20, "output_reasoning": 30})
    assert (reading.model, reading.response_id, reading.traits, reading.ended) == ("m-2026", "chatcmpl-1", {"tier": "flex"}, True)


@pytest.mark.parametrize(("usage", "expected"), [
    (None, None),                                                         # null: not said
    ({}, None),                                                           # an object that counts nothing
    ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),              # zero: said
    ({"prompt_tokens": 7}, Usage({"input_text": 7})),
])
def test_null_absent_and_zero_are_three_things(usage, expected):
    assert read(OpenAIChat(), reply(choices=[], usage=usage)).usage == expected
    assert read(OpenAIChat(), sse(chunk("x", usage=usage)), streaming=True).usage == expected


@pytest.mark.parametrize("count", [-3, 3.5, "7", True, 10**13, 10**400, [1], {"a": 1}])
def test_a_count_that_is_none_is_refused_by_name(count):
    reading = read(OpenAIChat(), reply(choices=[], usage={"prompt_tokens": count, "completion_tokens": 2}))
    assert reading.usage is None, "two tokens of output alone would be a wrong bill that looks right"
    assert reading.notes
    assert str(count) not in " ".join(reading.notes)


def test_what_exceeds_its_total_is_cut_to_fit_and_noted():
    reading = read(OpenAIChat(), reply(choices=[], usage={
        "prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 12},
        "completion_tokens_details": {"reasoning_tokens": 6}}))
    assert reading.usage == Usage({"cached_text": 10, "output_reasoning": 5})
    assert len(reading.notes) == 2


def test_the_same_tokens_read_and_written_in_one_call_overlap():
    reading = read(OpenAIChat(), reply(choices=[], usage={
        "prompt_tokens": 2168, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161}}))
    assert reading.usage == Usage({"input_text": 7, "cached_text": 2161, "cache_write_5m": 2161, "output_text": 100}, overlap_tokens=2161)
    assert reading.usage.input_tokens == 2168


def test_the_last_usage_of_a_stream_wins_also_from_a_chunk_with_choices():
    stream = sse(chunk("Hi", usage=None), chunk("!", usage={"prompt_tokens": 1, "completion_tokens": 1}),
                 chunk(usage={"prompt_tokens": 9, "completion_tokens": 2}), chunk(usage=None))
    reading = read(OpenAIChat(), stream, streaming=True)
    assert reading.usage == Usage({"input_text": 9, "output_text": 2})
    assert (reading.model, reading.ended, reading.output_bytes) == ("m-1", True, 3)


def test_the_end_is_known_when_its_marker_has_come():
    meter = OpenAIChat().meter(Facts(), ReplyHead(200, {}, True))
    meter.feed(sse(chunk("Hi"), done=False) + b"data: [DO")
    assert not meter.ended
    meter.feed(b"NE]\n\n")
    assert meter.ended


def test_a_stream_cut_short_keeps_what_it_saw_for_an_estimate():
    call = {"choices": [{"delta": {"tool_calls": [{"function": {"name": "get", "arguments": '{"a":"é"}'}}]}}]}
    reading = read(OpenAIChat(), sse(chunk("Gr\u00fc\u00dfe\n"), chunk(None), call, {"choices": [{"text": "abc"}]}, done=False), streaming=True)
    assert (reading.usage, reading.ended) == (None, False)
    assert reading.output_bytes == len("Grüße\n".encode()) + len('get{"a":"é"}'.encode()) + 3


def test_usage_on_every_chunk_is_final_only_with_the_last():
    """Some hosts count as they go; the text goes on being counted, for the stream may be cut."""
    def counting(text, finish=None):
        frame = chunk(text, usage={"prompt_tokens": 3, "completion_tokens": 1})
        frame["choices"][0]["finish_reason"] = finish
        return frame

    dialect, cut = OpenAIChat(), [counting("ab"), counting("cde")]
    reading = read(dialect, sse(*cut, done=False), streaming=True)
    assert (reading.running, reading.output_bytes) == (True, 5)
    assert not read(dialect, sse(*cut, counting("", "stop")), streaming=True).running
    assert not read(dialect, sse(*cut, {**chunk(), "choices": [], "usage": {"prompt_tokens": 3}}), streaming=True).running


def test_an_error_inside_a_stream_fails_it_and_its_usage_stays():
    reading = read(OpenAIChat(), sse(chunk("x", usage={"prompt_tokens": 3, "completion_tokens": 1}), {"error": {"message": "overloaded"}}), streaming=True)
    assert reading.failed
    assert reading.usage == Usage({"input_text": 3, "output_text": 1})


def test_usage_under_a_member_of_the_hosts_own_repeats_and_never_adds():
    dialect = OpenAIChat(usage_in="x_own")
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    expected = Usage({"input_text": 9, "output_text": 2})
    assert read(dialect, sse(chunk(x_own={"usage": usage})), streaming=True).usage == expected
    assert read(dialect, sse(chunk(usage=usage, x_own={"usage": usage})), streaming=True).usage == expected
    assert read(OpenAIChat(), sse(chunk(x_own={"usage": usage})), streaming=True).usage is None


def test_a_breakdown_by_model_splits_only_what_it_adds_up_to():
    (dialect,) = {route.dialect for route in GROQ.routes if route.operation == "chat"}
    usage = {"prompt_tokens": 30, "completion_tokens": 3}
    shares = [{"model": "a", "usage": {"prompt_tokens": 10, "completion_tokens": 1}}, {"model": "b", "usage": {"prompt_tokens": 20, "completion_tokens": 2}}]
    reading = read(dialect, reply(choices=[], usage=usage, usage_breakdown={"models": shares}))
    assert [(part.model, part.usage.input_tokens, part.splits) for part in reading.parts] == [("a", 10, True), ("b", 20, True)]
    repeated = [{"model": "a", "usage": usage}, {"model": "b", "usage": usage}]
    reading = read(dialect, sse(chunk(x_groq={"usage": usage, "usage_breakdown": {"models": repeated}})), streaming=True)
    assert reading.usage == Usage({"input_text": 30, "output_text": 3})
    assert reading.parts == ()
    assert reading.notes


def test_cached_tokens_under_another_name():
    dialect = OpenAIChat(usage=ChatUsage(cached_fields=("hit_tokens",)))
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "hit_tokens": 6}
    assert read(dialect, reply(choices=[], usage=usage)).usage["cached_text"] == 6
    both = {**usage, "prompt_tokens_details": {"cached_tokens": 6}}
    assert read(dialect, reply(choices=[], usage=both)).usage["cached_text"] == 6


@pytest.mark.parametrize(("total", "output"), [(344, 147), (None, 147), (198, 1)])
def test_reasoning_beside_the_completion_is_added_unless_the_total_says_otherwise(total, output):
    usage = {"prompt_tokens": 197, "completion_tokens": 1, "total_tokens": total,
             "prompt_tokens_details": {"cached_tokens": 192}, "completion_tokens_details": {"reasoning_tokens": 146}}
    assert read(TICKS_CHAT, reply(choices=[], usage=usage)).usage.output_tokens == output


def test_thoughts_hidden_in_the_total():
    dialect = OpenAIChat(usage=ChatUsage(hidden_thoughts=True))
    usage = {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}
    assert read(dialect, reply(choices=[], usage=usage)).usage == Usage({"input_text": 35, "output_text": 12, "output_reasoning": 62})


def test_stated_cost_is_read_exactly_as_written():
    usage = b'{"prompt_tokens":1,"completion_tokens":1,"cost":0.0076509169000000005,"is_byok":false}'
    stated = read(OpenAIChat(stated=credits_charged), b'{"choices":[],"usage":' + usage + b"}").stated
    assert (stated.usd, stated.byok, stated.upstream_usd) == (Decimal("0.0076509169000000005"), False, None)
    assert ticks_charged({"cost_in_usd_ticks": 4121500}).usd == Decimal("0.00041215")


def test_with_a_key_of_ones_own_two_are_paid():
    stated = credits_charged({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": Decimal("0.0002265")}})
    assert (stated.usd, stated.byok, stated.upstream_usd) == (0, True, Decimal("0.0002265"))


@pytest.mark.parametrize("usage", [{}, {"cost": -1}, {"cost": "1"}, {"cost": Decimal("1e400")}, {"cost": None}])
def test_a_stated_cost_that_is_none_is_not_read(usage):
    assert credits_charged(usage) is None


@pytest.mark.parametrize("ticks", [None, -1, "5", 1.5, True, 10**30])
def test_ticks_that_are_none_are_not_read(ticks):
    assert ticks_charged({"cost_in_usd_ticks": ticks}) is None


def test_a_long_reply_is_read_from_its_ends():
    vectors = b",".join([b'{"embedding":"' + b"A" * 8000 + b'"}'] * 700)
    body = b'{"object":"list","data":[' + vectors + b'],"model":"e-3","usage":{"prompt_tokens":8,"total_tokens":8}}'
    assert len(body) > 5_000_000
    for pieces in ([body], [body[i:i + 99_991] for i in range(0, len(body), 99_991)]):
        reading = read(OpenAIEmbeddings(), *pieces)
        assert reading.usage == Usage({"input_text": 8})
        assert reading.model == "e-3"


# --- responses -------------------------------------------------------------------------------------

USED = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 140}
RESPONSE = {"id": "resp_1", "object": "response", "model": "m-1", "status": "completed", "service_tier": "priority", "output": [], "usage": USED}
COUNTED = {"input_text": 30, "cached_text": 60, "cache_write_5m": 10, "output_text": 10, "output_reasoning": 30}


def test_a_response_and_its_stream_read_the_same():
    whole = read(OpenAIResponses(), reply(**RESPONSE))
    early = {**RESPONSE, "status": "in_progress", "service_tier": "auto", "usage": None}
    stream = b"".join(
        b"event: " + kind.encode() + b"\ndata: " + json.dumps({"type": kind, **members}).encode() + b"\n\n"
        for kind, members in [("response.created", {"response": early}), ("response.output_text.delta", {"delta": "Hé"}),
                              ("response.completed", {"response": RESPONSE})])
    streamed = read(OpenAIResponses(), stream, streaming=True)
    assert whole.usage == streamed.usage == Usage(COUNTED)
    assert whole.traits == streamed.traits == {"tier": "priority"}
    assert (streamed.ended, streamed.output_bytes, streamed.deferred) == (True, 3, False)


def test_only_searches_are_billed_of_the_search_calls_and_containers_once():
    items = [{"type": "web_search_call", "action": {"type": kind}} for kind in ("search", "open_page", "search")]
    items += [{"type": "code_interpreter_call", "container_id": "cntr_1"}] * 3 + [{"type": "file_search_call"}, {"type": "message"}]
    reading = read(OpenAIResponses(), reply(**{**RESPONSE, "output": items}))
    assert reading.usage == Usage({**COUNTED, "web_searches": 2, "code_sessions": 1, "file_searches": 1})
    summed = {**RESPONSE, "output": items, "tool_usage": {"web_search": {"num_requests": 1}}}
    assert read(OpenAIResponses(), reply(**summed)).usage["web_searches"] == 1


def test_a_picture_is_another_models_bill():
    drawn = {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210, "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
             "output_tokens_details": {"image_tokens": 4160, "text_tokens": 0}}
    document = {**RESPONSE, "output": [{"type": "image_generation_call"}], "tool_usage": {"image_gen": drawn}}
    reading = read(OpenAIResponses(picture_model="pictures-1"), reply(**document))
    assert [(part.model, part.usage) for part in reading.parts] == [("pictures-1", Usage({"input_text": 50, "output_image": 4160}))]
    named = {**document, "tools": [{"type": "image_generation", "model": "pictures-2"}]}
    assert read(OpenAIResponses(), reply(**named)).parts[0].model == "pictures-2"


def test_a_background_response_is_deferred_until_a_poll_finds_it_done():
    opened = {**RESPONSE, "status": "queued", "usage": None}
    assert read(OpenAIResponses(), reply(**opened)).deferred
    polled = read(OpenAIResponses(), reply(**RESPONSE))
    assert (polled.deferred, polled.usage, polled.response_id) == (False, Usage(COUNTED), "resp_1")


@pytest.mark.parametrize(("status", "failed"), [("failed", True), ("incomplete", False), ("cancelled", False)])
def test_a_failed_response_bills_what_it_states(status, failed):
    reading = read(OpenAIResponses(), reply(**{**RESPONSE, "status": status}))
    assert (reading.failed, reading.usage) == (failed, Usage(COUNTED))


def test_an_error_event_fails_the_stream():
    assert read(OpenAIResponses(), b'event: error\ndata: {"type":"error","message":"x"}\n\n', streaming=True).failed
    assert read(OpenAIResponses(), b'data: {"type":"error","message":"x"}\n\n', streaming=True).failed


# --- runs, embeddings, JSON lines ------------------------------------------------------------------

RUN = {"object": "thread.run", "id": "run_1", "model": "m-1", "status": "completed",
       "usage": {"prompt_tokens": 30, "completion_tokens": 5, "prompt_token_details": {"cached_tokens": 10}}}
RAN = Usage({"input_text": 20, "cached_text": 10, "output_text": 5})


def test_a_run_is_deferred_until_it_is_closed():
    opened = read(OpenAIRuns(), reply(**{**RUN, "status": "queued", "usage": None}))
    assert (opened.deferred, opened.usage, opened.response_id) == (True, None, "run_1")
    assert read(OpenAIRuns(), reply(**{**RUN, "status": "requires_action", "usage": None})).deferred
    closed = read(OpenAIRuns(), reply(**RUN))
    assert (closed.deferred, closed.usage) == (False, RAN)


def test_a_streamed_run_is_billed_once_not_per_step():
    step = {**RUN, "object": "thread.run.step", "id": "step_1"}
    stream = b"".join(b"event: " + kind + b"\ndata: " + data + b"\n\n" for kind, data in [
        (b"thread.run.created", reply(**{**RUN, "status": "queued", "usage": None})), (b"thread.run.step.completed", reply(**step)),
        (b"thread.run.completed", reply(**RUN)), (b"done", b"[DONE]")])
    reading = read(OpenAIRuns(), stream, streaming=True)
    assert (reading.usage, reading.response_id, reading.ended) == (RAN, "run_1", True)


def test_json_lines_count_in_their_last_document():
    lines = b'{"model":"l","response":"Hi","done":false}\n{"model":"l","response":"","done":true,"prompt_eval_count":26,"eval_count":3}\n'
    streamed = read(NdjsonChat(), lines, streaming=True)
    assert (streamed.usage, streamed.ended, streamed.output_bytes) == (Usage({"input_text": 26, "output_text": 3}), True, 2)
    assert read(NdjsonChat(), lines).usage == streamed.usage              # lines that came without a stream's content type
    cached = read(NdjsonChat(), reply(model="l", message={"content": "x"}, done=True, eval_count=3))
    assert cached.usage == Usage({"output_text": 3})


# --- any bytes, any split --------------------------------------------------------------------------

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["usage", "x_own", "shares", "models", "model", "id", "choices", "delta", "content", "prompt_tokens", "completion_tokens",
                         "prompt_tokens_details", "cached_tokens", "response", "output", "type", "tool_usage", "image_gen", "input_tokens", "status",
                         "object", "error", "eval_count", "done", "total_tokens", "output_tokens_details", "reasoning_tokens"]), inner, max_size=5),
                    max_leaves=12)


@given(st.lists(st.one_of(st.binary(max_size=30), JSON.map(lambda value: json.dumps(value).encode())), max_size=4), st.booleans())
def test_no_reply_makes_a_meter_raise_or_depend_on_the_split(documents, streaming):
    body = b"".join(b"data: " + document + b"\n\n" for document in documents) if streaming else b"".join(documents)
    for dialect in ALL:
        whole = read(dialect, body, streaming=streaming)
        assert read(dialect, *(body[i:i + 1] for i in range(len(body))), streaming=streaming) == whole
        if whole.usage is not None:
            assert all(quantity > 0 for quantity in whole.usage.counts.values())


def test_a_deeply_nested_reply_is_refused_not_followed():
    for dialect in ALL:
        assert read(dialect, b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}").usage is None
        assert read(dialect, b'data: {"usage":' + b'{"a":' * 50_000 + b"\n\n", streaming=True).usage is None


# --- what a request asks ---------------------------------------------------------------------------

def test_the_facts_of_a_chat_request():
    facts = OpenAIChat().facts({
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 10, "max_completion_tokens": 20, "n": 3,
        "reasoning_effort": "high", "service_tier": "flex", "user": "u-1",
        "tools": [{"type": "function"}, {"type": "web_search"}], "web_search_options": {},
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "BBBBBB", "format": "wav"}}, {"type": "file", "file": {"file_id": "file-1"}}]}],
    }, None)
    assert facts == Facts(
        model="m", stream=True, output_limit=20, n=3, reasoning_effort="high", media=2, media_bytes=26 + 6, references=2, objects=("file-1",),
        tools=1, server_tools=2, wants_stream_usage=True, tier="flex", end_user="u-1")


def test_the_path_names_the_model_of_a_deployment():
    assert OpenAIChat().facts({"model": "ignored"}, "deployed").model == "deployed"


def test_legacy_completions_bill_every_candidate():
    facts = OpenAIChat().facts({"model": "m", "prompt": ["a", "b"], "n": 2, "best_of": 5, "max_tokens": 0}, None)
    assert (facts.n, facts.inputs, facts.output_limit) == (5, 2, 0)


def test_the_facts_of_a_response_request():
    facts = OpenAIResponses().facts({
        "model": "m", "background": True, "max_output_tokens": 9, "max_tool_calls": 4, "reasoning": {"effort": "low"},
        "previous_response_id": "resp_0", "conversation": {"id": "conv_1"}, "prompt": {"id": "pmpt_1"},
        "tools": [{"type": "function"}, {"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}, {"type": "code_interpreter", "container": "cntr_1"}],
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:AAAA"}, {"type": "input_file", "file_id": "file_1"},
                                               {"type": "input_file", "file_url": "https://example.com"}]}, {"type": "item_reference", "id": "msg_1"}],
    }, None)
    assert set(facts.objects) == {"conv_1", "pmpt_1", "vs_1", "vs_2", "cntr_1", "file_1", "msg_1"}
    assert facts == Facts(
        model="m", background=True, output_limit=9, server_tool_limit=4, reasoning_effort="low", media=1, media_bytes=9, references=9,
        objects=facts.objects, previous_response="resp_0", tools=1, server_tools=2)


def test_a_list_of_numbers_is_one_input():
    facts = OpenAIEmbeddings().facts
    assert [facts({"model": "m", "input": asked}, None).inputs for asked in ("x", ["a", "b"], [1, 2, 3], [[1], [2]], [])] == [1, 2, 1, 2, 1]


def test_json_lines_stream_unasked():
    assert NdjsonChat().facts({"model": "l"}, None).stream
    assert not NdjsonChat().facts({"model": "l", "stream": False}, None).stream


@given(st.dictionaries(st.sampled_from(
    ["model", "stream", "stream_options", "max_tokens", "n", "messages", "prompt", "input", "tools", "reasoning", "user", "service_tier", "conversation",
     "options", "images", "previous_response_id", "background", "functions", "web_search_options"]), JSON, max_size=8))
def test_a_wrong_type_is_not_said(body):
    for dialect in ALL:
        facts = dialect.facts(body, None)
        assert facts.n >= 1
        assert facts.model is None or isinstance(facts.model, str)


@pytest.mark.parametrize("gap", ["", " "])
def test_chunks_that_differ_in_their_text_alone_are_counted_as_if_each_were_read(gap: str) -> None:
    """A stream that breaks off is estimated from its text, whatever way its chunks were looked at."""
    texts = ["One", "two", "d\\u0072ei", 'qua\\"tre', "fünf", ""]
    pieces = [f'data: {{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"content":{gap}"{text}"}}}}]}}\n\n' for text in texts]
    meter = OpenAIChat().meter(Facts(stream=True), ReplyHead(200, {}, True))
    for piece in pieces:
        meter.feed(piece.encode())
    reading = meter.finish()
    assert reading.output_bytes == len("Onetwodreiqua\"trefünf".encode())
    assert (reading.model, reading.response_id, reading.usage, reading.ended) == ("m", "c", None, False)
