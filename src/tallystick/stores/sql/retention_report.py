"""How the months of an installation stand: which have their rows, which are on their way out or gone, and what keeps those
that are old enough to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallystick.stores.sql import pruning
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import months

State = Literal["stands", "due", "kept", "stopped", "going", "pruned"]


@dataclass(frozen=True, slots=True)
class MonthStanding:
    """A month (YYYYMM). `why`: what keeps it or has stopped it, or how far it is on its way; `pruned_us`: since when its rows
    are gone."""

    month: int
    state: State
    why: tuple[str, ...] = ()
    pruned_us: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: as long as one stands, nothing goes."""

    organization: str
    reason: str
    made_us: int
    made_by: str


def holds(db: Connection) -> list[Hold]:
    """The legal holds of the installation."""
    rows = db.execute("SELECT o.slug, h.reason, h.made_us, h.made_by FROM legal_hold h JOIN organization o ON o.id = h.organization"
                      " ORDER BY o.slug").fetchall()
    return [Hold(*row) for row in rows]


def month_standings(db: Connection, months_kept: int | None, now_us: int) -> list[MonthStanding]:
    """Every month that ever had rows, the newest first."""
    at = pruning.under_way(db)
    waiting = {one.month: one for one in (pruning.due(db, months_kept, now_us) if months_kept is not None else [])}
    pruned = {int(month): int(at_us) for month, at_us in db.execute(
        "SELECT month, pruned_us FROM journal_month WHERE pruned_us IS NOT NULL").fetchall()}
    return [_standing(month, at, waiting.get(month), pruned.get(month)) for month in sorted({*months(db), *pruned}, reverse=True)]


def _standing(month: int, at: pruning.Under | None, waiting: pruning.Standing | None, pruned_us: int | None) -> MonthStanding:
    if pruned_us is not None:
        left = ("its tables are dropped within the next minutes",) if at is not None and at.month == month else ()
        return MonthStanding(month, "pruned", left, pruned_us)
    if at is not None and at.month == month:
        return (MonthStanding(month, "stopped", (at.fault,)) if at.fault else
                MonthStanding(month, "going", (f"step {at.stage + 1} of {len(pruning.STAGES)}: {pruning.STAGES[at.stage]}",)))
    if waiting is None:
        return MonthStanding(month, "stands")
    return MonthStanding(month, "kept" if waiting.why else "due", waiting.why)
