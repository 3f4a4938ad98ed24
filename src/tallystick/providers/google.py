"""Google AI Studio: Gemini's own format on every version of its API, and its OpenAI-compatible URL.

A key may stand in the URL (`?key=`); it is taken out of it and sent as a header. What makes objects
that cost by the hour or are billed when a job ends (caches, batches, videos) has no meter yet and
passes as unpriced.
"""

from __future__ import annotations

from tallystick.core.dialect import CredentialPlace, Provider, Route, Socket
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.gemini import Gemini, GeminiEmbeddings
from tallystick.providers.dialects.gemini_live import GeminiLive
from tallystick.providers.dialects.gemini_interactions import GeminiInteractions
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings

VERSIONS = ("v1beta", "v1", "v1alpha")

TIER_HEADER = "x-gemini-service-tier"
GENERATE = Gemini(tier_header=TIER_HEADER)
STREAM = Gemini(streams=True, tier_header=TIER_HEADER)
EMBED = GeminiEmbeddings()
INTERACT = GeminiInteractions()
COMPATIBLE_CHAT = OpenAIChat(usage=ChatUsage(hidden_thoughts=True))      # thoughts stand in the total only


def _routes(version: str) -> tuple[Route, ...]:
    """One version of the API."""
    return (
        Route("POST", f"/{version}/models/{{model}}:generateContent", "chat", dialect=GENERATE),
        Route("POST", f"/{version}/models/{{model}}:streamGenerateContent", "chat", dialect=STREAM),
        Route("POST", f"/{version}/tunedModels/{{model}}:generateContent", "chat", dialect=GENERATE),
        Route("POST", f"/{version}/tunedModels/{{model}}:streamGenerateContent", "chat", dialect=STREAM),
        Route("POST", f"/{version}/models/{{model}}:embedContent", "embeddings", dialect=EMBED),
        Route("POST", f"/{version}/models/{{model}}:batchEmbedContents", "embeddings", dialect=EMBED),
        Route("POST", f"/{version}/models/{{model}}:countTokens", "count_tokens", kind="count", dialect=GENERATE, free=True),
        Route("POST", f"/{version}/models/{{model}}:predict", "images"),
        Route("POST", f"/{version}/models/{{model}}:predictLongRunning", "videos", kind="object"),
        Route("POST", f"/{version}/models/{{model}}:batchGenerateContent", "batches", kind="object"),
        Route("POST", f"/{version}/models/{{model}}:asyncBatchEmbedContent", "batches", kind="object"),
        Route("GET", f"/{version}/models", "models", kind="models", free=True),
        Route("GET", f"/{version}/models/{{model}}", "models", kind="models", free=True),
        Route("POST", f"/{version}/interactions", "interactions", dialect=INTERACT),
        Route("GET", f"/{version}/interactions/{{id}}", "interactions", kind="object", dialect=INTERACT, free=True, poll=True),
        Route("POST", f"/{version}/interactions/{{id}}/cancel", "interactions", kind="object", free=True),
        Route("DELETE", f"/{version}/interactions/{{id}}", "interactions", kind="object", free=True),
        Route("POST", f"/{version}/cachedContents", "cached_contents", kind="object"),
        Route("GET", f"/{version}/cachedContents", "cached_contents", kind="object", free=True),
        Route("GET", f"/{version}/cachedContents/{{cache}}", "cached_contents", kind="object", free=True),
        Route("PATCH", f"/{version}/cachedContents/{{cache}}", "cached_contents", kind="object", free=True),
        Route("DELETE", f"/{version}/cachedContents/{{cache}}", "cached_contents", kind="object", free=True),
        Route("POST", f"/upload/{version}/files", "files", kind="object", free=True, uploads=True),
        Route("POST", f"/{version}/files", "files", kind="object", free=True),
        Route("GET", f"/{version}/files", "files", kind="object", free=True),
        Route("GET", f"/{version}/files/{{file}}", "files", kind="object", free=True),
        Route("DELETE", f"/{version}/files/{{file}}", "files", kind="object", free=True),
        Route("POST", f"/{version}/fileSearchStores", "file_stores", kind="object", free=True),
        Route("GET", f"/{version}/fileSearchStores", "file_stores", kind="object", free=True),
        Route("GET", f"/{version}/fileSearchStores/{{store}}", "file_stores", kind="object", free=True),
        Route("DELETE", f"/{version}/fileSearchStores/{{store}}", "file_stores", kind="object", free=True),
        # Indexing a file bills its embedding.
        Route("POST", f"/{version}/fileSearchStores/{{store}}:importFile", "file_stores", kind="object"),
        Route("POST", f"/upload/{version}/fileSearchStores/{{store}}:uploadToFileSearchStore", "file_stores",
              kind="object", uploads=True),
        Route("POST", f"/{version}/batches/{{batch}}:cancel", "batches", kind="object", free=True),
        Route("GET", f"/{version}/batches", "batches", kind="object", free=True),
        Route("GET", f"/{version}/batches/{{batch}}", "batches", kind="object", free=True, poll=True),
        Route("POST", f"/{version}/auth_tokens", "auth_tokens", kind="object", free=True),
        Route("POST", f"/{version}/openai/chat/completions", "chat", dialect=COMPATIBLE_CHAT),
        Route("POST", f"/{version}/openai/embeddings", "embeddings", dialect=OpenAIEmbeddings()),
        Route("GET", f"/{version}/openai/models", "models", kind="models", free=True),
        Route("GET", f"/{version}/openai/models/{{model}}", "models", kind="models", free=True),
    )


GOOGLE = Provider(
    id="google",
    name="Google AI Studio",
    base_url="https://generativelanguage.googleapis.com",
    routes=tuple(route for version in VERSIONS for route in _routes(version)),
    credentials=(CredentialPlace("x-goog-api-key"), CredentialPlace("authorization", "Bearer ")),
    error_shape="gemini",
    prefix="/v1beta",
    query_credential="key",
    sockets=tuple(
        Socket(f"/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}", "live", GeminiLive())
        for version in VERSIONS for method in ("BidiGenerateContent", "BidiGenerateContentConstrained")
    ),
    docs_url="https://ai.google.dev/api",
)
