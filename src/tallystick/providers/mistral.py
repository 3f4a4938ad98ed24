"""Mistral. Its streams state usage unasked; what was cached stands in `num_cached_tokens`, in the
common details, or in both. Moderation and classification bill the input; where a reply does not
count it, it is estimated.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, file_routes, models_routes, object_routes
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.page_reading import PageReading

CHAT: Final = OpenAIChat(usage=ChatUsage(cached_fields=("num_cached_tokens",)))

MISTRAL: Final = Provider(
    id="mistral",
    name="Mistral",
    base_url="https://api.mistral.ai",
    routes=(
        *chat_routes("/v1", CHAT, completions=False),
        Route("POST", "/v1/fim/completions", "completions", dialect=CHAT),
        Route("POST", "/v1/agents/completions", "chat", dialect=CHAT),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        Route("POST", "/v1/moderations", "moderations", dialect=OpenAIEmbeddings()),
        Route("POST", "/v1/chat/moderations", "moderations", dialect=OpenAIEmbeddings()),
        Route("POST", "/v1/classifications", "classifications", dialect=OpenAIEmbeddings()),
        Route("POST", "/v1/chat/classifications", "classifications", dialect=OpenAIEmbeddings()),
        Route("POST", "/v1/ocr", "ocr", dialect=PageReading()),
        Route("POST", "/v1/audio/transcriptions", "audio_transcriptions", uploads=True),
        Route("POST", "/v1/audio/speech", "audio_speech"),
        *object_routes("/v1", "conversations", free=False),
        *object_routes("/v1", "agents"),
        *object_routes("/v1", "libraries"),
        *object_routes("/v1", "batch/jobs", free=False),
        Route("POST", "/v1/batch/jobs/{id}/cancel", "batch_jobs", "object", free=True),
        *object_routes("/v1", "fine_tuning/jobs", free=False),
        *file_routes("/v1"),
        *models_routes("/v1"),
    ),
    credentials=(BEARER,),
    docs_url="https://docs.mistral.ai/api",
)
