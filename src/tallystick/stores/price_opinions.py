"""Second opinions on prices: the installed genai-prices package and LiteLLM's model map as a file.
Neither is needed to run; `tallystick prices check` asks whichever is at hand.

Both lists are read at their plain rates (standard tier, short context) for the classes they surely
mean as we do: input, output, cached reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tallystick.core.price_review import Opinion

GENAI_PROVIDERS: Final = {
    "openai": "openai", "anthropic": "anthropic", "google": "google", "mistral": "mistral", "openrouter": "openrouter",
    "x-ai": "xai", "groq": "groq", "deepseek": "deepseek", "azure": "azure",
    "aws": "bedrock", "cohere": "cohere", "meta": "meta", "novita": "novita", "fireworks": "fireworks", "perplexity": "perplexity",
    "cerebras": "cerebras", "together": "together",
}
_GENAI_UNITS: Final = {"input_mtok": "input_text", "output_mtok": "output_text", "cache_read_mtok": "cached_text"}

LITELLM_PROVIDERS: Final = {
    "openai": "openai", "anthropic": "anthropic", "gemini": "google", "mistral": "mistral", "xai": "xai", "groq": "groq",
    "deepseek": "deepseek", "bedrock": "bedrock", "bedrock_converse": "bedrock", "cohere": "cohere", "cohere_chat": "cohere",
    "meta": "meta", "deepinfra": "deepinfra", "novita": "novita", "fireworks_ai": "fireworks", "perplexity": "perplexity",
    "cerebras": "cerebras", "nebius": "nebius", "together_ai": "together", "replicate": "replicate",
}
_LITELLM_UNITS: Final = {
    "input_cost_per_token": "input_text", "output_cost_per_token": "output_text", "cache_read_input_token_cost": "cached_text",
}
_LITELLM_MODES: Final = frozenset({"chat", "completion", "embedding", "responses"})


class NoOpinion(Exception):
    """The source is not at hand or not in the form we know."""


def genai_opinions(at: datetime) -> Iterator[Opinion]:
    """What the installed genai-prices says for each model's own id at that moment. Raises NoOpinion."""
    try:
        data = import_module("genai_prices.data")
    except ImportError as error:
        raise NoOpinion("genai-prices is not installed") from error
    for provider in data.providers:
        ours = GENAI_PROVIDERS.get(provider.id)
        for model in provider.models if ours else ():
            prices = model.get_prices(at.astimezone(UTC))
            for key, unit in _GENAI_UNITS.items():
                price = getattr(prices, key)
                if price is not None and ours:
                    yield Opinion("genai-prices", ours, model.id.removeprefix("regional."), unit, getattr(price, "base", price))


def litellm_opinions(path: Path) -> Iterator[Opinion]:
    """What LiteLLM's map in this file says today. Raises NoOpinion."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise NoOpinion(f"{path} is not LiteLLM's model map: {error}") from error
    yield from litellm_opinions_of(text, str(path))


def litellm_opinions_of(text: str, where: str) -> Iterator[Opinion]:
    """The same of a text; `where` it is from. Raises NoOpinion."""
    try:
        entries: dict[str, dict[str, Any]] = json.loads(text, parse_float=Decimal)
        listed = [(key, entry) for key, entry in entries.items() if entry.get("mode") in _LITELLM_MODES]
    except (ValueError, AttributeError) as error:
        raise NoOpinion(f"{where} is not LiteLLM's model map: {error}") from error
    for key, entry in listed:
        provider = LITELLM_PROVIDERS.get(str(entry.get("litellm_provider")))
        for field, unit in _LITELLM_UNITS.items():
            price = entry.get(field)
            if provider and isinstance(price, Decimal) and price:
                name = key.removeprefix(f"{entry['litellm_provider']}/")
                if provider == "bedrock" and "/" in name:
                    continue                 # a price within one region, which a call does not name
                yield Opinion("litellm", provider, name, unit, (price * 1_000_000).quantize(Decimal("1e-9")))
