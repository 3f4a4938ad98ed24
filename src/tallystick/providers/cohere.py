"""Cohere: chat in two versions of its API, the older text generation, embeddings and reranking, and an
OpenAI-compatible URL.

What is billed stands as `billed_units`, not as tokens. Tokenising and lists cost nothing. Classifying,
embedding jobs and fine-tuning have no meter yet and pass as unpriced.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, object_routes
from tallystick.providers.dialects.cohere_chat import CohereChat
from tallystick.providers.dialects.cohere_units import CohereUnits
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings

CHAT: Final = CohereChat()
UNITS: Final = CohereUnits()


def _routes(version: str) -> tuple[Route, ...]:
    """What both versions of the API offer."""
    return (
        Route("POST", f"{version}/chat", "native_chat", dialect=CHAT),
        Route("POST", f"{version}/embed", "embed", dialect=UNITS),
        Route("POST", f"{version}/rerank", "rerank", dialect=UNITS),
    )


COHERE: Final = Provider(
    id="cohere",
    name="Cohere",
    base_url="https://api.cohere.com",
    routes=(
        *_routes("/v2"),
        *_routes("/v1"),
        Route("POST", "/v1/generate", "generate", dialect=CHAT),
        Route("POST", "/v1/summarize", "summarize"),
        Route("POST", "/v1/classify", "classify"),
        Route("POST", "/v1/tokenize", "count_tokens", kind="count", free=True),
        Route("POST", "/v1/detokenize", "count_tokens", kind="count", free=True),
        Route("POST", "/v1/check-api-key", "other", kind="other", free=True),
        Route("GET", "/v1/models", "models", kind="models", free=True),
        Route("GET", "/v1/models/{model}", "models", kind="models", free=True),
        *object_routes("/v1", "embed-jobs", free=False),
        Route("POST", "/v1/embed-jobs/{id}/cancel", "embed-jobs", kind="object", free=True),
        *object_routes("/v1", "datasets", uploads=True),
        *object_routes("/v1", "connectors"),
        *object_routes("/v1", "finetuning/finetuned-models", free=False),
        *chat_routes("/compatibility/v1", OpenAIChat(), completions=False),
        *embeddings_routes("/compatibility/v1", OpenAIEmbeddings()),
    ),
    credentials=(BEARER,),
    error_shape="cohere",
    prefix="/v2",
    docs_url="https://docs.cohere.com/reference/about",
)
