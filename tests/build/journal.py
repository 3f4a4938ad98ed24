"""Builders for the journal's tests: records of calls, a clock set by hand, and a disk that fails as told."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallystick.core import merkle
from tallystick.core.attempt import Admission, Line, Refusal, Settlement
from tallystick.core.call import Facts
from tallystick.core.identity import Attribution
from tallystick.core.ledger import GENESIS, leaf_of
from tallystick.core.money import EXACT, to_nanos
from tallystick.core.pricebook import amount
from tallystick.core.usage import usage_of
from tallystick.jobs.shipper import Shipper, cursor_segment
from tallystick.stores.disk import PosixDisk
from tallystick.stores.recovery import open_spool
from tallystick.stores.secrets import LedgerKey
from tallystick.stores.spool import Bounds, Position, Spool, Spooled
from tallystick.stores.sql.directory import Directory
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Sequencer
from tallystick.stores.sql.packing import Packer
from tests.build.databases import open_database

NOON_US = 1_795_262_400_000_000              # 2026-11-21 12:00 UTC


@dataclass
class HandClock:
    """A clock that moves when told."""

    us: int = NOON_US

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        return self.us


def request_id(number: int) -> str:
    return f"req_{number:032x}"


def admission(number: int = 1, **changes: Any) -> Admission:
    """The admission of an ordinary chat call; `number` makes its request id."""
    plain = Admission(
        request_id=request_id(number), attempt=1, at_us=NOON_US + number,
        attribution=Attribution("k1", "default", {"team": "search", "project": "web", "user": "ann@example.com"},
                                (("feature", "answers"),), {"region": "eu"}, frozenset({"user"})),
        provider="openai", operation="chat", dialect="openai_chat", model="gpt-4o",
        facts=Facts(model="gpt-4o", stream=True, output_limit=1000, tools=2, end_user="eu-17"), body_bytes=2_500,
        input_bound=3_300, hold_nanos=50_000_000, hold_priced=True, billable=True, price_version="2026-11-20", hold_tokens=4_300)
    return replace(plain, **changes)


def lines() -> tuple[Line, ...]:
    return (Line("input_text", 1_200, "openai:gpt-4o:input_text", Decimal("2.5"), 1_000_000),
            Line("output_text", 301, "openai:gpt-4o:output_text", Decimal("10.00"), 1_000_000, Decimal("0.5"), "openai:factor:tier=flex"))


def cost_of(priced: tuple[Line, ...]) -> int:
    total = Decimal(0)
    for line in priced:
        total = EXACT.add(total, amount(line))
    return to_nanos(total)


def settlement(number: int = 1, **changes: Any) -> Settlement:
    """The settlement of `admission(number)` from stated usage."""
    cost = cost_of(lines())
    plain = Settlement(
        request_id=request_id(number), attempt=1, at_us=NOON_US + number + 900_000, outcome="completed", method="priced",
        basis="usage", cost_nanos=cost, status=200, model="gpt-4o-2024-08-06", usage=usage_of(input_text=1_200, output_text=301),
        lines=lines(), traits={"tier": "flex"}, computed_nanos=cost, response_id="chatcmpl-1", first_byte_us=300_000,
        latency_us=900_000, reply_bytes=1_500)
    return replace(plain, **changes)


def refusal(number: int = 1, **changes: Any) -> Refusal:
    """A refusal without a valid key."""
    return replace(Refusal(request_id(number), NOON_US + number, "system", "key_missing", 401), **changes)


def key_refusal(number: int = 1, **changes: Any) -> Refusal:
    """A refusal of a caller with a valid key."""
    asked = admission(number)
    return replace(Refusal(asked.request_id, asked.at_us, "default", "outside_key_scope", 403, asked.attribution,
                           "openai", "chat", "gpt-4o", asked.facts, 2_500), **changes)


def run(step: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never has to wait, without an event loop."""
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def all_records(spool: Spool) -> list[Spooled]:
    """Everything readable in a spool from its first segment on."""
    found: list[Spooled] = []
    position = Position(spool.first_segment, 0)
    while part := spool.read(position, 100):
        found += part
        position = part[-1].after
    return found


class Crash(BaseException):
    """The process, or the machine, ends here."""


@dataclass
class SimFile:
    seen: bytearray                          # what the kernel shows
    kept: bytes                              # what is on the platter


@dataclass
class SimDisk:
    """A disk in memory. The I/O call number `fail_at` fails as `fault` says: EIO, ENOSPC, short, crash."""

    fail_at: int = 0
    fault: str = ""
    files: dict[Path, SimFile] = field(default_factory=dict)
    calls: int = 0
    opened: list[Path] = field(default_factory=list)

    def _turn(self) -> bool:
        """Count a call; True when it is to be cut short."""
        self.calls += 1
        if self.calls != self.fail_at:
            return False
        if self.fault == "crash":
            raise Crash
        if self.fault == "short":
            return True
        raise OSError(getattr(errno, self.fault), self.fault)

    def restarted(self, *, power_lost: bool) -> SimDisk:
        """The disk as the next start finds it: what was written, or only what was synced."""
        files = {path: SimFile(bytearray(file.kept if power_lost else file.seen), file.kept if power_lost else bytes(file.seen))
                 for path, file in self.files.items()}
        return SimDisk(files=files)

    def make_folder(self, path: Path) -> None:
        self._turn()

    def names(self, folder: Path) -> list[str]:
        self._turn()
        return [path.name for path in self.files]

    def lock(self, path: Path) -> int:
        self._turn()
        return -1

    def create(self, path: Path, size: int) -> int:
        self._turn()
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "exists")
        self.files[path] = SimFile(bytearray(size), bytes(size))
        return self.open(path, counted=False)

    def open(self, path: Path, *, counted: bool = True) -> int:
        if counted:
            self._turn()
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        self.opened.append(path)
        return len(self.opened) - 1

    def read(self, file: int, size: int, offset: int) -> bytes:
        self._turn()
        return bytes(self.files[self.opened[file]].seen[offset:offset + size])

    def write(self, file: int, data: bytes, offset: int) -> int:
        took = data[:max(1, len(data) // 2)] if self._turn() else data
        self.files[self.opened[file]].seen[offset:offset + len(took)] = took
        return len(took)

    def sync(self, file: int) -> None:
        self._turn()
        held = self.files[self.opened[file]]
        held.kept = bytes(held.seen)

    async def sync_aside(self, file: int) -> None:
        self.sync(file)

    def size(self, file: int) -> int:
        self._turn()
        return len(self.files[self.opened[file]].seen)

    def truncate(self, file: int, size: int) -> None:
        self._turn()
        held = self.files[self.opened[file]]
        del held.seen[size:]
        held.kept = bytes(held.seen)

    def close(self, file: int) -> None:
        self._turn()

    def remove(self, path: Path) -> None:
        self._turn()
        self.files.pop(path, None)


PEPPER = bytes(32)
SMALL = Bounds(segment_bytes=8_192, settle_reserve_bytes=700)
KEY = LedgerKey(bytes(range(32)))


@dataclass
class Journal:
    """A whole journal on a real disk: spool, shipper, database."""

    folder: Path
    clock: HandClock
    database: Database
    sequencer: Sequencer
    spool: Spool
    shipper: Shipper
    alarms: list[str]

    def ship(self) -> None:
        while self.shipper.step():
            pass

    def restart(self) -> Journal:
        """Another process over the same files; this one is forgotten (its lock given back)."""
        self.spool.close()
        self.database.close()
        return open_journal(self.folder, clock=self.clock)


def directory(sequencer: Sequencer) -> Directory:
    """The control plane's pen; its keys are the same at every run."""
    counter = itertools.count(1)
    return Directory(sequencer, PEPPER, lambda size: next(counter).to_bytes(8, "big") * (size // 8))


def open_journal(folder: Path, *, clock: HandClock | None = None, bounds: Bounds | None = None, rows_max: int = 100) -> Journal:
    clock = clock or HandClock()
    database = open_database(folder, clock.now_us())
    sequencer = Sequencer(database, KEY)
    spool = open_spool(folder / "spool" / "main", lambda: "0123456789ab", PosixDisk(), clock, bounds=bounds or SMALL,
                       ledger_segment=lambda instance: cursor_segment(database, instance))
    alarms: list[str] = []
    shipper = Shipper(spool, sequencer, clock, folder / "quarantine", alarm=alarms.append, rows_max=rows_max)
    return Journal(folder, clock, database, sequencer, spool, shipper, alarms)


def rewrite_chain(database: Database, edit: Callable[[int, bytes], bytes]) -> int:
    """An insider rewrites the whole chain, with every hash right; the number of the first changed entry."""
    packer = Packer()
    with database.read() as db:
        everything = sorted(
            (*row, table) for table in ("entry_202611", "entry_standing")
            for row in db.execute(f"SELECT seq, body FROM {table} WHERE organization = 1 ORDER BY seq").fetchall())
    leaf, frontier, changed = GENESIS, list[bytes](), -1
    with database.write() as db:
        for seq, packed, table in everything:
            body = packer.unpack(packed)
            edited = edit(seq, body)
            changed = seq if edited != body and changed < 0 else changed
            leaf = leaf_of(edited, leaf)
            merkle.push(frontier, seq, leaf)
            db.execute(f"UPDATE {table} SET body = ?, leaf = ? WHERE organization = 1 AND seq = ?", (packer.pack(edited), leaf, seq))
        db.execute("UPDATE chain SET head = ?, frontier = ? WHERE organization = 1", (leaf, merkle.pack(frontier)))
    return changed
