"""Do policies reach anything? A policy on a scope that nobody can be in, or that no call was in for a month, is a rule that
somebody believes in and nobody obeys (product.md, P22).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.policy_rows import PolicyRow
from tallystick.stores.sql.scope_reach import QUIET_DAYS, Reach, can_ask, last_call


@dataclass(frozen=True, slots=True)
class Linted:
    """What is odd about a policy; nothing where `findings` is empty. `last_matched_us`: the last call in its scope, None
    where there was none in `QUIET_DAYS`, or where rows cannot tell (`asked` is False: tags, dimensions,
    scopes that are each value's own)."""

    row: PolicyRow
    findings: tuple[str, ...]
    last_matched_us: int | None
    asked: bool


def lint(db: Connection, rows: Iterable[PolicyRow], reach: Reach, now_us: int) -> list[Linted]:
    """Look at policies that stand, beside who can call."""
    return [_linted(db, row, reach, now_us) for row in rows]


def warnings(row: PolicyRow, reach: Reach) -> list[str]:
    """What is to be said of a policy that was just set: all but that nothing was in its scope of late."""
    missing = reach.missing(row.scope)
    return [missing] if missing else []


def _linted(db: Connection, row: PolicyRow, reach: Reach, now_us: int) -> Linted:
    findings: list[str] = []
    if row.ends_us is not None and row.ends_us <= now_us:
        findings.append("it has ended")
    if missing := reach.missing(row.scope):
        findings.append(missing)
    asked = can_ask(row.scope)
    last_us = last_call(db, row.organization, row.scope, now_us) if asked else None
    if asked and last_us is None:
        findings.append(f"no call of the last {QUIET_DAYS} days was in {row.scope}")
    return Linted(row, tuple(findings), last_us, asked)
