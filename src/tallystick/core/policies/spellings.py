"""Where each dialect states its limit on the output, and the least that it takes: what a policy needs to set one. A
dialect that is not listed has no such limit (embeddings, images) or cannot leave it out.

Sources: the providers' API references, as read by the dialects' own `facts` (providers/dialects).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.core.jsonbytes import find_member, set_member, set_nested


@dataclass(frozen=True, slots=True)
class Spelling:
    """`members`: the names under which the limit may stand in the body's object, or in an object within it that has one of
    the names in `outer`. The first names are where one is set that the caller did not state."""

    members: tuple[str, ...]
    outer: tuple[str, ...] = ()
    least: int = 1


_CHAT: Final = Spelling(("max_tokens", "max_completion_tokens"))

SPELLINGS: Final[Mapping[str, Spelling]] = {
    "openai_chat": _CHAT,
    "openai_responses": Spelling(("max_output_tokens",), least=16),
    "openai_runs": Spelling(("max_completion_tokens",), least=256),
    "anthropic_messages": Spelling(("max_tokens",)),
    "cohere_chat": Spelling(("max_tokens",)),
    "bedrock_converse": Spelling(("maxTokens",), ("inferenceConfig",)),
    "gemini": Spelling(("maxOutputTokens", "max_output_tokens"), ("generationConfig", "generation_config")),
}

COMPLETION_TOKENS: Final = frozenset(("openai", "azure"))
"""Providers whose reasoning models refuse the older `max_tokens` of a chat, and whose other models take both."""


def spelling_of(dialect: str | None, operation: str, provider: str) -> Spelling | None:
    """How such a request states its output limit; None where it has none."""
    found = SPELLINGS.get(dialect or "")
    if found is _CHAT and operation == "chat" and provider in COMPLETION_TOKENS:
        return Spelling(("max_completion_tokens", "max_tokens"))
    return found


def limited(body: bytes, spelling: Spelling, limit: int) -> bytes:
    """The body with this output limit: every spelling that stands in it is set, or the first is added. Every other byte
    stays. Raises ValueError for a body that is no JSON object."""
    value = str(limit).encode()
    if not spelling.outer:
        return _set(body, spelling, value, 0)
    outer = next((name for name in spelling.outer if find_member(body, name) is not None), spelling.outer[0])
    member = find_member(body, outer)
    if member is None or body[member.value:member.value + 1] != b"{":
        return set_nested(body, outer, spelling.members[0], value)
    return _set(body, spelling, value, member.value)


def _set(body: bytes, spelling: Spelling, value: bytes, at: int) -> bytes:
    standing = [name for name in spelling.members if find_member(body, name, at) is not None]
    for name in standing or spelling.members[:1]:
        body = set_member(body, name, value, at)
    return body
