"""Does every correction correct what it names? An ADJUST entry must speak of an attempt that was settled
before it, its delta must lead from what that attempt cost until then to what it costs from there on, and
the deltas together must be what the call's row has beside its booked cost.

Only attempts that were adjusted are remembered, and those whose settlement is an entry of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from tallystick.core.ledger import read_body
from tallystick.stores.sql.callfact import Calendar
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import month_sql

_EPOCH: Final = date(1970, 1, 1).toordinal()
_BODY: Final = "SELECT body FROM entry_{month} WHERE organization = ? AND seq = ?"


class _Attempt(NamedTuple):
    """An adjusted attempt on its way: who it is, what it costs so far, and the sum of its deltas."""

    request: str
    attempt: int
    at_us: int
    cost_nanos: int
    adjusted_nanos: int = 0


class Adjustments:
    """The corrections of one organisation's chain, judged in their order."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._endings: dict[int, int] = {}               # entry of the admission → cost settled later
        self._attempts: dict[int, _Attempt] = {}
        self._expected: dict[int, int] = {}
        self._later: set[tuple[int, int]] = set()

    def note_later(self, ref: int, seq: int) -> None:
        """An entry that speaks of an earlier one."""
        self._later.add((ref, seq))

    def note_ending(self, ref: int, ending: Mapping[str, Any]) -> None:
        """A settlement that stands in another entry than its admission."""
        self._endings[ref] = int(ending["cost_nanos"])

    def expect(self, seq: int, adjusted_nanos: int) -> None:
        """What a call's row says its adjustments add up to."""
        if adjusted_nanos:
            self._expected[seq] = adjusted_nanos

    def is_settled(self, fields: Mapping[str, Any], month: int, unpack: Callable[[bytes], bytes]) -> bool:
        """Whether an entry of a month speaks of an attempt (`ref`) that was settled before it."""
        attempt = self._attempts.get(fields["ref"]) or self._settled(fields, month, unpack)
        return attempt is not None and (attempt.request, attempt.attempt) == (fields["request"], fields.get("attempt", 1))

    def judge(self, fields: Mapping[str, Any], month: int, calendar: Calendar,
              unpack: Callable[[bytes], bytes]) -> Iterator[tuple[str, str]]:
        """What is wrong with one ADJUST entry of a month, as check and message."""
        ref, delta, cost = fields["ref"], int(fields["delta_nanos"]), int(fields["cost_nanos"])
        attempt = self._attempts.get(ref) or self._settled(fields, month, unpack)
        if attempt is None or (attempt.request, attempt.attempt) != (fields["request"], fields.get("attempt", 1)):
            yield "adjustment", f"entry {ref} is no settled attempt of this call"
            return
        if fields["reason"] not in ("reprice", "evidence") or cost < 0 or not fields["actor"]:
            yield "adjustment", "it does not say who corrected what, and why"
        if attempt.cost_nanos + delta != cost:
            yield "adjustment", f"the delta is {delta} nanos, from {attempt.cost_nanos} to {cost} it would be {cost - attempt.cost_nanos}"
        for member, at_us in (("call_day", attempt.at_us), ("posted_day", fields["at"])):
            if fields[member] != date.fromordinal(calendar.day_and_month(at_us)[0] + _EPOCH).isoformat():
                yield "adjustment", f"the {member.replace('_', ' ')} is another than the moment it stands for"
        self._attempts[ref] = attempt._replace(cost_nanos=cost, adjusted_nanos=attempt.adjusted_nanos + delta)

    def differences(self, is_pruned: Callable[[int], bool]) -> Iterator[tuple[int, str]]:
        """What can only be said when all entries are read: the entry of an admission, and what is wrong with it. What was
        listed of pruned entries is of no interest any more."""
        for seq in sorted(self._attempts.keys() | self._expected.keys()):
            found = self._attempts.get(seq)
            if (found.adjusted_nanos if found else 0) != self._expected.get(seq, 0):
                yield seq, "the call's adjustments do not add up to what its row says"
        listed = set(self._db.execute("SELECT ref, seq FROM later_entry WHERE organization = ?", (self._organization,)).fetchall())
        for ref, seq in sorted(listed ^ self._later):
            if is_pruned(ref) and (ref, seq) in listed:
                continue
            yield ref, f"whether entry {seq} speaks of it is listed otherwise than the entries say"

    def _settled(self, later: Mapping[str, Any], month: int, unpack: Callable[[bytes], bytes]) -> _Attempt | None:
        """The attempt as it was settled before this entry; None where there is none, or none that costs anything."""
        if later["ref"] >= later["seq"]:
            return None
        row = self._db.execute(month_sql(_BODY, month), (self._organization, later["ref"])).fetchone()
        if row is None:
            return None
        fields = read_body(unpack(row[0]))
        booked = int(fields["cost_nanos"]) if fields["kind"] == "ATTEMPT" else self._endings.get(fields["seq"])
        if booked is None or "sandbox" in fields:
            return None
        return _Attempt(fields["request"], fields.get("attempt", 1), fields["at"], booked)
