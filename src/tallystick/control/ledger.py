"""The ledger for people to read: its entries newest first, one of them with its exact bytes, its place in the chain and its
postings, and the proof of it for an outsider. What stands here is read from the entries' bytes alone.

A list looks at a bounded piece of the chain; where a filter matches little, a page may be short or empty and still have a
`next_cursor`: `searched_to` says how far it came. Who sees their teams only, sees the entries of those teams' calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from time import sleep
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tallystick.control import ledger_sentences
from tallystick.control.call_document import moment
from tallystick.control.callers import Caller, CallerOf, PartsOf
from tallystick.control.figures import Day, answer
from tallystick.control.ledger_sentences import ACTS
from tallystick.control.pages import LIMIT, LIMIT_MAX, cursor_of, place_of
from tallystick.control.problems import Problem
from tallystick.core.identity import VALUE_CHARS_MAX
from tallystick.core.ledger import KINDS, LedgerFault, leaf_of, postings, read_body, sealed
from tallystick.exports import ledger_proof
from tallystick.exports.ledger_jsonl import Chain, SignedNote
from tallystick.stores.sql import ledger_reading as reading
from tallystick.stores.sql.accounts import emails_of
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Organization, organization
from tallystick.stores.sql.entries import StoredEntry
from tallystick.stores.sql.facts import is_seen
from tallystick.stores.sql.journal import origin_of
from tallystick.stores.sql.names import Names
from tallystick.stores.sql.packing import Packer
from tallystick.stores.sql.proofs import Blocks, inclusion

LOOKED_AT_MAX: Final = 4_000
BEFORE_MAX: Final = 4_000                    # how far back the act before on the same thing is looked for
BREATH_S: Final = 0.0001
Seq = Annotated[int, Path(ge=0, lt=10**15)]
RequestId = Annotated[str | None, Field(pattern="^req_[0-9a-f]{32}$")]


class Looked(BaseModel):
    """Which entries. `acts`: only what people and programs did to the control plane. `subject`: a name, id or text that the
    entry says. Days are the organisation's, both included; an entry's moment is the last that it speaks of."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=20)] = []
    acts: bool = False
    start: Day | None = None
    end: Day | None = None
    subject: Annotated[str | None, Field(min_length=1, max_length=VALUE_CHARS_MAX)] = None
    request: RequestId = None
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: Annotated[str | None, Field(max_length=200)] = None


class Change(BaseModel):
    """A member that differs from the act before on the same thing."""

    name: str
    before: str | None
    after: str | None


class Entry(BaseModel):
    """An entry. `sentence`: what it says; `by`, `approved_by`: who did it, for an act; `cost_nanos`: what it books or corrects;
    `changes`: how it differs from the act before on the same thing (`before_seq`)."""

    seq: int
    kind: str
    at: datetime | None
    sentence: str
    by: str | None
    approved_by: str | None
    request_id: str | None
    cost_nanos: int | None
    before_seq: int | None
    changes: list[Change]


class Entries(BaseModel):
    """A page of entries. `searched_to`: the lowest number that was looked at; `entries`: how many the chain has."""

    items: list[Entry]
    next_cursor: str | None
    searched_to: int
    entries: int


class PostingShown(BaseModel):
    """A leg of an entry; all of them sum to zero."""

    account: str
    amount_nanos: int


class Signed(BaseModel):
    """The first checkpoint that covers an entry: over how many entries, and when it was signed."""

    size: int
    at: datetime


class WholeEntry(Entry):
    """One entry. `exact`: its bytes; `said`: its fields with names in the place of numbers; `leaf` and `previous_leaf`: hashes,
    hexadecimal; `intact`: the bytes give the leaf; `refers_to`: the entry it settles or corrects, `later`: those that do so to it."""

    exact: str
    said: dict[str, Any]
    leaf: str
    previous_leaf: str
    intact: bool
    postings: list[PostingShown]
    refers_to: int | None
    later: list[int]
    checkpoint: Signed | None
    entries: int


def routes() -> APIRouter:
    """The routes of this resource."""
    router = APIRouter(prefix="/api/ledger", tags=["ledger"])
    router.add_api_route("/entries", list_entries, methods=["GET"], response_model=Entries)
    router.add_api_route("/entries/{seq}", read_entry, methods=["GET"], response_model=WholeEntry)
    router.add_api_route("/entries/{seq}/proof", read_proof, methods=["GET"], response_class=Response)
    return router


def list_entries(parts: PartsOf, caller: CallerOf, asked: Annotated[Looked, Query()]) -> Response:
    """Entries, newest first."""
    here = organization(parts.database, caller.organization)
    if unknown := [kind for kind in asked.kind if kind not in KINDS]:
        raise Problem(400, "unknown_kind", f"There is no kind {unknown[0][:20]}; there are {', '.join(KINDS)}.")
    with parts.database.read() as db:
        size = reading.length_of(db, here.id)[0]
        look, wanted = _Look(db, here, caller), _Wanted(db, here, asked)
        if wanted.nothing:
            items, searched_to = list[_Read](), 0
        elif asked.request is not None:
            found = [look.read(stored) for stored in reading.of_request(db, here.id, bytes.fromhex(asked.request[4:]))]
            items, searched_to = [one for one in reversed(found) if wanted.has(one) and look.seen(one)], 0
        else:
            items, searched_to = _search(look, wanted, asked)
        look.name_people(items)
        look.compare(items)
    cursor = cursor_of(searched_to) if searched_to and asked.request is None else None
    return answer({"items": [one.document() for one in items], "next_cursor": cursor, "searched_to": searched_to, "entries": size})


def read_entry(parts: PartsOf, caller: CallerOf, seq: Seq) -> Response:
    """One entry: what it says, its bytes, its hash and the one before, its postings, and which entries belong to it."""
    here = organization(parts.database, caller.organization)
    with parts.database.read() as db:
        look = _Look(db, here, caller)
        one = look.one(seq)
        before = reading.leaf_before(db, here.id, seq)
        held = look.hold_of(one)
        look.name_people([one])
        look.compare([one])
        signed = reading.signed_over(db, here.id, seq)
        previous = before or b""
        return answer({
            **one.document(), "exact": sealed(one.body, previous).decode(), "said": {name: value for name, value in one.said.items()
                                                                                     if name != "prev"},
            "leaf": one.leaf.hex(), "previous_leaf": previous.hex(), "intact": before is not None and leaf_of(one.body, before) == one.leaf,
            "postings": [leg._asdict() for leg in postings(one.fields, held)], "refers_to": one.fields.get("ref"),
            "later": reading.later_than(db, here.id, seq), "entries": reading.length_of(db, here.id)[0],
            "checkpoint": {"size": signed[0], "at": moment(signed[1])} if signed else None})


def read_proof(request: Request, parts: PartsOf, caller: CallerOf, seq: Seq) -> Response:
    """What shows an outsider that an entry stands in the ledger: its bytes, the path to a signed root, and the signature. 409 for
    one that no checkpoint covers yet."""
    here, key = organization(parts.database, caller.organization), parts.ledger_key
    blocks: Blocks = request.app.state.blocks
    with parts.database.read() as db:
        one, before = _Look(db, here, caller).one(seq), reading.leaf_before(db, here.id, seq)
        signed = reading.signed_over(db, here.id, seq)
        if signed is None or key is None or before is None:
            raise Problem(409, "not_signed_yet", "No checkpoint covers this entry yet; one is signed every minute that has entries.")
        try:
            path = inclusion(db, here.id, seq, signed[0], blocks, lambda: sleep(BREATH_S))
        except LedgerFault as fault:
            raise Problem(409, "ledger_damaged", f"The proof cannot be made: {fault}. Run `tallystick verify`.") from None
    proof = ledger_proof.render(Chain(here.slug, origin_of(key, here.slug), key), seq, sealed(one.body, before), path,
                                SignedNote(signed[0], signed[2]))
    return Response(proof, media_type="application/json",
                    headers={"content-disposition": f'attachment; filename="tallystick-{here.slug}-entry-{seq}.json"'})


class _Read:
    """An entry as it was read."""

    def __init__(self, stored: StoredEntry, body: bytes, fields: dict[str, Any], said: dict[str, Any]) -> None:
        self.seq, self.leaf, self.month = stored.seq, bytes(stored.leaf), stored.month
        self.body, self.fields, self.said = body, fields, said
        self.before_seq: int | None = None
        self.changes: list[dict[str, str | None]] = []

    @property
    def kind(self) -> str:
        return str(self.fields["kind"])

    @property
    def at_us(self) -> int | None:
        found = self.fields.get("settled", self.fields.get("at"))
        return found if isinstance(found, int) else None

    def document(self) -> dict[str, Any]:
        said, request = self.said, self.fields.get("request")
        booked = self.fields.get("delta_nanos" if self.kind == "ADJUST" else "cost_nanos")
        return {
            "seq": self.seq, "kind": self.kind, "at": moment(self.at_us), "sentence": ledger_sentences.sentence(said),
            "by": said.get("actor") or (said.get("account") if self.kind == "ACCESS" else None), "approved_by": said.get("approved"),
            "request_id": f"req_{request}" if request else None, "cost_nanos": None if booked is None else int(booked),
            "before_seq": self.before_seq, "changes": self.changes}


class _Look:
    """One look at a chain by somebody."""

    def __init__(self, db: Connection, here: Organization, caller: Caller) -> None:
        self.db, self.here, self.sight = db, here, caller.sight
        self._names, self._unpack = Names(db, here.id), Packer().unpack

    def read(self, stored: StoredEntry) -> _Read:
        """Raises Problem 409 for bytes that are no entry, 410 for one whose month was dropped."""
        if stored.packed is None:
            raise Problem(410, "pruned", f"Of entry {stored.seq} the hash stands, and its totals in a CHECKPOINT: its month was dropped.")
        try:
            body = self._unpack(stored.packed)
            fields = read_body(body)
        except LedgerFault:
            raise Problem(409, "ledger_damaged", f"Entry {stored.seq} cannot be read. Run `tallystick verify`.") from None
        return _Read(stored, body, fields, reading.named(fields, self._names))

    def one(self, seq: int) -> _Read:
        """The entry of that number. Raises Problem 404 where there is none to be seen."""
        stored = reading.entry_at(self.db, self.here.id, seq)
        found = self.read(stored) if stored is not None else None
        if found is None or not self.seen(found):
            raise Problem(404, "not_found", "There is no such entry.")
        return found

    def seen(self, one: _Read) -> bool:
        """Whether it is theirs to see."""
        if self.sight.reach == "all":
            return True
        request = one.fields.get("request")
        return request is not None and is_seen(self.db, self.here.id, bytes.fromhex(request), self.sight)

    def hold_of(self, one: _Read) -> int | None:
        """What the admission of a settlement held."""
        if one.kind != "SETTLE":
            return None
        opened = reading.entry_at(self.db, self.here.id, one.fields["ref"])
        return int(self.read(opened).fields.get("hold_nanos", 0)) if opened is not None else None

    def name_people(self, items: Iterable[_Read]) -> None:
        """Accounts by their e-mail."""
        members = ("actor", "approved", "account", "owner")
        emails = emails_of(self.db, {value for one in items for name in members if isinstance(value := one.said.get(name), str)})
        for one in items:
            one.said |= {name: emails[one.said[name]] for name in members if one.said.get(name) in emails}

    def compare(self, items: list[_Read]) -> None:
        """Set each act beside the one before on the same thing, as far as a bounded look back finds it."""
        acts = [one for one in items if one.kind in ACTS]
        missing: dict[tuple[str, str], list[_Read]] = {}
        for one in acts:
            if place := ledger_sentences.subject(one.fields):
                missing.setdefault(place, []).append(one)
        for stored in reading.newest_first(self.db, self.here.id, max((one.seq for one in acts), default=0), ACTS, BEFORE_MAX):
            if not missing:
                return
            found = self.read(stored)
            place = ledger_sentences.subject(found.fields)
            waiting = missing.pop(place, []) if place and found.kind in ACTS else []
            for one in [one for one in waiting if one.seq > found.seq]:
                one.before_seq, one.changes = found.seq, ledger_sentences.changes(found.said, one.said)
                waiting.remove(one)
            if place and waiting:
                missing[place] = waiting


class _Wanted:
    """Which entries a list is about."""

    def __init__(self, db: Connection, here: Organization, asked: Looked) -> None:
        kinds = frozenset(asked.kind)
        self.kinds = (kinds & frozenset(ACTS) if kinds else frozenset(ACTS)) if asked.acts else kinds
        self.nothing = asked.acts and not self.kinds
        at = ZoneInfo(here.zone)

        def begins_us(day: date) -> int:
            return int(datetime.combine(day, time.min, at).timestamp()) * 1_000_000

        self.from_us = begins_us(asked.start) if asked.start else None
        self.until_us = begins_us(asked.end + timedelta(days=1)) if asked.end else None
        self._texts: frozenset[str] = frozenset()
        if asked.subject is not None:        # people stand in entries by id
            row = db.execute("SELECT id FROM account WHERE email = ?", (asked.subject.strip().lower(),)).fetchone()
            self._texts = frozenset({asked.subject.strip().casefold(), *(row or ())})

    def has(self, one: _Read) -> bool:
        """Whether this is one of them."""
        at_us = one.at_us or 0
        return ((not self.kinds or one.kind in self.kinds) and (self.from_us is None or at_us >= self.from_us)
                and (self.until_us is None or at_us < self.until_us) and (not self._texts or _says(one.said, self._texts)))


def _search(look: _Look, wanted: _Wanted, asked: Looked) -> tuple[list[_Read], int]:
    """The entries of a page, and how far down the chain it came (0: to its beginning)."""
    low, high = reading.numbers_of_time(look.db, look.here.id, wanted.from_us, wanted.until_us)
    below = min(place_of(asked.cursor)[0], high) if asked.cursor else high
    items = list[_Read]()
    for looked_at, stored in enumerate(reading.newest_first(look.db, look.here.id, below, wanted.kinds, LOOKED_AT_MAX), start=1):
        if stored.seq < low:
            return items, 0
        one = look.read(stored) if stored.packed is not None else None
        if one is not None and wanted.has(one) and look.seen(one):
            items.append(one)
        if len(items) == asked.limit or looked_at == LOOKED_AT_MAX:
            return items, stored.seq
    return items, 0


def _says(value: Any, wanted: frozenset[str]) -> bool:
    """Whether a text or number somewhere in it is one of those wanted."""
    if isinstance(value, Mapping):
        return any(_says(one, wanted) for one in value.values())
    if isinstance(value, list):
        return any(_says(one, wanted) for one in value)
    return not isinstance(value, bool) and str(value).casefold() in wanted
