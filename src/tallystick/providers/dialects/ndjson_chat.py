"""Native chat and generation of local model servers: a stream of JSON lines, or one JSON document.

The last document says `"done": true` and counts: `prompt_eval_count` (absent where the whole prompt
came from the server's own cache) and `eval_count`. Streaming is the default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.framing import JsonLines
from tallystick.providers.dialects.totals import Totals, disjoint
from tallystick.providers.dialects.wire import count, decoder_of, mapping, mappings, number, read, text, utf8_bytes


@dataclass(frozen=True, slots=True)
class NdjsonChat:
    """The wire form; also its embeddings, which state `prompt_eval_count` only."""

    name: str = "ndjson_chat"
    streams_unasked: bool = True

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request."""
        messages = mappings(body.get("messages"))
        pictures = [
            picture for holder in (body, *messages) if isinstance(holder.get("images"), list)
            for picture in holder["images"] if isinstance(picture, str)
        ]
        asked = body.get("input")
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream", self.streams_unasked) is True,
            output_limit=number(mapping(body.get("options")).get("num_predict")),
            media=len(pictures),
            media_bytes=sum(len(picture) for picture in pictures),
            tools=len(mappings(body.get("tools"))),
            inputs=len(asked) if isinstance(asked, list) and asked else 1,
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the form needs no facts
        """A meter for one reply."""
        return _LinesMeter() if head.streaming else JsonMeter(_read_whole)


class _Reply(msgspec.Struct, gc=False):
    model: Any = None
    done: Any = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None
    response: Any = None
    thinking: Any = None
    message: Any = None


_REPLY: Final = decoder_of(_Reply)


class _LinesMeter:
    """Reads the documents of one stream; the last that counts anything is the usage."""

    __slots__ = ("_lines", "_model", "_notes", "_output_bytes", "_usage", "ended", "failed")

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._model: str | None = None
        self._usage: Usage | None = None
        self._notes: list[str] = []
        self._output_bytes = 0
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self.take(line)

    def finish(self) -> Reading:
        for line in self._lines.finish():
            self.take(line)
        return Reading(
            usage=self._usage, model=self._model, ended=self.ended, failed=self.failed,
            output_bytes=self._output_bytes, notes=tuple(dict.fromkeys(self._notes)),
        )

    def take(self, line: bytes) -> bool:
        """Read one document; False where it is none."""
        reply = read(_REPLY, line)
        if reply is None:
            return False
        self._model = text(reply.model) or self._model
        self.failed = self.failed or bool(reply.error)
        self.ended = self.ended or reply.done is True
        self._output_bytes += _text_bytes(reply)
        if (usage := _usage(reply, self._notes)) is not None:
            self._usage = usage
        return True


def _read_whole(body: bytes) -> Reading:
    """One document, however it is laid out; else lines that were not announced as a stream."""
    meter = _LinesMeter()
    if meter.take(body):
        meter.ended = True
        return meter.finish()
    meter.feed(body)
    reading = meter.finish()
    return reading if reading.usage is not None else Reading(notes=("the reply is not the JSON it should be",))


def _usage(reply: _Reply, notes: list[str]) -> Usage | None:
    stated = {"prompt_eval_count": reply.prompt_eval_count, "eval_count": reply.eval_count}
    prompt, output = count(stated, "prompt_eval_count", notes), count(stated, "eval_count", notes)
    if prompt is None and output is None:
        return None
    return disjoint(Totals(input=prompt or 0, output=output or 0), notes)


def _text_bytes(reply: _Reply) -> int:
    message = mapping(reply.message)
    pieces = (reply.response, reply.thinking, message.get("content"), message.get("thinking"))
    return sum(utf8_bytes(piece) for piece in pieces)
