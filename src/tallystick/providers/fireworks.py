"""Fireworks. Its streams state usage unasked, in the last chunk. What was cached may stand only in a
header, which a stream does not have.
Source: https://docs.fireworks.ai/guides/prompt-caching, https://docs.fireworks.ai/guides/querying-text-models.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, models_routes, responses_routes
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses

PREFIX: Final = "/inference/v1"

FIREWORKS: Final = Provider(
    id="fireworks",
    name="Fireworks",
    base_url="https://api.fireworks.ai",
    prefix=PREFIX,
    routes=(
        *chat_routes(PREFIX, OpenAIChat(cached_header="fireworks-cached-prompt-tokens")),
        *responses_routes(PREFIX, OpenAIResponses()),
        Route("POST", f"{PREFIX}/messages", "messages", dialect=AnthropicMessages()),
        *embeddings_routes(PREFIX, OpenAIEmbeddings()),
        Route("POST", f"{PREFIX}/rerank", "rerank", dialect=OpenAIEmbeddings()),
        *models_routes(PREFIX),
        Route("POST", f"{PREFIX}/workflows/{{model}}", "images", model_slashes=True),
    ),
    credentials=(BEARER,),
    docs_url="https://docs.fireworks.ai",
)
