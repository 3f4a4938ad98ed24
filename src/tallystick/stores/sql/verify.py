"""Is the ledger what it was when it was written? Every entry is read from its exact bytes and everything
else is derived from them again and compared: hashes, chain, tree and signed checkpoints, names, columns,
costs, postings, adjustments. It trusts nothing but the bytes, the public key and arithmetic, reads one
unchanging view of the database beside a running server, and names the first entry that is wrong.

If somebody rewrote everything consistently, signatures included, only an anchor outside can tell; what
this proves without one is that the ledger agrees with itself and with what this key signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.core import merkle
from tallystick.core.errors import StoreFault
from tallystick.core.ledger import CALL_KINDS, GENESIS, KINDS, LedgerFault, leaf_of, open_checkpoint, postings
from tallystick.stores.secrets import signature_holds
from tallystick.stores.sql.booking import ended
from tallystick.stores.sql.callfact import COLUMNS, Calendar, fact_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database, month_sql, months
from tallystick.stores.sql.entries import STANDING, stored_entries
from tallystick.stores.sql.journal import origin_of
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.rollup_days import differences
from tallystick.stores.sql.verify_access import Access
from tallystick.stores.sql.verify_adjustments import Adjustments
from tallystick.stores.sql.verify_budgets import Budgets
from tallystick.stores.sql.verify_costs import Costs
from tallystick.stores.sql.verify_directory import Directory
from tallystick.stores.sql.verify_library import Library
from tallystick.stores.sql.verify_policies import Policies
from tallystick.stores.sql.verify_names import Definitions
from tallystick.stores.sql.verify_prices import Prices
from tallystick.stores.sql.verify_scopes import RENAMED, Scopes
from tallystick.stores.sql.verify_facts import SEQ, Facts
from tallystick.stores.sql.verify_retention import Retention

FINDINGS_MAX: Final = 20
PROGRESS_EVERY: Final = 5_000
UNSIGNED_US_MAX: Final = 600_000_000         # a server that books calls signs every minute

_ADJUSTED = COLUMNS.index("adjusted_nanos")
_VAULT: Final = """
SELECT p.id, n.id, c.version, c.origin, CASE WHEN c.removed_us IS NULL AND length(c.sealed) > 0 THEN 1 ELSE 0 END
FROM credential c
LEFT JOIN dictionary p ON p.organization = c.organization AND p.kind = 'provider' AND p.name = c.provider
LEFT JOIN dictionary n ON n.organization = c.organization AND n.kind = 'credential' AND n.name = c.name
WHERE c.organization = ?"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `check` is one of: sequence, bytes, leaf, chain, tree,
    checkpoint, define, dictionary, settlement, postings, cost, adjustment, columns, credential, directory, prices,
    budgets, retention, roll-ups, cursor."""

    check: str
    organization: str
    seq: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it. `findings` begins with the first bad entry of the first bad chain; at most
    `FINDINGS_MAX` are kept. `fault`: why nothing could be judged. `pruned`: how many of the entries are hashes only, of the
    months (YYYYMM) that were dropped. `head`: of a single chain, the hash of its last entry."""

    entries: int = 0
    checkpoints: int = 0
    organizations: int = 0
    pruned: int = 0
    pruned_months: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    fault: str | None = None
    head: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 something is wrong, 2 cannot judge."""
        return 2 if self.fault is not None else 1 if self.findings else 0


def verify(database: Database, public_key: bytes, progress: Callable[[int, int], None] = lambda _done, _total: None,
           only: str | None = None) -> Verification:
    """Check every chain of a database, or the one of an organisation (`only`, its slug). `progress(done, total)` is called now and
    then."""
    findings: list[Finding] = []
    entries = checkpoints = organizations = pruned = 0
    pruned_months: set[int] = set()
    try:
        with database.read() as db:
            chains = db.execute("SELECT c.organization, o.slug, o.zone, c.next_seq, c.head, c.frontier, c.checkpoint_size"
                                " FROM chain c JOIN organization o ON o.id = c.organization ORDER BY c.organization").fetchall()
            if only is not None:
                chains = [row for row in chains if row[1] == only]
                if not chains:
                    return Verification(fault=f"there is no organisation {only}")
            total = sum(row[3] for row in chains)
            for row in chains:
                check = _Check(db, public_key, findings, *row)
                check.run(lambda done, before=entries: progress(before + done, total))  # type: ignore[misc]
                entries += check.done
                checkpoints += check.checkpoints
                pruned += check.retention.entries
                pruned_months.update(check.retention.months)
                organizations += 1
            if only is None:
                _check_strays(db, {row[0] for row in chains}, findings)
                _check_cursors(db, findings)
    except StoreFault as fault:
        return Verification(fault=str(fault))
    progress(total, total)
    head = bytes(chains[0][4]).hex() if only is not None else None
    return Verification(entries, checkpoints, organizations, pruned, tuple(sorted(pruned_months)), tuple(findings[:FINDINGS_MAX]),
                        head=head)


def _check_strays(db: Connection, chained: set[int], findings: list[Finding]) -> None:
    """A chain that was taken away as a whole leaves its entries behind: nothing may belong to none."""
    monthly = [month_sql(name, month) for month in months(db) for name in ("entry_{month}", "call_fact_{month}")]
    strays = {
        organization
        for table in ("entry_standing", "checkpoint", "dictionary", "rollup_hour", "rollup_cube", "rollup_day", "leaf_run", "month_seal",
                      "month_spend", "legal_hold", *monthly)
        for (organization,) in db.execute(f"SELECT DISTINCT organization FROM {table}")  # noqa: S608 - names of ours
    } - chained
    findings += (
        Finding("chain", f"number {organization}", None, "there are entries of an organisation that has no chain, or no name")
        for organization in sorted(strays))


def _check_cursors(db: Connection, findings: list[Finding]) -> None:
    for instance, *row in db.execute("SELECT instance, low_segment, low_offset, high_segment, high_offset FROM spool_cursor"):
        if tuple(row[:2]) > tuple(row[2:]):
            findings.append(Finding("cursor", "", None, f"the cursor of spool {instance} has its places in the wrong order"))


class _TooMuch(Exception):
    """Enough findings; reading on would add nothing."""


class _Check:
    """One organisation's chain on its way from the first entry to the last."""

    def __init__(self, db: Connection, public_key: bytes, findings: list[Finding],
                 organization: int, slug: str, zone: str, next_seq: int, head: bytes, frontier: bytes, signed_size: int) -> None:
        self.done = 0
        self.checkpoints = 0
        self._db = db
        self._public_key = public_key
        self._findings = findings
        self._organization = organization
        self._slug = slug
        self._zone = zone
        self._calendar = Calendar("UTC")
        self._end = (next_seq, head, frontier)
        self._signed_size = signed_size
        self._sizes = {0}                    # of the checkpoints that are there; over nothing there is none
        self._decode = msgspec.json.Decoder(float_hook=_no_float).decode
        self._unpack = Packer().unpack
        self._definitions = Definitions(db, organization)
        self._costs = Costs()
        self._open: dict[int, tuple[dict[str, Any], tuple[Any, ...] | None]] = {}
        self._adjustments = Adjustments(db, organization)
        self._credentials: dict[tuple[int, int], tuple[int, str, int, int]] = {}
        self._directory = Directory(db, organization)
        self._access = Access(db, organization)
        self._prices = Prices(db, organization)
        self._budgets = Budgets(db, organization)
        self._scopes = Scopes(db, organization)
        self._library = Library(db, organization)
        self._policies = Policies(db, organization)
        self.retention = Retention(db, organization)
        self._notes: dict[int, str] = {}
        self._good_size = 0
        self._tree_holds = True
        self._began_us: int | None = None
        self._last_call_us = 0

    def run(self, progress: Callable[[int], None]) -> None:
        try:
            try:
                self._calendar = Calendar(self._zone)
            except (KeyError, ValueError, OSError):
                self._found("columns", None, f"the organisation's zone '{self._zone}' is none")
            self._walk(progress)
            self._check_end()
        except _TooMuch:
            return

    def _found(self, check: str, seq: int | None, message: str) -> None:
        self._findings.append(Finding(check, self._slug, seq, message))
        if len(self._findings) >= FINDINGS_MAX:
            raise _TooMuch

    def _walk(self, progress: Callable[[int], None]) -> None:
        self._notes = dict(self._db.execute("SELECT size, note FROM checkpoint WHERE organization = ?", (self._organization,)))
        self._sizes |= self._notes.keys()
        facts = Facts(self._db, self._organization, FINDINGS_MAX)
        leaf, frontier, expected = GENESIS, list[bytes](), 0
        for seq, packed, stored_leaf, month in stored_entries(self._db, self._organization):
            if seq != expected:
                self._found("sequence", expected, f"entry {expected} is missing" if seq > expected else f"entry {seq} stands twice")
                if seq < expected:
                    continue
            if packed is None:
                self.retention.note(seq, stored_leaf, month)
            else:
                self._check_entry(seq, packed, leaf, stored_leaf, month, facts)
            merkle.push(frontier, self.done, stored_leaf)    # of what is there, also where an entry is missing
            leaf, expected = stored_leaf, seq + 1
            self.done += 1
            if expected in self._notes:
                self._check_note(expected, merkle.root_of(frontier))
            if not self.done % PROGRESS_EVERY:
                progress(self.done)
        self._check_head(expected, leaf, frontier)
        for row in facts.rest():
            self._found("columns", row[SEQ], "a fact row belongs to no entry")

    def _check_entry(self, seq: int, packed: bytes, previous: bytes, leaf: bytes, month: int, facts: Facts) -> None:
        fact = facts.of(seq)
        try:
            body = self._unpack(packed)
            fields = self._decode(body)
            kind = fields["kind"]
        except (LedgerFault, msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError, ValueError) as fault:
            self._found("bytes", seq, f"the entry's bytes cannot be read: {fault}")
            return
        if leaf_of(body, previous) != leaf:
            self._found("leaf", seq, "the entry's hash is not the hash of its bytes and of the entry before")
            return
        try:
            self._note_times(kind, fields)
            if fields["seq"] != seq or fields["org"] != self._slug or kind not in KINDS:
                self._found("bytes", seq, "the entry names another place or kind than its own")
            elif (kind in CALL_KINDS) != (month != STANDING):
                self._found("bytes", seq, "the entry stands in the wrong table")
            elif kind == "DEFINE":
                self._define(seq, fields)
            else:
                for message in self._definitions.undefined(fields):
                    self._found("define", seq, message)
                self._directory.gather(seq, fields)
                if kind in ("ACCESS", "MEMBER"):
                    self._access.gather(seq, fields)
                if kind == "PRICE":
                    self._prices.gather(seq, fields)
                if kind == "SCOPE":
                    self._scopes.gather(seq, fields)
                if kind == "CAP":
                    self._budgets.gather(seq, fields)
                if kind == "POLICY":
                    self._policies.gather(seq, fields)
                if kind == "PROMPT":
                    self._library.gather(seq, fields)
                if kind in ("CHECKPOINT", "RETENTION"):
                    self.retention.gather(seq, fields)
                if kind in CALL_KINDS:
                    self._check_call(seq, kind, fields, month, fact)
                elif kind == "CREDENTIAL" and "provider" in fields:        # else one was assigned
                    self._credentials[fields["provider"], fields["credential"]] = (
                        fields["version"], fields["origin"], int(fields["event"] == "set"), seq)
        except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
            self._found("bytes", seq, f"the entry does not say what its kind must: {fault!r}")

    def _note_times(self, kind: str, fields: Mapping[str, Any]) -> None:
        """When the chain began and when its last call was. Only entries that stand beside the calls bear the moment
        they were chained; a call is never younger than that. Corrections come when they come."""
        if kind == "ADJUST":
            return
        if kind in CALL_KINDS:
            self._last_call_us = max(self._last_call_us, fields.get("settled", 0), fields.get("at", 0))
        elif self._began_us is None:
            self._began_us = fields["at"]

    def _define(self, seq: int, fields: Mapping[str, Any]) -> None:
        for check, message in self._definitions.define(seq, fields):
            self._found(check, seq, message)
        self._costs.define(fields["of"], fields["id"], fields.get("content", {}))
        if fields["of"] in RENAMED:
            self._scopes.define(fields["of"], fields["id"], fields["name"], seq)

    # --- calls ---------------------------------------------------------------------------------

    def _check_call(self, seq: int, kind: str, fields: dict[str, Any], month: int, fact: tuple[Any, ...] | None) -> None:
        if kind == "SEEN":
            if not self._adjustments.is_settled(fields, month, self._unpack):
                self._found("settlement", seq, f"entry {fields['ref']} is no settled attempt of this call")
            return
        if "ref" in fields:
            self._adjustments.note_later(fields["ref"], seq)
        if kind in ("SETTLE", "DEFER") and "ref" in fields:
            self._check_ending(seq, kind, fields)
            return
        if kind == "REFUSALS":
            return
        if kind == "ADJUST":
            self._check_adjustment(seq, fields, month)
            return
        if kind != "REFUSED":
            self._check_postings(seq, fields, None)
        if kind in ("ADMIT", "DEFER"):       # their rows change with what follows, and wait for it
            self._open[seq] = (fields, fact)
            return
        if kind == "ATTEMPT":
            self._check_cost(seq, fields, int(fields["hold_nanos"]))
        self._check_fact(seq, fields, fact)

    def _check_postings(self, seq: int, fields: Mapping[str, Any], hold: int | None) -> None:
        balance = 0
        for _, amount_nanos in postings(fields, hold):
            balance += amount_nanos
        if balance:
            self._found("postings", seq, "the entry's postings do not sum to zero")

    def _check_ending(self, seq: int, kind: str, fields: dict[str, Any]) -> None:
        opened = self._open.get(fields["ref"])
        if opened is None or opened[0]["request"] != fields["request"] or opened[0].get("attempt", 1) != fields.get("attempt", 1):
            self._found("settlement", seq, f"entry {fields['ref']} is no open admission of this attempt")
            return
        opening, fact = opened
        hold = int(opening["hold_nanos"])
        self._check_postings(seq, fields, hold)
        if kind == "DEFER":
            self._open[fields["ref"]] = ({**opening, "deferred": fields}, fact)
            return
        del self._open[fields["ref"]]
        opening.pop("deferred", None)
        merged = ended(opening, fields)
        self._check_cost(seq, merged, hold)
        self._adjustments.note_ending(fields["ref"], fields)
        self._check_fact(fields["ref"], merged, fact)

    def _check_adjustment(self, seq: int, fields: Mapping[str, Any], month: int) -> None:
        self._check_postings(seq, fields, None)
        for check, message in self._adjustments.judge(fields, month, self._calendar, self._unpack):
            self._found(check, seq, message)
        if fields["reason"] == "reprice" and int(fields["cost_nanos"]) != self._costs.computed(fields):
            self._found("cost", seq, "the new cost is not the sum of its lines")

    def _check_cost(self, seq: int, fields: Mapping[str, Any], hold: int) -> None:
        for message in self._costs.differences(fields, hold):
            self._found("cost", seq, message)

    def _check_fact(self, seq: int, fields: Mapping[str, Any], fact: tuple[Any, ...] | None) -> None:
        if fact is None:
            self._found("columns", seq, "the entry has no fact row")
            return
        adjusted = fact[_ADJUSTED]
        proper = fact_of(fields, self._organization, self._calendar, adjusted)
        wrong = [name for name, has, should in zip(COLUMNS, fact, proper, strict=True) if has != should]
        if "cost_nanos" not in wrong:
            self._adjustments.expect(seq, adjusted)
        elif adjusted:
            wrong.append("adjusted_nanos")
        if wrong:
            self._found("columns", seq, f"columns differ from the entry: {', '.join(wrong)}")

    # --- tree and end --------------------------------------------------------------------------

    def _check_note(self, size: int, root: bytes) -> None:
        self.checkpoints += 1
        try:
            checkpoint = open_checkpoint(self._notes.pop(size), self._public_key,
                                         lambda signature, text: signature_holds(self._public_key, signature, text))
        except LedgerFault as fault:
            self._found("checkpoint", size - 1, f"the checkpoint over {size} entries: {fault}")
            return
        if (checkpoint.origin, checkpoint.size) != (origin_of(self._public_key, self._slug), size):
            self._found("checkpoint", size - 1, f"the checkpoint over {size} entries speaks of another log or size")
        elif checkpoint.root != root and self._tree_holds:
            self._tree_holds = False         # no later root can be right
            self._found("tree", self._good_size, f"entries {self._good_size} to {size - 1} are not those that were signed")
        elif self._tree_holds:
            self._good_size = size

    def _check_head(self, size: int, leaf: bytes, frontier: list[bytes]) -> None:
        next_seq, head, stored = self._end
        if size < next_seq:
            self._found("sequence", size, f"the last {next_seq - size} entries are missing")
        elif (size, leaf) != (next_seq, head):
            self._found("chain", size - 1, "the chain does not end where its head says")
        elif merkle.pack(frontier) != stored:
            self._found("tree", size - 1, "the tree over all entries is not the one that is stored")
        if self._sizes == {0} and self._began_us is not None and self._last_call_us - self._began_us > UNSIGNED_US_MAX:
            self._found("checkpoint", None, "no checkpoint was ever signed, though the calls go on for more than ten minutes")
        if self._signed_size not in self._sizes:
            self._found("checkpoint", None, f"the checkpoint over {self._signed_size} entries is missing")
        for beyond in sorted(self._notes):
            self._found("checkpoint", None, f"there is a checkpoint over {beyond} entries, which this ledger does not reach")

    def _check_end(self) -> None:
        """What can only be said when all entries are read."""
        for seq, (fields, fact) in self._open.items():
            deferred = fields.pop("deferred", None)
            self._check_fact(seq, ended(fields, deferred) if deferred else fields, fact)
        waiting = {row[0] for row in self._db.execute("SELECT seq FROM open_attempt WHERE organization = ?", (self._organization,))}
        for seq in sorted(waiting ^ set(self._open)):
            self._found("settlement", seq, "the list of open attempts differs from the entries")
        self._check_credentials()
        for seq, message in self._adjustments.differences(self.retention.is_pruned):
            self._found("columns", seq, message)
        for check, gathered in (
            ("dictionary", self._scopes), ("directory", self._directory), ("directory", self._access), ("directory", self._library),
            ("prices", self._prices), ("policies", self._policies), ("budgets", self._budgets), ("retention", self.retention),
        ):
            for seq_of, message in gathered.differences():
                self._found(check, seq_of, message)
        for message in self._definitions.differences():
            self._found("dictionary", None, message)
        for month in months(self._db):
            twice = self._db.execute(month_sql(
                "SELECT max(seq) FROM call_fact_{month} WHERE organization = ? GROUP BY request_id, attempt HAVING count(*) > 1", month),
                (self._organization,)).fetchall()
            for (seq,) in twice:
                self._found("settlement", seq, "the attempt stands twice in the ledger")
        if all(found.organization != self._slug for found in self._findings):        # they rest on the rows
            for message in differences(self._db, self._organization):
                self._found("roll-ups", None, message)

    def _check_credentials(self) -> None:
        """The vault holds what was last chained of each credential: its version, its origin, and whether it is held."""
        rows = {(provider, name): tuple(row) for provider, name, *row in self._db.execute(_VAULT, (self._organization,))}
        for place, (*said, seq) in self._credentials.items():
            if rows.pop(place, None) != tuple(said):
                self._found("credential", seq, "the vault holds this credential otherwise than it was last set or removed")
        if rows:
            self._found("credential", None, f"the vault holds {len(rows)} credentials that no entry speaks of")


def _no_float(text: str) -> float:
    raise ValueError(f"a number that is no integer: {text[:20]}")
