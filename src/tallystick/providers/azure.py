"""Azure OpenAI. The path names a deployment, which is not a model: the bill goes by the model the
reply names. Every resource has its own host, so the operator must configure one.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider, Route, Socket
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
from tallystick.providers.dialects.openai_realtime import OpenAIRealtime
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.openai import PICTURE_MODEL, platform_routes, run_routes

DEPLOYMENT: Final = "/openai/deployments/{model}"
DATED: Final = "/openai"                     # the older surface, versioned by `api-version`

AZURE: Final = Provider(
    id="azure",
    name="Azure OpenAI",
    base_url=None,
    prefix="/openai/v1",
    routes=(
        *chat_routes(DEPLOYMENT, OpenAIChat()),
        *embeddings_routes(DEPLOYMENT, OpenAIEmbeddings()),
        *media_routes(DEPLOYMENT),
        *platform_routes("/openai/v1"),
        *responses_routes(DATED, OpenAIResponses(picture_model=PICTURE_MODEL)),
        *models_routes(DATED),
        *run_routes(DATED),
        *file_routes(DATED),
        *batch_routes(DATED),
        *object_routes(DATED, "vector_stores"),
        Route("POST", f"{DATED}/realtimeapi/sessions", "realtime_sessions", "object", free=True),
    ),
    credentials=(CredentialPlace("api-key"), BEARER),
    asks_stream_usage=True,
    sockets=(
        Socket("/openai/v1/realtime", "realtime", OpenAIRealtime()),
        Socket(f"{DATED}/realtime", "realtime", OpenAIRealtime()),
    ),
    docs_url="https://learn.microsoft.com/azure/ai-services/openai/reference",
)
