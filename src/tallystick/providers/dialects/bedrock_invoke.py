"""The InvokeModel wire format: a thin envelope around whatever body each model family has of its own.

Where the bill stands: the reply's headers `x-amzn-bedrock-*-token-count`, the same for every family;
in a stream, whose head leaves before anything was counted, `amazon-bedrock-invocationMetrics` inside
the last chunk. Counts exclude what was read from a cache or written to one. A Messages body says more
(lifetimes of cache writes, reasoning, server tools) and is read first; other bodies are read where
the headers are missing. The model is named by the path alone: a body names it without its profile.
Source: the provider's API reference (InvokeModel, InvokeModelWithResponseStream), and the recorded
traffic that money.md section 2 sums up.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Part, Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages
from tallystick.providers.dialects.aws_event_stream import EventMessage, EventStreamReader
from tallystick.providers.dialects.bedrock_converse import converse_usage, is_event_stream, note_damage, public_model
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.guardrails import guardrail_part
from tallystick.providers.dialects.wire import COUNT_MAX, count, mapping, mappings, number, text, utf8_bytes

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_TRACE: Final = "amazon-bedrock-trace"
_HEADER: Final = "x-amzn-bedrock-{}-token-count"
_TIER_HEADER: Final = "x-amzn-bedrock-service-tier"
STANDARD: Final = frozenset({"default", "standard"})

# Where each family states its counts, in bodies and in the chunks of a stream.
_INPUT: Final = ("inputTextTokenCount", "prompt_token_count", "prompt_tokens", "input_tokens", "inputTokens", "inputTokenCount")
_OUTPUT: Final = (
    "totalOutputTextTokenCount", "generation_token_count", "completion_tokens", "output_tokens", "outputTokens",
    "outputTokenCount",
)
_CACHE_READ: Final = ("cache_read_input_tokens", "cacheReadInputTokenCount", "cacheReadInputTokens")
_CACHE_WRITE: Final = ("cache_creation_input_tokens", "cacheWriteInputTokenCount", "cacheWriteInputTokens")

# Under which names each family asks for an output limit, and where such settings stand.
_LIMITS: Final = ("max_tokens", "max_tokens_to_sample", "max_gen_len", "maxTokens", "maxTokenCount", "max_new_tokens")
_SETTINGS: Final = ("inferenceConfig", "textGenerationConfig")
DOCUMENTS_PER_SEARCH: Final = 100
_GENERATED: Final = ("text", "completion", "generation", "outputText", "thinking")

_MESSAGES: Final = AnthropicMessages()


@dataclass(frozen=True, slots=True)
class BedrockInvoke:
    """`…/invoke`, and `…/invoke-with-response-stream` with `streams`."""

    streams: bool = False
    name: str = "bedrock_invoke"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        model = public_model(path_model)
        if "anthropic_version" in body:
            return replace(_MESSAGES.facts({**body, "model": model}, model), stream=self.streams)
        holders = (body, *(mapping(body.get(name)) for name in _SETTINGS))
        limits = [number(holder.get(name)) for holder in holders for name in _LIMITS]
        texts = body.get("texts")
        stored = _stored(body)
        return Facts(
            model=model,
            stream=self.streams,
            output_limit=next((limit for limit in limits if limit is not None), None),
            references=len(stored),
            objects=tuple(stored),
            inputs=max(1, len(rj.listing(texts) or rj.listing(body.get("documents")))),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        if self.streams and is_event_stream(head):
            return _StreamMeter()
        stated = _stated_in(head.headers)
        tier = text(head.headers.get(_TIER_HEADER))
        traits = {"tier": tier} if tier is not None and tier not in STANDARD else {}
        return JsonMeter(lambda body: replace(_read_whole(body, stated, facts.inputs), traits=traits))


def _stored(body: JsonObject) -> list[str]:
    """What a body names in the account's store, wherever it stands: every family has a form of its own, and
    all say `s3Location` (or write the address alone)."""
    found: list[str] = []
    waiting: list[Any] = [body]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            uri = mapping(at.get("s3Location")).get("uri") or at.get("s3Uri")
            if isinstance(uri, str) and uri:
                found.append(uri)
            waiting.extend(at.values())
        elif isinstance(at, list):
            waiting.extend(at)
    return found


# --- a whole reply ----------------------------------------------------------------------------------


def _stated_in(headers: Mapping[str, str]) -> Usage | None:
    """Usage as the headers state it."""
    found = [
        int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(COUNT_MAX)) else None
        for value in (headers.get(_HEADER.format(name), "") for name in ("input", "output", "cache-read-input", "cache-write-input"))
    ]
    if found[0] is None and found[1] is None:
        return None
    fresh, output, cached, written = (number(stated) or 0 for stated in found)
    return usage_of(input_text=fresh, output_text=output, cached_text=cached, cache_write_5m=written)


def _read_whole(body: bytes, stated: Usage | None, inputs: int) -> Reading:
    members = rj.fields(body)
    if members is None:
        return Reading(usage=stated, notes=(rj.NO_OBJECT,))
    notes: list[str] = []
    parts = guardrail_part(rj.value(members, _TRACE), notes) if _TRACE in members else ()
    if rj.value(members, "type") == "message":
        return _of_messages(_read_messages(body), stated, parts)
    usage = stated or _usage_in(members, notes) or _searches(members, inputs)
    return Reading(usage=usage, parts=parts, ended=True, output_bytes=_generated_bytes(members), notes=tuple(notes))


def _read_messages(body: bytes) -> Reading:
    meter = _MESSAGES.meter(Facts(), ReplyHead(200, {}, streaming=False))
    meter.feed(body)
    return meter.finish()


def _of_messages(reading: Reading, stated: Usage | None, parts: tuple[Part, ...]) -> Reading:
    """What a Messages reply says, under the name in the path; else what was stated around it. The
    reply's own tier is the model maker's, not this host's."""
    usage = reading.usage or stated
    return replace(reading, usage=usage, model=None, traits={}, parts=(*reading.parts, *parts))


def _usage_in(members: rj.Fields, notes: list[str]) -> Usage | None:
    """Usage as a family states it in its own words."""
    stated = mapping(rj.value(members, "usage"))
    if usage := converse_usage(stated, notes):
        return usage
    names = (*_INPUT, *_OUTPUT, *_CACHE_READ, *_CACHE_WRITE)
    plain = {name: rj.value(members, name) for name in names if name in members}
    results = [count(result, "tokenCount", notes) for result in mappings(rj.value(members, "results"))]
    if any(tokens is not None for tokens in results):
        plain["outputTokens"] = sum(tokens or 0 for tokens in results)
    return _usage({**plain, **stated}, notes)


def _searches(members: rj.Fields, documents: int) -> Usage | None:
    """A ranking counts nothing: it is charged by the search, of up to 100 documents each."""
    ranked = any("relevance_score" in found or "relevanceScore" in found for found in mappings(rj.value(members, "results")))
    return usage_of(rerank_units=-(-documents // DOCUMENTS_PER_SEARCH)) if ranked else None


def _usage(stated: Mapping[str, Any], notes: list[str]) -> Usage | None:
    fresh, output, cached, written = (_first(stated, names, notes) for names in (_INPUT, _OUTPUT, _CACHE_READ, _CACHE_WRITE))
    if fresh is None and output is None:
        return None
    return usage_of(input_text=fresh or 0, output_text=output or 0, cached_text=cached or 0, cache_write_5m=written or 0)


def _first(stated: Mapping[str, Any], names: tuple[str, ...], notes: list[str]) -> int | None:
    return next((found for name in names if (found := count(stated, name, notes)) is not None), None)


def _generated_bytes(members: rj.Fields) -> int:
    """Bytes of generated text where a family puts it: at the top, or in its list of answers."""
    size = sum(utf8_bytes(rj.value(members, name)) for name in _GENERATED if name in members)
    for name in ("results", "generations", "outputs", "completions", "choices"):
        for answer in mappings(rj.value(members, name)):
            holders = (answer, mapping(answer.get("data")), mapping(answer.get("message")), mapping(answer.get("delta")))
            size += sum(utf8_bytes(holder.get(key)) for holder in holders for key in (*_GENERATED, "content"))
    message = mapping(mapping(rj.value(members, "output")).get("message"))
    delta = mapping(mapping(rj.value(members, "contentBlockDelta")).get("delta"))
    return size + sum(utf8_bytes(block.get("text")) for block in (*mappings(message.get("content")), delta))


# --- a stream ---------------------------------------------------------------------------------------


class _StreamMeter:
    """One binary stream. Every chunk holds a document of the family's own stream in base64; those of
    a Messages stream are handed to its own meter as the events they are elsewhere."""

    __slots__ = ("_ended", "_failed", "_messages", "_notes", "_output_bytes", "_parts", "_stream", "_usage")

    def __init__(self) -> None:
        self._stream = EventStreamReader()
        self._messages: Meter | None = None
        self._usage: Usage | None = None
        self._parts: tuple[Part, ...] = ()
        self._output_bytes = 0
        self._ended = False
        self._failed = False
        self._notes: list[str] = []

    @property
    def ended(self) -> bool:
        return self._ended

    def feed(self, data: bytes) -> None:
        for message in self._stream.feed(data):
            self._read(message)

    def finish(self) -> Reading:
        note_damage(self._stream, self._notes)
        own = Reading(usage=self._usage, ended=self._ended, failed=self._failed, output_bytes=self._output_bytes,
                      parts=self._parts, notes=tuple(self._notes))
        if self._messages is None:
            return own
        reading = _of_messages(self._messages.finish(), self._usage, self._parts)
        return replace(reading, ended=reading.ended or own.ended, failed=reading.failed or own.failed,
                       notes=(*reading.notes, *own.notes))

    def _read(self, message: EventMessage) -> None:
        if message.kind != "event":
            self._failed = True
            return
        document = _document(message.payload)
        members = rj.fields(document) if document is not None else None
        if document is None or members is None:
            return
        if self._messages is None and rj.value(members, "type") == "message_start":
            self._messages = _MESSAGES.meter(Facts(), ReplyHead(200, {}, streaming=True))
        if self._messages is not None:
            # Line ends outside strings are only layout, and no string may hold a bare one.
            self._messages.feed(b"data: " + document.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n")
        else:
            self._output_bytes += _generated_bytes(members)
        if _TRACE in members:
            self._parts = guardrail_part(rj.value(members, _TRACE), self._notes)
        if _METRICS in members:
            self._usage = _usage(mapping(rj.value(members, _METRICS)), self._notes) or self._usage
            self._ended = True


def _document(payload: bytes) -> bytes | None:
    """The document in a chunk; None where there is none."""
    members = rj.fields(payload)
    encoded = rj.string(members, "bytes") if members is not None else None
    if encoded is None or not encoded.isascii():
        return None
    try:
        return binascii.a2b_base64(encoded)
    except binascii.Error:
        return None
