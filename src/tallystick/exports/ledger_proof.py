"""One entry with what shows that it stands in the ledger: its exact bytes, the hashes up to a root, and the note that signs the
root. One JSON object; an outsider checks it with nothing but SHA-256 and Ed25519 (docs/reference/ledger.md;
`scripts/verify_export.py` does it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from tallystick.exports.ledger_jsonl import Chain, SignedNote

FORMAT: Final = "tallystick-proof-1"


def render(chain: Chain, seq: int, entry: bytes, path: Sequence[bytes], signed: SignedNote) -> bytes:
    """The proof of entry `seq`. `entry`: its exact bytes; `path`: from its neighbour upwards."""
    return json.dumps({
        "format": FORMAT, "organization": chain.organization, "origin": chain.origin, "public_key": chain.public_key.hex(),
        "seq": seq, "entry": entry.decode(), "path": [node.hex() for node in path], "checkpoint": signed.size, "note": signed.note,
    }, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
