"""The live wire format: JSON messages both ways over one connection, in text or in binary frames.

Where the bills stand: every message of the provider may carry `usageMetadata` beside its content, once for
each turn, and never a sum over turns; each is one bill, and reads the whole conversation anew. Output is
`responseTokenCount`, which servers behind a cloud's own address call `candidatesTokenCount`; thoughts come
on top and stand outside the total. The model is named by the caller's first message and by no reply.
Source: the provider's API reference, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import SessionMeter
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects.gemini import served_tier
from tallystick.providers.dialects.modalities import by_modality, split_by_modality
from tallystick.providers.dialects.reply_json import listing
from tallystick.providers.dialects.wire import count, decoder_of, mapping, mappings, read, text, totals_hold, utf8_bytes

MESSAGE_BYTES_MAX: Final = 16 << 20
_TOTALS: Final = (
    "promptTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount", "responseTokenCount", "candidatesTokenCount",
    "thoughtsTokenCount",
)


@dataclass(frozen=True, slots=True)
class GeminiLive:
    """Speech, pictures and text in, speech or text out."""

    name: str = "gemini_live"

    def session(self, model: str | None) -> SessionMeter:
        """A meter for one connection."""
        return _Session(model)


class _Asked(msgspec.Struct, gc=False):
    setup: Any = None


class _Message(msgspec.Struct, gc=False):
    usageMetadata: Any = None  # noqa: N815 - the wire's own names
    serverContent: Any = None  # noqa: N815
    toolCall: Any = None  # noqa: N815


_ASKED: Final = decoder_of(_Asked)
_MESSAGE: Final = decoder_of(_Message)


class _Session:
    """What is counted belongs to the turn under way."""

    __slots__ = ("_begun", "_grounded", "_model", "_output_bytes", "_queries", "_unread")

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._unread = False
        self._begin()

    def _begin(self) -> None:
        self._begun = self._grounded = False
        self._output_bytes = self._queries = 0

    def sent(self, message: bytes) -> None:
        """The first message names the model, below its collections; the others are not read."""
        if self._model is None and len(message) <= MESSAGE_BYTES_MAX and (asked := read(_ASKED, message)) is not None:
            model = text(mapping(asked.setup).get("model"))
            self._model = model.rsplit("/", 1)[-1] or None if model else None

    def received(self, message: bytes) -> Reading | None:
        said = read(_MESSAGE, message) if len(message) <= MESSAGE_BYTES_MAX else None
        if said is None:
            self._unread = True
            return None
        self._see(mapping(said.serverContent), bool(said.toolCall))
        stated, notes = mapping(said.usageMetadata), list(self._notes())
        if not stated:
            return None
        usage = self._usage(stated, notes)
        bill = Reading(usage=usage, model=self._model, traits=served_tier(stated), ended=True,
                       output_bytes=self._output_bytes, notes=tuple(notes))
        self._begin()
        self._unread = False
        return bill

    def finish(self) -> Reading | None:
        return Reading(model=self._model, output_bytes=self._output_bytes, notes=self._notes()) if self._begun else None

    def _see(self, content: Mapping[str, Any], calls_a_tool: bool) -> None:
        parts = mappings(mapping(content.get("modelTurn")).get("parts"))
        transcript = utf8_bytes(mapping(content.get("outputTranscription")).get("text"))
        self._output_bytes += transcript + sum(utf8_bytes(part.get("text")) for part in parts)
        self._begun = self._begun or calls_a_tool or bool(parts) or bool(transcript)
        grounding = mapping(content.get("groundingMetadata"))
        self._grounded = self._grounded or bool(grounding)
        self._queries = max(self._queries, len(listing(grounding.get("webSearchQueries"))))

    def _usage(self, stated: Mapping[str, Any], notes: list[str]) -> Usage | None:
        totals = [count(stated, name, notes) for name in _TOTALS]
        if all(total is None for total in totals) or not totals_hold(stated, *_TOTALS):
            return None
        prompt, cached, tool, answered, candidates, thoughts = (total or 0 for total in totals)
        return split_by_modality(
            prompt=prompt,
            cached=min(cached, prompt),
            output=answered or candidates,
            prompt_details=by_modality(stated.get("promptTokensDetails"), "tokenCount", notes),
            cached_details=by_modality(stated.get("cacheTokensDetails"), "tokenCount", notes),
            output_details=by_modality(stated.get("responseTokensDetails") or stated.get("candidatesTokensDetails"), "tokenCount", notes),
        ).plus(usage_of(
            input_tool=tool, output_reasoning=thoughts, grounding_queries=self._queries, grounded_prompts=1 if self._grounded else 0,
        ))

    def _notes(self) -> tuple[str, ...]:
        return ("a message of the session could not be read",) if self._unread else ()
