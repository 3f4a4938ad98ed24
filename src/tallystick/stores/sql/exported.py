"""Reading for exports, in bounded memory: calls in the order of their admissions, page by page behind the
last place, and a chain's exact entries with its checkpoints between them. One unchanging view of the
database from the first row to the last, beside a running server.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from tallystick.core.entry import read_pairs
from tallystick.core.identity import LABELS
from tallystick.core.ledger import GENESIS, sealed
from tallystick.exports.call_row import CallRow, projected
from tallystick.exports.ledger_jsonl import Chain, Hashes, SignedNote
from tallystick.stores.sql import callfact, facts
from tallystick.stores.sql.calls import ERASED
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.entries import RUN_MAX, stored_entries
from tallystick.stores.sql.facts import Asked, Place
from tallystick.stores.sql.journal import origin_of
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.packing import Packer

PAGE: Final = 1_000
EVERY_CALL: Final = "This file has a line for every call."


def organization_number(db: Connection, slug: str) -> int | None:
    """The number of an organisation, None where there is none of that name."""
    row = db.execute("SELECT id FROM organization WHERE slug = ?", (slug,)).fetchone()
    return int(row[0]) if row else None


def calls(db: Connection, organization: int, slug: str, asked: Asked, page: int = PAGE, *,
          newest_first: bool = False) -> Iterator[CallRow]:
    """Every call asked for once, with what its attempts among them came to: of a call that went on past the last day, or had
    attempts that a filter leaves out, the others are not counted. So sums agree with every other sum of the same question
    (`facts.control_total`). Without a first day they begin with the first that has rows. Raises RowsPruned where one of the days has
    none any more."""
    asked = facts.beginning_with_rows(db, organization, asked, EVERY_CALL)
    behind: Place | None = None
    while rows := list(facts.listed(db, organization, asked, newest_first=newest_first, behind=behind, limit=page)):
        names = Names(db, organization)      # anew for each page, so that what is remembered stays small
        more = _calls_of_several(db, organization, rows, asked)
        for row in rows:
            attempts = more.get(row["request_id"], [row])
            if attempts[-1 if newest_first else 0]["seq"] == row["seq"]:
                yield projected([_row(one, slug, names) for one in attempts])
        behind = Place(rows[-1]["at_us"], rows[-1]["seq"])


def _calls_of_several(db: Connection, organization: int, rows: list[dict[str, Any]], asked: Asked) -> dict[bytes, list[dict[str, Any]]]:
    """The attempts asked for of those calls on a page that have several, in their order."""
    found = facts.attempts_of(db, organization, asked, [row["request_id"] for row in rows if facts.may_be_one_of_several(row)])
    found.sort(key=itemgetter("request_id", "attempt", "seq"))
    grouped = {request: list(group) for request, group in groupby(found, itemgetter("request_id"))}
    return {request: group for request, group in grouped.items() if len(group) > 1}


def _row(row: dict[str, Any], slug: str, names: Names) -> CallRow:
    def name(kind: str, column: str) -> str:
        number = row[column]
        return (names.of(kind, number) or ERASED) if number else ""

    def word(words: tuple[str, ...], code: int) -> str:
        return words[code - 1] if code else ""

    kind, flags = callfact.FACT_KINDS[row["kind"] - 1], row["flags"]
    refused, tags, dimensions = kind == "refusal", name("tags", "tags_id"), name("dimensions", "dimensions_id")
    outcome = "refused" if refused else word(callfact.OUTCOMES, row["outcome"])
    state = outcome if outcome in ("refused", "deferred") else "open" if flags & callfact.OPEN else "settled"
    return CallRow(
        f"req_{bytes(row['request_id']).hex()}", row["at_us"],
        state, slug,
        name("key", "key_id"), {label: found for label in LABELS if (found := name(label, f"{label}_id"))},
        [(ERASED, "")] if tags == ERASED else read_pairs(tags) if tags else (), dict(read_pairs(dimensions)) if dimensions else {},
        name("provider", "provider_id"), name("operation", "operation_id"), name("model", "model_id"), name("model", "served_id"),
        row["status"], outcome, word(callfact.METHODS, row["method"]),
        word(callfact.BASES, row["basis"]), name("code", "code_id"),
        row["input_tokens"], row["output_tokens"], row["cached_tokens"], row["reasoning_tokens"],
        row["cost_nanos"], row["would_be_nanos"], row["upstream_nanos"], row["latency_us"], row["first_byte_us"],
        {"stream": bool(flags & callfact.STREAM), "sandbox": kind == "sandbox", "claimed": bool(flags & callfact.CLAIMED),
         "stored_credential": bool(flags & callfact.STORED_CREDENTIAL), "free": bool(flags & callfact.FREE),
         "drift": bool(flags & callfact.DRIFT)},
        adjusted_nanos=row["adjusted_nanos"], off_list_nanos=row["off_list_nanos"])


def chain(db: Connection, organization: int, slug: str, public_key: bytes) -> tuple[Chain, Iterator[bytes | SignedNote | Hashes]]:
    """A chain's header, and its exact entries with each checkpoint's note behind the last entry it covers; of pruned months
    the hashes. Raises LedgerFault while it is read, for an entry that cannot be unpacked."""
    return Chain(slug, origin_of(public_key, slug), public_key), _entries_and_notes(db, organization)


def _entries_and_notes(db: Connection, organization: int) -> Iterator[bytes | SignedNote | Hashes]:
    rows = db.stream("SELECT size, note FROM checkpoint WHERE organization = ? ORDER BY size", (organization,))
    notes = (SignedNote(*row) for row in rows)
    due = next(notes, None)
    unpack, previous, gone = Packer().unpack, GENESIS, Hashes(0, 0, [])
    for entry in stored_entries(db, organization):
        if gone.leaves and (entry.packed is not None or entry.month != gone.month or len(gone.leaves) == RUN_MAX):
            yield gone
            gone = Hashes(0, 0, [])
        if entry.packed is None:
            gone = gone if gone.leaves else Hashes(entry.seq, entry.month, [])
            gone.leaves.append(entry.leaf)
        else:
            yield sealed(unpack(entry.packed), previous)
        previous = entry.leaf
        while due is not None and due.size <= entry.seq + 1:
            if gone.leaves:
                yield gone
                gone = Hashes(0, 0, [])
            yield due
            due = next(notes, None)
    if gone.leaves:
        yield gone
