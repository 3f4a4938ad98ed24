"""DeepSeek. Its streams state usage unasked, with what was cached in `prompt_cache_hit_tokens`. Paths
work with and without `/v1`; `/beta` opens prefixes and fill-in-the-middle. Below `/anthropic` it speaks
Anthropic's Messages, whose SDK brings its key in `x-api-key`.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, models_routes, responses_routes
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_responses import OpenAIResponses

CHAT: Final = OpenAIChat(usage=ChatUsage(cached_fields=("prompt_cache_hit_tokens",)))

DEEPSEEK: Final = Provider(
    id="deepseek",
    name="DeepSeek",
    base_url="https://api.deepseek.com",
    routes=(
        *(route for prefix in ("", "/v1", "/beta") for route in chat_routes(prefix, CHAT)),
        *(route for prefix in ("", "/v1") for route in responses_routes(prefix, OpenAIResponses())),
        Route("POST", "/anthropic/v1/messages", "messages", dialect=AnthropicMessages()),
        *(route for prefix in ("", "/v1") for route in models_routes(prefix)),
        Route("GET", "/user/balance", "balance", "other", free=True),
    ),
    credentials=(BEARER, CredentialPlace("x-api-key")),
    docs_url="https://api-docs.deepseek.com",
)
