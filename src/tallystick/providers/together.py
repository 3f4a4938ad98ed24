"""Together. Its streams state usage unasked; what was cached stands beside the prompt (`cached_tokens`).
Source: https://docs.together.ai/reference/chat-completions-1; seen in recorded traffic.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import (
    BEARER,
    batch_routes,
    chat_routes,
    embeddings_routes,
    file_routes,
    media_routes,
    models_routes,
    object_routes,
)
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings

TOGETHER: Final = Provider(
    id="together",
    name="Together",
    base_url="https://api.together.xyz",
    routes=(
        *chat_routes("/v1", OpenAIChat(usage=ChatUsage(cached_fields=("cached_tokens",)))),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        Route("POST", "/v1/rerank", "rerank", dialect=OpenAIEmbeddings()),
        *media_routes("/v1"),
        *models_routes("/v1"),
        *file_routes("/v1"),
        Route("POST", "/v1/files/upload", "files", "object", free=True, uploads=True),
        *batch_routes("/v1"),
        *object_routes("/v1", "fine-tunes", free=False),
    ),
    credentials=(BEARER,),
    docs_url="https://docs.together.ai",
)
