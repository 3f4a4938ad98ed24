"""What was done to a budget, out of the ledger: its CAP entries and those that set its thresholds. Such entries stand in a table
of their own, which is read downwards, a bounded number of them; whether that was all is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.core.ledger import read_body
from tallystick.stores.sql.budget_rows import BudgetRow
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.ledger_reading import length_of, newest_first
from tallystick.stores.sql.packing import Packer

KINDS: Final = ("CAP", "ALERTS")
LOOKED_AT_MAX: Final = 5_000
SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One entry: its number in the chain, and what it says."""

    seq: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """`steps`: newest first. `whole`: the budget's beginning is among them."""

    steps: Sequence[Step]
    whole: bool


def history_of(db: Connection, row: BudgetRow) -> History:
    """What the ledger says of a budget."""
    packer, steps = Packer(), list[Step]()
    for entry in newest_first(db, row.organization, length_of(db, row.organization)[0], KINDS, LOOKED_AT_MAX):
        if entry.packed is None:
            continue
        fields = read_body(packer.unpack(entry.packed))
        if fields["kind"] not in KINDS or fields.get("budget") != row.id:
            continue
        steps.append(Step(entry.seq, fields))
        if fields.get("event") == "made" or len(steps) == SHOWN:
            break
    return History(steps, bool(steps) and steps[-1].fields.get("event") == "made")
