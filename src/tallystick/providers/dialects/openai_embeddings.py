"""Embeddings: one document whose `usage` counts the input only. The vectors before it can run to
many megabytes and are never decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import Stated
from tallystick.providers.dialects.wire import decoder_of, read, text


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings:
    """The wire form, with the host's way to fill in its usage."""

    name: str = "openai_embeddings"
    usage: ChatUsage = ChatUsage()
    stated: Stated | None = None

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request. A list of numbers is one tokenised input, any other list one input each."""
        asked = body.get("input")
        listed = isinstance(asked, list) and bool(asked) and not isinstance(asked[0], int)
        return Facts(
            model=path_model or text(body.get("model")),
            inputs=len(asked) if listed and isinstance(asked, list) else 1,
            end_user=text(body.get("user")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - there is one form of reply
        """A meter for one reply."""
        return JsonMeter(self._read_whole)

    def _read_whole(self, body: bytes) -> Reading:
        reply = read(_REPLY, body)
        if reply is None:
            return Reading(notes=("the reply is not the JSON it should be",))
        notes: list[str] = []
        stated = reply.usage if isinstance(reply.usage, dict) else None
        usage = self.usage.read(stated, notes) if stated is not None else None
        cost = self.stated(stated) if self.stated is not None and stated is not None else None
        return Reading(
            usage=usage, model=text(reply.model), response_id=text(reply.id), stated=cost, ended=True,
            failed=isinstance(reply.error, dict), notes=tuple(notes),
        )


class _Reply(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None


_REPLY: Final = decoder_of(_Reply)
