"""Replies that are billed by `meta.billed_units` and generate nothing: embeddings of texts and images,
and reranking, whose unit is one search of up to 100 documents.

Vectors can run to many megabytes and are never decoded; a reply too long to be kept is not read, and
a note says so.
Source: the provider's API reference, and the recorded traffic that money.md section 2 sums up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading
from tallystick.providers.dialects import reply_json as rj
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.cohere_chat import billed
from tallystick.providers.dialects.wire import text, utf8_bytes

WHOLE_BYTES_MAX: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class CohereUnits:
    """`POST /v2/embed`, `/v2/rerank` and their first versions."""

    name: str = "cohere_units"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        images = rj.listing(body.get("images"))
        lists = (images, *(rj.listing(body.get(name)) for name in ("texts", "inputs", "documents")))
        return Facts(
            model=text(body.get("model")) or path_model,
            media=len(images),
            media_bytes=sum(utf8_bytes(image) for image in images),
            inputs=max(1, sum(len(found) for found in lists)),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - there is one form of reply
        return JsonMeter(_read_whole, WHOLE_BYTES_MAX)


def _read_whole(body: bytes) -> Reading:
    members = rj.fields(body)
    if members is None:
        return Reading(notes=(rj.NO_OBJECT,))
    notes: list[str] = []
    return Reading(
        usage=billed(rj.value(members, "meta"), notes), response_id=rj.string(members, "id"), ended=True, notes=tuple(notes),
    )
