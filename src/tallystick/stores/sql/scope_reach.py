"""Whether anything can be in a scope: what the lints of policies and budgets stand on. A rule on a scope that no live key,
no provider and no call of late is in, is one that somebody believes in and nobody obeys (product.md, P22).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from tallystick.core.budget import EACH, Scope
from tallystick.stores.sql import facts
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import KeyRow
from tallystick.stores.sql.facts import ATTEMPTS, DAY_US, REFUSALS, Asked, Sums

QUIET_DAYS: Final = 30
ON_KEYS: Final = ("team", "project", "user", "agent", "environment", "cost_center", "prompt_key")
"""Scopes that stand on keys, each by the label of its name."""
# Scopes of which the calls' rows can be asked, by filter.
_FILTERS: Final = {**{kind: kind for kind in (*ON_KEYS, "session", "key", "provider")}, "model": "requested_model"}


@dataclass(frozen=True, slots=True)
class Reach:
    """Who can call at all: the keys that live, and the providers that can be called."""

    keys: tuple[KeyRow, ...]
    providers: frozenset[str]

    def missing(self, scope: Scope) -> str | None:
        """Why no call can be in the scope; None where one may."""
        if scope.kind == "provider" and scope.value != EACH and scope.value not in self.providers:
            return f"no provider {scope.value} can be called"
        return None if any(is_open(key, scope) for key in self.keys) else f"no live key can be in {scope}"


def reach_of(keys: Iterable[KeyRow], providers: Collection[str], now_us: int) -> Reach:
    """What can be reached with the keys of these that live."""
    return Reach(tuple(key for key in keys if key.status(now_us) == "active"), frozenset(providers))


def is_open(key: KeyRow, scope: Scope) -> bool:
    """Whether a key is in the scope, or leaves open what its callers name there."""
    if scope.kind == "key":
        return scope.value in (EACH, key.id)
    if scope.kind not in ON_KEYS or scope.value == EACH:
        return True
    team, _, value = scope.value.rpartition("/") if scope.kind == "project" else ("", "", scope.value)
    return key.labels.get(scope.kind, value) == value and (not team or key.labels.get("team", team) == team)


def can_ask(scope: Scope) -> bool:
    """Whether the calls' rows tell which were in the scope: not of tags, dimensions, and what is each value's own."""
    return scope.kind == "org" or (scope.kind in _FILTERS and scope.value != EACH)


def last_call(db: Connection, organization: int, scope: Scope, now_us: int) -> int | None:
    """When the last call of `QUIET_DAYS` was in the scope. The scope is one that `can_ask`."""
    asked = _asked(scope, now_us, (ATTEMPTS, REFUSALS))
    newest = next(facts.listed(db, organization, asked, newest_first=True, behind=None, limit=1), None)
    return None if newest is None else int(newest["at_us"])


def spent_of_late(db: Connection, organization: int, scope: Scope, now_us: int) -> Sums:
    """What the calls of `QUIET_DAYS` in the scope came to; where that cannot be asked, those of the organisation."""
    return facts.total(db, organization, _asked(scope if can_ask(scope) else Scope("org"), now_us, (ATTEMPTS,)))


def _asked(scope: Scope, now_us: int, kinds: tuple[int, ...]) -> Asked:
    filters: dict[str, str] = {}
    if scope.kind == "project":
        filters["team"], _, filters["project"] = scope.value.rpartition("/")
    elif scope.kind != "org":
        filters[_FILTERS[scope.kind]] = scope.value
    return Asked(now_us // DAY_US - QUIET_DAYS, kinds=kinds, filters=filters)
