"""The sandbox in Cohere's own chat format, in both versions of its API. What is billed stands as units beside
the tokens; for plain text the sandbox states the same number twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tallystick.transport.sandbox_reply import Asked, Json, SandboxReply, event_reply, json_reply


def cohere_chat(asked: Asked) -> SandboxReply:
    """`/v2/chat`, and `/v1/chat`, which has one `message` and the earlier ones beside it."""
    return _first(asked) if "messages" not in asked.body else _second(asked)


def _billed(asked: Asked) -> Json:
    units = {"input_tokens": asked.input_tokens, "output_tokens": asked.output_tokens}
    return {"billed_units": units, "tokens": units}


def _finish(asked: Asked) -> str:
    return "MAX_TOKENS" if asked.was_cut else "COMPLETE"


def _second(asked: Asked) -> SandboxReply:
    reply_id = f"sandbox-{asked.mark}"
    if not asked.facts.stream:
        message = {"role": "assistant", "content": [{"type": "text", "text": asked.text}]}
        return json_reply({"id": reply_id, "finish_reason": _finish(asked), "message": message, "usage": _billed(asked)})

    def events() -> Iterator[Json]:
        empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
        yield {"type": "message-start", "id": reply_id, "delta": {"message": empty}}
        yield {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}
        for piece in asked.deltas():
            yield {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}
        yield {"type": "content-end", "index": 0}
        yield {"type": "message-end", "id": reply_id, "delta": {"finish_reason": _finish(asked), "usage": _billed(asked)}}

    return event_reply(f"event: {event['type']}\n".encode() + b"data: " + json.dumps(event).encode() + b"\n\n" for event in events())


def _first(asked: Asked) -> SandboxReply:
    whole: Json = {
        "response_id": f"sandbox-{asked.mark}", "generation_id": f"sandbox-generation-{asked.mark}", "text": asked.text,
        "finish_reason": _finish(asked), "chat_history": [], "meta": {"api_version": {"version": "1"}, **_billed(asked)},
    }
    if not asked.facts.stream:
        return json_reply(whole)
    begun = {"is_finished": False, "event_type": "stream-start", "generation_id": whole["generation_id"]}
    ended = {"is_finished": True, "event_type": "stream-end", "finish_reason": _finish(asked), "response": whole}
    texts = [{"is_finished": False, "event_type": "text-generation", "text": piece} for piece in asked.deltas()]
    lines = tuple(json.dumps(event).encode() + b"\n" for event in (begun, *texts, ended))
    return SandboxReply(200, "application/stream+json", lines, streamed=True)
