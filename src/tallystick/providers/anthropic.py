"""Anthropic: the Messages API, its older text completions, and the objects around them.

Message batches are billed when their results are downloaded, at half price; until that settlement is
built they pass through as unpriced. Counting tokens, files and model lists cost nothing.
"""

from __future__ import annotations

from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.providers.compatible import chat_routes
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages, TextCompletions
from tallystick.providers.dialects.openai_chat import OpenAIChat

ANTHROPIC = Provider(
    id="anthropic",
    name="Anthropic",
    base_url="https://api.anthropic.com",
    routes=(
        Route("POST", "/v1/messages", "messages", dialect=AnthropicMessages()),
        Route("POST", "/v1/messages/count_tokens", "count_tokens", kind="count", dialect=AnthropicMessages(), free=True),
        Route("POST", "/v1/complete", "text_completion", dialect=TextCompletions()),
        *chat_routes("/v1", OpenAIChat(), completions=False),
        Route("GET", "/v1/models", "models", kind="models", free=True),
        Route("GET", "/v1/models/{model}", "models", kind="models", free=True),
        Route("POST", "/v1/messages/batches", "batches", kind="object"),
        Route("GET", "/v1/messages/batches", "batches", kind="object", free=True),
        Route("GET", "/v1/messages/batches/{batch}", "batches", kind="object", free=True),
        Route("GET", "/v1/messages/batches/{batch}/results", "batches", kind="object", free=True, poll=True),
        Route("POST", "/v1/messages/batches/{batch}/cancel", "batches", kind="object", free=True),
        Route("DELETE", "/v1/messages/batches/{batch}", "batches", kind="object", free=True),
        Route("POST", "/v1/files", "files", kind="object", free=True, uploads=True),
        Route("GET", "/v1/files", "files", kind="object", free=True),
        Route("GET", "/v1/files/{file}", "files", kind="object", free=True),
        Route("GET", "/v1/files/{file}/content", "files", kind="object", free=True),
        Route("DELETE", "/v1/files/{file}", "files", kind="object", free=True),
        Route("POST", "/v1/skills", "skills", kind="object", free=True, uploads=True),
        Route("POST", "/v1/skills/{skill}/versions", "skills", kind="object", free=True, uploads=True),
    ),
    credentials=(CredentialPlace("x-api-key"), CredentialPlace("authorization", "Bearer ")),
    error_shape="anthropic",
    default_headers={"anthropic-version": "2023-06-01"},
    docs_url="https://docs.anthropic.com/en/api/overview",
)
