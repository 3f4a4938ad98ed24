"""Who was turned away at a budget last, and whose calls hold it, as far as the database knows.

The ledger learns of a call when it ends, or after a minute. Until then only the gateway that runs it knows whose it
is; the database knows how much that gateway has leased. So a list of open calls is complete for jobs and for
calls older than a minute, and what is missing in it is at most what the gateways have leased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core.attempt import Admission
from tallystick.core.budget import Subject, subject_matches
from tallystick.core.draw import Draw
from tallystick.core.entry import read_admission, read_refusal
from tallystick.core.holding import amount_in
from tallystick.core.ledger import read_body
from tallystick.stores.sql.budget_rows import BudgetRow
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql, months
from tallystick.stores.sql.facts import REFUSALS
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.packing import Packer

CODES: Final = ("budget_exceeded", "budget_held")
REFUSALS_SHOWN: Final = 10
REFUSALS_LOOKED_AT: Final = 500
OPEN_LOOKED_AT: Final = 1_000

_draws = msgspec.msgpack.Decoder(tuple[Draw, ...]).decode


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A call that a budget did not let through. `stood`: how the budget stood then, as the answer said."""

    request_id: str
    at_us: int
    code: str
    key_id: str
    team: str
    model: str
    stood: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OpenHold:
    """What the open calls of one key and team hold of a budget. `jobs`: how many of the calls are jobs to be settled later;
    `since_us`: when the oldest was admitted."""

    key_id: str
    team: str
    calls: int
    jobs: int
    amount: int
    since_us: int


def turned_away(db: Connection, organization: int, budget: int) -> list[TurnedAway]:
    """The last calls that this budget refused, newest first, among the last refusals for any budget's sake."""
    names, packer, found, looked_at = Names(db, organization), Packer(), list[TurnedAway](), 0
    codes = [names.number("code", code) or -1 for code in CODES]
    for month in months(db):
        rows = db.execute(month_sql(
            "SELECT c.request_id, e.body FROM call_fact_{month} c JOIN entry_{month} e ON e.organization = c.organization AND e.seq = c.seq"
            " WHERE c.organization = ? AND c.kind = ? AND c.code_id IN (?, ?) ORDER BY c.at_us DESC, c.seq DESC LIMIT ?", month),
            (organization, REFUSALS, *codes, REFUSALS_LOOKED_AT - looked_at)).fetchall()
        looked_at += len(rows)
        for request_id, body in rows:
            fields = read_body(packer.unpack(body))
            if fields.get("budget", {}).get("budget_id") == str(budget):
                found.append(_turned_away(f"req_{bytes(request_id).hex()}", fields, names))
                if len(found) == REFUSALS_SHOWN:
                    return found
        if looked_at >= REFUSALS_LOOKED_AT:
            break
    return found


def open_holds(db: Connection, row: BudgetRow) -> list[OpenHold]:
    """Who holds a budget with calls that the ledger knows as open, the largest first."""
    names, packer = Names(db, row.organization), Packer()
    open_ = db.execute("SELECT seq, month, deferred, draws FROM open_attempt WHERE organization = ? ORDER BY admitted_us LIMIT ?",
                       (row.organization, OPEN_LOOKED_AT)).fetchall()
    found: dict[tuple[str, str], OpenHold] = {}
    for seq, month, deferred, kept in open_:
        body = db.execute(month_sql("SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?", month),
                          (row.organization, seq)).fetchone()[0]
        admission = read_admission(read_body(packer.unpack(body)), lambda kind, number: (names.of(kind, number) or "", {}))
        draws = _draws(kept)
        amount = _held(row, admission, draws if draws or deferred else None)
        if amount is None:
            continue
        place = (admission.attribution.key_id, admission.attribution.labels.get("team", ""))
        was = found.get(place) or OpenHold(*place, 0, 0, 0, admission.at_us)
        found[place] = OpenHold(*place, was.calls + 1, was.jobs + deferred, was.amount + amount, was.since_us)
    return sorted(found.values(), key=lambda hold: -hold.amount)


def _held(row: BudgetRow, admission: Admission, kept: tuple[Draw, ...] | None) -> int | None:
    """What an open attempt holds of the budget; None where it holds nothing of it."""
    if kept is not None:
        return sum(draw.amount for draw in kept if draw.node.budget == row.id) or None
    if row.mode != "hard" or admission.sandbox or not admission.billable or not row.budget().in_force(admission.at_us):
        return None
    if subject_matches(row.scope, Subject(admission.attribution, admission.provider, admission.model)) is None:
        return None
    return amount_in(row.unit, admission.hold_nanos, admission.hold_tokens)


def _turned_away(request_id: str, fields: Mapping[str, Any], names: Names) -> TurnedAway:
    refusal = read_refusal(fields, lambda kind, number: (names.of(kind, number) or "", {}))
    attribution = refusal.attribution
    return TurnedAway(request_id, refusal.at_us, refusal.code, attribution.key_id if attribution else "",
                      attribution.labels.get("team", "") if attribution else "", refusal.model or "", refusal.budget)
