"""Google Cloud's model platform: Gemini's own format, Messages and chat formats behind `rawPredict`,
embeddings and pictures behind `predict`, and an OpenAI-compatible endpoint.

The path names project and location, and the location's own host is asked, unless the operator
configured another. The credential is an OAuth token, or a key in express mode. Batch jobs, tuning and
long-running predictions have no meter yet and pass as unpriced.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import CredentialPlace, Provider, Route, Socket
from tallystick.providers.dialects.anthropic_messages import AnthropicMessages
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.gemini import Gemini, GeminiEmbeddings
from tallystick.providers.dialects.gemini_live import GeminiLive
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.placed import Placed
from tallystick.providers.dialects.predictions import Predictions

VERSIONS: Final = ("v1", "v1beta1")

LOCATIONS: Final = (
    "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
    "northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1", "southamerica-west1",
    "europe-central2", "europe-north1", "europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4",
    "europe-west6", "europe-west8", "europe-west9", "europe-west12", "asia-east1", "asia-east2", "asia-northeast1",
    "asia-northeast2", "asia-northeast3", "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2",
    "australia-southeast1", "australia-southeast2", "me-central1", "me-central2", "me-west1", "africa-south1",
)
GLOBAL_HOST: Final = "https://aiplatform.googleapis.com"
MULTI_REGIONS: Final = ("us", "eu")

GENERATE: Final = Gemini()
STREAM: Final = Gemini(streams=True)
MESSAGES: Final = Placed(AnthropicMessages())          # a named location costs more than the global one
CHAT: Final = OpenAIChat()
COMPATIBLE_CHAT: Final = OpenAIChat(usage=ChatUsage(hidden_thoughts=True))      # thoughts stand in the total only


def _model_routes(where: str) -> tuple[Route, ...]:
    """What models do, below the publishers of one version, project and location."""
    own = f"{where}/publishers/google/models/{{model}}"
    return (
        Route("POST", f"{own}:generateContent", "chat", dialect=GENERATE),
        Route("POST", f"{own}:streamGenerateContent", "chat", dialect=STREAM),
        Route("POST", f"{own}:embedContent", "embeddings", dialect=GeminiEmbeddings()),
        Route("POST", f"{own}:predict", "predictions", dialect=Predictions()),
        Route("POST", f"{own}:countTokens", "count_tokens", kind="count", dialect=GENERATE, free=True),
        Route("POST", f"{own}:computeTokens", "count_tokens", kind="count", dialect=GENERATE, free=True),
        Route("POST", f"{own}:predictLongRunning", "videos", kind="object"),
        Route("POST", f"{own}:fetchPredictOperation", "videos", kind="object", free=True, poll=True),
        # Counting is a model name of its own there, hence before the models.
        Route("POST", f"{where}/publishers/anthropic/models/count-tokens:rawPredict", "count_tokens", "count", MESSAGES, free=True),
        Route("POST", f"{where}/publishers/anthropic/models/{{model}}:rawPredict", "messages", dialect=MESSAGES),
        Route("POST", f"{where}/publishers/anthropic/models/{{model}}:streamRawPredict", "messages", dialect=MESSAGES),
        Route("POST", f"{where}/publishers/mistralai/models/{{model}}:rawPredict", "chat", dialect=CHAT),
        Route("POST", f"{where}/publishers/mistralai/models/{{model}}:streamRawPredict", "chat", dialect=CHAT),
        Route("GET", f"{where}/publishers/{{publisher}}/models", "models", kind="models", free=True),
        Route("GET", f"{where}/publishers/{{publisher}}/models/{{model}}", "models", kind="models", free=True),
    )


def _project_routes(where: str) -> tuple[Route, ...]:
    """What a project keeps in one location, and its endpoints."""
    tuned = f"{where}/endpoints/{{model}}"
    kept = (("cachedContents", "cached_contents", False), ("batchPredictionJobs", "batches", False), ("tuningJobs", "tuning", False))
    return (
        Route("POST", f"{where}/endpoints/openapi/chat/completions", "chat", dialect=COMPATIBLE_CHAT),
        Route("POST", f"{tuned}/chat/completions", "chat", dialect=CHAT),
        Route("POST", f"{tuned}:generateContent", "chat", dialect=GENERATE),
        Route("POST", f"{tuned}:streamGenerateContent", "chat", dialect=STREAM),
        *(
            route
            for name, operation, free in kept
            for route in (
                Route("GET", f"{where}/{name}", operation, kind="object", free=True),
                Route("POST", f"{where}/{name}", operation, kind="object", free=free),
                Route("GET", f"{where}/{name}/{{id}}", operation, kind="object", free=True),
                Route("PATCH", f"{where}/{name}/{{id}}", operation, kind="object", free=True),
                Route("DELETE", f"{where}/{name}/{{id}}", operation, kind="object", free=True),
                Route("POST", f"{where}/{name}/{{id}}:cancel", operation, kind="object", free=True),
            )
        ),
    )


def _routes(version: str) -> tuple[Route, ...]:
    where = f"/{version}/projects/{{project}}/locations/{{location}}"
    return (*_model_routes(where), *_project_routes(where), *_model_routes(f"/{version}"))


VERTEX: Final = Provider(
    id="vertex",
    name="Google Vertex AI",
    base_url=GLOBAL_HOST,
    regions={
        "global": GLOBAL_HOST,
        **{region: f"https://aiplatform.{region}.rep.googleapis.com" for region in MULTI_REGIONS},
        **{location: f"https://{location}-aiplatform.googleapis.com" for location in LOCATIONS},
    },
    region_after="locations",
    routes=tuple(route for version in VERSIONS for route in _routes(version)),
    credentials=(CredentialPlace("authorization", "Bearer "), CredentialPlace("x-goog-api-key")),
    error_shape="gemini",
    query_credential="key",
    sockets=tuple(
        Socket(f"/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent", "live", GeminiLive())
        for version in VERSIONS
    ),
    docs_url="https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest",
)
