"""How Amazon Bedrock's model ids are read by the price book's generator.

An id is a zone (none, `us.`, `eu.`, `global.` …), a maker, a model and a version: `us.anthropic.claude-
sonnet-4-5-20250929-v1:0`. A call within one region and one through a zone's profile cost the same where
nothing else is said; `global.` profiles of newer models are a tenth cheaper, and some zones have prices
of their own. genai-prices says `regional.` for all zones that are not global.
"""

from __future__ import annotations

import re

ZONE = re.compile(r"(?:us|eu|apac|au|ca|global|in|jp|me|mx|sa|us-gov)\.(.+)")
VERSION = re.compile(r"(.+?)(?:(?:-v\d+)?:\d+|-v\d+)")
DATE = re.compile(r"(.+?)-20\d{6}")


def plain_id(genai_id: str) -> str:
    """The id that genai-prices' entry is about: `regional.x` is what x costs wherever it is not global."""
    return genai_id.removeprefix("regional.")


def forms(name: str) -> set[str]:
    """The id as callers shorten it: without its version, and without its date."""
    found = {name}
    for pattern in (VERSION, DATE):
        found |= {match.group(1) for known in found if (match := pattern.fullmatch(known))}
    return found


def without_zone(name: str) -> str | None:
    """The id less its zone; None where it has none."""
    match = ZONE.fullmatch(name)
    return match.group(1) if match else None


def is_plain(name: str) -> bool:
    """Whether the id names a maker and no zone."""
    return without_zone(name) is None and "." in name.partition("-")[0]
