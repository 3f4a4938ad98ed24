"""Text generation of inference servers that put their counts into headers: `x-prompt-tokens` and
`x-generated-tokens`. The body is the text, with or without details, and is not read for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.call import Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading, usage_of
from tallystick.providers.dialects.bodies import KnownMeter
from tallystick.providers.dialects.openai_chat import ServedBy
from tallystick.providers.dialects.wire import header_count, mapping, number, text


@dataclass(frozen=True, slots=True)
class TextGeneration:
    """The wire form."""

    name: str = "text_generation"
    served_by: ServedBy | None = None
    """A router's prices are those of the host behind it: the trait `host`."""

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        """Read a request."""
        return Facts(
            model=path_model or text(body.get("model")),
            stream=body.get("stream") is True,
            output_limit=number(mapping(body.get("parameters")).get("max_new_tokens")),
        )

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        """A meter for one reply; all it will say is known from its head."""
        prompt, generated = (header_count(head.headers, f"x-{kind}-tokens") for kind in ("prompt", "generated"))
        silent = prompt is None and generated is None
        host = self.served_by(facts, head) if self.served_by is not None else None
        return KnownMeter(Reading(
            usage=None if silent else usage_of(input_text=prompt or 0, output_text=generated or 0),
            model=facts.model, traits={"host": host} if host else {}, opaque=silent, ended=True,
        ))
