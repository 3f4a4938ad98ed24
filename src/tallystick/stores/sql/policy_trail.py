"""Whom policies turned away lately. A refusal's narrow row does not name its policy, its entry does; so the last refusals
that can be a policy's are opened, a bounded number of them, and whether that was all is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.core.attempt import Refusal
from tallystick.core.entry import read_refusal
from tallystick.core.ledger import read_body
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.facts import REFUSALS
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.sight import EVERYTHING, Sight, of_calls

CODES: Final = ("killed", "policy_denied", "confirmation_required", "rate_limited", "too_many_at_once", "budget_exceeded", "budget_held")
LOOKED_AT_MAX: Final = 2_000
SHOWN: Final = 10
_LIST: Final = (
    "SELECT e.body FROM call_fact_{month} c JOIN entry_{month} e ON e.organization = c.organization AND e.seq = c.seq"
    " WHERE c.organization = ? AND c.kind = ? AND c.at_us >= ? AND c.code_id IN (?, ?, ?, ?, ?, ?, ?)")


@dataclass(frozen=True, slots=True)
class Trail:
    """The refusals of one policy: how many, and the last `SHOWN` of them, newest first."""

    refused: int
    last: Sequence[Refusal]


@dataclass(frozen=True, slots=True)
class Trails:
    """By policy. `whole`: every refusal since then was looked at; else only the last `LOOKED_AT_MAX`."""

    by_policy: Mapping[int, Trail]
    whole: bool


def refused_by_policies(db: Connection, organization: int, since_us: int, sight: Sight = EVERYTHING) -> Trails:
    """What policies refused since a moment, of the calls that are seen."""
    names, packer, looked_at = Names(db, organization), Packer(), 0
    codes = [names.number("code", code) or -1 for code in CODES]
    seen, values = of_calls(sight, organization)
    counts: dict[int, int] = {}
    last: dict[int, list[Refusal]] = {}
    for month in months(db):
        rows = db.execute(month_sql(_LIST + seen + " ORDER BY c.at_us DESC, c.seq DESC LIMIT ?", month),
                          (organization, REFUSALS, since_us, *codes, *values, LOOKED_AT_MAX - looked_at)).fetchall()
        looked_at += len(rows)
        for (body,) in rows:
            fields = read_body(packer.unpack(body))
            policy = fields.get("policy")
            if policy is None:
                continue
            counts[policy] = counts.get(policy, 0) + 1
            if len(shown := last.setdefault(policy, [])) < SHOWN:
                shown.append(read_refusal(fields, lambda kind, number: (names.of(kind, number) or "", {})))
        if looked_at >= LOOKED_AT_MAX:
            break
    return Trails({policy: Trail(counts[policy], last[policy]) for policy in counts}, looked_at < LOOKED_AT_MAX)
