"""The realtime wire format: JSON events both ways over one connection.

Where the bills stand: every `response.done` is one, a cancelled response too, for each response reads the
whole conversation anew. Input is a total that holds what was read from the cache, both split by medium;
output holds speech and reasoning. What the caller said is transcribed by a second model with a bill of its
own, in `…input_audio_transcription.completed`: tokens or seconds, at the price of the model that the
session names. Some hosts put the usage beside the response and count seconds of speech.
Source: the providers' API references, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import SessionMeter
from tallystick.core.usage import Part, Reading, Usage, usage_of
from tallystick.providers.dialects.modalities import split_by_modality
from tallystick.providers.dialects.openai_audio import heard
from tallystick.providers.dialects.wire import count, decoder_of, mapping, measure, read, text, totals_hold, utf8_bytes

MESSAGE_BYTES_MAX: Final = 16 << 20
TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"
SESSION_EVENTS: Final = frozenset({
    "session.created", "session.updated", "transcription_session.created", "transcription_session.updated",
})
MEDIA: Final = ("audio", "image")


@dataclass(frozen=True, slots=True)
class OpenAIRealtime:
    """Speech and text in, speech and text out."""

    name: str = "openai_realtime"

    def session(self, model: str | None) -> SessionMeter:
        """A meter for one connection."""
        return _Session(model)


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    session: Any = None
    response: Any = None
    usage: Any = None
    delta: Any = None
    item_id: Any = None


_EVENT: Final = decoder_of(_Event)


class _Session:
    """`_begun` responses are under way; `_output_bytes` is the text seen of them."""

    __slots__ = ("_begun", "_model", "_output_bytes", "_transcriber", "_unread")

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._transcriber: str | None = None
        self._begun = 0
        self._output_bytes = 0
        self._unread = False

    def sent(self, message: bytes) -> None:
        """Nothing: what the caller asks for, the provider repeats as it has taken it."""

    def received(self, message: bytes) -> Reading | None:
        event = read(_EVENT, message) if len(message) <= MESSAGE_BYTES_MAX else None
        if event is None or not isinstance(event.type, str):
            self._unread = True
            return None
        if event.type == "response.done":
            return self._response(event)
        if event.type == TRANSCRIBED:
            return self._transcript(event)
        if event.type == "response.created":
            self._begun += 1
        elif event.type in SESSION_EVENTS:
            self._take_session(mapping(event.session))
        elif event.type.startswith("response.") and not event.type.endswith("audio.delta"):
            self._output_bytes += utf8_bytes(event.delta)
        return None

    def finish(self) -> Reading | None:
        if not self._begun:
            return None
        return Reading(model=self._model, output_bytes=self._output_bytes, notes=self._notes())

    def _take_session(self, session: Mapping[str, Any]) -> None:
        self._model = text(session.get("model")) or self._model
        listening = mapping(mapping(session.get("audio")).get("input")).get("transcription")
        transcription = mapping(listening or session.get("input_audio_transcription"))
        self._transcriber = text(transcription.get("model"))

    def _response(self, event: _Event) -> Reading:
        response = mapping(event.response)
        notes = list(self._notes())
        usage = _usage(mapping(response.get("usage") or event.usage), notes)
        bill = Reading(
            usage=usage, model=self._model, response_id=text(response.get("id")), ended=True,
            failed=response.get("status") == "failed", output_bytes=self._output_bytes, notes=tuple(notes),
        )
        self._begun = max(0, self._begun - 1)
        if not self._begun:
            self._output_bytes = 0
        self._unread = False
        return bill

    def _transcript(self, event: _Event) -> Reading:
        """The second model's bill. One that states nothing is no part that costs nothing."""
        notes: list[str] = []
        usage, item = heard(mapping(event.usage), notes), text(event.item_id)
        if usage is None:
            return Reading(model=self._transcriber, response_id=item, ended=True, opaque=True, notes=tuple(notes))
        part = Part("input transcription", self._transcriber or "", usage)
        return Reading(usage=Usage(), model=self._model, response_id=item, parts=(part,), ended=True, notes=tuple(notes))

    def _notes(self) -> tuple[str, ...]:
        return ("a message of the session could not be read",) if self._unread else ()


def _usage(stated: Mapping[str, Any], notes: list[str]) -> Usage | None:
    into, out = count(stated, "input_tokens", notes), count(stated, "output_tokens", notes)
    if (into is None and out is None) or not totals_hold(stated, "input_tokens", "output_tokens"):
        return None
    details = mapping(stated.get("input_token_details"))
    written = mapping(stated.get("output_token_details"))
    reasoning = min(count(written, "reasoning_tokens", notes) or 0, out or 0)
    seconds = measure(stated.get("billable_audio_seconds"))
    return split_by_modality(
        prompt=into or 0,
        cached=min(count(details, "cached_tokens", notes) or 0, into or 0),
        output=(out or 0) - reasoning,
        prompt_details=_media(details, notes),
        cached_details=_media(mapping(details.get("cached_tokens_details")), notes),
        output_details=_media(written, notes),
    ).plus(usage_of(output_reasoning=reasoning, billable_audio_seconds=seconds or 0))


def _media(details: Mapping[str, Any], notes: list[str]) -> dict[str, int]:
    return {medium: count(details, f"{medium}_tokens", notes) or 0 for medium in MEDIA}
