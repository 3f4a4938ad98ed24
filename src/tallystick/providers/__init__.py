"""Every provider this gateway knows, in one literal tuple. Adding one is adding its file and its name
here; its prices are data beside.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider
from tallystick.providers.anthropic import ANTHROPIC
from tallystick.providers.azure import AZURE
from tallystick.providers.bedrock import BEDROCK
from tallystick.providers.cerebras import CEREBRAS
from tallystick.providers.cohere import COHERE
from tallystick.providers.compatible import openai_compatible
from tallystick.providers.deepinfra import DEEPINFRA
from tallystick.providers.deepseek import DEEPSEEK
from tallystick.providers.fireworks import FIREWORKS
from tallystick.providers.google import GOOGLE
from tallystick.providers.groq import GROQ
from tallystick.providers.huggingface import HUGGINGFACE
from tallystick.providers.meta import META
from tallystick.providers.mistral import MISTRAL
from tallystick.providers.nebius import NEBIUS
from tallystick.providers.novita import NOVITA
from tallystick.providers.ollama import OLLAMA
from tallystick.providers.openai import OPENAI
from tallystick.providers.openrouter import OPENROUTER
from tallystick.providers.perplexity import PERPLEXITY
from tallystick.providers.replicate import REPLICATE
from tallystick.providers.together import TOGETHER
from tallystick.providers.vertex import VERTEX
from tallystick.providers.xai import XAI

PROVIDERS: Final = (
    OPENAI, ANTHROPIC, GOOGLE, AZURE, MISTRAL, OPENROUTER, XAI, GROQ, DEEPSEEK, OLLAMA, BEDROCK, VERTEX,
    COHERE, META, DEEPINFRA, NOVITA, FIREWORKS, PERPLEXITY, CEREBRAS, NEBIUS, TOGETHER, HUGGINGFACE,
    REPLICATE,
)

__all__ = ["PROVIDERS", "openai_compatible", "provider"]


def provider(id: str) -> Provider | None:
    """The provider of that id; None where there is none."""
    return next((known for known in PROVIDERS if known.id == id), None)
