"""Speech from text and text from speech.

Speech is billed by the characters of its text, which stand in the request alone; newer models are
billed by tokens, which only a stream of events states, in its last one. A transcript states tokens or
the seconds that were heard; as plain text, or subtitles, it states nothing, and what nothing states is
never estimated (`opaque`): the length of a recording cannot be told from its transcript.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects.bodies import JsonMeter, KnownMeter
from tallystick.providers.dialects.closing_events import ClosingEvents
from tallystick.providers.dialects.totals import Totals, disjoint
from tallystick.providers.dialects.wire import count, decoder_of, mapping, measure, read, text


@dataclass(frozen=True, slots=True)
class OpenAISpeech:
    """Speech from text."""

    name: str = "openai_speech"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request. Characters are code points."""
        spoken = body.get("input")
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream_format") == "sse",
            characters=len(spoken) if isinstance(spoken, str) else 0,
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply."""
        spoken = Reading(usage=usage_of(characters=facts.characters), model=facts.model, ended=True)
        silent = spoken if facts.characters else Reading(model=facts.model, opaque=True)
        if head.streaming:
            return ClosingEvents(".done", lambda data: _read_speech(data, silent), silent)
        return KnownMeter(silent)


@dataclass(frozen=True, slots=True)
class OpenAITranscription:
    """Text from speech, in its own language or in English."""

    name: str = "openai_transcription"
    seconds_min: int = 0
    """The shortest recording that is billed."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read the fields of a form; the recording is no field."""
        return Facts(model=path_model or text(body.get("model")), stream=body.get("stream") is True, media=1)

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply."""
        silent = Reading(model=facts.model, opaque=True)
        if head.streaming:
            return ClosingEvents("text.done", lambda data: self._read(data, facts.model), silent)
        if "json" not in head.headers.get("content-type", "json"):
            return KnownMeter(silent)
        return JsonMeter(lambda body: self._read(body, facts.model))

    def _read(self, data: bytes, model: str | None) -> Reading:
        reply = read(_TRANSCRIPT, data)
        if reply is None:
            return Reading(model=model, opaque=True, notes=("the reply is not the JSON it should be",))
        notes: list[str] = []
        usage = heard(mapping(reply.usage), notes, reply.duration, self.seconds_min)
        return Reading(
            usage=usage, model=text(reply.model) or model, ended=True, failed=isinstance(reply.error, dict),
            opaque=usage is None, notes=tuple(notes),
        )


class _Speech(msgspec.Struct, gc=False):
    usage: Any = None


class _Transcript(msgspec.Struct, gc=False):
    model: Any = None
    usage: Any = None
    duration: Any = None
    error: Any = None


_SPEECH: Final = decoder_of(_Speech)
_TRANSCRIPT: Final = decoder_of(_Transcript)


def _read_speech(data: bytes, silent: Reading) -> Reading:
    event = read(_SPEECH, data)
    stated = mapping(event.usage if event is not None else None)
    notes: list[str] = []
    into, out = count(stated, "input_tokens", notes), count(stated, "output_tokens", notes)
    if into is None and out is None:
        return silent
    return Reading(usage=usage_of(input_text=into or 0, output_audio=out or 0), model=silent.model, ended=True, notes=tuple(notes))


def heard(stated: Mapping[str, Any], notes: list[str], duration: object = None, seconds_min: int = 0) -> Usage | None:
    """What a transcript used: tokens, else the seconds that are billed, else how long the recording was."""
    usage = _spoken_tokens(stated, notes)
    if usage is not None:
        return usage
    billed = measure(stated.get("seconds"))
    seconds = billed if billed is not None else measure(duration)
    return None if seconds is None else usage_of(audio_seconds=max(seconds, Decimal(seconds_min)))


def _spoken_tokens(stated: Mapping[str, Any], notes: list[str]) -> Usage | None:
    into, out = count(stated, "input_tokens", notes), count(stated, "output_tokens", notes)
    if into is None and out is None:
        return None
    audio = count(mapping(stated.get("input_token_details")), "audio_tokens", notes) or 0
    return disjoint(Totals(input=into or 0, audio_in=audio, output=out or 0), notes)
