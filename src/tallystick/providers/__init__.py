"""Every provider this gateway knows, in one literal tuple. Adding one is adding its file and its name
here; its prices are data beside.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider
from tallystick.providers.anthropic import ANTHROPIC
from tallystick.providers.azure import AZURE
from tallystick.providers.bedrock import BEDROCK
from tallystick.providers.cohere import COHERE
from tallystick.providers.compatible import openai_compatible
from tallystick.providers.deepseek import DEEPSEEK
from tallystick.providers.google import GOOGLE
from tallystick.providers.groq import GROQ
from tallystick.providers.mistral import MISTRAL
from tallystick.providers.ollama import OLLAMA
from tallystick.providers.openai import OPENAI
from tallystick.providers.openrouter import OPENROUTER
from tallystick.providers.vertex import VERTEX
from tallystick.providers.xai import XAI

PROVIDERS: Final = (OPENAI, ANTHROPIC, GOOGLE, AZURE, MISTRAL, OPENROUTER, XAI, GROQ, DEEPSEEK, OLLAMA, BEDROCK, VERTEX, COHERE)

__all__ = ["PROVIDERS", "openai_compatible", "provider"]


def provider(id: str) -> Provider | None:
    """The provider of that id; None where there is none."""
    return next((known for known in PROVIDERS if known.id == id), None)
