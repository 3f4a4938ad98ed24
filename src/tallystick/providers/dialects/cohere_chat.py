"""The chat wire format in its two versions, and the older text generation: JSON, server-sent events,
and the JSON lines in which the first version streams.

Where the bill stands: `billed_units` of `usage` (second version) or of `meta` (first); in a stream in
its last event, `message-end` or `stream-end`. What stands beside it as `tokens` is the model's own
count, 3 to 40 times larger, and is not charged; it is read only where nothing else is stated.
The reply does not name its model.
Source: the provider's API reference, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.framing import JsonLines, SseData
from tallystick.providers.dialects.wire import count, mapping, mappings, number, string_bytes, text, utf8_bytes

_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class CohereChat:
    """`POST /v2/chat`, `/v1/chat` and `/v1/generate`."""

    name: str = "cohere_chat"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        thinking = mapping(body.get("thinking"))
        media = _pictures(body)
        return Facts(
            model=text(body.get("model")) or path_model,
            stream=body.get("stream") is True,
            output_limit=number(body.get("max_tokens")),
            n=number(body.get("num_generations")) or 1,
            reasoning_limit=number(thinking.get("token_budget")),
            media=len([url for url in media if url.startswith("data:")]),
            media_bytes=sum(utf8_bytes(url) for url in media if url.startswith("data:")),
            references=len([url for url in media if not url.startswith("data:")]),
            tools=len(mappings(body.get("tools"))),
            server_tools=len(mappings(body.get("connectors"))),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        kind = head.headers.get("content-type", "")
        if "event-stream" in kind or (not kind and head.streaming):
            return _StreamMeter(SseData())
        if "stream+json" in kind or (facts.stream and "json" not in kind):
            return _StreamMeter(JsonLines())
        return JsonMeter(_read_whole)


def billed(stated: object, notes: list[str]) -> Usage | None:
    """Usage as `usage` or `meta` states it: of the units that were billed, else of the tokens."""
    holder = mapping(stated)
    units = mapping(holder.get("billed_units")) or mapping(holder.get("tokens"))
    names = ("input_tokens", "output_tokens", "image_tokens", "images", "search_units")
    counts = {name: count(units, name, notes) for name in names}
    if all(found is None for found in counts.values()):
        return None
    return usage_of(
        input_text=counts["input_tokens"] or 0, input_image=counts["image_tokens"] or 0,
        output_text=counts["output_tokens"] or 0, images=counts["images"] or 0,
        rerank_units=counts["search_units"] or 0,
    )


def _pictures(body: JsonObject) -> list[str]:
    """The URLs of a request's pictures, those with the picture in them too."""
    blocks = [block for message in mappings(body.get("messages")) for block in mappings(message.get("content"))]
    urls = [mapping(block.get("image_url")).get("url") for block in blocks]
    return [url for url in urls if isinstance(url, str)]


# --- the reply --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """What has been read of one reply so far."""

    usage: Usage | None = None
    response_id: str | None = None
    output_bytes: int = 0
    ended: bool = False
    failed: bool = False
    notes: list[str] = field(default_factory=list)

    def take(self, members: rj.Fields) -> None:
        """Take a whole reply: a body, or what a stream of the first version ends with."""
        self.ended = True
        self.response_id = rj.string(members, "response_id") or rj.string(members, "id") or self.response_id
        for name in ("usage", "meta"):
            if (usage := billed(rj.value(members, name), self.notes)) is not None:
                self.usage = usage

    def see(self, message: object) -> None:
        """Count what a message of the second version, or a delta of one, generated."""
        said = mapping(message)
        content = said.get("content")
        blocks = [mapping(content)] if isinstance(content, dict) else mappings(content)
        calls = said.get("tool_calls")
        for block in blocks:
            self.output_bytes += utf8_bytes(block.get("text")) + utf8_bytes(block.get("thinking"))
        for call in [mapping(calls)] if isinstance(calls, dict) else mappings(calls):
            self.output_bytes += utf8_bytes(mapping(call.get("function")).get("arguments"))
        self.output_bytes += utf8_bytes(said.get("tool_plan"))

    def reading(self) -> Reading:
        return Reading(
            usage=self.usage, response_id=self.response_id, ended=self.ended, failed=self.failed,
            output_bytes=self.output_bytes, notes=tuple(self.notes),
        )


def _read_whole(body: bytes) -> Reading:
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,))
    reply = _Reply()
    reply.take(members)
    reply.see(rj.value(members, "message"))
    reply.output_bytes += utf8_bytes(rj.value(members, "text"))
    reply.output_bytes += sum(utf8_bytes(said.get("text")) for said in mappings(rj.value(members, "generations")))
    return reply.reading()


class _StreamMeter:
    """One stream of either version. `output_bytes`: text, thinking and argument deltas."""

    __slots__ = ("_documents", "_reply")

    def __init__(self, documents: SseData | JsonLines) -> None:
        self._documents = documents
        self._reply = _Reply()

    @property
    def ended(self) -> bool:
        return self._reply.ended

    def feed(self, data: bytes) -> None:
        for document in self._documents.feed(data):
            self._read(document)

    def finish(self) -> Reading:
        for document in self._documents.finish():
            self._read(document)
        if self._documents.dropped:
            rj.note(self._reply.notes, "an event was too long to read")
        return self._reply.reading()

    def _read(self, document: bytes) -> None:
        if document == _DONE:
            return
        reply = self._reply
        size = string_bytes(document, b'"delta":{"message":{"content":{"text":"')     # the hot path: prose
        if size is not None:
            reply.output_bytes += size
            return
        members = rj.fields(document)
        if members is None:
            return
        self._of_kind(rj.string(members, "type") or rj.string(members, "event_type") or "", members)

    def _of_kind(self, kind: str, members: rj.Fields) -> None:
        reply = self._reply
        if kind == "message-start":
            reply.response_id = rj.string(members, "id") or reply.response_id
        elif kind == "message-end":
            self._end(mapping(rj.value(members, "delta")))
        elif kind == "stream-end":
            reply.failed = rj.value(members, "finish_reason") == "ERROR"
            response = members.get("response")
            reply.take((rj.fields(response) if response is not None else None) or {})
        elif kind == "text-generation":
            reply.output_bytes += utf8_bytes(rj.value(members, "text"))
        else:
            reply.see(mapping(rj.value(members, "delta")).get("message"))

    def _end(self, delta: Mapping[str, Any]) -> None:
        reply = self._reply
        reply.ended = True
        reply.failed = delta.get("finish_reason") == "ERROR" or bool(delta.get("error"))
        reply.usage = billed(delta.get("usage"), reply.notes) or reply.usage
