"""A stored credential as commands and the API show it: nothing of its value."""

from __future__ import annotations

from typing import Any

from tallystick.control.call_document import moment
from tallystick.stores.sql.credential_health import UNUSED, Standing, standings_of
from tallystick.stores.sql.vault import StoredCredential, Vault


def credential_documents(vault: Vault, organization: int, now_us: int) -> list[dict[str, Any]]:
    """The documents of an organisation's credentials, each with how it stands. Raises StoreFault."""
    standings = standings_of(vault.sequencer.database, organization, now_us)
    return [credential_document(vault, stored, standings.get((stored.provider, stored.name), UNUSED))
            for stored in vault.list(organization)]


def credential_document(vault: Vault, stored: StoredCredential, standing: Standing | None = None) -> dict[str, Any]:
    """The document of one credential; without `standing` it says nothing of its health."""
    return {
        "provider": stored.provider, "name": stored.name, "origin": stored.origin, "version": stored.version,
        "status": "usable" if vault.usable(stored) else "origin_changed", "set_at": moment(stored.set_us), "set_by": stored.set_by,
        **({} if standing is None else {"health": _health_document(standing)}),
    }


def _health_document(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state, "answers": standing.successes, "failures": standing.failures,
        "last_answer_at": _moment(standing.success_us), "last_failure_at": _moment(standing.failure_us),
        "last_failure_status": standing.failure_status or None,
        "cooling": [{"model": model or None, "until": moment(one.until_us), "why": one.why, "stated": one.stated}
                    for model, one in sorted(standing.cooling.items())],
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else moment(at_us)
