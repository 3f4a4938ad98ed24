"""Reading documents: a reply states how many pages it read (`usage_info.pages_processed`), and pages
that were annotated as well cost more (the trait `annotations`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, usage_of
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.wire import count, decoder_of, mapping, read, text

ASKS: Final = ("document_annotation_format", "bbox_annotation_format")
_ON: Final = {"annotations": "on"}


@dataclass(frozen=True, slots=True)
class PageReading:
    """The wire form."""

    name: str = "page_reading"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request: one document, by reference or inline."""
        document = mapping(body.get("document"))
        inline = next((place for name in ("document_url", "image_url") if (place := text(document.get(name)))), "")
        by_reference = not inline.startswith("data:")
        return Facts(
            model=path_model or text(body.get("model")),
            media=0 if by_reference else 1,
            media_bytes=0 if by_reference else len(inline),
            references=int(by_reference),
            objects=(file,) if (file := text(document.get("file_id"))) else (),
            traits=_ON if any(isinstance(body.get(name), dict) for name in ASKS) else {},
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - there is one form of reply
        """A meter for one reply."""
        return JsonMeter(lambda body: _read(body, facts))


class _Reply(msgspec.Struct, gc=False):
    model: Any = None
    usage_info: Any = None
    document_annotation: Any = None


_REPLY: Final = decoder_of(_Reply)


def _read(body: bytes, facts: Facts) -> Reading:
    reply = read(_REPLY, body)
    if reply is None:
        return Reading(model=facts.model, opaque=True, notes=("the reply is not the JSON it should be",))
    notes: list[str] = []
    pages = count(mapping(reply.usage_info), "pages_processed", notes)
    annotated = facts.traits or (_ON if reply.document_annotation else {})
    return Reading(
        usage=None if pages is None else usage_of(pages=pages), model=text(reply.model) or facts.model,
        traits=annotated, ended=True, opaque=pages is None, notes=tuple(notes),
    )
