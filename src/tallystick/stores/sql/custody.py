"""What providers keep for callers, in memory for the moment and in the database for good. A mark is a
peppered digest, so the table tells nobody which response ids or credentials it is about.

The gateway remembers at once; the shipper writes the same in the transaction that books the attempt,
so a restart forgets nothing that was settled.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Final

import msgspec

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.custody import Kept, owner_of
from tallystick.stores.sql.engine import Database
from tallystick.stores.sql.journal import Appending

MARK_BYTES: Final = 16
REMEMBERED_MAX: Final = 20_000

_encode: Final = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode: Final = msgspec.msgpack.Decoder(Admission).decode


class SqlCustody:
    """ports.Custody. One per process."""

    def __init__(self, database: Database, pepper: bytes, wait_s: float = 0) -> None:
        """`wait_s`: where other processes serve too, how long what they made may need until the database knows it."""
        self._database = database
        self._pepper = pepper
        self._wait_s = wait_s
        self._recent: dict[bytes, Kept] = {}

    def mark(self, organization: str, provider: str, credential: str, object_id: str) -> bytes:
        """The mark of an object."""
        text = "\0".join(("object", organization, provider, credential, object_id))
        return hmac.digest(self._pepper, text.encode("utf-8", "surrogateescape"), "sha256")[:MARK_BYTES]

    async def find(self, mark: bytes) -> Kept | None:
        """What is known of an object. Raises StoreFault when the database cannot be read."""
        kept = self._recent.get(mark)
        if kept is not None and kept.admission is None:
            return kept
        # A job that memory holds open may have been settled at its age's limit since: the database knows.
        stored = await asyncio.get_running_loop().run_in_executor(None, self._read, mark)
        if stored is None and kept is None and self._wait_s:
            await asyncio.sleep(self._wait_s)
            stored = await asyncio.get_running_loop().run_in_executor(None, self._read, mark)
        latest = self._recent.get(mark)
        if latest is not None and latest is not kept:
            return latest                        # meanwhile another call has seen the bill
        return stored or kept

    def keep(self, mark: bytes, kept: Kept) -> None:
        """Remember an object; the oldest memory gives way, the database has it by then."""
        self._recent.pop(mark, None)
        self._recent[mark] = kept
        if len(self._recent) > REMEMBERED_MAX:
            del self._recent[next(iter(self._recent))]

    def _read(self, mark: bytes) -> Kept | None:
        with self._database.read() as db:
            row = db.execute("SELECT owner, request_id, admission FROM upstream_object WHERE mark = ?", (mark,)).fetchone()
        if row is None:
            return None
        return Kept(str(row[0]), str(row[1]), None if row[2] is None else _decode(row[2]))


def book_object(pen: Appending, organization: int, admission: Admission | None, settlement: Settlement) -> None:
    """Write what an attempt made. `admission` None: the attempt is booked already, and this is the end
    of what it opened, so no later answer may settle it again."""
    if admission is None:
        pen.db.execute("UPDATE upstream_object SET admission = NULL WHERE request_id = ? AND admission IS NOT NULL",
                       (settlement.request_id,))
        return
    if settlement.object_mark is None:
        return
    waiting = _encode(admission) if settlement.outcome == "deferred" else None
    pen.db.execute(
        "INSERT INTO upstream_object (mark, organization, owner, request_id, admission, made_us) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (mark) DO UPDATE SET admission = excluded.admission",
        (settlement.object_mark, organization, owner_of(admission.attribution), admission.request_id, waiting, admission.at_us))
