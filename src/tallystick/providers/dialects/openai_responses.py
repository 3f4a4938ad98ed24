"""The Responses API: one JSON document, or a stream whose last event carries that document.

`output_tokens` contains reasoning here. Server tools are billed per use and stand in `tool_usage`
or, on older bodies, as items of the output: a web search call only where its action is `search`,
a code interpreter once per container. Tokens of the picture tool are another model's bill.
A background request opens a job (`deferred`); every GET of the finished job repeats its usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Part, Quantity, Reading, Usage
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.chat_usage import tool_counts
from tallystick.providers.dialects.enclosed import Enclosed
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.openai_chat import Stated
from tallystick.providers.dialects.openai_images import picture_tokens
from tallystick.providers.dialects.totals import Totals, disjoint
from tallystick.providers.dialects.wire import (
    count,
    decoder_of,
    mapping,
    mappings,
    number,
    read,
    string_bytes,
    text,
    totals_hold,
    utf8_bytes,
)

EVENT_BYTES_MAX: Final = 16 << 20            # the last event holds the whole output, pictures included
_OPEN: Final = frozenset({"queued", "in_progress"})
_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
# Tools that the caller's own program runs; every other kind is run by the provider.
_CALLER_RUNS: Final = frozenset({
    "function", "custom", "namespace", "local_shell", "shell", "apply_patch", "computer", "computer_use_preview", "tool_search",
})


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """The wire form, with what hosts do differently."""

    name: str = "openai_responses"
    stated: Stated | None = None
    picture_model: str | None = None
    """The model whose tokens `tool_usage.image_gen` counts, where the request named none."""
    written_field: str = "cache_write_tokens"
    """The member of the input's details that counts what was written to the cache."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request."""
        media = Enclosed()
        _add_items(media, body.get("input"))
        reasoning = mapping(body.get("reasoning"))
        tools = mappings(body.get("tools"))
        own = sum(tool.get("type") in _CALLER_RUNS for tool in tools)
        previous = text(body.get("previous_response_id"))
        objects = (*media.objects, *_objects(body, tools))
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream") is True,
            output_limit=number(body.get("max_output_tokens")),
            reasoning_effort=text(reasoning.get("effort")),
            reasoning_limit=number(reasoning.get("max_tokens")),
            media=media.count,
            media_bytes=media.size,
            references=media.urls + len(objects) + (previous is not None),
            objects=objects,
            previous_response=previous,
            tools=own,
            server_tools=len(tools) - own,
            server_tool_limit=number(body.get("max_tool_calls")),
            tier=text(body.get("service_tier")),
            background=body.get("background") is True,
            end_user=text(body.get("user")) or text(body.get("safety_identifier")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply."""
        return _StreamMeter(self, facts) if head.streaming else JsonMeter(self.read_whole)

    def read_whole(self, body: bytes) -> Reading:
        """What one response document says."""
        response = read(_RESPONSE, body)
        if response is None:
            return Reading(notes=("the reply is not the JSON it should be",), output_bytes=len(body))    # cut, most likely
        return replace(self.reading(response), ended=True)

    def reading(self, response: Response) -> Reading:
        """What a decoded response says."""
        notes: list[str] = []
        stated = response.usage if isinstance(response.usage, dict) else None
        items = mappings(read(_ANY, response.output)) if _has_calls(response.output) or stated is None else []
        tier = text(response.service_tier)
        status = text(response.status)
        usage = None
        parts: tuple[Part, ...] = ()
        if stated is not None:
            parts = self._picture_part(response, notes)
            usage = self._usage(stated, _server_uses(response, items, stated, notes, pictures=not parts), notes)
        return Reading(
            usage=usage,
            model=text(response.model),
            response_id=text(response.id),
            traits={"tier": tier} if tier else {},
            context_tokens=count(mapping(mapping(stated).get("context_details")), "input_tokens", notes),
            stated=self.stated(stated) if self.stated is not None and stated is not None else None,
            parts=parts,
            failed=status == "failed" or isinstance(response.error, dict | str),
            deferred=status in _OPEN,
            output_bytes=0 if stated is not None else sum(_item_bytes(item) for item in items),
            notes=tuple(notes),
        )

    def _usage(self, stated: Mapping[str, Any], uses: Mapping[str, Quantity], notes: list[str]) -> Usage | None:
        into, out = count(stated, "input_tokens", notes), count(stated, "output_tokens", notes)
        if (into is None and out is None) or not totals_hold(stated, "input_tokens", "output_tokens"):
            return None
        into_details, out_details = mapping(stated.get("input_tokens_details")), mapping(stated.get("output_tokens_details"))
        return disjoint(Totals(
            input=into or 0,
            cached_read=count(into_details, "cached_tokens", notes) or 0,
            cache_write_5m=count(into_details, self.written_field, notes) or 0,
            audio_in=count(into_details, "audio_tokens", notes) or 0,
            image_in=count(into_details, "image_tokens", notes) or 0,
            output=out or 0,
            reasoning=count(out_details, "reasoning_tokens", notes) or 0,
            audio_out=count(out_details, "audio_tokens", notes) or 0,
            image_out=count(out_details, "image_tokens", notes) or 0,
            counts=uses,
        ), notes)

    def _picture_part(self, response: Response, notes: list[str]) -> tuple[Part, ...]:
        drawn = mapping(mapping(response.tool_usage).get("image_gen"))
        if not drawn.get("total_tokens"):
            return ()
        tools = mappings(response.tools)
        named = next((text(tool.get("model")) for tool in tools if tool.get("type") == "image_generation"), None)
        model = named or self.picture_model
        if model is None:
            notes.append("the picture tool names no model; its tokens were not read")
            return ()
        return (Part("image_generation", model, picture_tokens(drawn, notes)),)


class Response(msgspec.Struct, gc=False):
    """A response document, its output left undecoded."""

    id: Any = None
    model: Any = None
    status: Any = None
    service_tier: Any = None
    usage: Any = None
    tool_usage: Any = None
    tools: Any = None
    error: Any = None
    output: msgspec.Raw = msgspec.Raw(b"")


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    response: Response | None = None


_RESPONSE: Final = decoder_of(Response)
_EVENT: Final = decoder_of(_Event)
_ANY: Final = decoder_of(object)


class _StreamMeter:
    """Reads the events of one stream: the first that carries a response tells who answers, the last
    one what it cost; in between only the size of the text is kept."""

    __slots__ = ("_dialect", "_events", "_facts", "_failed", "_output_bytes", "_reading", "ended")

    def __init__(self, dialect: OpenAIResponses, facts: Facts) -> None:
        self._dialect = dialect
        self._facts = facts
        self._events = SseReader(EVENT_BYTES_MAX)
        self._reading = Reading()
        self._output_bytes = 0
        self._failed = False
        self.ended = False

    def feed(self, data: bytes) -> None:
        for event in self._events.feed(data):
            self._take(event.event, event.data)

    def finish(self) -> Reading:
        for event in self._events.finish():
            self._take(event.event, event.data)
        notes = self._reading.notes
        if self._events.dropped:
            notes = (*notes, "parts of the stream were too long to be read")
        return replace(
            self._reading,
            ended=self.ended,
            failed=self._failed or self._reading.failed,
            deferred=self._facts.background and not self.ended,
            output_bytes=self._output_bytes,
            notes=notes,
        )

    def _take(self, kind: str, data: bytes) -> None:
        if kind.endswith(".delta") or b'.delta"' in data:
            self._output_bytes += _delta_bytes(data)
        elif kind == "error":
            self._failed = True
        elif b'"response"' in data:
            event = read(_EVENT, data)
            if event is not None and event.response is not None:
                self._reading = self._dialect.reading(event.response)
                self.ended = self.ended or text(event.type) in _LAST or kind in _LAST
        elif b'"type":"error"' in data:
            self._failed = True


def _server_uses(
    response: Response, items: list[Mapping[str, Any]], stated: Mapping[str, Any], notes: list[str], *, pictures: bool,
) -> dict[str, Quantity]:
    """Uses of server tools: as the reply sums them up, else counted off its items."""
    containers: set[str] = set()
    uses: dict[str, Quantity] = {}
    for item in items:
        kind = item.get("type")
        if kind == "web_search_call" and mapping(item.get("action")).get("type", "search") == "search":
            uses["web_searches"] = uses.get("web_searches", 0) + 1
        elif kind == "file_search_call":
            uses["file_searches"] = uses.get("file_searches", 0) + 1
        elif kind == "image_generation_call" and pictures:
            uses["images"] = uses.get("images", 0) + 1
        elif kind == "code_interpreter_call":
            if container := text(item.get("container_id")):
                containers.add(container)
            else:
                uses["code_executions"] = uses.get("code_executions", 0) + 1
    uses["code_sessions"] = len(containers)
    summed = mapping(mapping(response.tool_usage).get("web_search"))
    if (searches := count(summed, "num_requests", notes)) is not None:
        uses["web_searches"] = searches
    return uses | tool_counts(stated, notes)


def _has_calls(output: msgspec.Raw) -> bool:
    return b"_call" in bytes(output)


def _delta_bytes(data: bytes) -> int:
    if (size := string_bytes(data, b'"delta":"')) is not None:
        return size
    return utf8_bytes(mapping(read(_ANY, data)).get("delta"))


def _item_bytes(item: Mapping[str, Any]) -> int:
    parts = (*mappings(item.get("content")), *mappings(item.get("summary")))
    return sum(utf8_bytes(part.get("text")) for part in parts) + utf8_bytes(item.get("arguments"))


def _objects(body: JsonObject, tools: list[Mapping[str, Any]]) -> list[str]:
    """What the request brings in by id besides its input: conversations, prompts, stores, containers."""
    conversation = body.get("conversation")
    named = [conversation, mapping(conversation).get("id"), mapping(body.get("prompt")).get("id")]
    for tool in tools:
        container = tool.get("container")
        named.append(container)
        for listed in (tool.get("vector_store_ids"), mapping(container).get("file_ids")):
            named += listed if isinstance(listed, list) else ()
    return [id for id in named if isinstance(id, str) and id]


def _add_items(media: Enclosed, asked: object) -> None:
    for item in mappings(asked):
        _add_part(media, item)
        for holder in ("content", "output"):
            for part in mappings(item.get(holder)):
                _add_part(media, part)
        _add_part(media, mapping(item.get("output")))


def _add_part(media: Enclosed, part: Mapping[str, Any]) -> None:
    kind = part.get("type")
    if kind in {"input_image", "input_file", "input_audio", "input_video", "computer_screenshot"}:
        media.add(part.get("image_url") or part.get("file_data") or part.get("file_url") or part.get("video_url"))
        media.add(mapping(part.get("input_audio")).get("data"))
        media.add_object(part.get("file_id"))
    elif kind == "image_generation_call":
        media.add(part.get("result"))
    elif kind == "item_reference":
        media.add_object(part.get("id"))

