"""A policy as commands and the API show it and take it: the same names both ways, so that what was shown can be set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tallystick.control.call_document import moment
from tallystick.core.attempt import Refusal
from tallystick.core.policies.book import KIND_NAMES
from tallystick.core.policies.parameters import BadPolicy, parse_scope
from tallystick.stores.sql.policies import PolicySpec
from tallystick.stores.sql.policy_rows import BypassRow, PolicyRow
from tallystick.stores.sql.policy_trail import Trails

_TEXTS: Final = ("kind", "on", "mode", "name", "owner", "note")
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def policy_document(row: PolicyRow, now_us: int) -> dict[str, Any]:
    """One version of a policy."""
    return {
        "id": row.id, "version": row.version, "kind": row.kind, "on": str(row.scope), "name": row.name, "mode": row.mode,
        "status": _status(row, now_us), "parameters": row.said, "owner": row.owner, "note": row.note,
        "starts_at": moment(row.starts_us) if row.starts_us else None, "ends_at": moment(row.ends_us),
        "set_at": moment(row.made_us), "set_by": row.made_by, "replaced_at": moment(row.until_us)}


def bypass_document(row: BypassRow, now_us: int) -> dict[str, Any]:
    """One broken glass. `policy` is null where every policy is passed by."""
    return {"id": row.id, "policy": row.policy or None, "on": str(row.scope), "reason": row.reason, "until": moment(row.until_us),
            "active": now_us < row.until_us, "set_at": moment(row.made_us), "set_by": row.made_by}


def activity_document(trails: Trails) -> dict[str, Any]:
    """What policies refused, the busiest first."""
    by_policy = sorted(trails.by_policy.items(), key=lambda one: (-one[1].refused, one[0]))
    return {"whole": trails.whole, "items": [
        {"id": policy, "refused": trail.refused, "last_refusals": [_refusal(one) for one in trail.last]} for policy, trail in by_policy]}


def _refusal(refusal: Refusal) -> dict[str, Any]:
    whose = refusal.attribution
    return {"request_id": refusal.request_id, "at": moment(refusal.at_us), "code": refusal.code, "key_id": whose.key_id if whose else None,
            "team": whose.labels.get("team") if whose else None, "model": refusal.model}


def spec_of(said: Mapping[str, Any]) -> PolicySpec:
    """A policy out of a document: `kind`, and any of `on`, `mode`, `name`, `owner`, `note`, `starts_at`, `ends_at` and
    `parameters`. Raises BadPolicy; a member that is none of these is an error."""
    left = dict(said)
    texts = {name: left.pop(name, None) for name in _TEXTS}
    parameters, starts, ends = left.pop("parameters", {}), left.pop("starts_at", None), left.pop("ends_at", None)
    if left:
        raise BadPolicy(f"A policy has no {', '.join(sorted(left))}; it has {', '.join(_TEXTS)}, starts_at, ends_at and parameters.")
    if wrong := [name for name, text in texts.items() if text is not None and not isinstance(text, str)]:
        raise BadPolicy(f"{', '.join(wrong)} must be text.")
    if not texts["kind"]:
        raise BadPolicy(f"Say which kind of policy: {', '.join(KIND_NAMES)}.")
    if not isinstance(parameters, Mapping):
        raise BadPolicy("The parameters of a policy are a table.")
    return PolicySpec(
        texts["kind"], parse_scope(texts["on"] or "org"), parameters, texts["mode"] or "enforce", texts["name"] or "", texts["owner"],
        texts["note"], _us(starts), _us(ends))


def _us(said: Any) -> int | None:
    """Microseconds of a moment with its zone."""
    if said is None:
        return None
    try:
        at = said if isinstance(said, datetime) else datetime.fromisoformat(said)
        return (at - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        raise BadPolicy(f"{said!r} is no moment with its zone, such as 2026-12-31T18:00:00Z.") from None


def _status(row: PolicyRow, now_us: int) -> str:
    if row.until_us is not None:
        return "removed" if row.removed else "replaced"
    if now_us < row.starts_us:
        return "to_come"
    return "active" if row.ends_us is None or now_us < row.ends_us else "ended"
