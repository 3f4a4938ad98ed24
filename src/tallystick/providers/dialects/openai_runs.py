"""Assistants: threads hold messages, runs are the jobs that answer, and a run's `usage` is its bill.

A POST that opens a run states nothing (`deferred`); every GET of the finished run repeats the same
usage, so the bill belongs to the run's creator. A streamed run ends with one event that carries the
run; its steps state the parts of the same usage and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.framing import SseReader
from tallystick.providers.dialects.wire import decoder_of, mapping, mappings, number, read, string_bytes, text

_CLOSED: Final = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})


@dataclass(frozen=True, slots=True)
class OpenAIRuns:
    """The wire form of runs."""

    name: str = "openai_runs"
    usage: ChatUsage = ChatUsage()

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request that opens or continues a run. Its assistant and thread count as
        references: what they hold goes into the prompt unseen."""
        tools = mappings(body.get("tools"))
        own = sum(tool.get("type") == "function" for tool in tools)
        assistant = text(body.get("assistant_id"))
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream") is True,
            output_limit=number(body.get("max_completion_tokens")),
            reasoning_effort=text(body.get("reasoning_effort")),
            references=2,
            objects=(assistant,) if assistant else (),
            tools=own,
            server_tools=len(tools) - own,
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - the form needs no facts
        """A meter for one reply."""
        return _StreamMeter(self) if head.streaming else JsonMeter(self._read_whole)

    def _read_whole(self, body: bytes) -> Reading:
        run = read(_RUN, body)
        if run is None:
            return Reading(notes=("the reply is not the JSON it should be",))
        return replace(self.reading(run), ended=True)

    def reading(self, run: Run) -> Reading:
        """What a run object says."""
        notes: list[str] = []
        closed = run.status in _CLOSED if isinstance(run.status, str) else False
        return Reading(
            usage=self.usage.read(run.usage, notes) if isinstance(run.usage, dict) else None,
            model=text(run.model),
            response_id=text(run.id),
            failed=run.status == "failed" or isinstance(run.error, dict),
            deferred=run.object == "thread.run" and not closed,
            notes=tuple(notes),
        )


class Run(msgspec.Struct, gc=False):
    """A run object."""

    object: Any = None
    id: Any = None
    model: Any = None
    status: Any = None
    usage: Any = None
    error: Any = None


_RUN: Final = decoder_of(Run)
_ANY: Final = decoder_of(object)


class _StreamMeter:
    """Reads the events of a streamed run; the last run object is the state of things."""

    __slots__ = ("_dialect", "_events", "_failed", "_output_bytes", "_reading", "ended")

    def __init__(self, dialect: OpenAIRuns) -> None:
        self._dialect = dialect
        self._events = SseReader()
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
        return replace(
            self._reading, ended=self.ended, failed=self._failed or self._reading.failed,
            output_bytes=self._output_bytes,
        )

    def _take(self, kind: str, data: bytes) -> None:
        if data == b"[DONE]":
            self.ended = True
        elif kind == "error":
            self._failed = True
        elif kind == "thread.message.delta":
            self._output_bytes += _delta_bytes(data)
        elif b'"thread.run"' in data and (run := read(_RUN, data)) is not None and run.object == "thread.run":
            self._reading = self._dialect.reading(run)


def _delta_bytes(data: bytes) -> int:
    if (size := string_bytes(data, b'"value":"')) is not None:
        return size
    parts = mappings(mapping(mapping(read(_ANY, data)).get("delta")).get("content"))
    return sum(len(str(mapping(part.get("text")).get("value") or "").encode("utf-8", "replace")) for part in parts)
