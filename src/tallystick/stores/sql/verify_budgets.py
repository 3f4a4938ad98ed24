"""Do the budgets stand as their CAP entries say, and do their counters say what the ledger adds up to? A limit that
was raised in the table alone, a raise without an entry, or a counter that somebody set back is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tallystick.core.draw import NodeKey
from tallystick.core.windows import END_OF_TIME_US
from tallystick.stores.sql.budget_rows import BudgetRow, budget_rows, value_kind
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.pruned import RowsPruned
from tallystick.stores.sql.spending import spent
from tallystick.stores.sql.verify_directory import Difference

_SAID: Final = ("scope", "window", "zone", "unit", "limit", "mode", "on_exceed", "version", "name", "owner", "note", "rate", "currency",
                "currency_nanos", "starts", "ends")


class Budgets:
    """What one chain's entries say of budgets, gathered while they are read."""

    def __init__(self, db: Connection, organization: int) -> None:
        self._db = db
        self._organization = organization
        self._said: dict[int, dict[str, Any]] = {}
        self._raises: dict[int, list[tuple[int, int, str]]] = {}
        self._removed: dict[int, int] = {}
        self._signed: dict[int, tuple[int, int, str]] = {}

    def gather(self, seq: int, fields: Mapping[str, Any]) -> None:
        """A CAP entry. Raises KeyError for one that lacks what every CAP entry says."""
        budget = fields["budget"]
        self._said[budget] = {**fields, "seq": seq}
        if fields["event"] == "made" and "envelope" in fields:
            self._signed[fields["envelope"]] = seq, budget, fields["actor"]
        if fields["event"] == "raised":
            self._raises.setdefault(budget, []).append((int(fields["extra"]), fields["until"], fields["reason"]))
        if fields["event"] == "removed":
            self._removed[budget] = fields["at"]

    def differences(self) -> Iterator[Difference]:
        """What can only be said when all entries are read."""
        said, names = dict(self._said), Names(self._db, self._organization)
        for row in budget_rows(self._db, self._organization, removed=True):
            entry = said.pop(row.id, None)
            if entry is None:
                yield Difference(None, f"there is a budget {row.id}, and no entry says so")
                continue
            if wrong := ", ".join(self._wrong(row, entry, names)):
                yield Difference(entry["seq"], f"budget {row.id} stands otherwise than it was set: {wrong}")
            yield from self._counters(row, entry["seq"])
        for number, entry in said.items():
            yield Difference(entry["seq"], f"budget {number} is missing")
        yield from self._signatures()

    def _signatures(self) -> Iterator[Difference]:
        """Whether every envelope is what the entry says that signed it, and that entry the one that was signed."""
        query = ("SELECT e.id, e.budget, e.decided_by, e.signed_seq, e.signed_hash, s.leaf FROM envelope e LEFT JOIN entry_standing s"
                 " ON s.organization = e.organization AND s.seq = e.signed_seq"
                 " WHERE e.organization = ? AND e.state = 'signed' ORDER BY e.id")
        for envelope, budget, approver, seq, signed, leaf in self._db.execute(query, (self._organization,)).fetchall():
            if leaf is None or bytes(leaf).hex() != signed or self._signed.get(envelope) != (seq, budget, approver):
                yield Difference(seq, f"envelope {envelope} is not what was signed")

    def _wrong(self, row: BudgetRow, entry: Mapping[str, Any], names: Names) -> Iterator[str]:
        stands: dict[str, Any] = {
            "scope": row.kind, "window": row.span, "zone": row.zone, "unit": row.unit, "limit": str(row.amount), "mode": row.mode,
            "on_exceed": row.on_exceed, "version": row.version, "name": row.name or None, "owner": row.owner or None,
            "note": row.note or None, "rate": row.rate or None, "starts": row.starts_us, "ends": row.ends_us}
        foreign = row.unit == "money" and row.currency != "USD"
        stands |= {"currency": row.currency if foreign else None, "currency_nanos": str(row.currency_nanos) if foreign else None}
        yield from (name for name in _SAID if stands[name] != entry.get(name))
        if "value" in entry and row.value != (names.of(value_kind(row), entry["value"]) or row.value):
            yield "value"
        if ("value" in entry) != bool(row.value):
            yield "value"
        if row.removed_us != self._removed.get(row.id):
            yield "removed"
        query = "SELECT amount, until_us, reason FROM budget_raise WHERE budget = ? ORDER BY number"
        raises = self._db.execute(query, (row.id,)).fetchall()
        if [tuple(one) for one in raises] != self._raises.get(row.id, []):
            yield "raises"

    def _counters(self, row: BudgetRow, seq: int) -> Iterator[Difference]:
        """Every node against the calls' rows; a removed budget counts no further and is let be, and one that
        blocks a scope without an envelope counts nothing that matters."""
        if row.removed_us is not None or self._db.execute("SELECT 1 FROM envelope_required WHERE budget = ?", (row.id,)).fetchone():
            return
        query = "SELECT subject, start_us, end_us, settled, leased FROM budget_node WHERE budget = ?"
        found = self._db.execute(query, (row.id,)).fetchall()
        nodes = {NodeKey(row.id, subject, start_us): (end_us, settled, leased) for subject, start_us, end_us, settled, leased in found}
        totals = self._spent(row, row.starts_us, row.ends_us or END_OF_TIME_US)
        if totals is not None and sum(totals.values()) != sum(settled for _, settled, _ in nodes.values()):
            yield Difference(seq, f"budget {row.id} counts {sum(settled for _, settled, _ in nodes.values())} over all its windows, "
                                  f"and the ledger {sum(totals.values())}")
        for start_us, end_us in sorted({(node.start_us, end_us) for node, (end_us, _, _) in nodes.items()}):
            ledger = self._spent(row, max(start_us, row.starts_us), min(end_us, row.ends_us or END_OF_TIME_US))
            if ledger is None:
                continue
            for subject in sorted(ledger.keys() | {node.subject for node in nodes if node.start_us == start_us}):
                counted = nodes.get(NodeKey(row.id, subject, start_us), (0, 0, 0))[1]
                if counted != ledger.get(subject, 0):
                    yield Difference(seq, f"budget {row.id} counts {counted} for {subject or 'its scope'} in the window from {start_us}, "
                                          f"and the ledger {ledger.get(subject, 0)}")
        for node, (_, _, leased) in nodes.items():
            held = self._db.execute("SELECT coalesce(sum(amount), 0) FROM budget_lease WHERE budget = ? AND subject = ? AND start_us = ?",
                                    node).fetchone()[0]
            if int(held) != leased:
                yield Difference(seq, f"budget {row.id} has {leased} leased, and its holders have {held}")

    def _spent(self, row: BudgetRow, start_us: int, end_us: int) -> dict[str, int] | None:
        """What the ledger says of a span; None where a part of it was pruned and nobody can say any more."""
        try:
            return spent(self._db, self._organization, row.scope, row.unit, start_us, end_us)
        except RowsPruned:
            return None
