"""Novita. The same paths under a new prefix and the one it had before; its streams state usage only
where asked. Pictures and video are jobs of other paths, without a meter.
Source: https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion.
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
    models_routes,
    responses_routes,
)
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses

PREFIX: Final = "/openai/v1"
PREFIXES: Final = (PREFIX, "/v3/openai")

NOVITA: Final = Provider(
    id="novita",
    name="Novita",
    base_url="https://api.novita.ai",
    prefix=PREFIX,
    routes=(
        *(route for prefix in PREFIXES for route in chat_routes(prefix, OpenAIChat())),
        *(route for prefix in PREFIXES for route in embeddings_routes(prefix, OpenAIEmbeddings())),
        *(route for prefix in PREFIXES for route in models_routes(prefix)),
        *(Route("POST", f"{prefix}/rerank", "rerank", dialect=OpenAIEmbeddings()) for prefix in PREFIXES),
        *responses_routes(PREFIX, OpenAIResponses()),
        *file_routes(PREFIX),
        *batch_routes(PREFIX),
        Route("GET", "/v3/async/task-result", "tasks", "object", free=True),
    ),
    credentials=(BEARER,),
    asks_stream_usage=True,
    docs_url="https://novita.ai/docs",
)
