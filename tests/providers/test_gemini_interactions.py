"""The interactions format: snake-case totals, and background jobs that only open."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.call import Facts
from tallystick.providers.dialects.gemini_interactions import GeminiInteractions
from tests.build.replies import body, damaged, events, head, inclusive, read

INTERACT = GeminiInteractions()
JSON = head()
SSE = head(streaming=True)

USAGE = {
    "total_tokens": 340, "total_input_tokens": 267, "total_cached_tokens": 7, "total_tool_use_tokens": 11, "total_output_tokens": 3, "total_thought_tokens": 57,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 9}, {"modality": "image", "tokens": 258}],
}
DONE = {
    "id": "v1_a", "status": "completed", "model": "gemini-2.5-flash", "service_tier": "standard", "usage": USAGE,
    "steps": [{"type": "thought", "signature": "x" * 50}, {"type": "model_output", "content": [{"type": "text", "text": "né"}]},
              {"type": "function_call", "arguments": {"a": 1}}],
}
TOTALS = {"input": 278, "image_in": 258, "cached_read": 7, "tool_prompt": 11, "output": 60, "reasoning": 57}


def test_a_request_states_its_facts():
    facts = INTERACT.facts({
        "model": "gemini-2.5-flash", "stream": True, "background": True, "previous_interaction_id": "v1_0", "service_tier": "flex",
        "generation_config": {"max_output_tokens": 64, "thinking_level": "high"},
        "tools": [{"type": "function", "name": "f"}, {"type": "google_search"}],
        "input": [{"role": "user", "content": [{"type": "image", "data": "QUJD"}, {"type": "document", "uri": "files/a"}, {"type": "video", "uri": "https://youtu.be/1"}]}],
    }, None)
    assert facts == Facts(
        model="gemini-2.5-flash", stream=True, background=True, output_limit=64, reasoning_effort="high", media=1, media_bytes=4,
        references=3, objects=("files/a", "v1_0"), previous_response="v1_0", tools=1, server_tools=1, tier="flex",
    )
    assert INTERACT.facts({"agent": "deep-research", "input": "hi"}, None) == Facts(model="deep-research", server_tools=1)


def test_thoughts_and_tool_use_are_on_top():
    reading = read(INTERACT, body(DONE), JSON)
    assert inclusive(reading) == TOTALS
    assert (reading.model, reading.response_id, reading.traits, reading.ended) == ("gemini-2.5-flash", "v1_a", {}, True)
    assert (reading.deferred, reading.output_bytes) == (False, 3 + 7)


def test_a_stream_is_billed_at_its_completion():
    data = events(
        {"type": "interaction.created", "interaction": {"id": "v1_a", "status": "in_progress", "model": "gemini-2.5-flash"}},
        {"type": "step.delta", "delta": {"type": "text", "text": "né"}}, {"type": "step.delta", "delta": {"signature": "x" * 9}},
        {"type": "interaction.completed", "interaction": {**DONE, "service_tier": "priority"}},
    )
    reading = read(INTERACT, data + b"event: done\ndata: [DONE]\n\n", SSE)
    assert inclusive(reading) == TOTALS
    assert (reading.ended, reading.deferred, reading.output_bytes, reading.traits) == (True, False, 3, {"tier": "priority"})


def test_an_open_status_is_a_cut_unless_the_job_runs_in_the_background():
    opened = events({"type": "interaction.created", "interaction": {"id": "v1_a", "status": "in_progress"}})
    cut = read(INTERACT, opened, SSE)
    assert (cut.usage, cut.ended, cut.deferred) == (None, False, False)
    assert read(INTERACT, opened, SSE, Facts(background=True)).deferred


def test_a_background_interaction_only_opens_a_job():
    reading = read(INTERACT, body({"id": "v1_b", "status": "in_progress", "agent": "deep-research"}), JSON)
    assert (reading.deferred, reading.usage, reading.response_id, reading.model) == (True, None, "v1_b", "deep-research")


def test_a_failed_interaction_and_an_error_event_are_failures():
    assert read(INTERACT, body({"id": "v1_c", "status": "failed"}), JSON).failed
    assert read(INTERACT, events({"type": "error", "error": {"code": "x"}}), SSE).failed


@given(damaged(DONE))
def test_no_damaged_reply_breaks_a_meter(document):
    reading = read(INTERACT, body(document), JSON)
    assert reading.usage is None or (reading.usage.input_tokens >= 0 and reading.usage.output_tokens >= 0)
    read(INTERACT, events({"type": "interaction.completed", "interaction": document}), SSE)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_a_meter(data, streaming):
    assert read(INTERACT, data, head(streaming=streaming)).usage is None
