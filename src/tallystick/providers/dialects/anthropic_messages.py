"""The Messages wire format: JSON and server-sent events, and the older text completions beside it.

Where the bill stands: `usage` of a reply; in a stream the last `message_delta`, whose counts are
cumulative and win over those of `message_start` (a stream that ran server tools has been seen to begin
with 2,479 input tokens and to end with 404,500). The counts exclude each other: input = `input_tokens`
+ `cache_creation_input_tokens` + `cache_read_input_tokens`.
Steps that stand in `iterations` only: a compaction is billed at the same model and comes on top, an
advisor at its own model and becomes a part; `message` steps are in the totals already.
Source: the provider's API reference, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Part, Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.framing import SseEvent, SseReader
from tallystick.providers.dialects.wire import count, mapping, mappings, number, string_bytes, text, utf8_bytes

# Tools with a type that the caller runs all the same; every other typed tool runs at the provider.
CALLERS_TOOLS: Final = ("custom", "bash_", "text_editor_", "computer_", "memory_")

# Values that mean the provider's standard, and so select no rate of their own.
STANDARD: Final = frozenset({"standard", "global", "not_available"})

# Keys under which generated text stands: in content blocks and in the deltas of a stream.
GENERATED: Final = ("text", "thinking", "partial_json", "completion")

_TOTALS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_STATED: Final = (
    *_TOTALS, "cache_creation", "output_tokens_details", "server_tool_use", "iterations",
    "service_tier", "inference_geo", "speed",
)


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """`POST /v1/messages`."""

    name: str = "anthropic_messages"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        thinking = mapping(body.get("thinking"))
        tools, server_tools, server_tool_limit = _tools(body)
        content = _Content(body)
        return Facts(
            model=text(body.get("model")) or path_model,
            stream=body.get("stream") is True,
            output_limit=number(body.get("max_tokens")),
            reasoning_effort=text(mapping(body.get("output_config")).get("effort")),
            reasoning_limit=number(thinking.get("budget_tokens")),
            media=content.media,
            media_bytes=content.media_bytes,
            references=content.references,
            objects=tuple(content.objects),
            tools=tools,
            server_tools=server_tools,
            server_tool_limit=server_tool_limit,
            tier=text(body.get("service_tier")),
            end_user=text(mapping(body.get("metadata")).get("user_id")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the reply says it all
        return _StreamMeter() if head.streaming else JsonMeter(_read_whole)


@dataclass(frozen=True, slots=True)
class TextCompletions:
    """`POST /v1/complete`, the older form. Its replies state no usage: only what was generated is
    counted, for the estimate."""

    name: str = "anthropic_complete"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        return Facts(
            model=text(body.get("model")) or path_model,
            stream=body.get("stream") is True,
            output_limit=number(body.get("max_tokens_to_sample")),
            end_user=text(mapping(body.get("metadata")).get("user_id")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the reply says it all
        return _StreamMeter() if head.streaming else JsonMeter(_read_whole)


# --- the request ------------------------------------------------------------------------------------


def _tools(body: JsonObject) -> tuple[int, int, int | None]:
    """The caller's tools, the provider's, and the most rounds the latter may take together: None
    where one of them is not limited by `max_uses`."""
    own, limits = 0, []
    for tool in mappings(body.get("tools")):
        kind = text(tool.get("type"))
        if kind is None or kind.startswith(CALLERS_TOOLS):
            own += 1
        else:
            limits.append(number(tool.get("max_uses")))
    limits += [None] * len(rj.listing(body.get("mcp_servers")))
    bounded = [limit for limit in limits if limit is not None]
    return own, len(limits), sum(bounded) if limits and len(bounded) == len(limits) else None


class _Content:
    """Inline media of a request and their bytes as base64, and what it names by URL or by id."""

    __slots__ = ("media", "media_bytes", "objects", "references")

    def __init__(self, body: JsonObject) -> None:
        self.media = self.media_bytes = self.references = 0
        self.objects: list[str] = []
        for block in _blocks(body):
            source = mapping(block.get("source"))
            kind = source.get("type")
            if kind == "base64":
                self.media += 1
                self.media_bytes += utf8_bytes(source.get("data"))
            elif kind == "url":
                self.references += 1
            elif kind == "file" or block.get("type") == "container_upload":
                self._name(source.get("file_id") or block.get("file_id"))
        container = body.get("container")
        if container:
            self._name(mapping(container).get("id") or container)
            for skill in mappings(mapping(container).get("skills")):
                if skill.get("type") == "custom":
                    self._name(skill.get("skill_id"))

    def _name(self, object_id: object) -> None:
        self.references += 1
        if isinstance(object_id, str):
            self.objects.append(object_id)


def _blocks(body: JsonObject) -> Iterator[Mapping[str, Any]]:
    """Every content block of a request, those within tool results and documents too."""
    waiting: list[Any] = [body.get("system"), *rj.listing(body.get("messages"))]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            yield found
            waiting += [found.get("content"), mapping(found.get("source")).get("content")]


# --- the reply --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """What has been read of one reply so far; the same for a body and for a stream."""

    stated: dict[str, Any] = field(default_factory=dict)     # usage, later statements over earlier ones
    model: str | None = None
    response_id: str | None = None
    first_input: int = 0                     # the input of the first sampling step, known in streams
    server_steps: int = 0                    # calls of server tools seen in the content
    output_bytes: int = 0
    whole: bool = False                      # usage with its output has been stated
    ended: bool = False
    failed: bool = False
    notes: list[str] = field(default_factory=list)

    def identify(self, message: Mapping[str, Any]) -> None:
        self.model = text(message.get("model")) or self.model
        self.response_id = text(message.get("id")) or self.response_id

    def state(self, usage: object) -> None:
        """Take a usage object over what was stated before; nulls and damaged counts change nothing."""
        usage = mapping(usage)
        for name in _STATED:
            stated = usage.get(name)
            if stated is None or (name in _TOTALS and count(usage, name, self.notes) is None):
                continue
            self.stated[name] = stated

    def see(self, content: object) -> None:
        """Count what a content block or a delta generated."""
        block = mapping(content)
        for name in GENERATED:
            self.output_bytes += utf8_bytes(block.get(name))
        if block.get("type") == "server_tool_use":
            self.server_steps += 1

    def reading(self) -> Reading:
        usage = floor = context = None
        parts: tuple[Part, ...] = ()
        if self.whole:
            usage, parts = _bill(self.stated, self.notes)
            context = _largest_step(self, usage)
        elif self.stated:
            floor, _ = _bill(self.stated, self.notes)
        return Reading(
            usage=usage, floor=floor, model=self.model, response_id=self.response_id,
            traits=_traits(self.stated), context_tokens=context, parts=parts, ended=self.ended,
            failed=self.failed, output_bytes=self.output_bytes, notes=tuple(self.notes),
        )


def _read_whole(body: bytes) -> Reading:
    """One JSON reply. `output_bytes`: the text, the thinking and the arguments of tool calls."""
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,), output_bytes=len(body))        # cut, most likely
    reply = _Reply(ended=True)
    reply.identify({"model": rj.value(members, "model"), "id": rj.value(members, "id")})
    reply.failed = bool(mapping(rj.value(members, "error")))
    reply.state(rj.value(members, "usage"))
    reply.whole = any(name in reply.stated for name in _TOTALS)
    for block in mappings(rj.value(members, "content")):
        reply.see(block)
        if arguments := mapping(block.get("input")):
            reply.output_bytes += rj.json_bytes(arguments)
    reply.see({"completion": rj.value(members, "completion")})
    return reply.reading()


class _StreamMeter:
    """One event stream. `output_bytes`: text, thinking and argument deltas, without their framing."""

    __slots__ = ("_events", "_reply")

    def __init__(self) -> None:
        self._events = SseReader()
        self._reply = _Reply()

    @property
    def ended(self) -> bool:
        return self._reply.ended

    def feed(self, data: bytes) -> None:
        for event in self._events.feed(data):
            self._read(event)

    def finish(self) -> Reading:
        for event in self._events.finish():
            self._read(event)
        if self._events.dropped:
            rj.note(self._reply.notes, "an event was too long to read")
        return self._reply.reading()

    def _read(self, event: SseEvent) -> None:
        if event.event == "content_block_delta":      # the hot path: most are prose
            size = string_bytes(event.data, b'"text":"')
            if size is not None:
                self._reply.output_bytes += size
                return
        members = rj.fields(event.data)
        if members is None:
            return
        reply, kind = self._reply, rj.string(members, "type") or event.event
        if kind == "content_block_delta":
            reply.see(rj.value(members, "delta"))
        elif kind == "content_block_start":
            reply.see(rj.value(members, "content_block"))
        elif kind == "message_start":
            message = mapping(rj.value(members, "message"))
            reply.identify(message)
            reply.state(message.get("usage"))
            reply.first_input = _step_input(reply.stated, [])
        elif kind == "message_delta":
            usage = rj.value(members, "usage")
            reply.state(usage)
            reply.whole = reply.whole or count(mapping(usage), "output_tokens", reply.notes) is not None
        elif kind == "completion":
            completion = {name: rj.value(members, name) for name in ("model", "id", "completion", "stop_reason")}
            reply.identify(completion)
            reply.see(completion)
            reply.ended = reply.ended or completion["stop_reason"] is not None
        elif kind == "message_stop":
            reply.ended = True
        elif kind == "error":
            reply.failed = True


# --- the bill ---------------------------------------------------------------------------------------


def _bill(stated: Mapping[str, Any], notes: list[str]) -> tuple[Usage, tuple[Part, ...]]:
    """Usage in disjoint classes, and the parts that other models are billed for."""
    steps = mappings(stated.get("iterations"))
    usage = _usage(stated, steps, notes)
    parts: list[Part] = []
    for step in steps:
        role, model = text(step.get("type")), text(step.get("model"))
        if role == "compaction":
            usage = usage.plus(_usage(step, [], notes))
        elif role != "message" and role is not None and model is not None:
            parts.append(Part(role, model, _usage(step, [], notes)))
        elif role != "message":
            rj.note(notes, "a step of an unknown kind was not counted")
    return usage, tuple(parts)


def _usage(stated: Mapping[str, Any], steps: list[Mapping[str, Any]], notes: list[str]) -> Usage:
    write = count(stated, "cache_creation_input_tokens", notes)
    write_5m, write_1h = _writes(stated, write, steps, notes)
    output = count(stated, "output_tokens", notes) or 0
    details = mapping(stated.get("output_tokens_details"))
    reasoning = min(count(details, "thinking_tokens", notes) or 0, output)
    tools = mapping(stated.get("server_tool_use"))
    return usage_of(
        input_text=count(stated, "input_tokens", notes) or 0,
        cached_text=count(stated, "cache_read_input_tokens", notes) or 0,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output_text=output - reasoning,
        output_reasoning=reasoning,
        web_searches=count(tools, "web_search_requests", notes) or 0,
        web_fetches=count(tools, "web_fetch_requests", notes) or 0,
    )


def _writes(
    stated: Mapping[str, Any], total: int | None, steps: list[Mapping[str, Any]], notes: list[str]
) -> tuple[int, int]:
    """Cache writes by lifetime. In a stream the split was stated with the first counts, the total
    with the last; an old split counts only if it still adds up, else the steps' own are asked. A
    write without a lifetime stands under five minutes, the provider's default."""
    splits = [_split(stated, notes)]
    own = [_split(step, notes) for step in steps if step.get("type") == "message"]
    splits.append((sum(five for five, _ in own), sum(hour for _, hour in own)))
    if total is None:
        return splits[0]
    for split in splits:
        if sum(split) == total:
            return split
    if sum(splits[0]):
        rj.note(notes, "the split of cache writes does not add up to their total")
    return total, 0


def _split(stated: Mapping[str, Any], notes: list[str]) -> tuple[int, int]:
    """Writes for five minutes and for an hour as one usage object states them."""
    split = mapping(stated.get("cache_creation"))
    five = count(split, "ephemeral_5m_input_tokens", notes) or 0
    return five, count(split, "ephemeral_1h_input_tokens", notes) or 0


def _step_input(stated: Mapping[str, Any], notes: list[str]) -> int:
    return sum(count(stated, name, notes) or 0 for name in _TOTALS[:3])


def _largest_step(reply: _Reply, usage: Usage) -> int | None:
    """Input tokens of the largest sampling step where the totals are sums over several: it alone
    chooses the context tier. Where the steps are not listed it is taken from below, as the larger of
    the first step and the mean of as many steps as there were calls of server tools."""
    steps = mappings(reply.stated.get("iterations"))
    own = [_step_input(step, []) for step in steps if step.get("type") in ("message", "compaction")]
    if own:
        largest = max(own)
    else:
        calls = max(reply.server_steps, int(usage["web_searches"] + usage["web_fetches"]))
        if not calls:
            return None
        largest = max(reply.first_input, -(-usage.input_tokens // (calls + 1)))
    return largest if 0 < largest < usage.input_tokens else None


def _traits(stated: Mapping[str, Any]) -> dict[str, str]:
    """What selects a rate, as served; standard values are left out. A batch is a way of processing,
    though it is stated as a tier."""
    tier, geo, speed = (text(stated.get(name)) for name in ("service_tier", "inference_geo", "speed"))
    traits = {"tier": tier, "geo": geo, "speed": speed}
    if tier == "batch":
        traits = {"processing": tier, "geo": geo, "speed": speed}
    return {name: chosen for name, chosen in traits.items() if chosen is not None and chosen not in STANDARD}
