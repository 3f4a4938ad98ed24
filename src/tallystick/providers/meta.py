"""Meta: Muse models behind the shapes of others (chat, responses, messages). Its chat streams state
usage only where asked.
Source: https://dev.meta.ai/docs/overview, protocols/chat-completions, protocols/responses.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, file_routes, models_routes, responses_routes
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_responses import OpenAIResponses

META: Final = Provider(
    id="meta",
    name="Meta",
    base_url="https://api.meta.ai",
    routes=(
        *chat_routes("/v1", OpenAIChat(), completions=False),
        *responses_routes("/v1", OpenAIResponses()),
        Route("POST", "/v1/messages", "messages", dialect=AnthropicMessages()),
        Route("POST", "/v1/messages/count_tokens", "count_tokens", "count", AnthropicMessages(), free=True),
        *models_routes("/v1"),
        *file_routes("/v1"),
    ),
    credentials=(BEARER, CredentialPlace("x-api-key")),
    asks_stream_usage=True,
    docs_url="https://dev.meta.ai/docs",
)
