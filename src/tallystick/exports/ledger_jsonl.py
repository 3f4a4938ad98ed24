"""The ledger as JSON lines that an outsider can check offline, with nothing but SHA-256 and Ed25519
(docs/reference/ledger.md; `scripts/verify_export.py` does it).

The first line says whose chain it is and which key signs; then each entry's exact bytes on a line of
its own, and after the entry that a checkpoint reaches the checkpoint's note; of pruned months the hashes of
entries; the last line counts, so that a file cut short is seen. Entries are told apart by their `seq`, which the other lines do not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

NAME: Final = "ledger-jsonl"
FORMAT: Final = "tallystick-ledger-1"


@dataclass(frozen=True, slots=True)
class Chain:
    """Whose chain it is; `origin` is the name under which its checkpoints are signed."""

    organization: str
    origin: str
    public_key: bytes                        # Ed25519, 32 bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A checkpoint: over so many entries, as a C2SP note."""

    size: int
    note: str


@dataclass(frozen=True, slots=True)
class Hashes:
    """What is left of entries of a pruned month, one behind the other from `first` on."""

    first: int
    month: int                               # YYYYMM
    leaves: list[bytes]


def render(chain: Chain, lines: Iterable[bytes | SignedNote | Hashes]) -> Iterator[bytes]:
    """The file's lines. `lines`: exact entries in order, each note behind the last entry that it covers."""
    entries = checkpoints = pruned = 0
    yield _line({"format": FORMAT, "organization": chain.organization, "origin": chain.origin, "public_key": chain.public_key.hex()})
    for line in lines:
        if isinstance(line, SignedNote):
            checkpoints += 1
            yield _line({"checkpoint": line.size, "note": line.note})
        elif isinstance(line, Hashes):
            entries += len(line.leaves)
            pruned += len(line.leaves)
            yield _line({"pruned": line.first, "month": line.month, "leaves": b"".join(line.leaves).hex()})
        else:
            entries += 1
            yield line + b"\n"
    yield _line({"checkpoints": checkpoints, "entries": entries, **({"pruned_entries": pruned} if pruned else {})})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8") + b"\n"
