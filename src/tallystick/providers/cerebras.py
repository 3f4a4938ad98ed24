"""Cerebras. The common shape; its streams state usage unasked, in the last chunk.
Source: https://inference-docs.cerebras.ai/api-reference/chat-completions.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider
from tallystick.providers.compatible import BEARER, batch_routes, chat_routes, file_routes, models_routes
from tallystick.providers.dialects.openai_chat import OpenAIChat

CEREBRAS: Final = Provider(
    id="cerebras",
    name="Cerebras",
    base_url="https://api.cerebras.ai",
    routes=(*chat_routes("/v1", OpenAIChat()), *models_routes("/v1"), *file_routes("/v1"), *batch_routes("/v1")),
    credentials=(BEARER,),
    docs_url="https://inference-docs.cerebras.ai",
)
