"""The Messages format: what a request asks for, and what a reply will cost, buffered and streamed."""


import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.core.usage import Part, usage_of
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages, TextCompletions
from tests.build.replies import body, damaged, events, head, inclusive, pieces, read

MESSAGES = AnthropicMessages()
JSON = head()
STREAM = head(streaming=True)


def message(usage, content=(), **more):
    return {
        "type": "message", "id": "msg_1", "model": "claude-sonnet-4-5", "role": "assistant",
        "content": list(content), "stop_reason": "end_turn", "usage": usage, **more,
    }


def stream(start, *deltas, content=(), stop=True):
    blocks = [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in content]
    closing = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage} for usage in deltas]
    return events(
        {"type": "message_start", "message": message(start)}, {"type": "ping"}, *blocks, *closing,
        *([{"type": "message_stop"}] if stop else []),
    )


# --- requests ---------------------------------------------------------------------------------------


def test_a_request_states_its_facts():
    facts = MESSAGES.facts({
        "model": "claude-opus-5", "stream": True, "max_tokens": 500, "service_tier": "auto",
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "high"},
        "metadata": {"user_id": "u-7"}, "container": {"id": "container_1", "skills": [{"type": "custom", "skill_id": "skill_9"}]},
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "data": "QUJD"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {"type": "base64", "data": "QQ=="}}]}},
                {"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": "QUJDRA=="}}]},
                {"type": "container_upload", "file_id": "file_2"},
            ]},
        ],
    }, None)
    assert facts == Facts(
        model="claude-opus-5", stream=True, output_limit=500, reasoning_effort="high", reasoning_limit=2000,
        media=3, media_bytes=16, references=5, objects=("file_2", "file_1", "container_1", "skill_9"),
        tier="auto", end_user="u-7",
    )


@pytest.mark.parametrize(("tools", "expected"), [
    ([{"name": "f", "input_schema": {}}, {"type": "custom", "name": "g"}, {"type": "bash_20250124"}], (3, 0, None)),
    ([{"type": "web_search_20250305", "max_uses": 3}, {"type": "web_fetch_20250910", "max_uses": 2}], (0, 2, 5)),
    ([{"type": "web_search_20250305", "max_uses": 3}, {"type": "code_execution_20250825"}], (0, 2, None)),
    ([{"type": "web_search_20250305", "max_uses": "3"}], (0, 1, None)),
    ("all of them", (0, 0, None)),
])
def test_tools_of_the_caller_and_of_the_provider(tools, expected):
    facts = MESSAGES.facts({"tools": tools}, None)
    assert (facts.tools, facts.server_tools, facts.server_tool_limit) == expected


def test_a_remote_server_of_tools_has_no_limit_of_its_own():
    facts = MESSAGES.facts({"mcp_servers": [{"type": "url"}], "tools": [{"type": "web_search_20250305", "max_uses": 1}]}, None)
    assert (facts.server_tools, facts.server_tool_limit) == (2, None)


# --- buffered replies -------------------------------------------------------------------------------


def test_input_excludes_the_cache_and_writes_stand_by_lifetime():
    reading = read(MESSAGES, body(message({
        "input_tokens": 3, "cache_creation_input_tokens": 3000, "cache_read_input_tokens": 50000, "output_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens_details": {"thinking_tokens": 40},
    })), JSON)
    assert inclusive(reading) == {
        "input": 53003, "output": 100, "cached_read": 50000, "cache_write_5m": 1000, "cache_write_1h": 2000, "reasoning": 40,
    }
    assert (reading.model, reading.response_id, reading.ended, reading.failed) == ("claude-sonnet-4-5", "msg_1", True, False)


@pytest.mark.parametrize(("usage", "expected"), [
    ({"cache_creation_input_tokens": 10}, (10, 0)),
    ({"cache_creation": {"ephemeral_1h_input_tokens": 7}}, (0, 7)),
    ({"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 7}}, (10, 0)),
])
def test_a_write_without_a_lifetime_that_adds_up_stands_under_five_minutes(usage, expected):
    usage = read(MESSAGES, body(message({"input_tokens": 1, "output_tokens": 1, **usage})), JSON).usage
    assert (usage["cache_write_5m"], usage["cache_write_1h"]) == expected


def test_a_compaction_comes_on_top_at_the_same_model():
    reading = read(MESSAGES, body(message({
        "input_tokens": 229, "output_tokens": 5, "iterations": [
            {"type": "compaction", "input_tokens": 100, "output_tokens": 131, "cache_creation_input_tokens": 55096,
             "cache_creation": {"ephemeral_5m_input_tokens": 55096}},
            {"type": "message", "input_tokens": 229, "output_tokens": 5},
        ],
    })), JSON)
    assert inclusive(reading) == {"input": 55425, "cache_write_5m": 55096, "output": 136}
    assert reading.context_tokens == 55196


def test_an_advisor_is_a_part_at_its_own_model():
    reading = read(MESSAGES, body(message({
        "input_tokens": 2390, "output_tokens": 121, "iterations": [
            {"type": "message", "input_tokens": 1128, "output_tokens": 110},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
            {"type": "message", "input_tokens": 1262, "output_tokens": 11},
        ],
    })), JSON)
    assert inclusive(reading) == {"input": 2390, "output": 121}
    assert reading.parts == (Part("advisor_message", "claude-opus-4-8", usage_of(input_text=2518, output_text=22)),)
    assert reading.context_tokens == 1262


def test_a_step_of_an_unknown_kind_is_not_passed_over_in_silence():
    usage = {"input_tokens": 1, "output_tokens": 1, "iterations": [{"type": "planning", "input_tokens": 9, "output_tokens": 9}]}
    assert read(MESSAGES, body(message(usage)), JSON).notes == ("a step of an unknown kind was not counted",)


def test_a_sum_over_server_tool_steps_chooses_no_context_tier():
    usage = {"input_tokens": 494549, "output_tokens": 1245, "server_tool_use": {"web_search_requests": 5, "web_fetch_requests": 1}}
    reading = read(MESSAGES, body(message(usage)), JSON)
    assert inclusive(reading) == {"input": 494549, "output": 1245, "web_searches": 5, "web_fetches": 1}
    assert reading.context_tokens == 70650                  # the mean of seven steps, rounded up
    plain = read(MESSAGES, body(message({"input_tokens": 494549, "output_tokens": 1})), JSON)
    assert plain.context_tokens is None


def test_rates_other_than_the_standard_one_are_named():
    usage = {"input_tokens": 1, "output_tokens": 1}
    standard = {"service_tier": "standard", "inference_geo": "global", "speed": "standard"}
    assert read(MESSAGES, body(message({**usage, **standard})), JSON).traits == {}
    assert read(MESSAGES, body(message({**usage, "inference_geo": "not_available"})), JSON).traits == {}
    special = {"service_tier": "priority", "inference_geo": "us", "speed": "fast"}
    assert read(MESSAGES, body(message({**usage, **special})), JSON).traits == {"tier": "priority", "geo": "us", "speed": "fast"}
    assert read(MESSAGES, body(message({**usage, "service_tier": "batch"})), JSON).traits == {"processing": "batch"}


@pytest.mark.parametrize("number", [-1, 2.0, "7", 10**13, True, [3]])
def test_what_is_no_count_is_not_read_as_one(number):
    reading = read(MESSAGES, body(message({"input_tokens": number, "output_tokens": 0})), JSON)
    assert reading.usage == usage_of()
    assert reading.notes == ("input_tokens is no count and was not read",)


def test_null_is_no_statement_and_zero_is_one():
    assert read(MESSAGES, body(message({"input_tokens": 0, "output_tokens": 0})), JSON).usage == usage_of()
    assert read(MESSAGES, body(message({"input_tokens": None, "output_tokens": None})), JSON).usage is None
    assert read(MESSAGES, body(message(None)), JSON).usage is None


def test_an_error_inside_a_success_is_a_failure():
    reading = read(MESSAGES, body({"type": "error", "error": {"type": "overloaded_error", "message": "…"}}), JSON)
    assert (reading.failed, reading.usage) == (True, None)


def test_generated_text_is_counted_in_utf8():
    content = [{"type": "text", "text": "héllo"}, {"type": "tool_use", "input": {"a": 1}}, {"type": "thinking", "thinking": "hm", "signature": "x" * 99}]
    assert read(MESSAGES, body(message(None, content)), JSON).output_bytes == 6 + 7 + 2


# --- streams ----------------------------------------------------------------------------------------


def test_the_last_delta_is_the_bill():
    reading = read(MESSAGES, stream(
        {"input_tokens": 2479, "output_tokens": 6, "service_tier": "standard"},
        {"input_tokens": 404500, "output_tokens": 943, "output_tokens_details": {"thinking_tokens": 261}, "server_tool_use": {"web_search_requests": 10}},
    ), STREAM)
    assert inclusive(reading) == {"input": 404500, "output": 943, "reasoning": 261, "web_searches": 10}
    assert reading.context_tokens == 36773                  # the mean of eleven steps; the first had 2,479
    assert reading.ended


def test_deltas_are_cumulative_and_keep_what_they_do_not_repeat():
    reading = read(MESSAGES, stream(
        {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}, {"output_tokens": 5}, {"output_tokens": 9},
    ), STREAM)
    assert inclusive(reading) == {"input": 100, "cached_read": 90, "output": 9}


def test_an_old_split_of_writes_counts_only_while_the_total_stands():
    split = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
    start = {"input_tokens": 1, "cache_creation_input_tokens": 300, "cache_creation": split, "output_tokens": 1}
    same = read(MESSAGES, stream(start, {"cache_creation_input_tokens": 300, "output_tokens": 2}), STREAM).usage
    assert (same["cache_write_5m"], same["cache_write_1h"]) == (100, 200)
    steps = [
        {"type": "message", "cache_creation_input_tokens": 300, "cache_creation": split},
        {"type": "message", "cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": 50}},
    ]
    grown = read(MESSAGES, stream(start, {"cache_creation_input_tokens": 350, "output_tokens": 2, "iterations": steps}), STREAM).usage
    assert (grown["cache_write_5m"], grown["cache_write_1h"]) == (100, 250)
    lost = read(MESSAGES, stream(start, {"cache_creation_input_tokens": 350, "output_tokens": 2}), STREAM)
    assert (lost.usage["cache_write_5m"], lost.usage["cache_write_1h"]) == (350, 0)
    assert lost.notes == ("the split of cache writes does not add up to their total",)


def test_a_damaged_count_does_not_take_back_a_good_one():
    reading = read(MESSAGES, stream({"input_tokens": 10, "output_tokens": 1}, {"input_tokens": "many", "output_tokens": 4}), STREAM)
    assert inclusive(reading) == {"input": 10, "output": 4}
    assert reading.notes == ("input_tokens is no count and was not read",)


def test_a_stream_that_never_ends_is_remembered_in_bounds():
    meter = MESSAGES.meter(Facts(), STREAM)
    for number in range(500):
        meter.feed(events({"type": "message_delta", "usage": {f"novel_{number}": 1, "input_tokens": -1}}))
    assert meter.finish().notes == ("input_tokens is no count and was not read",)
    assert len(meter._reply.stated) == 0


def test_a_stream_that_is_cut_has_a_floor_and_no_bill():
    content = [{"type": "text_delta", "text": "né"}, {"type": "thinking_delta", "thinking": "hm"}, {"type": "input_json_delta", "partial_json": '{"a'}]
    reading = read(MESSAGES, stream({"input_tokens": 1000, "output_tokens": 1}, content=content, stop=False), STREAM)
    assert (reading.usage, reading.ended, reading.output_bytes) == (None, False, 8)
    assert reading.floor == usage_of(input_text=1000, output_text=1)


def test_an_error_in_mid_stream_is_a_failure_that_keeps_its_bill():
    error = events({"type": "error", "error": {"type": "overloaded_error"}})
    reading = read(MESSAGES, stream({"input_tokens": 10, "output_tokens": 1}, {"output_tokens": 7}, stop=False) + error, STREAM)
    assert (reading.failed, reading.ended) == (True, False)
    assert inclusive(reading) == {"input": 10, "output": 7}


def test_the_meter_says_when_the_marker_has_passed():
    meter = MESSAGES.meter(Facts(), STREAM)
    seen = []
    for piece in pieces(stream({"input_tokens": 1, "output_tokens": 1}, {"output_tokens": 2}), 1):
        meter.feed(piece)
        seen.append(meter.ended)
    assert seen.count(True) == 1 and seen[-1]               # with the blank line that ends message_stop


def test_events_without_a_name_are_read_by_their_type():
    data = events({"type": "message_start", "message": message({"input_tokens": 4, "output_tokens": 1})},
                  {"type": "message_delta", "usage": {"output_tokens": 3}}, {"type": "message_stop"}, named=False)
    assert inclusive(read(MESSAGES, data, STREAM)) == {"input": 4, "output": 3}


# --- the older text completions ---------------------------------------------------------------------


def test_text_completions_state_no_usage_and_are_counted():
    reading = read(TextCompletions(), body({"type": "completion", "id": "compl_1", "completion": " Hello!", "model": "claude-2.1"}), JSON)
    assert (reading.usage, reading.model, reading.output_bytes, reading.ended) == (None, "claude-2.1", 7, True)
    data = events(
        {"type": "completion", "completion": " Li", "stop_reason": None, "model": "claude-2.1"},
        {"type": "completion", "completion": "ght", "stop_reason": "stop_sequence", "model": "claude-2.1"},
    )
    reading = read(TextCompletions(), data, STREAM)
    assert (reading.usage, reading.output_bytes, reading.ended) == (None, 6, True)
    assert TextCompletions().facts({"model": "claude-2.1", "max_tokens_to_sample": 9}, None) == Facts(model="claude-2.1", output_limit=9)


# --- whatever comes ---------------------------------------------------------------------------------

WHOLE = message({
    "input_tokens": 10, "cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_5m_input_tokens": 30}, "output_tokens": 4,
    "output_tokens_details": {"thinking_tokens": 2}, "server_tool_use": {"web_search_requests": 1}, "service_tier": "standard",
    "iterations": [{"type": "compaction", "input_tokens": 1, "output_tokens": 1}, {"type": "advisor_message", "model": "m", "input_tokens": 2}],
}, [{"type": "text", "text": "a"}, {"type": "tool_use", "input": {"x": 1}}])
REQUEST = {
    "model": "m", "max_tokens": 1, "thinking": {"budget_tokens": 5}, "metadata": {"user_id": "u"}, "container": {"id": "c", "skills": [{"type": "custom"}]},
    "tools": [{"type": "web_search_1", "max_uses": 1}], "mcp_servers": [{}], "system": [{"type": "text"}],
    "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "QQ=="}}, {"type": "document", "source": {"type": "file"}}]}],
}


@given(damaged(WHOLE))
def test_no_damaged_reply_breaks_a_meter(document):
    reading = read(MESSAGES, body(document), JSON)
    assert reading.usage is None or (reading.usage.input_tokens >= 0 and reading.usage.output_tokens >= 0)


@given(damaged([{"type": "message_start", "message": WHOLE}, {"type": "content_block_start", "content_block": {"type": "server_tool_use"}},
                {"type": "message_delta", "usage": WHOLE["usage"]}, {"type": "error", "error": {}}]))
def test_no_damaged_stream_breaks_a_meter(documents):
    data = b"".join(b"data: " + body(document) + b"\n\n" for document in documents) if isinstance(documents, list) else body(documents)
    read(MESSAGES, data, STREAM)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_a_meter(data, streaming):
    assert read(MESSAGES, data, head(streaming=streaming)).usage is None


@given(damaged(REQUEST))
def test_no_request_breaks_its_facts(document):
    if isinstance(document, dict):
        for dialect in (MESSAGES, TextCompletions()):
            facts = dialect.facts(document, None)
            assert min(facts.media, facts.media_bytes, facts.references, facts.tools, facts.server_tools) >= 0


def test_deep_nesting_is_read_as_nothing():
    assert read(MESSAGES, b'{"usage":' + b"[" * 5000 + b"]" * 5000 + b"}", JSON).usage is None
