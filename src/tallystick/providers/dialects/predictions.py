"""Predictions: one envelope for models that embed and for those that paint. Embedded texts state
their tokens one by one (`statistics.token_count`); pictures are counted as they come.

Replies can run to many megabytes; one too long to be kept is not read, and a note says so.
Source: the provider's API reference ("predict" of its text embedding and image models).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.wire import count, mapping, mappings, number

WHOLE_BYTES_MAX: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Predictions:
    """`…:predict`."""

    name: str = "predictions"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        settings = mapping(body.get("parameters"))
        return Facts(
            model=path_model, n=number(settings.get("sampleCount")) or 1, inputs=max(1, len(rj.listing(body.get("instances")))),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - there is one form of reply
        return JsonMeter(_read_whole, WHOLE_BYTES_MAX)


def _read_whole(body: bytes) -> Reading:
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,))
    notes: list[str] = []
    return Reading(usage=_usage(mappings(rj.value(members, "predictions")), notes), ended=True, notes=tuple(notes))


def _usage(predictions: list[Mapping[str, Any]], notes: list[str]) -> Usage | None:
    """Tokens of what was embedded, and pictures made; None where neither is stated."""
    embedded = [mapping(mapping(found.get("embeddings")).get("statistics")) for found in predictions]
    tokens = [count(found, "token_count", notes) for found in embedded]
    pictures = sum("bytesBase64Encoded" in found or "gcsUri" in found for found in predictions)
    if not pictures and all(found is None for found in tokens):
        return None
    return usage_of(input_text=sum(found or 0 for found in tokens), images=pictures)
