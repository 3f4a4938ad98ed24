"""Pictures made or changed. A reply either states the tokens of its pictures, or nothing, and then
the bill is a price by the picture, chosen by the size and quality that were asked for.

What a request leaves open (`auto`, or no word) is what the reply says it chose, else the form's own
default. A stream states the tokens of each picture in the event that completes it; previews on the
way are counted in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, Usage, usage_of
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.closing_events import ClosingEvents
from tallystick.providers.dialects.openai_chat import Stated
from tallystick.providers.dialects.totals import Totals, disjoint
from tallystick.providers.dialects.wire import count, decoder_of, mapping, mappings, number, read, text

PICTURES_MAX: Final = 10_000
TRAIT_CHARS_MAX: Final = 32
TRAITS: Final = ("size", "quality")


@dataclass(frozen=True, slots=True)
class OpenAIImages:
    """The wire form. `defaults`: what is made where neither side says."""

    name: str = "openai_images"
    defaults: tuple[tuple[str, str], ...] = (("size", "1024x1024"), ("quality", "standard"))
    stated: Stated | None = None

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request, as JSON or as the fields of a form."""
        given = [*mappings(body.get("images")), mapping(body.get("mask"))]
        objects = tuple(id for picture in given if (id := text(picture.get("file_id"))))
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream") is True,
            n=min(max(1, number(body.get("n")) or 1), PICTURES_MAX),
            media=sum(text(picture.get("image_url")) is not None for picture in given),
            references=len(objects),
            objects=objects,
            tier=text(body.get("service_tier")),
            end_user=text(body.get("user")),
            traits={name: said[:TRAIT_CHARS_MAX] for name in TRAITS if (said := text(body.get(name)))},
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply."""
        if head.streaming:
            return ClosingEvents(".completed", lambda data: self._read(data, facts), Reading(model=facts.model, opaque=True), facts.n)
        return JsonMeter(lambda body: self._read(body, facts))

    def _read(self, data: bytes, facts: Facts) -> Reading:
        reply = read(_REPLY, data)
        if reply is None:
            return Reading(model=facts.model, opaque=True, notes=("the reply is not the JSON it should be",))
        notes: list[str] = []
        stated = mapping(reply.usage)
        usage, traits = None, {}
        if "output_tokens" in stated:
            usage = picture_tokens(stated, notes)
        elif pictures := _pictures(reply.data, facts):
            usage, traits = usage_of(images=pictures), self._traits(reply, facts)
        return Reading(
            usage=usage, model=text(reply.model) or facts.model, traits=traits, ended=True,
            stated=self.stated(stated) if self.stated is not None else None,
            failed=isinstance(reply.error, dict), opaque=usage is None, notes=tuple(notes),
        )

    def _traits(self, reply: _Reply, facts: Facts) -> dict[str, str]:
        said = {"size": text(reply.size), "quality": text(reply.quality)}
        chosen = dict(self.defaults)
        for name in TRAITS:
            for word in (facts.traits.get(name), said[name]):
                if word is not None and word != "auto":
                    chosen[name] = word[:TRAIT_CHARS_MAX]
        return chosen


def picture_tokens(stated: Mapping[str, Any], notes: list[str]) -> Usage:
    """Tokens of pictures: the output is picture unless its details say otherwise."""
    into, out = mapping(stated.get("input_tokens_details")), mapping(stated.get("output_tokens_details"))
    output = count(stated, "output_tokens", notes) or 0
    return disjoint(Totals(
        input=count(stated, "input_tokens", notes) or 0,
        cached_read=count(into, "cached_tokens", notes) or 0,
        image_in=count(into, "image_tokens", notes) or 0,
        output=output,
        image_out=count(out, "image_tokens", notes) or (0 if out else output),
    ), notes)


class _Reply(msgspec.Struct, gc=False):
    model: Any = None
    size: Any = None
    quality: Any = None
    usage: Any = None
    error: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


_REPLY: Final = decoder_of(_Reply)
_LIST: Final = decoder_of(list[msgspec.Raw])


def _pictures(data: msgspec.Raw, facts: Facts) -> int:
    """How many pictures a reply holds; of one too long to be kept, how many were asked for."""
    if not bytes(data):
        return facts.n
    listed: list[msgspec.Raw] | None = read(_LIST, data)
    return len(listed or ())
