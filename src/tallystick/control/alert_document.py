"""An alert as API and CLI show it, and the log of its deliveries."""

from __future__ import annotations

from typing import Any

from tallystick.core.alerts.alert import moment_text
from tallystick.stores.sql.alerts_deliveries import attempts_of, deliveries_of
from tallystick.stores.sql.alerts_handling import Mute
from tallystick.stores.sql.alerts_raised import AlertRow
from tallystick.stores.sql.connection import Connection


def alert_document(row: AlertRow) -> dict[str, Any]:
    """The alert itself."""
    return {
        "id": row.id, "kind": row.kind, "thread": row.thread, "mark": row.mark, "severity": row.severity, "title": row.title,
        "text": row.text, "facts": dict(row.facts), "path": row.path or None, "raised_at": moment_text(row.at_us),
        "resolved_at": moment_text(row.resolved_us) if row.resolved_us is not None else None, "resolution": row.resolution or None,
        "scopes": list(row.scopes),
        "acknowledged_at": moment_text(row.acknowledged_us) if row.acknowledged_us is not None else None,
        "acknowledged_by": row.acknowledged_by or None, "note": row.note or None}


def mute_document(row: Mute) -> dict[str, Any]:
    """A mute. `thread`, `kind` and `budget_id` are null where any is meant."""
    return {"id": row.id, "thread": row.thread or None, "kind": row.kind or None, "budget_id": row.budget,
            "until": moment_text(row.until_us), "reason": row.reason, "set_at": moment_text(row.made_us), "set_by": row.made_by}


def delivery_documents(db: Connection, row: AlertRow) -> list[dict[str, Any]]:
    """What each channel was to say of it, and every attempt. `state`: waiting, sent, failed or skipped."""
    names: dict[str, str] = dict(db.execute("SELECT id, name FROM alert_channel WHERE organization = ?", (row.organization,)).fetchall())
    return [
        {"channel": names[each.channel], "event": each.event, "message_id": each.message_id, "state": each.state,
         "next_at": moment_text(each.next_us) if each.state == "waiting" else None,
         "done_at": moment_text(each.done_us) if each.done_us is not None else None,
         "attempts": [{"at": moment_text(attempt.at_us), "result": attempt.result, "status": attempt.status, "said": attempt.said,
                       "took_ms": attempt.took_us // 1_000} for attempt in attempts_of(db, each.id)]}
        for each in deliveries_of(db, row.id)]
