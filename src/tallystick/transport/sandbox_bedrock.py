"""The sandbox in the Messages format and in what Bedrock makes of it: Converse, and a model's own body in an
envelope, both with binary event streams.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from zlib import crc32

from tallystick.transport.sandbox_reply import Asked, Json, SandboxReply, event_reply, json_reply, named_event

_BINARY = "application/vnd.amazon.eventstream"


def messages(asked: Asked) -> SandboxReply:
    """Anthropic's Messages API."""
    return event_reply(map(named_event, _message_events(asked))) if asked.facts.stream else json_reply(_message(asked))


def invoke(asked: Asked) -> SandboxReply:
    """InvokeModel with a Messages body; in a stream each event stands in base64, and the last one counts."""
    if not asked.facts.stream:
        return json_reply(_message(asked))
    counted = {"inputTokenCount": asked.input_tokens, "outputTokenCount": asked.output_tokens}
    counted |= {"invocationLatency": 0, "firstByteLatency": 0}

    def chunks() -> Iterator[bytes]:
        for event in _message_events(asked):
            last = event["type"] == "message_stop"
            inner = json.dumps({**event, "amazon-bedrock-invocationMetrics": counted} if last else event)
            yield _framed("chunk", {"bytes": base64.b64encode(inner.encode()).decode()})

    return SandboxReply(200, _BINARY, tuple(chunks()), streamed=True)


def converse(asked: Asked) -> SandboxReply:
    """Converse, and ConverseStream."""
    read, written = asked.input_tokens, asked.output_tokens
    usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    reason = "max_tokens" if asked.was_cut else "end_turn"
    if not asked.facts.stream:
        message = {"role": "assistant", "content": [{"text": asked.text}]}
        return json_reply({"output": {"message": message}, "stopReason": reason, "usage": usage, "metrics": {"latencyMs": 0}})

    def events() -> Iterator[bytes]:
        yield _framed("messageStart", {"role": "assistant"})
        for piece in asked.deltas():
            yield _framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})
        yield _framed("contentBlockStop", {"contentBlockIndex": 0})
        yield _framed("messageStop", {"stopReason": reason})
        yield _framed("metadata", {"usage": usage, "metrics": {"latencyMs": 0}})

    return SandboxReply(200, _BINARY, tuple(events()), streamed=True)


def _message(asked: Asked) -> Json:
    usage = {"input_tokens": asked.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
             "output_tokens": asked.output_tokens, "service_tier": "standard"}
    return {
        "id": f"msg_sandbox_{asked.mark}", "type": "message", "role": "assistant", "model": asked.model,
        "content": [{"type": "text", "text": asked.text}], "stop_reason": "max_tokens" if asked.was_cut else "end_turn",
        "stop_sequence": None, "usage": usage,
    }


def _message_events(asked: Asked) -> Iterator[Json]:
    message = _message(asked)
    begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "ping"}
    for piece in asked.deltas():
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
           "usage": {"output_tokens": asked.output_tokens}}
    yield {"type": "message_stop"}


def _framed(event: str, document: Json) -> bytes:
    """One message of a binary event stream (its form: providers/dialects/aws_event_stream.py)."""
    payload = json.dumps(document).encode()
    headers = b"".join(_header(*header) for header in (
        (":event-type", event), (":content-type", "application/json"), (":message-type", "event")))
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    body = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return body + crc32(body).to_bytes(4, "big")


def _header(name: str, text: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + len(text).to_bytes(2, "big") + text.encode()
