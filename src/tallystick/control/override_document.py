"""An override as commands and the API show it."""

from __future__ import annotations

from typing import Any

from tallystick.control.call_document import moment
from tallystick.core.price_overrides import terms_of
from tallystick.stores.sql.overrides import StoredOverride


def override_document(stored: StoredOverride, now_us: int) -> dict[str, Any]:
    """The document of one override: its terms, where it stands in time, and its story."""
    override = stored.override
    ended = override.end_us is not None and override.end_us <= now_us
    return {
        "id": override.id, **terms_of(override), "status": "ended" if ended else "active" if override.start_us <= now_us else "to_come",
        "valid_from": override.valid_from or None, "valid_to": override.valid_to or None,
        "set_at": moment(stored.set_us), "proposed_by": stored.proposed_by, "approved_by": stored.approved_by,
        "ended_at": moment(stored.ended_us), "ended_by": stored.ended_by,
    }
