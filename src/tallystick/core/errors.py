"""The four kinds of failure. A `Denied` is an answer: it is returned, carries a stable code and is
journaled like any other outcome. The others are raised: `UpstreamFault` and `StoreFault` are the
world's, to be handled where a decision can be made; `Defect` is ours and is never swallowed.

Nothing here knows HTTP: `edge/replies.py` gives each code its status and its dialect's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Room(NamedTuple):
    """What a budget that clamps has not spent yet, in its unit: money (nano-USD) or tokens."""

    budget: int
    unit: Literal["money", "tokens"]
    amount: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A call that goes no further. `code` is stable (docs/reference/errors.md lists them all),
    `message` is for a person and never repeats a secret or caller text beyond names. `room`: of a budget that
    clamps, what a shorter answer may cost."""

    code: str
    message: str
    retry_after_s: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    room: Room | None = None


class Defect(AssertionError):
    """Our own mistake: fail loudly, never swallow."""


class StoreFault(Exception):
    """The spool or the database did not do what it must."""


class Unwritable(StoreFault):
    """A record that no spool can take: it is too large, or says what cannot be encoded."""


class MayStand(StoreFault):
    """A record could not be made durable, and may be on the disk all the same: the next start goes by what it finds."""


FaultKind = Literal["connect", "reset", "timeout", "protocol", "too_large", "cancelled"]


class UpstreamFault(Exception):
    """The provider could not be reached, or broke off.

    kind: what happened. written: whether any byte of the request may have reached the provider;
    a fault with `written=False` proves that nothing can be billed (books.md §2.2).
    """

    def __init__(self, kind: FaultKind, message: str, *, written: bool) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.written = written
