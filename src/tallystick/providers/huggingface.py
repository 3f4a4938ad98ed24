"""Hugging Face's router in front of many hosts. The host's own prices hold, so the host is read off
the path (`/together/v1/…`) or the model (`…:together`); a request that leaves the choice to the router
has no price. Hosts differ in whether their streams state usage: none is asked for, and a stream
without it is estimated. Text generation puts its counts into headers.
Source: https://huggingface.co/docs/inference-providers; seen in recorded traffic.
"""

from __future__ import annotations

import re
from typing import Final

from tallystick.core.call import Facts, ReplyHead
from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, chat_routes, embeddings_routes, models_routes, responses_routes
from tallystick.providers.dialects.chat_usage import ChatUsage
from tallystick.providers.dialects.openai_chat import OpenAIChat
from tallystick.providers.dialects.openai_embeddings import OpenAIEmbeddings
from tallystick.providers.dialects.openai_responses import OpenAIResponses
from tallystick.providers.dialects.text_generation import TextGeneration

ROUTERS_CHOICE: Final = frozenset({"auto", "fastest", "cheapest", "preferred"})
HOST: Final = re.compile(r"[a-z0-9-]{1,32}")


def served_by(facts: Facts, head: ReplyHead) -> str | None:
    """The host, where the request names one."""
    first = head.path.lstrip("/").partition("/")[0]
    host = (facts.model or "").partition(":")[2] if first == "v1" else first
    return host if HOST.fullmatch(host) and host not in ROUTERS_CHOICE else None


CHAT: Final = OpenAIChat(usage=ChatUsage(cached_fields=("cached_tokens",)), served_by=served_by)

HUGGINGFACE: Final = Provider(
    id="huggingface",
    name="Hugging Face",
    base_url="https://router.huggingface.co",
    routes=(
        *chat_routes("/v1", CHAT),
        *responses_routes("/v1", OpenAIResponses()),
        *embeddings_routes("/v1", OpenAIEmbeddings()),
        *models_routes("/v1"),
        # Each host keeps its own paths behind its name.
        *(Route("POST", f"/{{host}}{path}/chat/completions", "chat", dialect=CHAT)
          for path in ("/v1", "/openai/v1", "/inference/v1", "/v3/openai")),
        Route("POST", "/{host}/models/{model}/v1/chat/completions", "chat", dialect=CHAT, model_slashes=True),
        Route("POST", "/{host}/models/{model}", "text_generation", dialect=TextGeneration(served_by=served_by), model_slashes=True),
    ),
    credentials=(BEARER,),
    docs_url="https://huggingface.co/docs/inference-providers",
)
