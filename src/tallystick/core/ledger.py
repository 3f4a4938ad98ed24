"""The ledger's grammar: what an entry's bytes are, how entries are chained, and what a checkpoint signs.
The hash is computed here and nowhere else.

An entry's bytes ("TJ1") are UTF-8 JSON, keys sorted by code point, without spaces: strings, truth
values, integers, lists and objects of them; amounts are decimal strings of nanos in members named
`…_nanos`; there are no floats and no nulls. `prev` is the hash of the entry before, so an export can
be checked line by line with nothing but SHA-256; the leaf hashes form a tree (`merkle.py`) whose root
is signed as a checkpoint.

What is stored is the entry with an empty `prev` (its *body*) beside its leaf hash: `prev` is the leaf
hash of the row before, so the exact bytes are `sealed(body, previous leaf)`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from tallystick.core.errors import Defect

GENESIS: Final = bytes(32)                   # what the first entry's `prev` says

KINDS: Final = ("ATTEMPT", "ADMIT", "DEFER", "SETTLE", "REFUSED", "REFUSALS", "DEFINE", "KEY", "CREDENTIAL", "MEMBER",
               "ADJUST", "SEEN", "PRICE", "CAP", "POLICY", "WRITE-OFF", "ACCESS", "ALERTS", "SCOPE",
               "CHECKPOINT", "RETENTION", "PROMPT")
"""ATTEMPT: admission and settlement together. ADMIT: an admission alone, its settlement still to come.
DEFER: an admission whose reply only opened a job. SETTLE: the one end of an earlier ADMIT or DEFER
(`ref`). REFUSED: a call we answered ourselves. REFUSALS: a flood of them, counted. DEFINE: a name
that later entries give by number. KEY: a key was made, rotated or revoked. CREDENTIAL: a provider credential
was sealed, removed, given to a project or wrapped anew; never its value. MEMBER: what an account
is in the organisation, as it joined, changed, left, was disabled or enabled.
ADJUST: what an attempt costs was corrected; `ref` is the entry of its admission, and no entry of the
attempt is touched. SEEN: another poll showed the end of a job that is settled (`ref`); it costs nothing.
PRICE: an override of the organisation was set or ended; on the chain `system`, rows of a price release were applied.
CAP: a budget was made, changed, raised for a while, ended or removed. POLICY: a policy was made, changed, removed or
bypassed for a while. WRITE-OFF: what a gateway that is gone had leased of budgets stays drawn, or was released.
ACCESS: somebody signed in or failed to, or what opens the API to people was given, changed or taken. ALERTS: a channel
that alerts go out by was set or removed, a budget was given thresholds, or alerts were muted for a while or no longer.
SCOPE: a team's number, and those of scopes that name it, are called otherwise from now on; or a project went to another team.
CHECKPOINT: what a month came to, before its rows were dropped. RETENTION: nothing is dropped from now on (a legal hold), or
is again. PROMPT: a version of a prompt was approved for the library, or withdrawn."""

CALL_KINDS: Final = frozenset(("ATTEMPT", "ADMIT", "DEFER", "SETTLE", "REFUSED", "REFUSALS", "ADJUST", "SEEN"))
"""These stand in their month's table; all others outlive the months."""

PREV_EMPTY: Final = b'"prev":""'
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class LedgerFault(ValueError):
    """Bytes that are no entry, or a note that is no signed checkpoint; the message says why."""


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Fields as canonical bytes: the reference that any quicker encoder must equal."""
    return _ENCODE(fields).encode("utf-8")


def body_of(fields: Mapping[str, Any], encode: Callable[[Mapping[str, Any]], bytes] = canonical) -> bytes:
    """An entry's canonical bytes with an empty `prev`. `fields` name no `prev` of their own."""
    return encode({**fields, "prev": ""})


def sealed(body: bytes, previous_leaf: bytes) -> bytes:
    """The entry's exact bytes: its body with `prev` filled in.

    The first `"prev":""` is the entry's own: inside strings quotes are escaped, and no object that
    sorts before it has a member of that name.
    """
    return body.replace(PREV_EMPTY, b'"prev":"' + previous_leaf.hex().encode() + b'"', 1)


def leaf_of(body: bytes, previous_leaf: bytes) -> bytes:
    """The hash that stands for the entry in chain and tree: SHA-256(0x00 ∥ exact bytes)."""
    return sha256(b"\x00" + sealed(body, previous_leaf)).digest()


def read_body(body: bytes) -> dict[str, Any]:
    """The fields of a stored body. Raises LedgerFault on anything that is no entry of this grammar."""
    try:
        fields = json.loads(body, parse_float=_no_float, parse_constant=_no_float)
    except ValueError as fault:
        raise LedgerFault(f"not an entry: {fault}") from None
    if not isinstance(fields, dict) or fields.get("kind") not in KINDS or fields.get("prev") != "":
        raise LedgerFault("not an entry of a kind known here")
    return fields


def _no_float(text: str) -> float:
    raise ValueError(f"a number that is no integer: {text[:20]}")


# --- postings: derived, never stored ---------------------------------------------------------------

class Posting(NamedTuple):
    """One leg of an entry. The legs of every entry sum to zero."""

    account: str                             # free, held, spent, correction
    amount_nanos: int


def postings(fields: Mapping[str, Any], hold_nanos: int | None = None) -> tuple[Posting, ...]:
    """The double-entry legs of an entry: an admission moves its hold from free to held, a settlement
    gives the hold back and moves the cost from free to spent; an adjustment moves its delta between
    correction and spent. Other kinds move nothing.

    `hold_nanos`: for SETTLE, what its ADMIT or DEFER held. Raises Defect when it is not given.
    """
    kind = fields["kind"]
    if kind in ("ADMIT", "DEFER"):           # a DEFER of an earlier ADMIT (`ref`) holds nothing anew
        return _taken(int(fields["hold_nanos"])) if "hold_nanos" in fields else ()
    if kind == "ATTEMPT":
        hold = int(fields["hold_nanos"])
        return (*_taken(hold), *_given_back(hold, int(fields["cost_nanos"])))
    if kind == "SETTLE":
        if hold_nanos is None:
            raise Defect("a settlement's postings need its admission's hold")
        return _given_back(hold_nanos, int(fields["cost_nanos"]))
    if kind == "ADJUST":
        delta = int(fields["delta_nanos"])
        return Posting("correction", -delta), Posting("spent", delta)
    return ()


def _taken(hold: int) -> tuple[Posting, ...]:
    return Posting("free", -hold), Posting("held", hold)


def _given_back(hold: int, cost: int) -> tuple[Posting, ...]:
    return Posting("held", -hold), Posting("free", hold - cost), Posting("spent", cost)


# --- checkpoints: C2SP signed notes ----------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a signed note says: the log's name, how many entries, and their tree's root."""

    origin: str
    size: int
    root: bytes


def sign_checkpoint(checkpoint: Checkpoint, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A checkpoint as a C2SP signed note (c2sp.org/tlog-checkpoint, c2sp.org/signed-note): three lines of
    text, an empty line, and one Ed25519 signature line under the log's own name."""
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"
    signature = _key_hash(checkpoint.origin, public_key) + sign(text.encode())
    return f"{text}\n\u2014 {checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def open_checkpoint(note: str, public_key: bytes, verify: Callable[[bytes, bytes], bool]) -> Checkpoint:
    """The checkpoint of a note whose signature holds; `verify(signature, text)` judges it.

    Raises LedgerFault when the note is malformed, signed by another key, or not by this one.
    """
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) != 3:
        raise LedgerFault("not a checkpoint note")
    origin, size, root = lines
    try:
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
        dash, name, code = signatures.rstrip("\n").split(" ")
        blob = base64.b64decode(code, validate=True)
    except ValueError as fault:
        raise LedgerFault(f"not a checkpoint note: {fault}") from None
    if dash != "\u2014" or name != origin or blob[:4] != _key_hash(origin, public_key):
        raise LedgerFault("the checkpoint is signed by another key")
    if not verify(blob[4:], (text + "\n").encode()):
        raise LedgerFault("the checkpoint's signature does not hold")
    return checkpoint


def _key_hash(name: str, public_key: bytes) -> bytes:
    """The key id of a signed note: SHA-256(name ∥ newline ∥ 0x01 (Ed25519) ∥ key), 4 bytes."""
    return sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]
