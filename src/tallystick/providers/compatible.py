"""The paths that most hosts copied from one API, and a provider made of nothing but them.

An operator's own host (a local server, a company gateway) needs no file here: its address and
`openai_compatible` are enough. What a host bills is decided by its table: every POST that is not
marked free is billable, and one without a dialect is journaled as `unpriced`.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.call import Dialect
from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.providers.dialects.openai_audio import OpenAISpeech, OpenAITranscription
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_images import OpenAIImages
from tallystick.providers.dialects.openai_responses import OpenAIResponses

BEARER: Final = CredentialPlace("authorization", "Bearer ")
IMAGES: Final = OpenAIImages()
TRANSCRIPTION: Final = OpenAITranscription()


def chat_routes(prefix: str, chat: Dialect, *, completions: bool = True) -> tuple[Route, ...]:
    """Chat, and the legacy completions that state usage the same way."""
    routes = (Route("POST", f"{prefix}/chat/completions", "chat", dialect=chat),)
    return (*routes, Route("POST", f"{prefix}/completions", "completions", dialect=chat)) if completions else routes


def responses_routes(prefix: str, responses: Dialect) -> tuple[Route, ...]:
    """Responses, the objects they leave behind, and the polls that repeat their bill."""
    one = f"{prefix}/responses/{{id}}"
    return (
        Route("POST", f"{prefix}/responses", "responses", dialect=responses, keeps=True),
        Route("POST", f"{prefix}/responses/compact", "responses_compact", dialect=responses),
        Route("POST", f"{prefix}/responses/input_tokens", "count_tokens", "count", responses, free=True),
        Route("GET", one, "responses", "object", responses, free=True, poll=True),
        Route("POST", f"{one}/cancel", "responses", "object", responses, free=True, poll=True),
        Route("GET", f"{one}/input_items", "responses", "object", free=True),
        Route("DELETE", one, "responses", "object", free=True),
    )


def embeddings_routes(prefix: str, embeddings: Dialect) -> tuple[Route, ...]:
    return (Route("POST", f"{prefix}/embeddings", "embeddings", dialect=embeddings),)


def models_routes(prefix: str) -> tuple[Route, ...]:
    """What there is to call. Model ids may hold slashes."""
    return (
        Route("GET", f"{prefix}/models", "models", "models", free=True),
        Route("GET", f"{prefix}/models/{{model}}", "models", "models", free=True, model_slashes=True),
        Route("DELETE", f"{prefix}/models/{{model}}", "models", "object", free=True, model_slashes=True),
    )


def object_routes(prefix: str, name: str, *, free: bool = True, uploads: bool = False) -> tuple[Route, ...]:
    """A collection of stored objects: list, create, read, change, delete. `free`: creating one costs
    nothing; reading and changing never does."""
    operation = name.replace("/", "_")
    many, one = f"{prefix}/{name}", f"{prefix}/{name}/{{id}}"
    return (
        Route("GET", many, operation, "object", free=True),
        Route("POST", many, operation, "object", free=free, uploads=uploads),
        Route("GET", one, operation, "object", free=True),
        Route("POST", one, operation, "object", free=True),
        Route("DELETE", one, operation, "object", free=True),
    )


def file_routes(prefix: str) -> tuple[Route, ...]:
    """Files: kept for nothing, of any size."""
    return (
        *object_routes(prefix, "files", uploads=True),
        Route("GET", f"{prefix}/files/{{id}}/content", "files", "object", free=True),
    )


def batch_routes(prefix: str) -> tuple[Route, ...]:
    """Batches: billed by what their files ask for."""
    return (
        *object_routes(prefix, "batches", free=False),
        Route("POST", f"{prefix}/batches/{{id}}/cancel", "batches", "object", free=True),
    )


def media_routes(prefix: str, images: Dialect = IMAGES, transcription: Dialect = TRANSCRIPTION) -> tuple[Route, ...]:
    """Pictures and sound. What comes in as a form streams through; its fields are read on the way."""
    return (
        Route("POST", f"{prefix}/images/generations", "images", dialect=images),
        Route("POST", f"{prefix}/images/edits", "images", dialect=images, uploads=True),
        Route("POST", f"{prefix}/images/variations", "images", dialect=images, uploads=True),
        Route("POST", f"{prefix}/audio/speech", "audio_speech", dialect=OpenAISpeech()),
        Route("POST", f"{prefix}/audio/transcriptions", "audio_transcriptions", dialect=transcription, uploads=True),
        Route("POST", f"{prefix}/audio/translations", "audio_translations", dialect=transcription, uploads=True),
    )


def openai_compatible(
    id: str, base_url: str, *, name: str = "", prefix: str = "/v1", free_models: bool = False, asks_stream_usage: bool = True,
) -> Provider:
    """A provider that speaks the common paths and nothing else, for a host named in the configuration.

    `asks_stream_usage`: its streams state usage only when asked, as most of these servers do.
    """
    return Provider(
        id=id,
        name=name or id,
        base_url=base_url,
        prefix=prefix,
        credentials=(BEARER,),
        routes=(
            *chat_routes(prefix, OpenAIChat()),
            *responses_routes(prefix, OpenAIResponses()),
            *embeddings_routes(prefix, OpenAIEmbeddings()),
            *models_routes(prefix),
        ),
        asks_stream_usage=asks_stream_usage,
        free_models=free_models,
    )
