"""What the loopback provider says in these tests: small replies of our own making, in the shapes the
providers document, and what it bills for each (`usage`, the names of the API's document of a call).

Costs are written beside them, so that the eye can check the sum: nanos = tokens × dollars per million × 1,000.
"""

from __future__ import annotations

import json
from typing import Any

from tests.mini_upstream import Answer, json_reply, sse_reply

CHAT_USAGE = {"input": 310, "output": 44}
CHAT_TOTAL = {"prompt_tokens": 310, "completion_tokens": 44, "total_tokens": 354}
MESSAGE_USAGE = {"input": 25, "output": 12}
MESSAGE_TOTAL = {"input_tokens": 25, "output_tokens": 12}
GEMINI_USAGE = {"input": 8, "output": 5}

COST_NANOS = {
    "gpt-4o-mini": 310 * 150 + 44 * 600,                          # $0.15, $0.60 a million
    "gpt-4o": 310 * 2_500 + 44 * 10_000,                          # $2.50, $10
    "gpt-4.1": 310 * 2_000 + 44 * 8_000,                          # $2, $8
    "gpt-5.2": 310 * 1_750 + 44 * 14_000,                         # $1.75, $14
    "claude-sonnet-4-20250514": 25 * 3_000 + 12 * 15_000,         # $3, $15
    "claude-sonnet-4-6": 25 * 3_000 + 12 * 15_000,                # $3, $15
    "llama-3.3-70b-versatile": 310 * 590 + 44 * 790,              # $0.59, $0.79
    "mistral-small-2603": 310 * 150 + 44 * 600,                   # $0.15, $0.60
    "text-embedding-3-small": 12 * 20,                            # $0.02
    "gemini-2.5-flash": 8 * 300 + 5 * 2_500,                      # $0.30, $2.50
}


def chat_document(model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1789000000, "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                     "message": {"role": "assistant", "content": "Hello there", "refusal": None}}],
        "usage": CHAT_TOTAL,
    }


def chat(model: str) -> Answer:
    """An OpenAI chat completion, buffered."""
    return json_reply(chat_document(model), usage=CHAT_USAGE)


def chat_chunks(model: str) -> list[dict[str, Any]]:
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1789000000, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}

    return [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hello"}),
        chunk({"content": " there"}),
        chunk({}, "stop"),
        {**frame, "choices": [], "usage": CHAT_TOTAL},
    ]


def data_events(documents: list[dict[str, Any]]) -> list[bytes]:
    """Server-sent events without a name, and `[DONE]`."""
    return [*(b"data: %b\n\n" % json.dumps(document).encode() for document in documents), b"data: [DONE]\n\n"]


def chat_stream(model: str) -> Answer:
    """The same as a stream, with the usage-only chunk that a provider sends when it was asked to."""
    return sse_reply(data_events(chat_chunks(model)), usage=CHAT_USAGE)


def ending_chunks(model: str, **last: Any) -> list[dict[str, Any]]:
    """The same as providers send it that state the usage unasked, in the chunk that ends the choice (`last`)."""
    *chunks, ending, _ = chat_chunks(model)
    return [{name: value for name, value in chunk.items() if name != "usage"} for chunk in chunks] + [{**ending, **last}]


def response(model: str) -> Answer:
    """An OpenAI response (`/v1/responses`), buffered."""
    return json_reply(response_document(model), usage=CHAT_USAGE)


def response_stream(model: str) -> Answer:
    """The same as a stream: it ends with `response.completed`, which carries the whole response."""
    done = response_document(model)
    opened = {**done, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": opened},
        {"type": "response.output_item.added", "output_index": 0, "item": {**done["output"][0], "content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0,
         "part": {"type": "output_text", "text": "", "annotations": []}},
        {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hello there",
         "logprobs": []},
        {"type": "response.completed", "response": done},
    ]
    lines = [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(events)
    ]
    return sse_reply(lines, usage=CHAT_USAGE)


def response_document(model: str) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 1789000000, "status": "completed", "model": model, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0,
        "tool_choice": "auto", "tools": [],
        "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello there", "annotations": []}]}],
        "usage": {"input_tokens": 310, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 44,
                  "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 354},
    }


def embedding(model: str) -> Answer:
    """An embedding of three numbers, as the list of floats that `encoding_format="float"` asks for."""
    return json_reply({
        "object": "list", "model": model, "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25, 0.125]}],
        "usage": {"prompt_tokens": 12, "total_tokens": 12},
    }, usage={"input": 12})


def message(model: str) -> Answer:
    """An Anthropic message, buffered."""
    return json_reply({
        "id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": "Hello there"}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": MESSAGE_TOTAL,
    }, usage=MESSAGE_USAGE)


def message_stream(model: str) -> Answer:
    """The same as a stream: the input at the start, all of it so far in `message_delta`."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": MESSAGE_TOTAL},
        {"type": "message_stop"},
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    return sse_reply(lines, usage=MESSAGE_USAGE)


def gemini_document(model: str, text: str = "Hello there") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 5, "totalTokenCount": 13},
        "modelVersion": model, "responseId": "r-1",
    }


def gemini(model: str) -> Answer:
    """A Gemini reply, buffered."""
    return json_reply(gemini_document(model), usage=GEMINI_USAGE)


def gemini_stream(model: str) -> Answer:
    """The same as server-sent events; every event carries the usage so far."""
    pieces = [b"data: %b\r\n\r\n" % json.dumps(gemini_document(model, text)).encode() for text in ("Hello", " there")]
    return sse_reply(pieces, usage=GEMINI_USAGE)
