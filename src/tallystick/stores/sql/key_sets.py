"""Many keys at once: all or none, each with its KEY entry. Who names a set by a mark of their own may ask twice: a set is
made once, and as a key's text is shown once, asking again tells which keys there are, not what they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from tallystick.core.secret import Secret
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.directory import Directory, KeyRow, KeySpec, Refused

KEYS_MAX: Final = 1_000
MARK_CHARS_MAX: Final = 255
KEPT_US: Final = 30 * 86_400_000_000         # how long a mark is known
Made = list[tuple[KeyRow, Secret]]
MarkedSet = tuple[str, str]
"""Whose mark it is, and the mark."""


class MadeBefore(Refused):
    """The set was made by an earlier request. `keys`: their ids."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__("made_before", "These keys were made by an earlier request, which showed them; rotate or revoke what was lost.")
        self.keys = tuple(keys)


def create_keys(directory: Directory, organization: int, specs: Sequence[KeySpec], now_us: int,
                marked: MarkedSet | None = None, keep: Callable[[Made], object] = lambda _: None) -> Made:
    """Make all of these keys in one transaction; their texts are returned once. `keep` gets them before anything is
    committed: where it raises, none is made.

    Raises Refused, naming the key's place, and then none is made; MadeBefore.
    """
    if not 0 < len(specs) <= KEYS_MAX:
        raise Refused("invalid_request", f"A set is 1 to {KEYS_MAX} keys.")
    with directory.sequencer.together(now_us) as one, one.append(now_us) as pen:
        said = _digest(specs)
        if marked is not None:
            _check_mark(pen.db, organization, marked, said, now_us)
        inside, made = replace(directory, sequencer=one), Made()
        for number, spec in enumerate(specs, start=1):
            try:
                made.append(inside.create_key(organization, spec, now_us))
            except Refused as refused:
                raise Refused(refused.code, f"Key {number}: {refused} None was made.") from None
        if marked is not None:
            pen.db.execute("INSERT INTO key_set (organization, made_by, mark, said, keys, made_us) VALUES (?, ?, ?, ?, ?, ?)",
                           (organization, *marked, said, json.dumps([row.id for row, _ in made]), now_us))
        keep(made)
        return made


def _check_mark(db: Connection, organization: int, marked: MarkedSet, said: str, now_us: int) -> None:
    """Raises MadeBefore, or Refused where the mark stands for something else."""
    db.execute("DELETE FROM key_set WHERE made_us < ?", (now_us - KEPT_US,))
    row = db.execute("SELECT said, keys FROM key_set WHERE organization = ? AND made_by = ? AND mark = ?",
                     (organization, *marked)).fetchone()
    if row is None:
        return
    if row[0] != said:
        raise Refused("mark_used", "An earlier request with this Idempotency-Key asked for other keys.")
    raise MadeBefore(json.loads(row[1]))


def _digest(specs: Sequence[KeySpec]) -> str:
    said = [[sorted(spec.labels.items()), sorted(spec.dimensions.items()), spec.name, spec.credential, spec.expires_us, spec.format,
             spec.owner] for spec in specs]
    return sha256(json.dumps(said).encode()).hexdigest()
