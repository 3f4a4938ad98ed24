"""The Converse wire format: one request form for every model; a JSON reply or a binary event stream.

Where the bill stands: `usage`, in a stream that of the `metadata` event, which is the last. Its
`inputTokens` exclude what was read from a cache and what was written to one; `cacheDetails` divide
the writes by lifetime, and a write without one stands under five minutes. The model is named by the
path alone, and a cross-region profile (`us.`, `eu.`, `global.`) is part of its name because it has
prices of its own.
Source: the provider's API reference (Converse, ConverseStream), and the recorded traffic that
money.md section 2 sums up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Part, Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.aws_event_stream import EventMessage, EventStreamReader
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.guardrails import guardrail_part, guardrail_usage
from tallystick.providers.dialects.guardrails import MODEL as GUARDRAIL
from tallystick.providers.dialects.wire import count, mapping, mappings, number, string_bytes, text, utf8_bytes

STANDARD: Final = frozenset({"default", "standard"})
_MEDIA: Final = ("image", "document", "video", "audio")
_CACHE_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_CACHE_WRITE: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")

# The account's own name for something that has a public one: `arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x`.
_PUBLIC_ARN: Final = re.compile(r"arn:[a-z-]+:bedrock:[a-z0-9-]*:[0-9]*:(?:inference-profile|foundation-model)/([^/]+)")


@dataclass(frozen=True, slots=True)
class BedrockConverse:
    """`…/converse`, and `…/converse-stream` with `streams`."""

    streams: bool = False
    name: str = "bedrock_converse"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        settings = mapping(body.get("inferenceConfig"))
        more = mapping(body.get("additionalModelRequestFields"))
        own, server = _tools(mappings(mapping(body.get("toolConfig")).get("tools")))
        media = _Media(body)
        return Facts(
            model=public_model(path_model),
            stream=self.streams,
            output_limit=number(settings.get("maxTokens")),
            reasoning_effort=text(mapping(more.get("reasoningConfig")).get("maxReasoningEffort")),
            reasoning_limit=number(mapping(more.get("thinking") or more.get("reasoning_config")).get("budget_tokens")),
            media=media.count,
            media_bytes=media.bytes,
            references=len(media.objects),
            objects=tuple(media.objects),
            tools=own,
            server_tools=server,
            tier=text(mapping(body.get("serviceTier")).get("type")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the reply says it all
        return _StreamMeter() if self.streams and is_event_stream(head) else JsonMeter(_read_whole)


@dataclass(frozen=True, slots=True)
class ApplyGuardrail:
    """`POST /guardrail/{id}/version/{version}/apply`: text judged without a model, charged by the unit."""

    name: str = "apply_guardrail"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:  # noqa: ARG002 - no model is asked
        return Facts(model=GUARDRAIL, inputs=max(1, len(mappings(body.get("content")))))

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002
        return JsonMeter(_read_judgement)


def public_model(name: str | None) -> str | None:
    """A model by the name that has a price: the profile or model that an ARN ends in. An ARN of the
    account's own (application profile, provisioned throughput, endpoint) stays as it is."""
    match = _PUBLIC_ARN.fullmatch(name) if name else None
    return match.group(1) if match else name


def is_event_stream(head: ReplyHead) -> bool:
    """Whether the reply is a binary stream; what does not say so was asked for as one."""
    kind = head.headers.get("content-type", "")
    return "eventstream" in kind or not kind


# --- the request ------------------------------------------------------------------------------------


def _tools(tools: list[Mapping[str, Any]]) -> tuple[int, int]:
    """The caller's tools, and the provider's."""
    server = sum("systemTool" in tool for tool in tools)
    return sum("toolSpec" in tool for tool in tools), server


class _Media:
    """Inline media of a request and their bytes as base64, and what it names in a store."""

    __slots__ = ("bytes", "count", "objects")

    def __init__(self, body: JsonObject) -> None:
        self.count = self.bytes = 0
        self.objects: list[str] = []
        for block in _blocks(body):
            for kind in _MEDIA:
                source = mapping(mapping(block.get(kind)).get("source"))
                if data := source.get("bytes"):
                    self.count += 1
                    self.bytes += utf8_bytes(data)
                if uri := text(mapping(source.get("s3Location")).get("uri")):
                    self.objects.append(uri)


def _blocks(body: JsonObject) -> Iterator[Mapping[str, Any]]:
    """Every content block of a request, those that answer a tool or are guarded too."""
    waiting: list[Any] = [body.get("system"), *rj.listing(body.get("messages"))]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            yield found
            waiting += [found.get("content"), found.get("guardContent"), found.get("toolResult")]


# --- the reply --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """What has been read of one reply so far; the same for a body and for a stream."""

    usage: Usage | None = None
    parts: tuple[Part, ...] = ()
    traits: dict[str, str] = field(default_factory=dict)
    output_bytes: int = 0
    ended: bool = False
    failed: bool = False
    notes: list[str] = field(default_factory=list)

    def state(self, usage: object, trace: object, tier: object, performance: object) -> None:
        """Take what a whole body or the `metadata` event says."""
        self.usage = converse_usage(mapping(usage), self.notes)
        self.parts = guardrail_part(trace, self.notes)
        served = text(mapping(tier).get("type"))
        if served is not None and served not in STANDARD:
            self.traits["tier"] = served
        if mapping(performance).get("latency") == "optimized":
            self.traits["speed"] = "optimized"

    def see(self, content: object) -> None:
        """Count what a content block or a delta generated."""
        block = mapping(content)
        reasoning = mapping(block.get("reasoningContent"))
        tool = mapping(block.get("toolUse")).get("input")
        for said in (block.get("text"), reasoning.get("text"), mapping(reasoning.get("reasoningText")).get("text")):
            self.output_bytes += utf8_bytes(said)
        if tool:
            self.output_bytes += utf8_bytes(tool) if isinstance(tool, str) else rj.json_bytes(tool)

    def reading(self) -> Reading:
        return Reading(
            usage=self.usage, traits=self.traits, parts=self.parts, ended=self.ended, failed=self.failed,
            output_bytes=self.output_bytes, notes=tuple(self.notes),
        )


def _read_whole(body: bytes) -> Reading:
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,))
    reply = _Reply(ended=True)
    stated = [rj.value(members, name) for name in ("usage", "trace", "serviceTier", "performanceConfig")]
    reply.state(*stated)
    for block in mappings(mapping(mapping(rj.value(members, "output")).get("message")).get("content")):
        reply.see(block)
    return reply.reading()


def _read_judgement(body: bytes) -> Reading:
    """A guardrail's answer: `usage` sums up its assessments."""
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,))
    notes: list[str] = []
    stated = rj.value(members, "usage")
    usage = guardrail_usage(stated, notes) if isinstance(stated, dict) else None
    return Reading(usage=usage, model=GUARDRAIL, ended=True, notes=tuple(notes))


class _StreamMeter:
    """One binary stream. `output_bytes`: text, reasoning shown and argument deltas."""

    __slots__ = ("_messages", "_reply")

    def __init__(self) -> None:
        self._messages = EventStreamReader()
        self._reply = _Reply()

    @property
    def ended(self) -> bool:
        return self._reply.ended

    def feed(self, data: bytes) -> None:
        for message in self._messages.feed(data):
            self._read(message)

    def finish(self) -> Reading:
        note_damage(self._messages, self._reply.notes)
        return self._reply.reading()

    def _read(self, message: EventMessage) -> None:
        reply = self._reply
        if message.kind != "event":
            reply.failed = True
        elif message.event == "contentBlockDelta":
            size = string_bytes(message.payload, b'"delta":{"text":"')       # the hot path: most are prose
            if size is not None:
                reply.output_bytes += size
            elif (members := rj.fields(message.payload)) is not None:
                reply.see(rj.value(members, "delta"))
        elif message.event == "metadata" and (members := rj.fields(message.payload)) is not None:
            stated = [rj.value(members, name) for name in ("usage", "trace", "serviceTier", "performanceConfig")]
            reply.state(*stated)
            reply.ended = True


def note_damage(messages: EventStreamReader, notes: list[str]) -> None:
    """Say in the notes that a part of a binary stream was not read."""
    if messages.lost:
        rj.note(notes, "the event stream is damaged and was not read to its end")
    elif messages.dropped:
        rj.note(notes, "a message of the event stream was damaged or too long to read")


# --- the bill ---------------------------------------------------------------------------------------


def converse_usage(stated: Mapping[str, Any], notes: list[str]) -> Usage | None:
    """A usage object of this form in disjoint classes; None where it counts nothing."""
    totals = [count(stated, name, notes) for name in ("inputTokens", "outputTokens")]
    if all(total is None for total in totals):
        return None
    fresh, output = (total or 0 for total in totals)
    write = _first(stated, _CACHE_WRITE, notes)
    write_1h = sum(
        count(detail, "inputTokens", notes) or 0 for detail in mappings(stated.get("cacheDetails")) if detail.get("ttl") == "1h"
    )
    write_1h = min(write_1h, write)
    return usage_of(
        input_text=fresh, cached_text=_first(stated, _CACHE_READ, notes),
        cache_write_5m=write - write_1h, cache_write_1h=write_1h, output_text=output,
    )


def _first(stated: Mapping[str, Any], names: tuple[str, ...], notes: list[str]) -> int:
    """A count under the first of its names that says something."""
    return next((found for name in names if (found := count(stated, name, notes)) is not None), 0)
