"""An envelope as API and CLI show it: what was asked, what was signed and by whom, how it stands."""

from __future__ import annotations

from typing import Any

from tallystick.control.call_document import moment
from tallystick.core.budget import Scope
from tallystick.core.draw import NodeKey
from tallystick.core.headroom import Headroom, Span, headroom
from tallystick.core.money import decimal_text, read_amount
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.envelope_rows import EnvelopeRow, active_on_path, allocated, fallback_of, is_required
from tallystick.stores.sql.standing import NodeStanding, node_standing


def envelope_document(db: Connection, row: EnvelopeRow, now_us: int) -> dict[str, Any]:
    """The envelope and, where it is signed, how it stands."""
    start_us, end_us = row.span_us
    document: dict[str, Any] = {
        "id": row.id, "scope": row.kind, "value": row.value, "state": _state(row, now_us), "asked": row.asked,
        **_amount("amount", row.granted), "starts_at": moment(start_us or None), "ends_at": moment(end_us), "owner": row.owner,
        "purpose": row.purpose, "evidence": row.evidence, "requested_at": moment(row.requested_us), "requested_by": row.requested_by,
        "decided_at": moment(row.decided_us), "decided_by": row.decided_by, "comment": row.comment, "parent": row.parent,
        "budget": row.budget, "signature": None, "fallback": None,
    }
    if row.state != "signed":
        return document
    node, falls = _node(db, row, now_us), fallback_of(db, row)
    return document | {
        "fallback": None if falls is None else {"policy": falls.id, "models": falls.said["models"], "at_percent": falls.said["at_percent"]},
        "signature": {"approver": row.decided_by, "entry": row.signed_seq, "hash": row.signed_hash},
        **_amount("spent", node.settled), **_amount("held", node.leased), **_amount("remaining", row.granted - node.settled - node.leased),
        **_amount("allocated", allocated(db, row, now_us)),
        "used_percent": round(100 * node.settled / row.granted, 2) if row.granted else None,
        "warning_days": row.warning_days(now_us),
    }


def headroom_document(db: Connection, row: EnvelopeRow, monthly_delta: int, now_us: int) -> dict[str, Any]:
    """Whether a planned change fits one envelope."""
    node, (start_us, end_us) = _node(db, row, now_us), row.span_us
    found: Headroom = headroom(row.granted, node.settled, node.leased, Span(start_us, end_us, now_us), monthly_delta)
    return {
        "envelope": row.id, "scope": row.kind, "value": row.value, "ends_at": moment(end_us), "fits": found.fits,
        **_amount("remaining", found.remaining), **_amount("expected", found.expected), **_amount("headroom", found.headroom),
        **_amount("planned", found.planned),
    }


def fit_document(db: Connection, organization: int, scope: Scope, monthly_delta: int, now_us: int) -> dict[str, Any]:
    """Whether a planned change fits every envelope that the scope draws on. `fits` is None where there is none and none is
    needed, and False where one is needed on the scope itself and missing."""
    found = [headroom_document(db, row, monthly_delta, now_us) for row in active_on_path(db, organization, scope, now_us)]
    required = is_required(db, organization, scope)
    lacks = required and not any((one["scope"], one["value"]) == (scope.kind, scope.value) for one in found)
    return {"fits": False if lacks else all(one["fits"] for one in found) if found else None, "envelope_required": required,
            "envelopes": found}


def read_delta(text: str) -> int:
    """So many dollars a month more, or with a minus less, in nanos. Raises ValueError."""
    return -read_amount(text[1:]) if text.startswith("-") else read_amount(text)


def _state(row: EnvelopeRow, now_us: int) -> str:
    """`requested`, `declined`; of a signed one whether it is to `come`, `active` or `ended`."""
    if row.state != "signed":
        return row.state
    start_us, end_us = row.span_us
    return "active" if row.active(now_us) else "to come" if now_us < start_us < end_us else "ended"


def _node(db: Connection, row: EnvelopeRow, now_us: int) -> NodeStanding:
    assert row.budget_row is not None, "a signed envelope is a budget"
    start_us, end_us = row.budget_row.budget().span(now_us)
    return node_standing(db, NodeKey(row.budget_row.id, "", start_us), end_us)


def _amount(name: str, nanos: int) -> dict[str, Any]:
    return {f"{name}_nanos": nanos, f"{name}_usd": decimal_text(nanos)}
