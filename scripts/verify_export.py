#!/usr/bin/env python3
"""Check a `ledger-jsonl` export of Tallystick, or the proof of one entry, with nothing but Python's standard library: copy
this one file to wherever you trust the machine, and run

    python3 verify_export.py ledger.jsonl [--key HEX] [--kept NOTE]
    python3 verify_export.py proof.json [--key HEX]

It checks the exact bytes of every entry, the chain of hashes, the tree (RFC 9162), every signed
checkpoint (C2SP signed note, Ed25519 after RFC 8032), that names are defined before they are used, that an
attempt settles once, every booked cost from the rates the ledger itself states, and that every correction
leads from what an attempt cost until then to what it costs from there on. It says what the calls come to, in
money and in tokens, as budgets on the whole organisation count them. It reads the file twice. Of months that
were pruned the file has hashes: they are checked against the tree and against the entry that seals the month.

Whoever holds the signing key can sign another history. So keep what they cannot change: the key
(`--key`, as you once saw it) and a checkpoint (`--kept`, a file with a note of an earlier export); this says
whether the export still continues that history. Exit 0: sound; 1: it is not; 2: cannot be judged.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = "tallystick-ledger-1"
PROOF = "tallystick-proof-1"
LINE_BYTES_MAX = 8 << 20
KINDS = {"ATTEMPT", "ADMIT", "DEFER", "SETTLE", "REFUSED", "REFUSALS", "DEFINE", "KEY", "CREDENTIAL", "MEMBER",
         "ADJUST", "SEEN", "PRICE", "CAP", "POLICY", "WRITE-OFF", "ACCESS", "ALERTS", "SCOPE",
         "CHECKPOINT", "RETENTION", "PROMPT"}
PRIVATE = {"user", "end_user", "session", "tags"}
NAMED = {kind: kind for kind in (
    "key", "team", "project", "user", "agent", "environment", "cost_center", "prompt_key", "prompt_version", "session", "tags",
    "dimensions", "provider", "operation", "model", "dialect", "credential", "route", "price_version", "end_user", "code")}
NAMED["served"] = "model"
TOKENS = {"input_text", "input_audio", "input_image", "input_video", "input_tool", "cached_text", "cached_audio", "cached_image",
          "cached_video", "cache_write_5m", "cache_write_1h", "output_text", "output_reasoning", "output_audio", "output_image"}
EXACT = Context(prec=28, rounding=ROUND_HALF_EVEN)


class Wrong(Exception):
    """The export is not what was written; the message says where and why."""


def demand(holds: bool, where: str, why: str) -> None:
    if not holds:
        raise Wrong(f"{where}: {why}")


# --- Ed25519 (RFC 8032, section 5.1; verification only, so nothing here is secret) -------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]            # extended coordinates X, Y, Z, T


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decompress(data: bytes) -> Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE_Y = 4 * pow(5, -1, P) % P
BASE = decompress(BASE_Y.to_bytes(32, "little"))


def signature_holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    if len(public_key) != 32 or len(signature) != 64 or BASE is None:
        return False
    key, start = decompress(public_key), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or start is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    left, right = times(scalar, BASE), add(start, times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- the tree (RFC 9162, section 2.1): only the roots of perfect subtrees are kept -------------------

def push(frontier: list[bytes], size: int, leaf: bytes) -> None:
    while size & 1:
        leaf = hashlib.sha256(b"\x01" + frontier.pop() + leaf).digest()
        size >>= 1
    frontier.append(leaf)


def root_of(frontier: list[bytes]) -> bytes:
    if not frontier:
        return hashlib.sha256(b"").digest()
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = hashlib.sha256(b"\x01" + left + root).digest()
    return root


def read_note(note: str, origin: str, public_key: bytes) -> tuple[int, bytes]:
    """Size and root of a signed note. Raises Wrong, or ValueError for what is no note."""
    text, _, signed = note.partition("\n\n")
    name, size, root = text.split("\n")
    dash, signer, code = signed.rstrip("\n").split(" ")
    blob = base64.b64decode(code, validate=True)
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public_key).digest()[:4]
    where = f"checkpoint over {size}"
    demand((dash, name, signer, blob[:4]) == ("\u2014", origin, origin, key_id), where, "signed by another key or for another log")
    demand(signature_holds(public_key, blob[4:], (text + "\n").encode()), where, "the signature does not hold")
    return int(size), base64.b64decode(root, validate=True)


# --- the entries ------------------------------------------------------------------------------------

class Ledger:
    """A chain on its way from its first entry to its last."""

    def __init__(self, header: dict[str, Any], corrected: frozenset[int]) -> None:
        self.organization: str = header["organization"]
        self.corrected = corrected           # the attempts that some ADJUST speaks of: only their costs are kept
        self.costs: dict[int, tuple[str, int, int]] = {}          # entry of the admission → request, attempt, cost
        self.adjusted_nanos = 0
        self.size = self.checkpoints = self.signed = self.cost_nanos = self.tokens = self.pruned = 0
        self.kept: dict[int, tuple[int, Any]] = {}                # pruned month → how many hashes, and their digest
        self.seals: dict[int, tuple[int, str]] = {}               # the same as CHECKPOINT entries say it
        self.sealed: dict[int, int] = {}                          # month → what its calls cost by its CHECKPOINT entries
        self.head = bytes(32)
        self.frontier: list[bytes] = []
        self.defined: dict[str, set[int]] = {}
        self.rates: dict[int, tuple[Decimal, Decimal]] = {}
        self.unknown: set[str] = set()
        self.open: dict[int, tuple[str, int, int, int | None]] = {}     # entry → request, attempt, hold, bound in tokens

    def entry(self, line: bytes, fields: dict[str, Any]) -> None:
        where = f"entry {self.size}"
        exact = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        demand(exact == line, where, "its bytes are not canonical")
        demand(fields["seq"] == self.size, where, f"its number is {fields['seq']}")
        demand(fields["prev"] == self.head.hex(), where, "it does not follow the entry before it")
        demand(fields["org"] == self.organization, where, "it belongs to another organisation")
        if fields["kind"] in KINDS:
            self.says(where, fields)
        else:                                # of a newer release: its bytes are checked, its meaning is not
            self.unknown.add(fields["kind"])
        self.head = hashlib.sha256(b"\0" + line).digest()
        push(self.frontier, self.size, self.head)
        self.size += 1

    def hashes(self, where: str, fields: dict[str, Any]) -> None:
        """Entries of a pruned month, of which the hashes are left."""
        leaves, month = bytes.fromhex(fields["leaves"]), fields["month"]
        demand(fields["pruned"] == self.size and leaves and not len(leaves) % 32, where, "the hashes of pruned entries are out of order")
        count, digest = self.kept.get(month, (0, hashlib.sha256()))
        for place in range(0, len(leaves), 32):
            self.head = leaves[place:place + 32]
            digest.update(self.size.to_bytes(8, "big") + self.head)
            push(self.frontier, self.size, self.head)
            self.size += 1
        self.kept[month] = count + len(leaves) // 32, digest
        self.pruned += len(leaves) // 32

    @property
    def sealed_nanos(self) -> int:
        """What the calls of pruned months cost, as it was sealed before they were dropped."""
        return sum(self.sealed.get(month, 0) for month in self.kept)

    def checkpoint(self, fields: dict[str, Any]) -> None:
        """What a month came to; the last one that says it counts."""
        month = fields["month"]
        if "of" not in fields:
            self.seals[month] = fields["entries"], fields["leaves"]
        elif fields["of"] == "total":
            self.sealed[month] = sum(int(total.get("cost_nanos", 0)) for total in fields["totals"])

    def says(self, where: str, fields: dict[str, Any]) -> None:
        kind = fields["kind"]
        if kind == "CHECKPOINT":
            self.checkpoint(fields)
        if kind == "DEFINE":
            self.define(where, fields)
            return
        for member, number in fields.items():
            if member in NAMED and type(number) is int:
                demand(number in self.defined.get(NAMED[member], ()), where, f"{member} {number} was never defined")
        if kind in ("SETTLE", "DEFER") and "ref" in fields:
            opened = self.open.get(fields["ref"])
            demand(opened is not None and opened[:2] == (fields["request"], fields.get("attempt", 1)), where,
                   f"entry {fields['ref']} is no open attempt of this call")
            if kind == "SETTLE" and opened is not None:
                del self.open[fields["ref"]]
                self.settled(where, fields, opened[2], fields["ref"])
                self.tokens += tokens_of(fields, opened[3])
        elif kind == "ADJUST":
            self.adjusted(where, fields)
        elif kind == "SEEN":
            demand(fields["ref"] < self.size and fields["ref"] not in self.open, where, f"entry {fields['ref']} is no settled attempt")
        elif kind in ("ADMIT", "DEFER"):
            self.open[self.size] = fields["request"], fields.get("attempt", 1), int(fields["hold_nanos"]), bound_in_tokens(fields)
        elif kind == "ATTEMPT":
            self.settled(where, fields, int(fields["hold_nanos"]), self.size)
            self.tokens += tokens_of(fields, bound_in_tokens(fields))

    def define(self, where: str, fields: dict[str, Any]) -> None:
        kind, number = fields["of"], fields["id"]
        numbers = self.defined.setdefault(kind, set())
        demand(number not in numbers, where, f"{kind} {number} is defined twice")
        demand(("mac" if kind in PRIVATE else "name") in fields, where, f"{kind} {number} has no name")
        numbers.add(number)
        if kind == "price_row":
            self.rates[number] = Decimal(fields["content"]["price"]), Decimal(fields["content"]["per"])

    def settled(self, where: str, fields: dict[str, Any], hold: int, admitted: int) -> None:
        """The booked cost against what the entry says it rests on."""
        booked = cost = int(fields["cost_nanos"])
        method, basis = fields["method"], fields["basis"]
        if method == "sandbox":
            demand(cost == 0, where, "a sandbox call has a cost")
            cost = int(fields.get("would_be_nanos", 0))
        if basis == "zero_proven":
            proper = [0]
        elif basis == "worst_case":
            proper = [hold]
        elif method == "stated" or (method == "unpriced" and "stated_nanos" in fields):
            proper = [int(fields["stated_nanos"])]
        else:
            proper = [self.computed(where, fields)]
            if method == "sandbox":
                proper.append(int(fields.get("stated_nanos", 0)))
        demand(cost in proper, where, f"the cost is {cost} nanos, what it rests on gives {proper[0]}")
        self.cost_nanos += booked
        if admitted in self.corrected and method != "sandbox":
            self.costs[admitted] = fields["request"], fields.get("attempt", 1), booked

    def adjusted(self, where: str, fields: dict[str, Any]) -> None:
        """A correction: of an attempt that was settled before, from what it cost to what it costs."""
        ref, delta, cost = fields["ref"], int(fields["delta_nanos"]), int(fields["cost_nanos"])
        demand(ref in self.costs, where, f"entry {ref} is no settled attempt")
        request, attempt, before = self.costs[ref]
        demand((request, attempt) == (fields["request"], fields.get("attempt", 1)), where, f"entry {ref} is another attempt")
        demand(before + delta == cost, where, f"the delta is {delta} nanos, from {before} to {cost} it would be {cost - before}")
        demand(fields["reason"] in ("reprice", "evidence") and bool(fields["actor"]), where, "it does not say who corrected what, and why")
        if fields["reason"] == "reprice":
            proper = self.computed(where, fields)
            demand(cost == proper, where, f"the new cost is {cost} nanos, its lines give {proper}")
        self.costs[ref] = request, attempt, cost
        self.cost_nanos += delta
        self.adjusted_nanos += delta

    def computed(self, where: str, fields: dict[str, Any]) -> int:
        """Σ quantity × price × factor ÷ per, rounded once, half to even."""
        total = Decimal(0)
        for line in fields.get("lines", ()):
            if len(line) < 3 or not line[2]:
                continue
            demand(line[2] in self.rates, where, f"price row {line[2]} was never defined")
            price, per = self.rates[line[2]]
            product = EXACT.multiply(Decimal(line[1]), price)
            if len(line) > 3 and line[3] != "1":
                product = EXACT.multiply(product, Decimal(line[3]))
            total = EXACT.add(total, EXACT.divide(product, per))
        return int(EXACT.multiply(total, Decimal(10**9)).to_integral_value(rounding=ROUND_HALF_EVEN, context=EXACT))


def bound_in_tokens(fields: dict[str, Any]) -> int | None:
    """The most tokens an admitted attempt could use; None for one that no budget counts."""
    if "free" in fields or "sandbox" in fields:
        return None
    if "hold_tokens" in fields:
        return int(fields["hold_tokens"])
    numbers, number, shift = [], 0, 0        # the packed facts: numbers of seven bits a byte, the lowest first
    for byte in base64.urlsafe_b64decode(fields["facts"] + "=" * (-len(fields["facts"]) % 4)):
        number, shift = number | (byte & 127) << shift, shift + 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    said = numbers + [0] * 10                # of these: the input's bound and the output's limit, each plus one, and the alternatives
    return max(said[1] - 1, 0) + max(said[2] - 1, 0) * (said[9] or 1)


def tokens_of(fields: dict[str, Any], bound: int | None) -> int:
    """What a settled attempt counts in tokens: its usage, or its bound where it is booked at its worst case."""
    if bound is None:
        return 0
    if fields["basis"] == "worst_case":
        return bound
    usage = fields.get("usage") or {line[0]: line[1] for line in fields.get("lines", ()) if len(line) < 6}
    return sum(count for unit, count in usage.items() if unit in TOKENS) - fields.get("overlap", 0)


def whole_number(text: str) -> Any:
    raise ValueError(f"a number that is no integer: {text[:20]}")


def parse(line: bytes, where: str) -> dict[str, Any]:
    demand(len(line) <= LINE_BYTES_MAX and line.endswith(b"\n"), where, "the line is cut short or too long")
    fields = json.loads(line, parse_float=whole_number, parse_constant=whole_number)
    demand(isinstance(fields, dict), where, "the line is no object")
    return fields if isinstance(fields, dict) else {}


def corrected_in(file: BinaryIO) -> frozenset[int]:
    """The entries that corrections speak of; the file is left where it was. A forged line is judged later."""
    here, found = file.tell(), set()
    while line := file.readline(LINE_BYTES_MAX + 1):
        if b'"kind":"ADJUST"' in line:
            found.add(json.loads(line).get("ref"))
    file.seek(here)
    return frozenset(ref for ref in found if isinstance(ref, int))


def check(file: BinaryIO, key: str | None = None, kept: str | None = None) -> Ledger:
    """Read an export to its end. Raises Wrong at the first thing that is not as it was written."""
    header = parse(file.readline(LINE_BYTES_MAX + 1), "line 1")
    demand(header.get("format") == FORMAT, "line 1", "this is no export of a ledger")
    demand(key is None or header["public_key"] == key.lower(), "line 1", "the signing key is another than the one you kept")
    public_key, origin, ledger = bytes.fromhex(header["public_key"]), header["origin"], Ledger(header, corrected_in(file))
    own = f"tallystick/{public_key[:8].hex()}/{ledger.organization}"
    demand(origin == own, "line 1", "the log's name is not made of its key and its organisation")
    expected = {} if kept is None else dict([read_note(kept, origin, public_key)])
    end: dict[str, Any] | None = None
    number = 1
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        demand(end is None, f"line {number}", "there is more after the last line")
        fields = parse(line, f"line {number}")
        if "seq" in fields:
            ledger.entry(line[:-1], fields)
        elif "pruned" in fields:
            ledger.hashes(f"line {number}", fields)
        elif "note" in fields:
            size, root = read_note(fields["note"], origin, public_key)
            demand((size, size) == (fields["checkpoint"], ledger.size), f"line {number}", "the checkpoint stands in the wrong place")
            demand(root == root_of(ledger.frontier), f"checkpoint over {size}", "the entries are not the ones that were signed")
            ledger.checkpoints, ledger.signed = ledger.checkpoints + 1, size
        else:
            end = fields
        if ("seq" in fields or "pruned" in fields) and ledger.size in expected:
            same = expected.pop(ledger.size) == root_of(ledger.frontier)
            demand(same, f"entry {ledger.size - 1}", "the history is another than the one you kept")
    counted = {"checkpoints": ledger.checkpoints, "entries": ledger.size, **({"pruned_entries": ledger.pruned} if ledger.pruned else {})}
    demand(end == counted, "the end", "the file is cut short, or lines are missing")
    for month, (count, digest) in ledger.kept.items():
        demand(ledger.seals.get(month) == (count, digest.hexdigest()), f"month {month}", "its hashes are not those that an entry seals")
    demand(not expected, "the end", "the ledger is shorter than the checkpoint you kept")
    return ledger


# --- the proof of one entry (RFC 9162, section 2.1.3.2) ----------------------------------------------

def root_above(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that the path leads to."""
    last, root = size - 1, leaf
    demand(0 <= index < size, "the path", "the checkpoint does not reach the entry")
    for beside in path:
        demand(last > 0, "the path", "it is too long")
        left = index & 1 or index == last
        root = hashlib.sha256(b"\x01" + (beside + root if left else root + beside)).digest()
        while left and not index & 1 and index:
            index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    demand(last == 0, "the path", "it is too short")
    return root


def check_proof(proof: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """The entry that a proof shows to stand in the ledger. Raises Wrong."""
    demand(key is None or proof["public_key"] == key.lower(), "the proof", "the signing key is another than the one you kept")
    exact, public_key = proof["entry"].encode(), bytes.fromhex(proof["public_key"])
    entry = parse(exact + b"\n", "the entry")
    demand((entry["seq"], entry["org"]) == (proof["seq"], proof["organization"]), "the entry", "it is another than the proof says")
    demand(proof["origin"] == f"tallystick/{public_key[:8].hex()}/{entry['org']}", "the proof", "its log is named for another key")
    size, root = read_note(proof["note"], proof["origin"], public_key)
    path = [bytes.fromhex(node) for node in proof["path"]]
    found = root_above(hashlib.sha256(b"\0" + exact).digest(), entry["seq"], size, path)
    demand(found == root, "the path", "it does not lead to what was signed")
    return entry


def proof_in(file: BinaryIO) -> dict[str, Any] | None:
    """The proof, where the file is one; else it is left at its beginning."""
    first = parse(file.readline(LINE_BYTES_MAX + 1), "line 1")
    file.seek(0)
    return first if first.get("format") == PROOF else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a ledger-jsonl export of Tallystick, or the proof of one entry.")
    parser.add_argument("file")
    parser.add_argument("--key", help="the public key you kept, hexadecimal")
    parser.add_argument("--kept", help="file with a checkpoint note you kept")
    asked = parser.parse_args()
    try:
        kept = None if asked.kept is None else Path(asked.kept).read_text(encoding="utf-8")
        with Path(asked.file).open("rb") as file:
            if (proof := proof_in(file)) is not None:
                entry = check_proof(proof, asked.key)
                print(f"Entry {entry['seq']} of {entry['org']} ({entry['kind']}) stands in the ledger under what the key "
                      f"{proof['public_key']} signed.")
                return 0
            ledger = check(file, asked.key, kept)
    except OSError as reason:
        print(f"cannot be judged: {reason}", file=sys.stderr)
        return 2
    except (Wrong, ValueError, KeyError, TypeError, InvalidOperation, Inexact, RecursionError) as wrong:
        print(f"WRONG {wrong}" if isinstance(wrong, Wrong) else f"WRONG not an export: {type(wrong).__name__} {wrong}")
        return 1
    print(f"{ledger.size} entries of {ledger.organization}, {ledger.checkpoints} signed checkpoints, booked {ledger.cost_nanos} nanos"
          f"{f', corrections of {ledger.adjusted_nanos} nanos included' if ledger.costs else ''}, and {ledger.tokens} tokens.")
    if ledger.unknown:
        print(f"Of kinds that this verifier does not know only the bytes were checked: {', '.join(sorted(ledger.unknown))}.")
    if ledger.pruned:
        months = ", ".join(map(str, sorted(ledger.kept)))
        print(f"{ledger.pruned} of the entries are pruned ({months}): their hashes stand. What their calls cost was sealed before:"
              f" {ledger.sealed_nanos} nanos.")
    print("The export agrees with itself and with what its key signed"
          f"; {ledger.size - ledger.signed} entries at the end are not signed yet.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
