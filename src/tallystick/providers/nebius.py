"""Nebius Token Factory. The common shape; its streams state usage only where asked.
Source: https://docs.tokenfactory.nebius.com/api-reference/introduction.
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
    responses_routes,
)
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses

NEBIUS: Final = Provider(
    id="nebius",
    name="Nebius",
    base_url="https://api.tokenfactory.nebius.com",
    routes=(
        *chat_routes("/v1", OpenAIChat()),
        *responses_routes("/v1", OpenAIResponses()),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        Route("POST", "/v1/rerank", "rerank", dialect=OpenAIEmbeddings()),
        *media_routes("/v1"),
        *models_routes("/v1"),
        *file_routes("/v1"),
        *batch_routes("/v1"),
        *object_routes("/v1", "fine_tuning/jobs", free=False),
    ),
    credentials=(BEARER,),
    asks_stream_usage=True,
    docs_url="https://docs.tokenfactory.nebius.com",
)
