"""Perplexity. It states what it charged, part by part and each part rounded (`usage.cost`); the total
is the bill. A request to a Sonar model is itself a billed unit, dearer the more context is searched;
deep research bills citations, searches and reasoning apart from the completion. The Agent API speaks
Responses and says what was written to the cache under another name.
Source: https://docs.perplexity.ai/docs/getting-started/pricing, https://docs.perplexity.ai/api-reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.core.dialect import Provider, Route
from tallystick.core.usage import StatedCost
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, models_routes, responses_routes
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.wire import dollars, mapping


def stated_cost(usage: Mapping[str, Any]) -> StatedCost | None:
    """The total of the parts, in US dollars."""
    usd = dollars(mapping(usage.get("cost")).get("total_cost"))
    return None if usd is None else StatedCost(usd)


CHAT: Final = OpenAIChat(
    usage=ChatUsage(
        reasoning_apart="reasoning_tokens",
        uses=(("citation_tokens", "citation_tokens"), ("num_search_queries", "web_searches")),
        per_request=True,
    ),
    stated=stated_cost,
)
AGENT: Final = OpenAIResponses(stated=stated_cost, written_field="cache_creation_input_tokens")

PERPLEXITY: Final = Provider(
    id="perplexity",
    name="Perplexity",
    base_url="https://api.perplexity.ai",
    prefix="",
    routes=(
        *(route for prefix in ("", "/v1") for route in chat_routes(prefix, CHAT, completions=False)),
        Route("POST", "/v1/sonar", "chat", dialect=CHAT),
        *responses_routes("/v1", AGENT),
        Route("POST", "/v1/agent", "responses", dialect=AGENT, keeps=True),
        *embeddings_routes("/v1", OpenAIEmbeddings(stated=stated_cost)),
        Route("POST", "/search", "search"),
        Route("POST", "/v1/async/sonar", "chat_jobs"),
        Route("POST", "/async/chat/completions", "chat_jobs"),
        *models_routes("/v1"),
    ),
    credentials=(BEARER,),
    states_cost=True,
    docs_url="https://docs.perplexity.ai",
)
