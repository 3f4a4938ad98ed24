"""Chat completions and legacy completions, buffered and streamed.

A stream states its usage in one late chunk, with or without choices, and only where it was asked
for; some hosts state it under a member of their own as well, which repeats and never adds. The last
usage that is an object wins; `"usage": null` on the chunks before it says nothing.
The chunks of prose in between are the hot path: one shallow decode, and of their text only the size
is kept, for an estimate should no usage ever come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Part, Reading, StatedCost, Usage
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.enclosed import Enclosed
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.wire import (
    decoder_of,
    header_count,
    mapping,
    mappings,
    number,
    read,
    string_bytes,
    text,
    utf8_bytes,
)

CHUNK_BYTES_MAX: Final = 4 << 20             # a chunk may carry audio or a picture

Stated = Callable[[Mapping[str, Any]], StatedCost | None]
"""Reads what the provider says it charged off its usage object."""

_TOOL_MEMBERS: Final = ("tools", "functions", "plugins", "web_search_options", "search_parameters")

_RARE_MEMBERS: Final = frozenset({
    *_TOOL_MEMBERS, "n", "best_of", "reasoning", "reasoning_effort", "max_tool_calls", "stream_options", "service_tier", "prompt",
    "user", "safety_identifier",
})
"""What facts are read of beside the model, the stream, the limit and the messages: most requests have none of it."""

ServedBy = Callable[[Facts, ReplyHead], str | None]
"""Which host behind a router served a reply, as far as the request and the reply's head say."""


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """The wire form, with what hosts do differently."""

    name: str = "openai_chat"
    usage: ChatUsage = ChatUsage()
    usage_in: str | None = None
    """A member that may hold the usage too, or instead, and what goes with it."""
    breakdown: str | None = None
    """A member that says which models share the usage, beside it or inside `usage_in`."""
    stated: Stated | None = None
    served_by: ServedBy | None = None
    """A router's prices are those of the host behind it: the trait `host`."""
    cached_header: str | None = None
    """A header of whole replies that says what was cached, where the body may leave it out."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request of either form."""
        get = body.get
        media = _enclosed(get("messages"))
        limit = number(get("max_completion_tokens"))
        if limit is None:
            limit = number(get("max_tokens"))
        if body.keys().isdisjoint(_RARE_MEMBERS):
            return Facts(
                model=path_model or text(get("model")), stream=get("stream") is True, output_limit=limit,
                media=media.count, media_bytes=media.size, references=media.urls + len(media.objects), objects=tuple(media.objects),
            )
        tools, server_tools = _tools(body)
        reasoning = mapping(body.get("reasoning"))
        prompt = body.get("prompt")
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream") is True,
            output_limit=limit,
            n=max(1, number(body.get("n")) or 1, number(body.get("best_of")) or 1),
            reasoning_effort=text(body.get("reasoning_effort")) or text(reasoning.get("effort")),
            reasoning_limit=number(reasoning.get("max_tokens")),
            media=media.count,
            media_bytes=media.size,
            references=media.urls + len(media.objects),
            objects=tuple(media.objects),
            tools=tools,
            server_tools=server_tools,
            server_tool_limit=number(body.get("max_tool_calls")),
            wants_stream_usage=mapping(body.get("stream_options")).get("include_usage") is True,
            tier=text(body.get("service_tier")),
            inputs=len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1,
            end_user=text(body.get("user")) or text(body.get("safety_identifier")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply."""
        aside = _NOTHING_ASIDE
        if self.cached_header is not None or self.served_by is not None:
            aside = _Aside(
                cached=header_count(head.headers, self.cached_header) or 0,
                host=self.served_by(facts, head) if self.served_by is not None else None,
            )
        return _StreamMeter(self, aside) if head.streaming else JsonMeter(lambda body: self._read_whole(body, aside))

    def _read_whole(self, body: bytes, aside: _Aside) -> Reading:
        found = _Found(self, aside)
        if not found.take(body):
            return Reading(notes=("the reply is not the JSON it should be",), output_bytes=len(body))    # cut, most likely
        found.ended = True
        return found.reading()


@dataclass(frozen=True, slots=True)
class _Aside:
    """What was said outside a reply's body."""

    cached: int
    host: str | None


_NOTHING_ASIDE: Final = _Aside(0, None)


class _Reply(msgspec.Struct, gc=False):
    """A reply or one chunk of one, decoded no deeper than every piece of a stream needs."""

    id: Any = None
    model: Any = None
    service_tier: Any = None
    usage: Any = None
    error: Any = None
    choices: msgspec.Raw = msgspec.Raw(b"")


_FINISHED: Final = re.compile(rb'"finish_reason"\s*:\s*"')

_REPLY: Final = decoder_of(_Reply)
_MEMBERS: Final = decoder_of(dict[str, msgspec.Raw])
_ANY: Final = decoder_of(object)


class _Found:
    """What the pieces of one reply have said so far."""

    __slots__ = ("_aside", "_breakdown", "_dialect", "_frame", "_id", "_model", "_running", "_stated", "_tier", "ended", "failed",
                 "output_bytes")

    def __init__(self, dialect: OpenAIChat, aside: _Aside) -> None:
        self._dialect = dialect
        self._aside = aside
        self._id: str | None = None
        self._model: str | None = None
        self._tier: str | None = None
        self._stated: Mapping[str, Any] | None = None
        self._breakdown: object = None
        self._running = False
        self._frame: tuple[bytes, bytes, bytes] | None = None         # what stands around the text of the piece before
        self.ended = False
        self.failed = False
        self.output_bytes = 0

    def take(self, data: bytes) -> bool:
        """Read one document; False where it is none."""
        reply = read(_REPLY, data)
        if reply is None:
            return False
        self._id = self._id or text(reply.id)
        self._model = self._model or text(reply.model)
        if reply.service_tier is not None:
            self._tier = text(reply.service_tier) or self._tier
        if reply.error is not None:
            self.failed = self.failed or isinstance(reply.error, dict | str)
        has_usage = isinstance(reply.usage, dict)
        if has_usage:
            self._stated = reply.usage
            self._running = _goes_on(reply.choices)
        if self._dialect.usage_in or self._dialect.breakdown:
            self._take_extra(data, has_usage=has_usage)
        if self._stated is None or self._running:      # text is counted only as long as it may have to be estimated
            self.output_bytes += _choices_bytes(reply.choices)
        return True

    def take_chunk(self, data: bytes) -> None:
        """The same for one of many: what differs from the one before in its text alone says nothing else."""
        text_bytes, frame = _framed(data)
        if frame is None or frame != self._frame:
            self._frame = frame if self.take(data) else None
        elif self._stated is None or self._running:
            self.output_bytes += text_bytes

    def _take_extra(self, data: bytes, *, has_usage: bool) -> None:
        """What a host puts under members of its own. Its usage only repeats the other."""
        inner, breakdown = self._dialect.usage_in, self._dialect.breakdown
        if not ((inner and inner.encode() in data) or (breakdown and breakdown.encode() in data)):
            return
        members = read(_MEMBERS, data) or {}
        more = mapping(read(_ANY, members[inner])) if inner and inner in members else {}
        if not has_usage and isinstance(more.get("usage"), dict):
            self._stated = more["usage"]
        if breakdown:
            beside = read(_ANY, members[breakdown]) if breakdown in members else None
            self._breakdown = more.get(breakdown) or beside or self._breakdown

    def reading(self) -> Reading:
        notes: list[str] = []
        stated = self._stated
        usage = None if stated is None else self._dialect.usage.read(stated, notes, self._aside.cached)
        cost = self._dialect.stated(stated) if self._dialect.stated is not None and stated is not None else None
        traits = {"tier": self._tier} if self._tier else {}
        if stated is not None and (context := text(stated.get("search_context_size"))):
            traits["search_context"] = context
        if self._aside.host is not None:
            traits["host"] = self._aside.host
        return Reading(
            usage=usage, model=self._model, response_id=self._id, traits=traits, stated=cost,
            parts=self._parts(usage, notes) if self._breakdown else (), ended=self.ended, failed=self.failed,
            running=self._running, output_bytes=self.output_bytes, notes=tuple(notes),
        )

    def _parts(self, usage: Usage | None, notes: list[str]) -> tuple[Part, ...]:
        """The models that share the usage. Some streams repeat the total for every model; a
        breakdown that does not add up splits nothing."""
        parts = [
            Part("compound", model, share, splits=True)
            for entry in mappings(mapping(self._breakdown).get("models"))
            if (model := text(entry.get("model")))
            and (share := self._dialect.usage.read(mapping(entry.get("usage")), notes)) is not None
        ]
        if not parts or usage is None:
            return ()
        whole = (sum(part.usage.input_tokens for part in parts), sum(part.usage.output_tokens for part in parts))
        if whole != (usage.input_tokens, usage.output_tokens):
            notes.append("the breakdown by model does not add up to the usage and was not used")
            return ()
        return tuple(parts)


class _StreamMeter:
    """Reads the chunks of one stream."""

    __slots__ = ("_events", "_found")

    def __init__(self, dialect: OpenAIChat, aside: _Aside) -> None:
        self._events = SseReader(CHUNK_BYTES_MAX)
        self._found = _Found(dialect, aside)

    @property
    def ended(self) -> bool:
        return self._found.ended

    def feed(self, data: bytes) -> None:
        for event in self._events.feed(data):
            self._take(event.data)

    def finish(self) -> Reading:
        for event in self._events.finish():
            self._take(event.data)
        reading = self._found.reading()
        if self._events.dropped:
            return replace(reading, notes=(*reading.notes, "parts of the stream were too long to be read"))
        return reading

    def _take(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._found.ended = True
        else:
            self._found.take_chunk(data)


def _goes_on(choices: msgspec.Raw) -> bool:
    """Whether the choices beside a usage are still being written: some hosts count on every chunk."""
    raw = bytes(choices)
    return raw not in (b"", b"[]") and _FINISHED.search(raw) is None


def _framed(data: bytes) -> tuple[int, tuple[bytes, bytes, bytes] | None]:
    """The size of the text in a chunk and what stands around it; None where that is not plain to see.
    Most chunks of a stream differ in their text alone, and to compare is a fifth of reading."""
    before, _, rest = data.partition(b'"content":')
    gap, _, rest = rest.partition(b'"')
    prose, quote, after = rest.partition(b'"')
    plain = prose and quote and gap in (b"", b" ") and b"\\" not in prose and b'"choices":' in before
    return len(prose), (before, gap, after) if plain else None


def _choices_bytes(choices: msgspec.Raw) -> int:
    """UTF-8 bytes of the text in the choices of a reply or a chunk."""
    raw = bytes(choices)
    if not raw:
        return 0
    if size := string_bytes(raw, b'"content":"'):
        return size
    return sum(
        utf8_bytes(choice.get("text")) + _message_bytes(mapping(choice.get("delta") or choice.get("message")))
        for choice in mappings(read(_ANY, raw))
    )


def _message_bytes(message: Mapping[str, Any]) -> int:
    names = ("content", "reasoning_content", "reasoning", "refusal")
    size = sum(utf8_bytes(message.get(name)) for name in names)
    size += sum(utf8_bytes(part.get("text")) for part in mappings(message.get("content")))
    for call in (*mappings(message.get("tool_calls")), {"function": message.get("function_call")}):
        function = mapping(call.get("function"))
        size += utf8_bytes(function.get("name")) + utf8_bytes(function.get("arguments"))
    return size


def _enclosed(messages: object) -> Enclosed:
    """What the messages carry besides text."""
    media = Enclosed()
    if not isinstance(messages, list):
        return media
    for message in messages:
        if not isinstance(message, dict):
            continue
        if type(content := message.get("content")) is not str:
            _add_parts(media, content)
        if "audio" in message:
            media.add_object(mapping(message["audio"]).get("id"))
    return media


def _add_parts(media: Enclosed, content: object) -> None:
    for part in mappings(content):
        kind = part.get("type")
        if kind in {"image_url", "video_url", "audio_url", "document_url"}:
            place = part.get(kind)
            media.add(place.get("url") if isinstance(place, dict) else place)
        elif kind == "input_audio":
            media.add_inline(mapping(part.get("input_audio")).get("data"))
        elif kind == "file":
            file = mapping(part.get("file"))
            media.add(file.get("file_data"))
            media.add_object(file.get("file_id"))


def _tools(body: JsonObject) -> tuple[int, int]:
    """Tools the caller runs, and tools the provider runs."""
    if body.keys().isdisjoint(_TOOL_MEMBERS):
        return 0, 0
    listed = mappings(body.get("tools"))
    own = sum(tool.get("type") in {None, "function", "custom"} for tool in listed)
    asked = sum(isinstance(body.get(name), dict) for name in ("web_search_options", "search_parameters"))
    return own + len(mappings(body.get("functions"))), len(listed) - own + asked + len(mappings(body.get("plugins")))
