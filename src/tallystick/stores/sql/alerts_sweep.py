"""Finds what no transaction of the shipper's can tell: caps that moved, windows that ended, spending that will pass its
cap, keys that expire, calls without a price, months that cannot be pruned. It reads first and writes only what is news, by
the same rules and the same dedupe keys as everybody else, so any number of instances may sweep.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from tallystick.core.alerts import (
    envelope_expiry, key_expiry, kill_switch, policy_refusals, price_drift, price_release, retention_stopped, run_rate, unpriced_model,
)
from tallystick.core.alerts.alert import Alert, scopes_of
from tallystick.core.alerts.budget_threshold import reached
from tallystick.core.alerts.node import Node
from tallystick.core.draw import NodeKey
from tallystick.stores.sql import callfact
from tallystick.stores.sql.alerts_crossings import Watched, record, watched
from tallystick.stores.sql.alerts_deliveries import forget
from tallystick.stores.sql.alerts_raised import Place, raise_alert, resolve
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import DEFAULT, Database, month_sql, month_text, months
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruning import under_way
from tallystick.stores.sql.releases import PENDING

LOOK_BACK_US: Final = 300_000_000            # calls that were admitted so long ago are looked at again: they may just have settled
LOOK_BACK_US_MAX: Final = 24 * 3_600_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_CALLS: Final = "calls"                      # the watermark's name


@dataclass(slots=True)
class _News:
    """What a look found."""

    crossed: list[tuple[int, Node, int]] = field(default_factory=list)
    raised: list[tuple[int, Alert, Place | None]] = field(default_factory=list)
    told: list[tuple[int, Alert]] = field(default_factory=list)                  # events: nothing that could end
    over: list[tuple[list[int], str]] = field(default_factory=list)              # alerts of one thread, and why

    def __bool__(self) -> bool:
        return bool(self.crossed or self.raised or self.told or self.over)


def sweep(database: Database, now_us: int, forecast_since: dict[str, int]) -> bool:
    """Look once, and write down what is new; whether anything was. `forecast_since`: the sweeper's memory of since when a
    thread's forecast has been above its cap; a burst is no rate, so it must have stood for a while. Raises StoreFault.
    """
    with database.read() as db:
        news = _News()
        budgets = watched(db)
        _thresholds(db, budgets, news, now_us, forecast_since)
        _ended(db, budgets, news, now_us)
        _keys(db, news, now_us)
        _envelopes(db, news, now_us)
        _switches(db, news, now_us)
        _releases(db, news)
        _pruning(db, news)
        _calls(db, news, now_us)
    with database.write() as db:
        for organization, node, percent in news.crossed:
            record(db, organization, node, percent)
        for organization, alert, place in news.raised:
            raise_alert(db, organization, alert, now_us, place)
        for organization, alert in news.told:
            number = raise_alert(db, organization, alert, now_us)
            if number is not None:
                db.execute("UPDATE alert SET resolved_us = ?, resolution = 'Told once for its day.' WHERE id = ?", (now_us, number))
        for alerts, why in news.over:
            resolve(db, alerts, why, now_us)
        db.execute("INSERT INTO alert_watermark (name, at_us) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at_us = excluded.at_us",
                   (_CALLS, now_us))
        forget(db, now_us)
    return bool(news)


def _thresholds(db: Connection, budgets: dict[int, Watched], news: _News, now_us: int, forecast_since: dict[str, int]) -> None:
    """Shares that are reached now and stand in no open alert, and caps that will be passed."""
    above: dict[str, int] = {}
    kept = {number for (number,) in db.execute("SELECT budget FROM policy_cap").fetchall()}      # a node for each session there ever was
    for node, found in _live_nodes(db, {number: found for number, found in budgets.items() if number not in kept}, now_us):
        stands = {percent for (percent,) in db.execute(
            "SELECT percent FROM alert WHERE budget = ? AND start_us = ? AND subject = ? AND resolved_us IS NULL",
            (node.key.budget, node.key.start_us, node.key.subject))}
        news.crossed += [(found.organization, node, percent) for percent in found.percents
                         if percent not in stands and reached(node.settled, node.cap, percent)]
        at_us = run_rate.passes_at_us(node)
        if at_us is None or None in stands:
            continue
        above[node.thread] = forecast_since.get(node.thread, now_us)
        if now_us - above[node.thread] >= run_rate.STANDS_US:
            news.raised.append((found.organization, run_rate.alert(node, at_us), Place(*node.key, None, node.cap_version)))
    forecast_since.clear()
    forecast_since.update(above)


def _live_nodes(db: Connection, budgets: dict[int, Watched], now_us: int) -> Iterator[tuple[Node, Watched]]:
    """The nodes that something was spent on in the window that runs."""
    if not budgets:
        return
    for budget, subject, start_us, end_us, settled in db.execute(
            "SELECT budget, subject, start_us, end_us, settled FROM budget_node WHERE end_us > ? AND start_us <= ? AND settled > 0"
            " ORDER BY budget, subject, start_us", (now_us, now_us)).fetchall():
        found = budgets.get(budget)
        if found is not None and found.budget.in_force(now_us):
            yield Node(found.budget, NodeKey(budget, subject, start_us), end_us, settled, now_us), found


def _ended(db: Connection, budgets: dict[int, Watched], news: _News, now_us: int) -> None:
    """Open alerts of budgets that are over: the window has ended, the budget is gone, or the cap was moved above what is
    spent. What falls by a correction under the same cap stays open: it was crossed."""
    open_by_node: defaultdict[NodeKey, list[tuple[int, int | None, int]]] = defaultdict(list)      # number, percent, cap
    for number, budget, subject, start_us, percent, facts in db.execute(
            "SELECT id, budget, subject, start_us, percent, facts FROM alert"
            " WHERE resolved_us IS NULL AND budget IS NOT NULL ORDER BY id"):
        open_by_node[NodeKey(budget, subject, start_us)].append((number, percent, int(json.loads(facts)["limit"])))
    for key, alerts in open_by_node.items():
        found = budgets.get(key.budget)
        row = db.execute("SELECT settled FROM budget_node WHERE budget = ? AND subject = ? AND start_us = ?", key).fetchone()
        numbers = [number for number, _, _ in alerts]
        if found is None or not found.budget.in_force(now_us):
            news.over.append((numbers, "The budget is gone, has ended, or has no alerts any more."))
        elif found.budget.span(now_us)[0] != key.start_us:
            news.over.append((numbers, "The window has ended."))
        else:
            node = Node(found.budget, key, found.budget.span(now_us)[1], int(row[0]) if row else 0, now_us)
            eased = [number for number, percent, cap in alerts if cap != node.cap and not _still(node, percent)]
            if eased:
                news.over.append((eased, f"The cap has changed: {node.spent_text()} is spent."))


def _still(node: Node, percent: int | None) -> bool:
    if percent is None:
        return run_rate.passes_at_us(node) is not None or node.settled >= node.cap
    return reached(node.settled, node.cap, percent)


def _keys(db: Connection, news: _News, now_us: int) -> None:
    """Keys that have come to a step before their end, and those that were told of and have another end now."""
    latest_us = now_us + max(key_expiry.DAYS) * key_expiry.DAY_US
    for key, organization, name, team, project, user, created_us, expires_us in db.execute(
            "SELECT id, organization, name, team, project, user_name, created_us, expires_us FROM virtual_key"
            " WHERE revoked_us IS NULL AND expires_us > ? AND expires_us <= ?", (now_us, latest_us)):
        days = key_expiry.step(created_us, expires_us, now_us)
        if days is not None:
            labels = "/".join(label for label in (team, project, user) if label)
            alert = replace(key_expiry.alert(key, name, labels, expires_us, days), scopes=scopes_of("key", key))
            if not _known(db, organization, alert):
                news.raised.append((organization, alert, None))
    for thread, numbers in _open_threads(db, key_expiry.KIND).items():
        row = db.execute("SELECT expires_us, revoked_us FROM virtual_key WHERE id = ?", (thread.removeprefix("key/"),)).fetchone()
        if row is None or row[1] is not None:
            news.over.append((numbers, "The key is revoked."))
        elif row[0] is None or row[0] > latest_us:
            news.over.append((numbers, "The key has another end."))
        elif row[0] <= now_us:
            news.over.append((numbers, "The key has expired."))


def _envelopes(db: Connection, news: _News, now_us: int) -> None:
    """Envelopes that have come to a step before their end, unless one is signed that follows. Their end stands in the budget
    that they became."""
    latest_us = now_us + max(key_expiry.DAYS) * key_expiry.DAY_US
    ending = "b.removed_us IS NULL AND b.ends_us > ? AND b.ends_us <= ?"
    for number, organization, kind, value, owner, signed_us, ends_us, amount, spent in db.execute(
            "SELECT e.id, e.organization, e.kind, e.value, e.owner, e.decided_us, b.ends_us, b.amount,"  # noqa: S608 - literals
            " (SELECT coalesce(sum(n.settled), 0) FROM budget_node n WHERE n.budget = b.id)"
            f" FROM envelope e JOIN budget b ON b.id = e.budget WHERE e.state = 'signed' AND {ending} AND NOT EXISTS (SELECT 1"
            " FROM envelope f JOIN budget c ON c.id = f.budget WHERE f.organization = e.organization AND f.kind = e.kind"
            " AND f.value = e.value AND c.starts_us <= b.ends_us AND c.ends_us > b.ends_us)", (now_us, latest_us)).fetchall():
        days = key_expiry.step(signed_us or 0, ends_us, now_us)
        if days is not None:
            alert = replace(envelope_expiry.alert(number, f"{kind} {value}".strip(), owner, amount - spent, ends_us, days),
                            scopes=scopes_of(kind, value))
            if not _known(db, organization, alert):
                news.raised.append((organization, alert, None))
    for thread, numbers in _open_threads(db, envelope_expiry.KIND).items():
        row = db.execute("SELECT b.ends_us, b.removed_us FROM envelope e JOIN budget b ON b.id = e.budget WHERE e.id = ?",
                         (int(thread.removeprefix("envelope/")),)).fetchone()
        if row is None or row[1] is not None or row[0] is None or not now_us < row[0] <= latest_us:
            news.over.append((numbers, "The envelope has ended, or has another end."))


def _switches(db: Connection, news: _News, now_us: int) -> None:
    """Kill switches that are on, and those that were let go."""
    on = set()
    for number, version, organization, kind, value, parameters, by in db.execute(
            "SELECT id, version, organization, on_kind, on_value, parameters, made_by FROM policy_version WHERE kind = 'kill'"
            " AND mode = 'enforce' AND until_us IS NULL AND removed = 0 AND starts_us <= ? AND (ends_us IS NULL OR ends_us > ?)"
            " ORDER BY id", (now_us, now_us)).fetchall():
        scope = "the organisation" if kind == "org" else f"{kind} {value}"
        account = db.execute("SELECT email FROM account WHERE id = ?", (by,)).fetchone()
        by = account[0] if account else "the command line" if by == "cli" else by
        alert = replace(kill_switch.alert(number, version, scope, by, str(json.loads(parameters).get("reason") or "")),
                        scopes=scopes_of(kind, value))
        on.add((alert.thread, alert.mark))
        if not _known(db, organization, alert):
            news.raised.append((organization, alert, None))
    for number, thread, mark in db.execute(
            "SELECT id, thread, mark FROM alert WHERE resolved_us IS NULL AND kind = ? ORDER BY id", (kill_switch.KIND,)):
        if (thread, mark) not in on:
            news.over.append(([number], "The switch was released, or set anew."))


def _releases(db: Connection, news: _News) -> None:
    """Prices that wait for approval, and those that were decided."""
    pending: defaultdict[str, list[str]] = defaultdict(list)
    for release, provider in db.execute("SELECT id, provider FROM price_release WHERE state = ? ORDER BY id, provider", (PENDING,)):
        pending[release].append(provider)
    for release, providers in pending.items():
        alert = price_release.alert(release, tuple(providers))
        if not _known(db, DEFAULT, alert):
            news.raised.append((DEFAULT, alert, None))
    for thread, numbers in _open_threads(db, price_release.KIND).items():
        if thread.removeprefix("release/") not in pending:
            news.over.append((numbers, "Somebody has decided about it."))


def _pruning(db: Connection, news: _News) -> None:
    """A month that cannot be pruned, and one that could not: while it is tried again, nothing is over before it has come past
    where it had stopped."""
    at = under_way(db)
    month = month_text(at.month) if at is not None else ""
    open_threads = _open_threads(db, retention_stopped.KIND)
    if at is not None and at.fault:
        alert = retention_stopped.alert(month, at.fault, at.stage, at.began_us)
        if alert.thread not in open_threads and not _known(db, DEFAULT, alert):
            news.raised.append((DEFAULT, alert, None))
    for thread, numbers in open_threads.items():
        if at is None or thread != retention_stopped.thread_of(month):
            news.over.append((numbers, "It is not tried any more: the month is gone, or something keeps it."))
        elif not at.fault and at.stage > max(_stages(db, numbers)):
            news.over.append((numbers, "It goes on: what had stopped it is no longer so."))


def _stages(db: Connection, numbers: list[int]) -> list[int]:
    return [int(json.loads(db.execute("SELECT facts FROM alert WHERE id = ?", (number,)).fetchone()[0])["stage"]) for number in numbers]


def _calls(db: Connection, news: _News, now_us: int) -> None:
    """Calls since the last look that had no price, or another than the provider says."""
    row = db.execute("SELECT at_us FROM alert_watermark WHERE name = ?", (_CALLS,)).fetchone()
    since_us = max(int(row[0]) - LOOK_BACK_US, now_us - LOOK_BACK_US_MAX) if row else now_us - LOOK_BACK_US_MAX
    unpriced = callfact.METHODS.index("unpriced") + 1
    for month in months(db)[:2]:
        for organization, provider, model, day, method, calls in db.execute(month_sql(
                "SELECT organization, provider_id, model_id, day, CASE WHEN method = ? THEN 1 ELSE 0 END, count(*) FROM call_fact_{month}"
                " WHERE at_us >= ? AND kind = 1 AND ((method = ? AND (flags & ?) = 0) OR (flags & ?) <> 0)"
                " GROUP BY 1, 2, 3, 4, 5", month),
                (unpriced, since_us, unpriced, callfact.FREE | callfact.OPEN, callfact.DRIFT)).fetchall():
            names = Names(db, organization)
            words = (names.of("provider", provider) or "unknown", names.of("model", model) or "unknown",
                     date.fromordinal(day + _EPOCH).isoformat(), calls)
            alert = unpriced_model.alert(*words) if method else price_drift.alert(*words)
            if not _known(db, organization, alert):
                news.told.append((organization, alert))
        _refusals(db, month, since_us, news)


def _refusals(db: Connection, month: int, since_us: int, news: _News) -> None:
    """Calls since a moment that policies refused."""
    for organization, team, code, day, calls in db.execute(month_sql(
            "SELECT organization, team_id, code_id, day, count(*) FROM call_fact_{month} WHERE at_us >= ? AND kind = 2 GROUP BY 1, 2, 3, 4",
            month), (since_us,)).fetchall():
        names = Names(db, organization)
        said = names.of("code", code) or ""
        alert = policy_refusals.alert(names.of("team", team) or "", said, date.fromordinal(day + _EPOCH).isoformat(), calls)
        if said in policy_refusals.CODES and not _known(db, organization, alert):
            news.told.append((organization, alert))


def _open_threads(db: Connection, kind: str) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for thread, number in db.execute("SELECT thread, id FROM alert WHERE resolved_us IS NULL AND kind = ? ORDER BY id", (kind,)):
        found[thread].append(number)
    return found


def _known(db: Connection, organization: int, alert: Alert) -> bool:
    return db.execute("SELECT 1 FROM alert WHERE organization = ? AND thread = ? AND mark = ?",
                      (organization, alert.thread, alert.mark)).fetchone() is not None
