"""The sandbox: a provider's answer without the provider, for `X-Tallystick-Sandbox: true`.

A sandbox call takes the whole line (key, attribution, meter, price, journal) except the hop, so its
answer has the provider's own shape, usage included just where that provider would state it. The
answer is a function of the request alone. It says what was asked (model, sizes) and never repeats
content, and its token counts follow from sizes: about four bytes a token, as English text has.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Final

from tallystick.core.call import Facts
from tallystick.core.dialect import ErrorShape, Provider
from tallystick.transport.sandbox_bedrock import converse, invoke, messages
from tallystick.transport.sandbox_cohere import cohere_chat
from tallystick.transport.sandbox_reply import CREATED_S, Asked, Json, SandboxReply, data_event, event_reply, json_reply, named_event

DIMENSIONS: Final = 1536
DIMENSIONS_MAX: Final = 8192
INPUTS_MAX: Final = 4096

def answer(provider: Provider, operation: str, facts: Facts, body: bytes, url_path: str = "") -> SandboxReply:
    """What this provider might have said. Operations that the sandbox does not know are a 400 in the
    provider's shape. `url_path` (with its query) matters to Gemini's streams alone: without
    `alt=sse` they are a JSON array; an empty one counts as SSE, as every SDK asks for it."""
    try:
        document = json.loads(body) if body else None
    except ValueError:
        document = None
    if operation == "models" and not body:
        document = {}
    shape = _shape(operation, document) if isinstance(document, dict) else None
    if shape is None or not isinstance(document, dict):
        return _unknown(provider.error_shape, operation)
    mark = hashlib.sha256(body).hexdigest()[:24]
    asked = Asked(provider, operation, facts, document, len(body), mark, not url_path or "alt=sse" in url_path)
    return shape(asked)


def _shape(operation: str, document: Json) -> Callable[[Asked], SandboxReply] | None:
    """Who answers. Google serves two formats under one operation; the body tells them apart."""
    gemini = not document.keys().isdisjoint(("contents", "content", "requests", "generateContentRequest"))
    match operation:
        case "chat":
            return _gemini if gemini else _chat
        case "completions":
            return _completions
        case "responses":
            return _responses
        case "messages":
            return messages
        case "embeddings":
            return _gemini_embeddings if gemini else _embeddings
        case "count_tokens":
            return _gemini_count if gemini else _count
        case "converse":
            return converse
        case "invoke":
            # Every model family has a body of its own there; the one that says its version is known.
            return invoke if "anthropic_version" in document else None
        case "native_chat":
            return cohere_chat
        case "interactions":
            return _interactions
        case "models":
            return _models
    return None


def _unknown(shape: ErrorShape, operation: str) -> SandboxReply:
    message = f"The Tallystick sandbox does not simulate '{operation}'. Send the call without X-Tallystick-Sandbox."
    error: Json
    match shape:
        case "anthropic":
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
        case "gemini":
            error = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
        case "openai":
            error = {"error": {"message": message, "type": "invalid_request_error", "param": None,
                               "code": "sandbox_unsupported"}}
        case "cohere" | "bedrock":
            error = {"message": message}
    return json_reply(error, status=400)


# OpenAI's chat and the completions before it, spoken by most providers.

def _openai_usage(asked: Asked) -> Json:
    output_tokens = asked.output_tokens * len(asked.choices)
    return {
        "prompt_tokens": asked.input_tokens, "completion_tokens": output_tokens,
        "total_tokens": asked.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _states_stream_usage(asked: Asked) -> bool:
    """Some providers state it in every stream, the others where `include_usage` asks for it."""
    options = asked.body.get("stream_options")
    return not asked.provider.asks_stream_usage or (isinstance(options, dict) and options.get("include_usage") is True)


def _chat(asked: Asked) -> SandboxReply:
    head: Json = {"id": f"chatcmpl-sandbox-{asked.mark}", "object": "chat.completion", "created": CREATED_S,
                  "model": asked.model}
    finish = "length" if asked.was_cut else "stop"
    if not asked.facts.stream:
        message = {"role": "assistant", "content": asked.text, "refusal": None}
        choices = [{"index": at, "message": message, "logprobs": None, "finish_reason": finish} for at in asked.choices]
        return json_reply({**head, "choices": choices, "usage": _openai_usage(asked)})
    head["object"] = "chat.completion.chunk"

    def chunk(at: int, delta: Json, reason: str | None = None) -> bytes:
        return data_event({**head, "choices": [{"index": at, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    def events() -> Iterator[bytes]:
        for at in asked.choices:
            yield chunk(at, {"role": "assistant", "content": ""})
            for piece in asked.deltas():
                yield chunk(at, {"content": piece})
            yield chunk(at, {}, finish)
        if _states_stream_usage(asked):
            yield data_event({**head, "choices": [], "usage": _openai_usage(asked)})
        yield b"data: [DONE]\n\n"

    return event_reply(events())


def _completions(asked: Asked) -> SandboxReply:
    head = {"id": f"cmpl-sandbox-{asked.mark}", "object": "text_completion", "created": CREATED_S, "model": asked.model}
    finish = "length" if asked.was_cut else "stop"

    def choice(at: int, text: str, reason: str | None) -> Json:
        return {"index": at, "text": text, "logprobs": None, "finish_reason": reason}

    if not asked.facts.stream:
        choices = [choice(at, asked.text, finish) for at in asked.choices]
        return json_reply({**head, "choices": choices, "usage": _openai_usage(asked)})

    def events() -> Iterator[bytes]:
        for at in asked.choices:
            for piece in asked.deltas():
                yield data_event({**head, "choices": [choice(at, piece, None)]})
            yield data_event({**head, "choices": [choice(at, "", finish)]})
        if _states_stream_usage(asked):
            yield data_event({**head, "choices": [], "usage": _openai_usage(asked)})
        yield b"data: [DONE]\n\n"

    return event_reply(events())


def _embeddings(asked: Asked) -> SandboxReply:
    """Unit vectors, one for each input. The SDKs ask for base64 of little-endian 32-bit floats."""
    wanted = asked.body.get("dimensions")
    dimensions = min(wanted, DIMENSIONS_MAX) if isinstance(wanted, int) and wanted > 0 else DIMENSIONS
    vector = [1.0] + [0.0] * (dimensions - 1)
    packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
    embedding = packed if asked.body.get("encoding_format") == "base64" else vector
    count = max(1, min(asked.facts.inputs, INPUTS_MAX))
    data = [{"object": "embedding", "index": at, "embedding": embedding} for at in range(count)]
    usage = {"prompt_tokens": asked.input_tokens, "total_tokens": asked.input_tokens}
    return json_reply({"object": "list", "data": data, "model": asked.model, "usage": usage})


def _count(asked: Asked) -> SandboxReply:
    if asked.provider.error_shape == "bedrock":
        return json_reply({"inputTokens": asked.input_tokens})
    counted: Json = {"input_tokens": asked.input_tokens}
    if asked.provider.error_shape == "openai":
        counted["object"] = "response.input_tokens"
    return json_reply(counted)


# OpenAI's Responses API.

def _responses(asked: Asked) -> SandboxReply:
    part: Json = {"type": "output_text", "text": asked.text, "annotations": [], "logprobs": []}
    item: Json = {"id": f"msg_sandbox_{asked.mark}", "type": "message", "role": "assistant", "status": "completed",
                  "content": [part]}
    if not asked.facts.stream:
        return json_reply(_response(asked, item))

    def events() -> Iterator[Json]:
        begun = _response(asked, None)
        place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        yield {"type": "response.output_item.added", "output_index": 0,
               "item": {**item, "status": "in_progress", "content": []}}
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        for piece in asked.deltas():
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": asked.text, "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        last = "response.incomplete" if asked.was_cut else "response.completed"
        yield {"type": last, "response": _response(asked, item)}

    return event_reply(named_event({**event, "sequence_number": at}) for at, event in enumerate(events()))


def _response(asked: Asked, item: Json | None) -> Json:
    """The Response object, begun (no item yet) or ended."""
    ended = item is not None
    status = "in_progress" if not ended else "incomplete" if asked.was_cut else "completed"
    usage = {
        "input_tokens": asked.input_tokens, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": asked.output_tokens, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked.input_tokens + asked.output_tokens,
    }
    return {
        "id": f"resp_sandbox_{asked.mark}", "object": "response", "created_at": CREATED_S, "status": status,
        "error": None, "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None, "max_output_tokens": asked.facts.output_limit, "metadata": {}, "model": asked.model,
        "output": [item] if ended else [], "parallel_tool_calls": True, "previous_response_id": None,
        "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": None,
        "truncation": "disabled", "usage": usage if ended else None,
    }


# Google's generateContent.

def _gemini(asked: Asked) -> SandboxReply:
    usage = {
        "promptTokenCount": asked.input_tokens, "candidatesTokenCount": asked.output_tokens,
        "totalTokenCount": asked.input_tokens + asked.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked.input_tokens}],
    }

    def document(text: str, reason: str | None) -> Json:
        candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if reason is not None:
            candidate["finishReason"] = reason
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model,
                "responseId": f"sandbox-{asked.mark}"}

    finish = "MAX_TOKENS" if asked.was_cut else "STOP"
    if not asked.facts.stream:
        return json_reply(document(asked.text, finish))
    texts = list(asked.deltas())
    documents = [document(text, finish if at + 1 == len(texts) else None) for at, text in enumerate(texts)]
    if asked.sse:
        return event_reply(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in documents)
    pieces = [(b"[" if at == 0 else b",\r\n") + json.dumps(one).encode() for at, one in enumerate(documents)]
    return SandboxReply(200, "application/json; charset=UTF-8", (*pieces, b"]"), streamed=True)


def _gemini_embeddings(asked: Asked) -> SandboxReply:
    values = {"values": [1.0] + [0.0] * (DIMENSIONS - 1)}
    requests = asked.body.get("requests")
    if isinstance(requests, list):
        return json_reply({"embeddings": [values] * min(len(requests), INPUTS_MAX)})
    return json_reply({"embedding": values})


def _gemini_count(asked: Asked) -> SandboxReply:
    details = [{"modality": "TEXT", "tokenCount": asked.input_tokens}]
    return json_reply({"totalTokens": asked.input_tokens, "promptTokensDetails": details})


# Google's interactions.

def _interactions(asked: Asked) -> SandboxReply:
    usage = {
        "total_input_tokens": asked.input_tokens, "total_cached_tokens": 0, "total_output_tokens": asked.output_tokens,
        "total_tool_use_tokens": 0, "total_thought_tokens": 0, "total_tokens": asked.input_tokens + asked.output_tokens,
    }
    begun: Json = {
        "id": f"interaction-sandbox-{asked.mark}", "object": "interaction", "model": asked.model, "role": "model",
        "status": "in_progress", "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z",
    }
    output = {"type": "text", "text": asked.text}
    ended = {**begun, "status": "completed", "usage": usage}
    if not asked.facts.stream:
        return json_reply({**ended, "outputs": [output]})

    def events() -> Iterator[Json]:
        yield {"event_type": "interaction.start", "interaction": begun}
        yield {"event_type": "content.start", "index": 0, "content": {"type": "text"}}
        for piece in asked.deltas():
            yield {"event_type": "content.delta", "index": 0, "delta": {"type": "text", "text": piece}}
        yield {"event_type": "content.stop", "index": 0}
        yield {"event_type": "interaction.complete", "interaction": ended}

    return event_reply(f"event: {event['event_type']}\n".encode() + data_event(event) for event in events())


# Lists of models: one, of no provider's making, or the one that was asked about.

def _models(asked: Asked) -> SandboxReply:
    own: Json
    match asked.provider.error_shape:
        case "anthropic":
            own = {"type": "model", "id": asked.model, "display_name": asked.model, "created_at": "2026-01-01T00:00:00Z"}
            many = {"data": [own], "has_more": False, "first_id": asked.model, "last_id": asked.model}
        case "gemini":
            own = {"name": f"models/{asked.model}", "displayName": asked.model, "supportedGenerationMethods": ["generateContent"]}
            many = {"models": [own]}
        case "cohere":
            own = {"name": asked.model, "endpoints": ["chat"]}
            many = {"models": [own]}
        case _:
            own = {"id": asked.model, "object": "model", "created": CREATED_S, "owned_by": "tallystick-sandbox"}
            many = {"object": "list", "data": [own]}
    return json_reply(own if asked.facts.model else many)
