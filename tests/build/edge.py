"""Providers and callers for the tests of the edge: small ones of our own making, so that what is
tested is the edge's rule and not a provider's file."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from tallystick.core import keyformat
from tallystick.core.dialect import CredentialPlace, Provider, Route
from tallystick.core.identity import Principal

BEARER = CredentialPlace("Authorization", "Bearer ")

PROVIDERS = {
    provider.id: provider
    for provider in (
        Provider("openai", "OpenAI", "https://api.openai.com", (
            Route("POST", "/v1/chat/completions", "chat"), Route("GET", "/v1/models", "models", kind="models", free=True),
        ), (BEARER,)),
        Provider("anthropic", "Anthropic", "https://api.anthropic.com", (Route("POST", "/v1/messages", "messages"),),
                 (CredentialPlace("x-api-key"), BEARER), error_shape="anthropic", default_headers={"anthropic-version": "2023-06-01"}),
        Provider("google", "Google", "https://generativelanguage.googleapis.com", (
            Route("POST", "/v1beta/models/{model}:generateContent", "generate_content"),
        ), (CredentialPlace("x-goog-api-key"), BEARER), error_shape="gemini", prefix="/v1beta", query_credential="key"),
        Provider("groq", "Groq", "https://api.groq.com", (Route("POST", "/openai/v1/chat/completions", "chat"),), (BEARER,), prefix="/openai/v1"),
        Provider("ollama", "Ollama", None, (
            Route("POST", "/v1/chat/completions", "chat"), Route("POST", "/api/chat", "chat_native"),
        ), (BEARER,), free_models=True),
        Provider("deepseek", "DeepSeek", "https://api.deepseek.com", (
            Route("POST", "/chat/completions", "chat"), Route("POST", "/v1/chat/completions", "chat"),
            Route("POST", "/anthropic/v1/messages", "messages"),
        ), (BEARER, CredentialPlace("x-api-key"))),
    )
}


class Issued:
    """A keyring that holds what it was given. `asked` is what was looked up, in order."""

    def __init__(self, *keys: str) -> None:
        self._principals = {key: Principal(key_id=f"id-of-{key}", organization="default") for key in keys}
        self.asked: list[str] = []

    def recognises(self, text: str) -> bool:
        return keyformat.recognises(text)

    def knows(self, presented: str) -> bool:
        return presented in self.asked

    async def find(self, presented: str) -> Principal | None:
        self.asked.append(presented)
        return self._principals.get(presented)


Result = TypeVar("Result")


def answer(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that waits for nothing, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited for something")
