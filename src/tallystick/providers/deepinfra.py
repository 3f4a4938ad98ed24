"""DeepInfra. Every usage states what it costs (`estimated_cost`), a binary float with its noise: it is
taken as written and rounded once, in the entry. A stream states its usage with the last choice and
once more behind it; the last one wins. A model's own inference path has no meter yet.
Source: https://deepinfra.com/docs/openai_api, https://deepinfra.com/docs/inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.core.dialect import Provider, Route
from tallystick.core.usage import StatedCost
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, media_routes, models_routes
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.wire import dollars

PREFIX: Final = "/v1/openai"


def stated_cost(usage: Mapping[str, Any]) -> StatedCost | None:
    """The cost, in US dollars."""
    usd = dollars(usage.get("estimated_cost"))
    return None if usd is None else StatedCost(usd)


DEEPINFRA: Final = Provider(
    id="deepinfra",
    name="DeepInfra",
    base_url="https://api.deepinfra.com",
    prefix=PREFIX,
    routes=(
        *chat_routes(PREFIX, OpenAIChat(stated=stated_cost)),
        *embeddings_routes(PREFIX, OpenAIEmbeddings(stated=stated_cost)),
        *media_routes(PREFIX),
        *models_routes(PREFIX),
        Route("POST", "/v1/inference/{model}", "inference", model_slashes=True),
    ),
    credentials=(BEARER,),
    states_cost=True,
    docs_url="https://deepinfra.com/docs",
)
