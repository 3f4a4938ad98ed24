"""What the statements of this package may ask of a connection, whatever engine stands behind it (engine.py,
postgres.py). `sqlite3` fits it as it is. Placeholders are `?`, rows are tuples, bytes are `bytes`, whole numbers
are `int` whatever a sum made of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick.core.errors import Defect


class Cursor(Protocol):
    """The rows of one statement, each read once."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What `Connection.held` gives: as expressions on the rows of `source`, the keys and the values it was asked for. Added up by
    any of the keys they come to the same as what it was made of."""

    keys: Sequence[str]
    values: Sequence[str]
    source: str
    parameters: Sequence[Any]


class Connection(Protocol):
    """One transaction's connection."""

    @property
    def clustered(self) -> str:
        """What ends a table's definition whose rows are to lie in the order of its key."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """The statement for each of these, in their order."""
        ...

    def stream(self, sql: str, parameters: Sequence[Any] = ..., /) -> Iterator[Any]:
        """The rows of a statement as they are read, so that a whole ledger never lies in memory."""
        ...

    def added_up(self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = ..., /) -> Iterable[Any]:
        """The sums of `values` by `keys`, both expressions of whole numbers on the rows of `source` (a table and its WHERE); a key
        is from 0 to 2³¹ − 1. A row has its keys, then the sums; what has no rows has no sum. For millions of rows."""
        ...

    def held(
        self, keys: Sequence[str], values: Sequence[str], source: str, parameters: Sequence[Any] = ..., /,
    ) -> AbstractContextManager[Held]:
        """The same sums, for several questions; on a server, which reads fast, the rows themselves."""
        ...


class WriterLock:
    """One write transaction at a time in this process. A second one inside the first would wait for itself for ever: it raises
    Defect instead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    def __enter__(self) -> None:
        if self._holder == threading.get_ident():
            raise Defect("a write transaction was begun inside another of the same thread")
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._holder = None
        self._lock.release()
