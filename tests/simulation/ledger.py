"""The database as the instances reach it: away, slow, or done while the answer is lost; and what must hold in it after
every commit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tallystick.core.errors import StoreFault
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database
from tests.simulation.loop import PROCESS


@dataclass
class Weather:
    """How the database is reached just now. Chances are in thousandths; `cut`: instances that do not reach it at all."""

    dice: random.Random
    away: bool = False
    cut: set[str] = field(default_factory=set)
    refused: int = 0
    lost: int = 0

    def before(self) -> None:
        process = PROCESS.get()
        if process is not None and process.name.partition(".")[0] in self.cut:
            raise StoreFault("the way to the database is cut")
        if self.away or self.dice.randrange(1000) < self.refused:
            raise StoreFault("the database is away")

    def after(self) -> None:
        if self.dice.randrange(1000) < self.lost:
            raise StoreFault("the answer was lost")


class SimDatabase:
    """A real database behind the weather. `check` looks at it after each commit."""

    def __init__(self, inner: Database, weather: Weather, check: Callable[[Connection], None]) -> None:
        self._inner = inner
        self._weather = weather
        self._check = check

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        return self._inner.refusals

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._weather.before()
        with self._inner.write() as db:
            yield db
        with self._inner.read() as db:
            self._check(db)
        self._weather.after()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._weather.before()
        with self._inner.read() as db:
            yield db

    def change_count(self) -> int:
        return self._inner.change_count()

    def has_tables(self, db: Connection) -> bool:
        return self._inner.has_tables(db)

    def drop_some(self, table: str) -> bool:
        self._weather.before()
        return self._inner.drop_some(table)

    def close(self) -> None:
        self._inner.close()
