"""OpenRouter, a router in front of many hosts. It states what it charged (`usage.cost`, credits that
are US dollars), and that is the bill: advisors, searches and plugins stand in it and nowhere else.
With a key of the caller's own at the host (`is_byok`) it charges 0 or its fee, and the host bills the
key's owner `upstream_inference_cost`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.core.dialect import Provider, Route
from tallystick.core.usage import StatedCost
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, models_routes, responses_routes
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.wire import dollars, mapping


def stated_cost(usage: Mapping[str, Any]) -> StatedCost | None:
    """What the router charged; with `is_byok` also what the host will."""
    usd = dollars(usage.get("cost"))
    if usd is None:
        return None
    byok = usage.get("is_byok") is True
    upstream = dollars(mapping(usage.get("cost_details")).get("upstream_inference_cost")) if byok else None
    return StatedCost(usd, byok, upstream)


OPENROUTER: Final = Provider(
    id="openrouter",
    name="OpenRouter",
    base_url="https://openrouter.ai",
    prefix="/api/v1",
    routes=(
        *chat_routes("/api/v1", OpenAIChat(stated=stated_cost)),
        *responses_routes("/api/v1", OpenAIResponses(stated=stated_cost)),
        *embeddings_routes("/api/v1", OpenAIEmbeddings()),
        Route("GET", "/api/v1/models/{model}/endpoints", "models", "models", free=True, model_slashes=True),
        *models_routes("/api/v1"),
        Route("GET", "/api/v1/generation", "generations", "object", free=True),
        Route("GET", "/api/v1/key", "keys", "other", free=True),
        Route("POST", "/api/v1/auth/keys", "keys", "other", free=True),
    ),
    credentials=(BEARER,),
    states_cost=True,
    checks_key_at="/api/v1/key",             # it lists its models to everybody
    docs_url="https://openrouter.ai/docs/api-reference",
)
