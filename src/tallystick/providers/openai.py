"""OpenAI. Its chat streams state usage only where asked (`stream_options.include_usage`); Responses
streams always do. Service tiers are billed as served, not as asked.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route, Socket
from tallystick.providers.compatible import (
    BEARER,
    batch_routes,
    chat_routes,
    embeddings_routes,
    file_routes,
    media_routes,
    models_routes,
    object_routes,
    responses_routes,
)
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_realtime import OpenAIRealtime
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.openai_runs import OpenAIRuns

PICTURE_MODEL: Final = "gpt-image-1"         # the picture tool's model where a request names none [D]


def run_routes(prefix: str) -> tuple[Route, ...]:
    """Assistants, their threads, and the runs that cost. All of it works on stored objects."""
    runs, thread = OpenAIRuns(), f"{prefix}/threads/{{id}}"
    run = f"{thread}/runs/{{run}}"
    return (
        Route("POST", f"{prefix}/threads/runs", "runs", "object", runs, keeps=True),
        Route("POST", f"{thread}/runs", "runs", "object", runs, keeps=True),
        Route("GET", f"{thread}/runs", "runs", "object", free=True),
        Route("GET", run, "runs", "object", runs, free=True, poll=True),
        Route("POST", run, "runs", "object", runs, free=True, poll=True),
        Route("POST", f"{run}/cancel", "runs", "object", runs, free=True, poll=True),
        Route("POST", f"{run}/submit_tool_outputs", "runs", "object", runs, poll=True),
        Route("GET", f"{run}/steps", "runs", "object", free=True),
        Route("GET", f"{run}/steps/{{step}}", "runs", "object", free=True),
        *object_routes(thread, "messages"),
        *object_routes(prefix, "threads"),
        *object_routes(prefix, "assistants"),
    )


def stored_routes(prefix: str) -> tuple[Route, ...]:
    """What the platform keeps for its users."""
    store = f"{prefix}/vector_stores/{{id}}"
    return (
        *file_routes(prefix),
        *batch_routes(prefix),
        *object_routes(prefix, "vector_stores"),
        *object_routes(store, "files"),
        *object_routes(store, "file_batches"),
        Route("POST", f"{store}/search", "vector_stores", "object"),
        *object_routes(prefix, "conversations"),
        *object_routes(f"{prefix}/conversations/{{id}}", "items"),
        *object_routes(prefix, "containers", free=False),
        *object_routes(f"{prefix}/containers/{{id}}", "files", uploads=True),
        *object_routes(prefix, "uploads"),
        Route("POST", f"{prefix}/uploads/{{id}}/parts", "uploads", "object", free=True, uploads=True),
        Route("POST", f"{prefix}/uploads/{{id}}/complete", "uploads", "object", free=True),
        Route("POST", f"{prefix}/uploads/{{id}}/cancel", "uploads", "object", free=True),
        *object_routes(prefix, "fine_tuning/jobs", free=False),
        Route("POST", f"{prefix}/fine_tuning/jobs/{{id}}/cancel", "fine_tuning_jobs", "object", free=True),
        Route("POST", f"{prefix}/fine_tuning/jobs/{{id}}/pause", "fine_tuning_jobs", "object", free=True),
    )


def platform_routes(prefix: str) -> tuple[Route, ...]:
    """All of the platform below one prefix."""
    chat = OpenAIChat()
    return (
        *chat_routes(prefix, chat),
        *responses_routes(prefix, OpenAIResponses(picture_model=PICTURE_MODEL)),
        *embeddings_routes(prefix, OpenAIEmbeddings()),
        Route("POST", f"{prefix}/moderations", "moderations", free=True),
        *models_routes(prefix),
        *media_routes(prefix),
        Route("POST", f"{prefix}/videos", "videos", uploads=True),
        *run_routes(prefix),
        *stored_routes(prefix),
        # Stored completions: what was answered once, read again.
        Route("GET", f"{prefix}/chat/completions/{{id}}", "chat", "object", free=True),
        Route("POST", f"{prefix}/chat/completions/{{id}}", "chat", "object", free=True),
        # These open a session; what it uses is billed on its socket.
        Route("POST", f"{prefix}/realtime/sessions", "realtime_sessions", "object", free=True),
        Route("POST", f"{prefix}/realtime/transcription_sessions", "realtime_sessions", "object", free=True),
        Route("POST", f"{prefix}/realtime/client_secrets", "realtime_sessions", "object", free=True),
        Route("POST", f"{prefix}/traces/ingest", "traces", "other", free=True),
    )


OPENAI: Final = Provider(
    id="openai",
    name="OpenAI",
    base_url="https://api.openai.com",
    routes=platform_routes("/v1"),
    credentials=(BEARER,),
    asks_stream_usage=True,
    sockets=(Socket("/v1/realtime", "realtime", OpenAIRealtime()),),
    docs_url="https://platform.openai.com/docs/api-reference",
)
