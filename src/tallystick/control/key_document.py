"""A key as commands and the API show it: all but its text."""

from __future__ import annotations

from typing import Any

from tallystick.control.call_document import moment
from tallystick.stores.sql.directory import KeyRow


def key_document(row: KeyRow, now_us: int) -> dict[str, Any]:
    """The document of one key."""
    return {
        "id": row.id, "prefix": row.preview.partition("...")[0], "preview": row.preview,
        "organization": row.organization, "team": row.labels.get("team"), "project": row.labels.get("project"),
        "user": row.labels.get("user"), "agent": row.labels.get("agent"), "environment": row.labels.get("environment"),
        "cost_center": row.labels.get("cost_center"), "credential": row.credential, "name": row.name, "format": row.format,
        "owner": row.owner, "status": row.status(now_us), "created_at": moment(row.created_us), "created_by": row.created_by,
        "expires_at": moment(row.expires_us), "revoked_at": moment(row.revoked_us),
    }
