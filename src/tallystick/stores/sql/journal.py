"""The ledger's one pen. Whoever is inside `Sequencer.append` holds the database's write lock and with it
every organisation's chain: it may define names, append entries and change the tables they speak of, and
all of it commits together. The server's shipper and the CLI both write through it, so a control-plane
change and its chained entry are one transaction (docs/adr/0003-journal.md).

Rows are gathered and written at the end of the transaction; chains are read at their first use in it.
"""

from __future__ import annotations

import hmac
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from tallystick.core import merkle
from tallystick.core.budget import BudgetBook
from tallystick.core.entry import PRIVATE, Fields
from tallystick.core.errors import Defect
from tallystick.core.ledger import Checkpoint, body_of, leaf_of, sign_checkpoint
from tallystick.stores.sql.alerts_crossings import Watch, note_counted
from tallystick.stores.sql.budget_rows import books
from tallystick.stores.sql.callfact import FACT_ADJUST, FACT_INSERT, FACT_TAKE, Calendar
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database, ensure_month, month_sql
from tallystick.stores.sql.entries import STANDING
from tallystick.stores.sql.leases import Counting
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.rollups import RollUps
from tallystick.stores.sql.team_names import name_now

CHECKPOINT_ENTRIES: Final = 10_000
CHECKPOINT_EVERY_US: Final = 60_000_000
_NAMES_KEPT_MAX = 200_000
_SALT_BYTES = 16

# The same bytes as core's `canonical` in a sixth of its time (tests/stores/test_journal.py holds them together).
canonical_quickly: Final[Callable[[Any], bytes]] = msgspec.json.Encoder(order="sorted").encode

_Name = tuple[int, str, str]                 # organisation, kind, name


class Signer(Protocol):
    """The ledger's signing key (`stores/secrets.py`)."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class Sequencer:
    """Writes to the chains of one database. Without a signer no checkpoints are made; the running
    server, which has one, makes them."""

    def __init__(self, database: Database, signer: Signer | None = None,
                 random: Callable[[int], bytes] = os.urandom, pen: Appending | None = None) -> None:
        """`pen`: of an open transaction that all of this one's writing is part of (`together`)."""
        self.database = database
        self._pen = pen
        self._signer = signer
        self._random = random
        self._names: dict[_Name, int] = {}
        self._packer = Packer()
        self._watch = Watch()
        self._budgets: tuple[int, Mapping[str, BudgetBook]] = (-1, {})

    @contextmanager
    def append(self, now_us: int, *, sign_all: bool = False) -> Iterator[Appending]:
        """One write transaction on the ledger. `now_us` stamps what is not stamped by its record. `sign_all`: at its
        end every chain that grew gets its checkpoint, due or not.

        Raises StoreFault when the database cannot be written; then nothing of it has happened.
        """
        if self._pen is not None:
            yield self._pen
            return
        with self.database.write() as db:
            appending = Appending(db, now_us, self._names, self._random, self._packer, self._budgets_in, self._watch)
            yield appending
            appending.close(self._signer, sign_all=sign_all)
        if len(self._names) > _NAMES_KEPT_MAX:
            self._names.clear()
        self._names.update(appending.fresh)

    @contextmanager
    def together(self, now_us: int) -> Iterator[Sequencer]:
        """Several changes as one transaction: each `append` of the sequencer that is given is part of it, and its
        `database` shows what was changed so far. At the end of the block all of it commits; where it raises, nothing
        has happened. Raises StoreFault."""
        with self.append(now_us) as pen:
            yield Sequencer(_Within(self.database, pen), random=self._random, pen=pen)

    def _budgets_in(self, db: Connection) -> Mapping[str, BudgetBook]:
        """Every organisation's budgets as this transaction sees them, read again only when something changed."""
        change = int(db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])
        if change != self._budgets[0]:
            self._budgets = change, books(db)
        return self._budgets[1]


@dataclass(frozen=True, slots=True)
class _Within:
    """The database as it is inside an open transaction (engine.Database)."""

    database: Database
    pen: Appending

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        return self.database.refusals

    @property
    def place(self) -> dict[str, str]:
        return self.database.place

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.pen.flush()
        yield self.pen.db

    write = read

    def change_count(self) -> int:
        return int(self.pen.db.execute("SELECT value FROM change_counter WHERE id = 1").fetchone()[0])

    def has_tables(self, db: Connection) -> bool:
        return self.database.has_tables(db)

    def drop_some(self, table: str) -> bool:
        raise Defect(f"{table} was to be dropped inside a transaction")

    def close(self) -> None:
        """Nothing: whoever opened the transaction ends it."""


@dataclass(slots=True)
class _Mark:
    chains: dict[int, tuple[int, bytes, list[bytes]]]
    fresh: dict[_Name, int]
    lengths: list[tuple[list[Any], int]]


class Appending:
    """The open transaction. `db` is for the rows that belong to it; entries go through `chain`. `counting` is what it
    counts on budgets, `holder` the instance whose calls it books; `breathe` lets other threads in."""

    def __init__(self, db: Connection, now_us: int, names: Mapping[_Name, int], random: Callable[[int], bytes],
                 packer: Packer, budgets_in: Callable[[Connection], Mapping[str, BudgetBook]],
                 watch: Watch) -> None:
        self.db = db
        self.packer = packer
        self.now_us = now_us
        self.fresh: dict[_Name, int] = {}
        self.names = names
        self.counting = Counting()
        self.roll_ups = RollUps()
        self.breathe: Callable[[], None] = lambda: None
        self.holder = ""
        self._random = random
        self._budgets_in = budgets_in
        self._watch = watch
        self._budgets: Mapping[str, BudgetBook] | None = None
        self._chains: dict[int, Chain] = {}
        self._entries: defaultdict[int, list[tuple[int, int, bytes, bytes]]] = defaultdict(list)
        self._facts: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)

    def chain(self, organization: int) -> Chain:
        """The organisation's chain. Raises Defect when there is no such organisation."""
        chain = self._chains.get(organization)
        if chain is None:
            row = self.db.execute(
                "SELECT o.slug, o.zone, c.next_seq, c.head, c.frontier FROM chain c JOIN organization o ON o.id = c.organization"
                " WHERE c.organization = ?", (organization,)).fetchone()
            if row is None:
                raise Defect(f"organisation {organization} has no chain")
            slug, zone, next_seq, head, frontier = row
            chain = Chain(self, organization, slug, Calendar(zone), next_seq, head, merkle.unpack(frontier))
            self._chains[organization] = chain
        return chain

    def chain_of(self, slug: str) -> Chain:
        """The chain of an organisation by its name in records. Raises LookupError for an unknown one."""
        for chain in self._chains.values():
            if chain.slug == slug:
                return chain
        row = self.db.execute("SELECT id FROM organization WHERE slug = ?", (slug,)).fetchone()
        if row is None:
            raise LookupError(f"no organisation {slug}")
        return self.chain(row[0])

    def key_event(self, organization: int, event: str, key_id: str, *, actor: str,
                  labels: Mapping[str, str] | None = None, dimensions: Mapping[str, str] | None = None, **said: str | int) -> int:
        """Chain that a key was `created`, `rotated` or `revoked`, by whom, and what is fixed on it. `said`: the mark
        of its `digest`, and when it `ends`."""
        chain = self.chain(organization)
        fields: Fields = {**said, "kind": "KEY", "at": self.now_us, "event": event, "actor": actor,
                          "key": chain.define("key", key_id)}
        for label, value in (labels or {}).items():
            fields[label] = chain.define(label, value)
        if dimensions:
            fields["dimensions"] = chain.define(
                "dimensions", "\n".join(f"{name}\t{value}" for name, value in sorted(dimensions.items())))
        return chain.append(fields)

    def budgets(self) -> Mapping[str, BudgetBook]:
        """Every organisation's budgets, by its name in records, as they stood when they were first asked for."""
        if self._budgets is None:
            self._budgets = self._budgets_in(self.db)
        return self._budgets

    def gather(self, month: int, row: tuple[int, int, bytes, bytes]) -> None:
        self._entries[month].append(row)

    def add_fact(self, month: int, fact: tuple[Any, ...]) -> None:
        self._facts[month].append(fact)
        self.roll_ups.added.append(fact)

    def take_fact(self, month: int, organization: int, seq: int, attempt: tuple[bytes, int]) -> None:
        """Take an attempt's row out, to be added anew. Flush first."""
        self.roll_ups.taken += self.db.execute(month_sql(FACT_TAKE, month), (*attempt, organization, seq)).fetchall()

    def adjust_fact(self, month: int, organization: int, at_us: int, seq: int, delta_nanos: int) -> None:
        """Move what an attempt costs."""
        place = (organization, at_us, seq)
        for fact in self.db.execute(month_sql(FACT_ADJUST, month), (delta_nanos, delta_nanos, *place)).fetchall():
            self.roll_ups.adjust(fact, delta_nanos)

    def flush(self) -> None:
        """Write the rows gathered so far, for a statement that must see them."""
        for month in sorted({*self._entries, *self._facts} - {STANDING}):
            ensure_month(self.db, month, self.now_us)
        for month, rows in self._entries.items():
            if rows:
                self.db.executemany(entry_insert(month), rows)
                rows.clear()
        for month, facts in self._facts.items():
            if facts:
                self.db.executemany(month_sql(FACT_INSERT, month), facts)
                facts.clear()
        counted = dict(self.counting.settled)
        self.counting.write(self.db)
        if counted:
            note_counted(self.db, self._watch.budgets(self.db), counted, self.now_us)

    def close(self, signer: Signer | None, *, sign_all: bool) -> None:
        """Write what was gathered, the roll-ups, the heads, and the checkpoints that are due."""
        self.flush()
        self.roll_ups.write(self.db, self.breathe)
        for chain in self._chains.values():
            self.db.execute("UPDATE chain SET next_seq = ?, head = ?, frontier = ? WHERE organization = ?",
                            (chain.next_seq, chain.head, merkle.pack(chain.frontier), chain.organization))
        if signer is not None:
            self._checkpoint(signer, every_entries=1 if sign_all else CHECKPOINT_ENTRIES)

    def mark(self) -> _Mark:
        """Where everything stands, to come back to with `rewind`. Flush first."""
        chains = {number: (c.next_seq, c.head, list(c.frontier)) for number, c in self._chains.items()}
        return _Mark(chains, dict(self.fresh), [(rows, len(rows)) for rows in self._gathered()])

    def rewind(self, mark: _Mark) -> None:
        """Forget what was gathered since the mark; the caller rolls back its savepoint."""
        for number in [number for number in self._chains if number not in mark.chains]:
            del self._chains[number]
        for number, (next_seq, head, frontier) in mark.chains.items():
            chain = self._chains[number]
            chain.next_seq, chain.head, chain.frontier = next_seq, head, list(frontier)
        self.fresh = mark.fresh
        known = {id(rows): length for rows, length in mark.lengths}
        for rows in self._gathered():
            del rows[known.get(id(rows), 0):]
        self.counting = Counting()           # all before the mark was written by its flush

    def _gathered(self) -> list[list[Any]]:
        return [*self._entries.values(), *self._facts.values(), self.roll_ups.added, self.roll_ups.taken]

    def number_of(self, chain: Chain, kind: str, name: str, content: Callable[[], Mapping[str, str]] | None) -> int:
        key = (chain.organization, kind, name)
        number = self.fresh.get(key)
        if number is None:
            name = name.replace("\0", "\ufffd")          # no text of PostgreSQL's can hold it
            number = self._find((chain.organization, kind, name)) or self._define(chain, kind, name, dict(content()) if content else {})
            self.fresh[key] = number
        return number

    def _find(self, key: _Name) -> int | None:
        if key[1] == "team":
            key = (key[0], "team", name_now(self.db, key[0], key[2]))
        query = ("SELECT id FROM dictionary_private WHERE organization = ? AND kind = ? AND value = ?" if key[1] in PRIVATE
                 else "SELECT id FROM dictionary WHERE organization = ? AND kind = ? AND name = ?")
        row = self.db.execute(query, key).fetchone()
        return int(row[0]) if row else None

    def _define(self, chain: Chain, kind: str, name: str, content: dict[str, str]) -> int:
        top = self.db.execute("SELECT max(id) FROM dictionary WHERE organization = ? AND kind = ?",
                              (chain.organization, kind)).fetchone()[0]
        number = int(top or 0) + 1
        shown = name
        fields: Fields = {"kind": "DEFINE", "at": self.now_us, "of": kind, "id": number}
        if kind in PRIVATE:
            salt = self._random(_SALT_BYTES)
            shown = fields["mac"] = private_mac(salt, name)
            self.db.execute("INSERT INTO dictionary_private (organization, kind, id, salt, value) VALUES (?, ?, ?, ?, ?)",
                            (chain.organization, kind, number, salt, name))
        else:
            fields["name"] = name
        if content:
            fields["content"] = content
        seq = chain.append(fields)
        self.db.execute(
            "INSERT INTO dictionary (organization, kind, id, name, content, seq) VALUES (?, ?, ?, ?, ?, ?)",
            (chain.organization, kind, number, shown, json.dumps(content, sort_keys=True, ensure_ascii=False), seq))
        return number

    def _checkpoint(self, signer: Signer, every_entries: int) -> None:
        due = self.db.execute(
            "SELECT o.slug, c.organization, c.next_seq, c.frontier FROM chain c JOIN organization o ON o.id = c.organization"
            " WHERE c.next_seq > c.checkpoint_size AND (c.next_seq >= c.checkpoint_size + ? OR c.checkpoint_us <= ?)",
            (every_entries, self.now_us - CHECKPOINT_EVERY_US)).fetchall()
        for slug, organization, size, frontier in due:
            root = merkle.root_of(merkle.unpack(frontier))
            note = sign_checkpoint(Checkpoint(origin_of(signer.public_key, slug), size, root), signer.public_key, signer.sign)
            self.db.execute("INSERT INTO checkpoint (organization, size, at_us, note) VALUES (?, ?, ?, ?)",
                            (organization, size, self.now_us, note))
            self.db.execute("UPDATE chain SET checkpoint_size = ?, checkpoint_us = ? WHERE organization = ?",
                            (size, self.now_us, organization))


class Chain:
    """One organisation's chain in an open transaction."""

    __slots__ = ("_appending", "_known", "calendar", "frontier", "head", "next_seq", "organization", "slug")

    def __init__(self, appending: Appending, organization: int, slug: str, calendar: Calendar,
                 next_seq: int, head: bytes, frontier: list[bytes]) -> None:
        self._appending = appending
        self._known = appending.names
        self.organization = organization
        self.slug = slug
        self.calendar = calendar
        self.next_seq = next_seq
        self.head = head
        self.frontier = frontier

    def define(self, kind: str, name: str, content: Callable[[], Mapping[str, str]] | None = None) -> int:
        """The number of a name, chained as a DEFINE at first use (`core.entry.Define`)."""
        return self._known.get((self.organization, kind, name)) or self._appending.number_of(self, kind, name, content)

    def append(self, fields: Fields, month: int = STANDING) -> int:
        """Chain one entry and gather its row; its sequence number."""
        seq = self.next_seq
        fields["org"], fields["seq"] = self.slug, seq
        body = body_of(fields, canonical_quickly)
        leaf = leaf_of(body, self.head)
        merkle.push(self.frontier, seq, leaf)
        self.head, self.next_seq = leaf, seq + 1
        self._appending.gather(month, (self.organization, seq, self._appending.packer.pack(body), leaf))
        return seq


def private_mac(salt: bytes, value: str) -> str:
    """How the ledger names a person's value: HMAC-SHA-256 under a salt of its own, hexadecimal. With
    the salt gone (erasure) nobody can say any more whom it named."""
    return hmac.digest(salt, value.encode(), "sha256").hex()


def origin_of(public_key: bytes, slug: str) -> str:
    """The name under which an organisation's checkpoints are signed: unique to this installation."""
    return f"tallystick/{public_key[:8].hex()}/{slug}"


def entry_insert(month: int) -> str:
    if month == STANDING:
        return "INSERT INTO entry_standing (organization, seq, body, leaf) VALUES (?, ?, ?, ?)"
    return month_sql("INSERT INTO entry_{month} (organization, seq, body, leaf) VALUES (?, ?, ?, ?)", month)
