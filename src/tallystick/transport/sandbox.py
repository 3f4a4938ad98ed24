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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.call import Facts
from tallystick.core.dialect import ErrorShape, Provider

CREATED_S: Final = 1_767_225_600                 # 2026-01-01: an answer must not depend on the clock
BYTES_PER_TOKEN: Final = 4
TOKENS_PER_MEDIUM: Final = 258
DIMENSIONS: Final = 1536
DIMENSIONS_MAX: Final = 8192
INPUTS_MAX: Final = 4096

Json = dict[str, Any]


class SandboxReply:
    """`ports.UpstreamReply` over pieces that are already known."""

    def __init__(self, status: int, content_type: str, pieces: Sequence[bytes], *, streamed: bool) -> None:
        self.status = status
        self.headers = [(b"content-type", content_type.encode())]
        if not streamed:
            self.headers.append((b"content-length", b"%d" % sum(map(len, pieces))))
        self._pieces = list(reversed(pieces))

    async def next(self) -> bytes | None:
        return self._pieces.pop() if self._pieces else None

    @property
    def at_end(self) -> bool:
        return not self._pieces

    async def close(self) -> None:
        self._pieces.clear()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request as the sandbox sees it."""

    provider: Provider
    operation: str
    facts: Facts
    body: Json
    body_bytes: int
    mark: str                                    # 24 hexadecimal digits of the body's hash: ids that repeat with it
    sse: bool

    @property
    def model(self) -> str:
        return self.facts.model or "tallystick-sandbox"

    @property
    def input_tokens(self) -> int:
        text_bytes = max(0, self.body_bytes - self.facts.media_bytes)
        return 1 + text_bytes // BYTES_PER_TOKEN + TOKENS_PER_MEDIUM * self.facts.media

    @property
    def text(self) -> str:
        facts = self.facts
        whole = (
            f"This is the Tallystick sandbox; no provider was asked and nothing was billed. You called "
            f"{self.operation} of {self.provider.name} with {self.body_bytes} bytes for {self.model}, "
            f"{facts.tools + facts.server_tools} tools and {facts.media} media."
        )
        limit = facts.output_limit
        return whole if limit is None or limit <= 0 else whole[:limit * BYTES_PER_TOKEN]

    @property
    def was_cut(self) -> bool:
        return bool(self.facts.output_limit) and len(self.text) == BYTES_PER_TOKEN * (self.facts.output_limit or 0)

    @property
    def choices(self) -> range:
        return range(max(1, min(self.facts.n, 16)))

    @property
    def output_tokens(self) -> int:
        """Of one alternative."""
        return -(-len(self.text) // BYTES_PER_TOKEN)

    def deltas(self) -> Iterator[str]:
        """The text in pieces of a few words."""
        for at in range(0, len(self.text), 24):
            yield self.text[at:at + 24]


def answer(provider: Provider, operation: str, facts: Facts, body: bytes, url_path: str = "") -> SandboxReply:
    """What this provider might have said. Operations that the sandbox does not know are a 400 in the
    provider's shape. `url_path` (with its query) matters to Gemini's streams alone: without
    `alt=sse` they are a JSON array; an empty one counts as SSE, as every SDK asks for it."""
    try:
        document = json.loads(body) if body else None
    except ValueError:
        document = None
    shape = _shape(operation, document) if isinstance(document, dict) else None
    if shape is None or not isinstance(document, dict):
        return _unknown(provider.error_shape, operation)
    mark = hashlib.sha256(body).hexdigest()[:24]
    asked = _Asked(provider, operation, facts, document, len(body), mark, not url_path or "alt=sse" in url_path)
    return shape(asked)


def _shape(operation: str, document: Json) -> Callable[[_Asked], SandboxReply] | None:
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
            return _messages
        case "embeddings":
            return _gemini_embeddings if gemini else _embeddings
        case "count_tokens":
            return _gemini_count if gemini else _count
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
    return _json(error, status=400)


def _json(document: object, status: int = 200) -> SandboxReply:
    return SandboxReply(status, "application/json", (json.dumps(document).encode(),), streamed=False)


def _events(pieces: Iterator[bytes]) -> SandboxReply:
    return SandboxReply(200, "text/event-stream; charset=utf-8", tuple(pieces), streamed=True)


def _data(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _named(document: Json) -> bytes:
    """An event whose name is its type, as Anthropic's and the Responses API's are."""
    return f"event: {document['type']}\n".encode() + _data(document)


# OpenAI's chat and the completions before it, spoken by most providers.

def _openai_usage(asked: _Asked) -> Json:
    output_tokens = asked.output_tokens * len(asked.choices)
    return {
        "prompt_tokens": asked.input_tokens, "completion_tokens": output_tokens,
        "total_tokens": asked.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _states_stream_usage(asked: _Asked) -> bool:
    """Some providers state it in every stream, the others where `include_usage` asks for it."""
    options = asked.body.get("stream_options")
    return not asked.provider.asks_stream_usage or (isinstance(options, dict) and options.get("include_usage") is True)


def _chat(asked: _Asked) -> SandboxReply:
    head: Json = {"id": f"chatcmpl-sandbox-{asked.mark}", "object": "chat.completion", "created": CREATED_S,
                  "model": asked.model}
    finish = "length" if asked.was_cut else "stop"
    if not asked.facts.stream:
        message = {"role": "assistant", "content": asked.text, "refusal": None}
        choices = [{"index": at, "message": message, "logprobs": None, "finish_reason": finish} for at in asked.choices]
        return _json({**head, "choices": choices, "usage": _openai_usage(asked)})
    head["object"] = "chat.completion.chunk"

    def chunk(at: int, delta: Json, reason: str | None = None) -> bytes:
        return _data({**head, "choices": [{"index": at, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    def events() -> Iterator[bytes]:
        for at in asked.choices:
            yield chunk(at, {"role": "assistant", "content": ""})
            for piece in asked.deltas():
                yield chunk(at, {"content": piece})
            yield chunk(at, {}, finish)
        if _states_stream_usage(asked):
            yield _data({**head, "choices": [], "usage": _openai_usage(asked)})
        yield b"data: [DONE]\n\n"

    return _events(events())


def _completions(asked: _Asked) -> SandboxReply:
    head = {"id": f"cmpl-sandbox-{asked.mark}", "object": "text_completion", "created": CREATED_S, "model": asked.model}
    finish = "length" if asked.was_cut else "stop"

    def choice(at: int, text: str, reason: str | None) -> Json:
        return {"index": at, "text": text, "logprobs": None, "finish_reason": reason}

    if not asked.facts.stream:
        choices = [choice(at, asked.text, finish) for at in asked.choices]
        return _json({**head, "choices": choices, "usage": _openai_usage(asked)})

    def events() -> Iterator[bytes]:
        for at in asked.choices:
            for piece in asked.deltas():
                yield _data({**head, "choices": [choice(at, piece, None)]})
            yield _data({**head, "choices": [choice(at, "", finish)]})
        if _states_stream_usage(asked):
            yield _data({**head, "choices": [], "usage": _openai_usage(asked)})
        yield b"data: [DONE]\n\n"

    return _events(events())


def _embeddings(asked: _Asked) -> SandboxReply:
    """Unit vectors, one for each input. The SDKs ask for base64 of little-endian 32-bit floats."""
    wanted = asked.body.get("dimensions")
    dimensions = min(wanted, DIMENSIONS_MAX) if isinstance(wanted, int) and wanted > 0 else DIMENSIONS
    vector = [1.0] + [0.0] * (dimensions - 1)
    packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
    embedding = packed if asked.body.get("encoding_format") == "base64" else vector
    count = max(1, min(asked.facts.inputs, INPUTS_MAX))
    data = [{"object": "embedding", "index": at, "embedding": embedding} for at in range(count)]
    usage = {"prompt_tokens": asked.input_tokens, "total_tokens": asked.input_tokens}
    return _json({"object": "list", "data": data, "model": asked.model, "usage": usage})


def _count(asked: _Asked) -> SandboxReply:
    counted: Json = {"input_tokens": asked.input_tokens}
    if asked.provider.error_shape == "openai":
        counted["object"] = "response.input_tokens"
    return _json(counted)


# OpenAI's Responses API.

def _responses(asked: _Asked) -> SandboxReply:
    part: Json = {"type": "output_text", "text": asked.text, "annotations": [], "logprobs": []}
    item: Json = {"id": f"msg_sandbox_{asked.mark}", "type": "message", "role": "assistant", "status": "completed",
                  "content": [part]}
    if not asked.facts.stream:
        return _json(_response(asked, item))

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

    return _events(_named({**event, "sequence_number": at}) for at, event in enumerate(events()))


def _response(asked: _Asked, item: Json | None) -> Json:
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


# Anthropic's Messages API.

def _messages(asked: _Asked) -> SandboxReply:
    usage = {"input_tokens": asked.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
             "output_tokens": asked.output_tokens, "service_tier": "standard"}
    reason = "max_tokens" if asked.was_cut else "end_turn"
    message: Json = {
        "id": f"msg_sandbox_{asked.mark}", "type": "message", "role": "assistant", "model": asked.model,
        "content": [{"type": "text", "text": asked.text}], "stop_reason": reason, "stop_sequence": None, "usage": usage,
    }
    if not asked.facts.stream:
        return _json(message)

    def events() -> Iterator[Json]:
        begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield {"type": "message_start", "message": begun}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "ping"}
        for piece in asked.deltas():
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
               "usage": {"output_tokens": asked.output_tokens}}
        yield {"type": "message_stop"}

    return _events(_named(event) for event in events())


# Google's generateContent.

def _gemini(asked: _Asked) -> SandboxReply:
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
        return _json(document(asked.text, finish))
    texts = list(asked.deltas())
    documents = [document(text, finish if at + 1 == len(texts) else None) for at, text in enumerate(texts)]
    if asked.sse:
        return _events(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in documents)
    pieces = [(b"[" if at == 0 else b",\r\n") + json.dumps(one).encode() for at, one in enumerate(documents)]
    return SandboxReply(200, "application/json; charset=UTF-8", (*pieces, b"]"), streamed=True)


def _gemini_embeddings(asked: _Asked) -> SandboxReply:
    values = {"values": [1.0] + [0.0] * (DIMENSIONS - 1)}
    requests = asked.body.get("requests")
    if isinstance(requests, list):
        return _json({"embeddings": [values] * min(len(requests), INPUTS_MAX)})
    return _json({"embedding": values})


def _gemini_count(asked: _Asked) -> SandboxReply:
    details = [{"modality": "TEXT", "tokenCount": asked.input_tokens}]
    return _json({"totalTokens": asked.input_tokens, "promptTokensDetails": details})
