"""Ollama, on a machine of one's own: no price is a price of zero. It speaks its own JSON lines and the
common paths, whose streams state usage only where asked.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, models_routes, responses_routes
from tallystick.providers.dialects.ndjson_chat import NdjsonChat
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses

EMBEDDINGS: Final = NdjsonChat(streams_unasked=False)

OLLAMA: Final = Provider(
    id="ollama",
    name="Ollama",
    base_url="http://127.0.0.1:11434",
    routes=(
        Route("POST", "/api/chat", "native_chat", dialect=NdjsonChat()),
        Route("POST", "/api/generate", "native_generate", dialect=NdjsonChat()),
        Route("POST", "/api/embed", "native_embeddings", dialect=EMBEDDINGS),
        Route("POST", "/api/embeddings", "native_embeddings", dialect=EMBEDDINGS),
        *chat_routes("/v1", OpenAIChat()),
        *responses_routes("/v1", OpenAIResponses()),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        *models_routes("/v1"),
        Route("GET", "/api/tags", "models", "models", free=True),
        Route("GET", "/api/ps", "models", "models", free=True),
        Route("POST", "/api/show", "models", "models", free=True),
        *(Route("POST", f"/api/{verb}", "models", "other", free=True) for verb in ("pull", "push", "create", "copy")),
        Route("POST", "/api/blobs/{id}", "files", "other", free=True, uploads=True),
    ),
    credentials=(BEARER,),
    asks_stream_usage=True,
    free_models=True,
    docs_url="https://docs.ollama.com/api",
)
