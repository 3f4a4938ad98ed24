"""The CountTokens wire format: a whole request of another format, counted instead of answered. It costs
nothing, but it does what it is asked over: whatever the request inside names by reference, the provider
looks up, so the same facts are read of it as of the request itself.
Source: the provider's API reference (CountTokens).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading
from tallystick.providers.dialects.bedrock_converse import BedrockConverse
from tallystick.providers.dialects.bedrock_invoke import BedrockInvoke
from tallystick.providers.dialects.bodies import JsonMeter
from tallystick.providers.dialects.wire import decoder_of, mapping, read

UNREADABLE: Final = "unreadable"
_OBJECT: Final = decoder_of(dict[str, Any])
_CONVERSE: Final = BedrockConverse()
_INVOKE: Final = BedrockInvoke()


@dataclass(frozen=True, slots=True)
class BedrockCounts:
    """`…/count-tokens`: `input.converse`, or `input.invokeModel.body` in base64. What cannot be read may
    name anything, and is taken for something that does (`UNREADABLE`)."""

    name: str = "bedrock_counts"

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        asked = mapping(body.get("input"))
        enclosed = mapping(asked.get("invokeModel")).get("body")
        if enclosed is None:
            return _CONVERSE.facts(mapping(asked.get("converse")), path_model)
        inner = _decoded(enclosed)
        return Facts(model=path_model, references=1, objects=(UNREADABLE,)) if inner is None else _INVOKE.facts(inner, path_model)

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:  # noqa: ARG002 - a count is no bill
        return JsonMeter(lambda _body: Reading())


def _decoded(enclosed: object) -> JsonObject | None:
    if not isinstance(enclosed, str):
        return None
    try:
        return read(_OBJECT, binascii.a2b_base64(enclosed))
    except ValueError:
        return None
