"""A member as commands and the API show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tallystick.control.call_document import moment
from tallystick.stores.sql.members import Member


def member_document(member: Member, teams_seen: Collection[str] | None = None) -> dict[str, Any]:
    """The document of one member; of their teams, only those that are seen (None: all)."""
    teams = [team for team in sorted(member.membership.teams) if teams_seen is None or team in teams_seen]
    return {
        "id": member.account, "email": member.email, "name": member.name, "role": member.membership.role, "teams": teams,
        "status": "disabled" if member.disabled else "active", "joined_at": moment(member.joined_us),
        "seen_at": None if member.seen_us is None else moment(member.seen_us),
    }
