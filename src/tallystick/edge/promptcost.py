"""What S3's paths (`/api/proxy/v1/…`) promise beside their credentials (product.md W308, W312): a
generation without `model` or without what the model is to answer is 400 before it goes anywhere,
and a provider that refuses the provider's key is 502, because on these paths 401 is the platform
key's. Everywhere else the provider itself answers both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tallystick.core.errors import Denied

# What each operation cannot do without, besides `model`.
_NEEDED: Final[Mapping[str, str]] = {"chat": "messages", "messages": "messages", "responses": "input", "embeddings": "input"}


def missing_field(operation: str, body: Mapping[str, Any]) -> Denied | None:
    """`missing_field` for a body that lacks what its operation needs; None when it has it."""
    needed = _NEEDED.get(operation)
    if needed is None:
        return None
    for name in ("model", needed):
        if not body.get(name):
            return Denied("missing_field", f"The request body must hold '{name}'.", details={"param": name})
    return None


def key_refused(status: int) -> Denied | None:
    """`provider_key_invalid` for the status with which a provider refuses a key."""
    if status != 401:
        return None
    return Denied("provider_key_invalid", "The provider refused the key in X-Provider-Key.")
