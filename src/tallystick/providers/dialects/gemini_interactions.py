"""The interactions wire format: JSON and server-sent events with snake-case totals.

Where the bill stands: `usage` of the interaction, in a stream that of `interaction.completed`. Input =
`total_input_tokens` (which holds `total_cached_tokens`) + `total_tool_use_tokens`; output =
`total_output_tokens` + `total_thought_tokens`; the lists by modality divide them. A background
interaction answers without usage at once: it only opened a job, and polls carry the bill.
Source: the provider's API reference, and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.gemini import is_stored
from tallystick.providers.dialects.modalities import by_modality, split_by_modality
from tallystick.providers.dialects.wire import count, mapping, mappings, number, text, utf8_bytes

MEDIA: Final = frozenset({"image", "audio", "video", "document"})

# Statuses of a job that still runs; its usage comes later.
OPEN: Final = frozenset({"in_progress", "queued"})


@dataclass(frozen=True, slots=True)
class GeminiInteractions:
    """`POST …/interactions`, and polls of one."""

    name: str = "gemini_interactions"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        settings = mapping(body.get("generation_config"))
        kinds = [tool.get("type") for tool in mappings(body.get("tools"))]
        media, media_bytes, uris = _media(body)
        previous = text(body.get("previous_interaction_id"))
        return Facts(
            model=text(body.get("model")) or text(body.get("agent")) or path_model,
            stream=body.get("stream") is True,
            output_limit=number(settings.get("max_output_tokens")),
            reasoning_effort=text(settings.get("thinking_level")),
            media=media,
            media_bytes=media_bytes,
            references=len(uris) + (1 if previous else 0),
            objects=tuple(uri for uri in uris if is_stored(uri)) + ((previous,) if previous else ()),
            previous_response=previous,
            tools=sum(kind == "function" for kind in kinds),
            server_tools=sum(kind != "function" for kind in kinds) + (1 if body.get("agent") else 0),
            tier=text(body.get("service_tier")),
            background=body.get("background") is True,
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        return _StreamMeter(facts.background) if head.streaming else JsonMeter(_read_whole)


def _media(body: JsonObject) -> tuple[int, int, list[str]]:
    """Inline media, their bytes as base64, and the URIs of the others."""
    media = media_bytes = 0
    uris: list[str] = []
    for content in _contents(body.get("input")):
        if text(content.get("type")) not in MEDIA:
            continue
        if content.get("data"):
            media += 1
            media_bytes += utf8_bytes(content["data"])
        elif isinstance(uri := content.get("uri"), str):
            uris.append(uri)
    return media, media_bytes, uris


def _contents(found: object) -> Iterator[Mapping[str, Any]]:
    """Every content of an input, those within turns and function results too."""
    waiting: list[Any] = [found]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            yield found
            waiting += [found.get("content"), found.get("result")]


@dataclass(slots=True)
class _Reply:
    """What has been read of one reply so far. `background`: a status that is still open means that
    the job goes on without this reply; elsewhere it means that the reply was cut."""

    background: bool
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    response_id: str | None = None
    status: str | None = None
    tier: str | None = None
    ended: bool = False
    failed: bool = False
    output_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def take(self, interaction: rj.Fields) -> None:
        self.usage = mapping(rj.value(interaction, "usage")) or self.usage
        self.model = rj.string(interaction, "model") or rj.string(interaction, "agent") or self.model
        self.response_id = rj.string(interaction, "id") or self.response_id
        self.status = rj.string(interaction, "status") or self.status
        self.tier = rj.string(interaction, "service_tier") or self.tier
        self.failed = self.failed or self.status == "failed" or bool(rj.value(interaction, "error"))

    def see(self, content: object) -> None:
        """Count the text and the arguments that a content or a delta holds."""
        found = mapping(content)
        self.output_bytes += utf8_bytes(found.get("text"))
        if found.get("arguments"):
            self.output_bytes += rj.json_bytes(found["arguments"])

    def reading(self) -> Reading:
        usage = None if self.usage is None else _usage(self.usage, self.notes)
        standard = self.tier is None or self.tier.lower() in ("standard", "unspecified")
        return Reading(
            usage=usage, model=self.model, response_id=self.response_id,
            traits={} if standard else {"tier": str(self.tier).lower()},
            ended=self.ended, failed=self.failed,
            deferred=self.background and usage is None and self.status in OPEN,
            output_bytes=self.output_bytes, notes=tuple(self.notes),
        )


def _read_whole(body: bytes) -> Reading:
    """One JSON reply. `output_bytes`: the model's text and the arguments of its calls."""
    interaction = rj.fields(body)
    if interaction is None:
        return Reading(notes=(rj.NO_OBJECT,))
    reply = _Reply(background=True, ended=True)
    reply.take(interaction)
    for step in mappings(rj.value(interaction, "steps") or rj.value(interaction, "outputs")):
        reply.see(step)
        for content in mappings(step.get("content")):
            reply.see(content)
    return reply.reading()


class _StreamMeter:
    """One event stream. `output_bytes`: the text and the arguments in its deltas."""

    __slots__ = ("_events", "_reply")

    def __init__(self, background: bool) -> None:
        self._events = SseReader()
        self._reply = _Reply(background)

    @property
    def ended(self) -> bool:
        return self._reply.ended

    def feed(self, data: bytes) -> None:
        for event in self._events.feed(data):
            self._read(event.data)

    def finish(self) -> Reading:
        for event in self._events.finish():
            self._read(event.data)
        if self._events.dropped:
            rj.note(self._reply.notes, "an event was too long to read")
        return self._reply.reading()

    def _read(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._reply.ended = True
            return
        members = rj.fields(data)
        if members is None:
            return
        if "delta" in members:
            self._reply.see(rj.value(members, "delta"))
        elif "interaction" in members:
            self._reply.take(rj.fields(members["interaction"]) or {})
        elif rj.value(members, "error"):
            self._reply.failed = True


def _usage(stated: Mapping[str, Any], notes: list[str]) -> Usage:
    def total(name: str) -> int:
        return count(stated, name, notes) or 0

    def details(name: str) -> dict[str, int]:
        return by_modality(stated.get(name), "tokens", notes)

    return split_by_modality(
        prompt=total("total_input_tokens"),
        cached=total("total_cached_tokens"),
        output=total("total_output_tokens"),
        prompt_details=details("input_tokens_by_modality"),
        cached_details=details("cached_tokens_by_modality"),
        output_details=details("output_tokens_by_modality"),
    ).plus(usage_of(
        input_tool=total("total_tool_use_tokens"),
        output_reasoning=total("total_thought_tokens"),
    ))
