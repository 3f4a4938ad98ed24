"""A stored credential as commands and the API show it: nothing of its value."""

from __future__ import annotations

from typing import Any

from tallystick.control.call_document import moment
from tallystick.stores.sql.vault import StoredCredential, Vault


def credential_document(vault: Vault, stored: StoredCredential) -> dict[str, Any]:
    """The document of one credential."""
    return {
        "provider": stored.provider, "name": stored.name, "origin": stored.origin, "version": stored.version,
        "status": "usable" if vault.usable(stored) else "origin_changed", "set_at": moment(stored.set_us), "set_by": stored.set_by,
    }
