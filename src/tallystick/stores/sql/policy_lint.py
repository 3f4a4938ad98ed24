"""Do policies reach anything? A policy on a scope that no live key can be in, or whose scope no call was in for a month,
is a rule that somebody believes in and nobody obeys (product.md, P22).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import EACH, Scope
from tallystick.stores.sql import facts
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import KeyRow
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, REFUSALS, Asked
from tallystick.stores.sql.policy_rows import PolicyRow

QUIET_DAYS: Final = 30
# Scopes that stand on keys, and by which of their labels.
_ON_KEYS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key")
# Scopes of which the calls' rows can be asked, by filter.
_FILTERS: Final = {**{kind: kind for kind in (*_ON_KEYS, "session", "key", "provider")}, "model": "requested_model"}


@dataclass(frozen=True, slots=True)
class Linted:
    """What is odd about a policy; nothing where `findings` is empty. `last_matched_us`: the last call in its scope, None
    where there was none in `QUIET_DAYS`, or where rows cannot tell (`asked` is False: tags, dimensions,
    scopes that are each value's own)."""

    row: PolicyRow
    findings: tuple[str, ...]
    last_matched_us: int | None
    asked: bool


def lint(db: Connection, rows: Iterable[PolicyRow], keys: Sequence[KeyRow], now_us: int) -> list[Linted]:
    """Look at policies that stand, beside the keys that live."""
    live = [key for key in keys if key.status(now_us) == "active"]
    return [_linted(db, row, live, now_us) for row in rows]


def _linted(db: Connection, row: PolicyRow, live: Sequence[KeyRow], now_us: int) -> Linted:
    findings: list[str] = []
    if row.ends_us is not None and row.ends_us <= now_us:
        findings.append("it has ended")
    if not _reachable(row.scope, live):
        findings.append(f"no live key can be in {row.scope}")
    asked = row.on_kind == "org" or (row.on_kind in _FILTERS and row.on_value != EACH)
    last_us = _last_call(db, row.organization, row.scope, now_us) if asked else None
    if asked and last_us is None:
        findings.append(f"no call of the last {QUIET_DAYS} days was in {row.scope}")
    return Linted(row, tuple(findings), last_us, asked)


def _reachable(scope: Scope, live: Sequence[KeyRow]) -> bool:
    """Whether a live key is in the scope, or leaves open what its callers name there."""
    if scope.kind == "key":
        return bool(live) if scope.value == EACH else any(key.id == scope.value for key in live)
    if scope.kind not in _ON_KEYS or scope.value == EACH:
        return bool(live)
    team, _, value = scope.value.rpartition("/") if scope.kind == "project" else ("", "", scope.value)
    return any(
        key.labels.get(scope.kind, value) == value and (not team or key.labels.get("team", team) == team) for key in live)


def _last_call(db: Connection, organization: int, scope: Scope, now_us: int) -> int | None:
    filters: dict[str, str] = {}
    if scope.kind == "project":
        filters["team"], _, filters["project"] = scope.value.rpartition("/")
    elif scope.kind != "org":
        filters[_FILTERS[scope.kind]] = scope.value
    asked = Asked(now_us // DAY_US - QUIET_DAYS, kinds=(ATTEMPTS, REFUSALS), filters=filters)
    newest = next(facts.listed(db, organization, asked, newest_first=True, behind=None, limit=1), None)
    return None if newest is None else int(newest["at_us"])
