"""The usage object of the chat family: `prompt_tokens` contains what was cached, written to the cache
and heard; `completion_tokens` contains reasoning, audio and rejected predictions (which are billed).
Chat and legacy completions, embeddings and runs all state it.

Hosts that copied the shape differ in a few ways, which are the fields here: where they say what was
cached, whether reasoning stands inside the completion, and what they count beside tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.usage import Usage
from tallystick.providers.dialects.totals import Totals, disjoint
from tallystick.providers.dialects.wire import NOTHING, count, mapping, totals_hold

# How servers that run tools themselves name what they ran, and the unit each is billed by.
TOOL_COUNTS: Final[Mapping[str, str]] = {
    "web_search_requests": "web_searches",
    "web_search_calls": "web_searches",
    "x_search_calls": "x_searches",
    "file_search_calls": "file_searches",
    "document_search_calls": "attachment_searches",
    "code_interpreter_calls": "code_executions",
    "SERVER_SIDE_TOOL_WEB_SEARCH": "web_searches",
    "SERVER_SIDE_TOOL_X_SEARCH": "x_searches",
    "SERVER_SIDE_TOOL_COLLECTIONS_SEARCH": "file_searches",
    "SERVER_SIDE_TOOL_ATTACHMENT_SEARCH": "attachment_searches",
    "SERVER_SIDE_TOOL_CODE_EXECUTION": "code_executions",
    "search_web": "web_searches",
    "fetch_url": "web_fetches",
}
TOOL_MEMBERS: Final = (
    "server_tool_use_details", "server_side_tool_usage_details", "server_side_tool_usage", "tool_calls_details",
)


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """How one host fills in the usage object."""

    cached_fields: tuple[str, ...] = ()
    """Members beside `prompt_tokens` that also say what was cached. Repeats, never added."""
    reasoning_beside: bool = False
    """`completion_tokens` leaves reasoning out: total = prompt + completion + reasoning."""
    hidden_thoughts: bool = False
    """Reasoning is stated nowhere but in the total: what prompt and completion leave of it."""
    reasoning_apart: str | None = None
    """A member that counts reasoning which neither the completion nor the total contains."""
    uses: tuple[tuple[str, str], ...] = ()
    """Members that count what is billed beside the prompt and the completion, each with its unit."""
    per_request: bool = False
    """Every answered request is a billed unit of its own."""

    def read(self, stated: Mapping[str, Any], notes: list[str], cached_elsewhere: int = 0) -> Usage | None:
        """The usage, or None where the object counts no tokens at all. `cached_elsewhere`: cached
        tokens said outside the object; a repeat, never added."""
        prompt = count(stated, "prompt_tokens", notes)
        completion = count(stated, "completion_tokens", notes)
        if (prompt is None and completion is None) or not totals_hold(stated, "prompt_tokens", "completion_tokens"):
            return None
        into = _said(stated.get("prompt_tokens_details") or stated.get("prompt_token_details"))
        out = _said(stated.get("completion_tokens_details"))
        reasoning = count(out, "reasoning_tokens", notes) or 0 if out else 0
        output = completion or 0
        total = count(stated, "total_tokens", notes)
        if self.reasoning_beside and (total is None or total >= (prompt or 0) + output + reasoning):
            output += reasoning
        if self.hidden_thoughts and total is not None and total > (prompt or 0) + output:
            reasoning = max(reasoning, total - (prompt or 0) - output)
            output = total - (prompt or 0)
        if self.reasoning_apart is not None:
            reasoning = count(stated, self.reasoning_apart, notes) or 0
            output += reasoning
        cached = cached_elsewhere
        if into:
            cached = max(count(into, "cached_tokens", notes) or 0, cached)
        for name in self.cached_fields:
            cached = max(cached, count(stated, name, notes) or 0)
        counts = tool_counts(stated, notes)
        if self.uses or self.per_request:
            counts |= self._counted_beside(stated, notes)
        if not (into or out):
            return disjoint(Totals(prompt or 0, output, cached, reasoning=reasoning, counts=counts), notes)
        return disjoint(Totals(
            input=prompt or 0,
            cached_read=cached,
            cache_write_5m=count(into, "cache_write_tokens", notes) or 0,
            audio_in=count(into, "audio_tokens", notes) or 0,
            image_in=count(into, "image_tokens", notes) or 0,
            video_in=count(into, "video_tokens", notes) or 0,
            output=output,
            reasoning=reasoning,
            audio_out=count(out, "audio_tokens", notes) or 0,
            image_out=count(out, "image_tokens", notes) or 0,
            counts=counts,
        ), notes)

    def _counted_beside(self, stated: Mapping[str, Any], notes: list[str]) -> dict[str, int]:
        beside = {unit: count(stated, name, notes) or 0 for name, unit in self.uses}
        return beside | {"requests": 1} if self.per_request else beside


def _said(details: object) -> Mapping[str, Any]:
    """Details that say something: in most calls all of them are zero."""
    found = mapping(details)
    return found if any(found.values()) else NOTHING


def tool_counts(stated: Mapping[str, Any], notes: list[str]) -> dict[str, int]:
    """Uses of tools that the server ran, by the unit they are billed in; empty where it says none.
    A tool is counted by a number, or by an object that says how often it was invoked."""
    found: dict[str, int] = {}
    if stated.keys().isdisjoint(TOOL_MEMBERS):
        return found                         # nearly every reply
    for member in TOOL_MEMBERS:
        details = stated.get(member)
        if not isinstance(details, dict):
            continue
        for name, unit in TOOL_COUNTS.items():
            said = details.get(name)
            held, member = (said, "invocation") if isinstance(said, dict) else (details, name)
            if (uses := count(held, member, notes)) is not None:
                found[unit] = max(found.get(unit, 0), uses)
    return found
