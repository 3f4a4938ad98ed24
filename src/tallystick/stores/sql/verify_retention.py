"""Of months whose rows were dropped: does what stays agree with what was sealed? The leaf hashes, the roll-ups of each day
and the totals by every dimension are compared with the month's CHECKPOINT entries, which stand in the chain; hashes
without such an entry are entries that somebody took away. And a legal hold stands as its entry says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Any, Final

from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_text
from tallystick.stores.sql.month_seals import add_leaves, day_digests, part_of, spend_digest
from tallystick.stores.sql.rollups import DIMENSIONS
from tallystick.stores.sql.verify_directory import Difference

_EPOCH: Final = date(1970, 1, 1).toordinal()
_DIFFERENT: Final = 5                        # totals named of one dimension


class Retention:
    """What one organisation's chain says of its pruned months, gathered while it is read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._gone = {int(month) for (month,) in db.execute("SELECT month FROM journal_month WHERE pruned_us IS NOT NULL").fetchall()}
        self._digests: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._parts: dict[int, dict[tuple[str, int], tuple[int, list[Any]]]] = {}
        self._finals: dict[int, tuple[int, Mapping[str, Any]]] = {}
        self._held: tuple[int, Mapping[str, Any]] | None = None

    @property
    def months(self) -> list[int]:
        """Those that have hashes only."""
        return sorted(self._counts)

    @property
    def entries(self) -> int:
        """How many entries are hashes only."""
        return sum(self._counts.values())

    def note(self, seq: int, leaf: bytes, month: int) -> None:
        """An entry of which the hash is left."""
        add_leaves(self._digests.setdefault(month, sha256()), seq, leaf)
        self._counts[month] = self._counts.get(month, 0) + 1
        if self._ends and self._ends[-1] == seq:
            self._ends[-1] = seq + 1
        else:
            self._begins.append(seq)
            self._ends.append(seq + 1)

    def is_pruned(self, seq: int) -> bool:
        """Whether an entry is one of those."""
        place = bisect_right(self._begins, seq) - 1
        return place >= 0 and seq < self._ends[place]

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A CHECKPOINT or RETENTION entry. Raises KeyError for one that lacks what it must say."""
        if fields["kind"] == "RETENTION":
            self._held = (seq, fields) if fields["event"] == "held" else None
            return
        month = fields["month"]
        if "of" not in fields:
            self._finals[month] = seq, fields
            return
        parts = self._parts.setdefault(month, {})
        if (fields["of"], fields["chunk"]) == (DIMENSIONS[0], 0):      # a sealing that was given up began before
            parts.clear()
        parts[fields["of"], fields["chunk"]] = seq, fields["totals"]

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        for month in sorted(self._counts.keys() - self._finals.keys()):
            yield Difference(None, f"of {month_text(month)} there are hashes only, and no entry seals that month")
        for month in sorted(self._gone & self._finals.keys()):
            seq, final = self._finals[month]
            yield from self._of_month(month, seq, final)
        yield from self._of_hold()

    def _of_month(self, month: int, seq: int, final: Mapping[str, Any]) -> Iterator[Difference]:
        text = month_text(month)
        row = self._db.execute("SELECT seq, first_us, last_us FROM month_seal WHERE organization = ? AND month = ?",
                               (self._organization, month)).fetchone()
        if row is None or tuple(row) != (seq, final["first"], final["last"]):
            yield Difference(seq, f"where {text} is sealed is listed otherwise than it says")
        digest = self._digests.get(month, sha256())
        count = self._counts.get(month, 0)
        if (count, digest.hexdigest()) != (final["entries"], final["leaves"]):
            yield Difference(seq, f"the {count} leaf hashes that were kept of {text} are not the {final['entries']} it seals")
        stand = day_digests(self._db, self._organization, month)
        sealed, found = ({day: digests for day, *digests in said} for said in (final["days"], stand))
        for day in sorted(sealed.keys() | found.keys()):
            if sealed.get(day) != found.get(day):
                yield Difference(seq, f"the roll-ups of {date.fromordinal(day + _EPOCH)} are not those it seals")
        if final["spend"] != spend_digest(self._db, self._organization, month):
            yield Difference(seq, f"what the calls of {text} count on budgets is not what it seals")
        yield from self._of_totals(month)

    def _of_totals(self, month: int) -> Iterator[Difference]:
        parts = dict(self._parts.get(month, {}))
        for place, dimension in enumerate(DIMENSIONS):
            chunk = 0
            while True:
                seq, sealed = parts.get((dimension, chunk), (None, []))
                found = part_of(self._db, self._organization, month, place, chunk)
                yield from list(_compared(seq, f"{month_text(month)} by {dimension}", sealed, found))[:_DIFFERENT]
                if not sealed and not found:
                    break
                chunk += 1

    def _of_hold(self) -> Iterator[Difference]:
        row = self._db.execute("SELECT reason, made_us, made_by FROM legal_hold WHERE organization = ?", (self._organization,)).fetchone()
        said = None if self._held is None else (self._held[1]["reason"], self._held[1]["at"], self._held[1]["actor"])
        if (None if row is None else tuple(row)) != said:
            yield Difference(None if self._held is None else self._held[0], "the legal hold stands otherwise than it was set or released")


def _compared(seq: int | None, what: str, sealed: list[Any], found: list[dict[str, Any]]) -> Iterator[Difference]:
    said, stands = ({(one["id"], one.get("version", 0), one["calls"]): one for one in totals} for totals in (sealed, found))
    for key in sorted(said.keys() | stands.keys()):
        one, other = said.get(key, {}), stands.get(key, {})
        wrong = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
        if wrong:
            where = f"{what}, number {key[0]}" if key[0] else what
            yield Difference(seq, f"the sums of {where} are not what was sealed: " + ", ".join(
                f"{name} {other.get(name, 0)} instead of {one.get(name, 0)}" for name in wrong if name not in ("id", "calls", "version")))
