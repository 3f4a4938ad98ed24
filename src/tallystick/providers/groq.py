"""Groq. Its streams state usage unasked, in `x_groq`, in the common place, or in both; its compound
systems say which models shared it. A recording is billed as ten seconds at least.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider
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
from tallystick.providers.dialects.openai_audio import OpenAITranscription
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses

PREFIX: Final = "/openai/v1"

GROQ: Final = Provider(
    id="groq",
    name="Groq",
    base_url="https://api.groq.com",
    prefix=PREFIX,
    routes=(
        *chat_routes(PREFIX, OpenAIChat(usage_in="x_groq", breakdown="usage_breakdown"), completions=False),
        *responses_routes(PREFIX, OpenAIResponses()),
        *embeddings_routes(PREFIX, OpenAIEmbeddings()),
        *media_routes(PREFIX, transcription=OpenAITranscription(seconds_min=10)),
        *models_routes(PREFIX),
        *file_routes(PREFIX),
        *batch_routes(PREFIX),
        *object_routes("/v1", "fine_tunings", free=False),
    ),
    credentials=(BEARER,),
    docs_url="https://console.groq.com/docs/api-reference",
)
