"""xAI. It states what it billed in ticks of 1e-10 US dollars. Its chat leaves reasoning out of the
completion, its Responses do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tallystick.core.dialect import Provider, Route, Socket
from tallystick.core.usage import StatedCost
from tallystick.providers.compatible import (
    BEARER,
    batch_routes,
    chat_routes,
    embeddings_routes,
    file_routes,
    media_routes,
    models_routes,
    responses_routes,
)
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_images import OpenAIImages
from tallystick.providers.dialects.openai_realtime import OpenAIRealtime
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.wire import dollars

TICKS_PER_USD: Final = Decimal(10**10)


def stated_cost(usage: Mapping[str, Any]) -> StatedCost | None:
    """The amount billed, all in: tokens, searches, other tools."""
    ticks = usage.get("cost_in_usd_ticks")
    usd = dollars(Decimal(ticks) / TICKS_PER_USD) if type(ticks) is int and 0 <= ticks < 10**20 else None
    return None if usd is None else StatedCost(usd)


CHAT: Final = OpenAIChat(usage=ChatUsage(reasoning_beside=True), stated=stated_cost)

XAI: Final = Provider(
    id="xai",
    name="xAI",
    base_url="https://api.x.ai",
    routes=(
        *chat_routes("/v1", CHAT),
        Route("GET", "/v1/chat/deferred-completion/{id}", "chat", "object", CHAT, free=True, poll=True),
        *responses_routes("/v1", OpenAIResponses(stated=stated_cost)),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        Route("POST", "/v1/tokenize-text", "count_tokens", "count", free=True),
        *media_routes("/v1", images=OpenAIImages(stated=stated_cost)),
        *models_routes("/v1"),
        Route("GET", "/v1/language-models", "models", "models", free=True),
        Route("GET", "/v1/language-models/{model}", "models", "models", free=True),
        *file_routes("/v1"),
        *batch_routes("/v1"),
        Route("POST", "/v1/realtime/client_secrets", "realtime_sessions", "object", free=True),
    ),
    credentials=(BEARER,),
    states_cost=True,
    reasons_beyond=True,
    sockets=(Socket("/v1/realtime", "realtime", OpenAIRealtime()),),      # billed by the seconds of speech
    docs_url="https://docs.x.ai/docs/api-reference",
)
