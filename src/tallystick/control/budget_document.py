"""A budget as API and CLI show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tallystick.core.budget import Subject, Unit, subject_matches
from tallystick.core.draw import NodeKey
from tallystick.core.identity import Attribution, Principal
from tallystick.core.moments import moment_text
from tallystick.core.money import decimal_text
from tallystick.core.windows import END_OF_TIME_US
from tallystick.stores.sql.budget_history import History, Step
from tallystick.stores.sql.budget_rows import BudgetRow, budget_rows
from tallystick.stores.sql.budget_trail import open_holds, turned_away
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.standing import NodeStanding, node_standing
from tallystick.stores.sql.team_names import names_in
from tallystick.stores.sql.write_off import Part

_OWN_KINDS: Final = frozenset({"key", "project", "team", "user", "agent"})


def budget_document(row: BudgetRow, nodes: Sequence[NodeStanding], now_us: int) -> dict[str, Any]:
    """The budget and how it stands. Money is in nanos and as decimal dollars, other units are counts."""
    limit = row.budget().cap(now_us)
    start_us, end_us = row.budget().span(now_us)
    document: dict[str, Any] = {
        "id": row.id, "scope": row.kind, "value": row.value, "name": row.name, "window": row.span, "zone": row.zone, "unit": row.unit,
        "mode": row.mode, "on_exceed": row.on_exceed, **_amounts(row.unit, "limit", limit), "version": row.version, "owner": row.owner,
        "note": row.note, "policy": row.policy or None, "starts_at": _moment(row.starts_us), "ends_at": _moment(row.ends_us),
        "window_start": _moment(start_us), "resets_at": _moment(end_us),
        "raises": [{**_amounts(row.unit, "amount", extra.amount), "until": _moment(extra.until_us)}
                   for extra in row.raises if extra.until_us > now_us],
        "created_at": _moment(row.created_us), "created_by": row.created_by,
        "nodes": [node_document(node, row.unit, limit) for node in nodes],
    }
    if row.currency != "USD" and row.currency_nanos is not None:
        document |= {"currency": row.currency, "limit_in_currency": decimal_text(row.currency_nanos), "rate": row.rate}
    return document


def trail_document(db: Connection, row: BudgetRow) -> dict[str, Any]:
    """Who holds the budget with calls that the ledger knows as open, and who was turned away last."""
    return {
        "open_calls": [{"key_id": hold.key_id, "team": hold.team or None, "calls": hold.calls, "jobs": hold.jobs,
                        **_amounts(row.unit, "held", hold.amount), "since": _moment(hold.since_us)} for hold in open_holds(db, row)],
        "not_known": "Whose the calls of the last minute are is known to the gateways that run them; together they hold at most what the "
                     "gateways have leased.",
        "last_refusals": [{"request_id": one.request_id, "at": _moment(one.at_us), "code": one.code, "key_id": one.key_id or None,
                           "team": one.team or None, "model": one.model or None, "budget": dict(one.stood)}
                          for one in turned_away(db, row.organization, row.id)],
    }


def history_document(row: BudgetRow, history: History) -> dict[str, Any]:
    """What was done to a budget, newest first, with the entry of the ledger that says so. Of a raise: by how much, until when, why."""
    return {"whole": history.whole, "items": [_step(row, step) for step in history.steps]}


def _step(row: BudgetRow, step: Step) -> dict[str, Any]:
    said = step.fields
    told: dict[str, Any] = {"entry": step.seq, "at": _moment(said["at"]), "event": said["event"], "by": said.get("actor", "")}
    if "limit" in said:
        told |= {**_amounts(row.unit, "limit", int(said["limit"])), "mode": said["mode"], "on_exceed": said["on_exceed"],
                 "name": said.get("name", ""), "owner": said.get("owner", ""), "note": said.get("note", ""),
                 "ends_at": _moment(said.get("ends")), "version": said["version"]}
    if "extra" in said:
        told |= {**_amounts(row.unit, "extra", int(said["extra"])), "until": _moment(said["until"])}
    return told | {"reason": said.get("reason"), "percents": said.get("percents")}


def node_document(node: NodeStanding, unit: Unit, limit: int) -> dict[str, Any]:
    """One subject's part: what is spent, what is held and by whom, what is left."""
    return {
        "subject": node.node.subject, **_amounts(unit, "spent", node.settled), **_amounts(unit, "held", node.leased),
        **_amounts(unit, "remaining", limit - node.settled - node.leased), **_amounts(unit, "stranded", node.stranded),
        "used_percent": round(100 * node.settled / limit, 2) if limit else None,
        "holders": [{"id": holder.id, **_amounts(unit, "amount", holder.amount), "alive": holder.alive,
                     "written_off": holder.written_off} for holder in node.holders],
    }


def part_document(part: Part) -> dict[str, Any]:
    """What stays drawn of one node after a write-off, or was released."""
    return {"budget": part.node.budget, "subject": part.node.subject, **_amounts(part.unit, "amount", part.amount)}


def own_budgets(db: Connection, organization: int, principal: Principal, now_us: int) -> list[dict[str, Any]]:
    """How the budgets stand that are a key's own: on it, and on what it is bound to. What others spend under the same
    organisation, provider or model is not the key's to see."""
    teams = names_in(db, organization)
    labels = {**principal.labels}
    if "team" in labels:
        labels["team"] = teams.shown("team", labels["team"])
    subject = Subject(Attribution(principal.key_id, principal.organization, labels), "", None)
    found = []
    for row in budget_rows(db, organization):
        name = subject_matches(row.scope, subject) if row.kind in _OWN_KINDS and row.budget().in_force(now_us) else None
        if name is None:
            continue
        limit, (start_us, end_us) = row.budget().cap(now_us), row.budget().span(now_us)
        node = node_standing(db, NodeKey(row.id, teams.first_subject(row.scope, name), start_us), end_us)
        document = node_document(node, row.unit, limit)
        found.append({
            "id": row.id, "scope": row.kind, "mode": row.mode, "window": row.span, "resets_at": _moment(end_us),
            **_amounts(row.unit, "limit", limit),
            **{name: value for name, value in document.items() if name.startswith(("spent_", "held_", "remaining_", "used_"))}})
    return found


def _amounts(unit: Unit, name: str, amount: int) -> dict[str, Any]:
    if unit == "money":
        return {f"{name}_nanos": amount, f"{name}_usd": decimal_text(amount)}
    return {f"{name}_{unit}": amount}


def _moment(at_us: int | None) -> str | None:
    if at_us is None or at_us >= END_OF_TIME_US:
        return None
    return moment_text(at_us)
