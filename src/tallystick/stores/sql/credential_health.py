"""How stored credentials stand, shared: each process writes what its calls showed and takes over the cool-downs that
began in others, four times a second, beside the calls. A rate limit that one worker meets is known to all of them within
half a second; until then each may meet it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from tallystick.core.credential_health import Cooling, Health, Place, Standings, State
from tallystick.ports import Clock
from tallystick.stores.sql.connection import Connection
from tallystick.stores.sql.engine import Database

FIGURES_EVERY_US: Final = 15_000_000         # of counts; a change of state is written at once
KEPT_US: Final = 30 * 86_400 * 1_000_000     # figures of processes that have not written for so long are dropped
READ_MAX: Final = 10_000

_HEALTH: Final = "successes, failures, in_a_row, success_us, failure_us, failure_status, failure"
_WRITE_HEALTH: Final = (
    f"INSERT INTO credential_health (organization, provider, name, instance, {_HEALTH}, written_us)"  # noqa: S608 - literals
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization, provider, name, instance) DO UPDATE SET"
    " successes = excluded.successes, failures = excluded.failures, in_a_row = excluded.in_a_row, success_us = excluded.success_us,"
    " failure_us = excluded.failure_us, failure_status = excluded.failure_status, failure = excluded.failure,"
    " written_us = excluded.written_us")
_WRITE_COOLING: Final = (
    "INSERT INTO credential_cooling (organization, provider, name, model, why, since_us, until_us, stated)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organization, provider, name, model) DO UPDATE SET why = excluded.why,"
    " since_us = excluded.since_us, until_us = excluded.until_us, stated = excluded.stated"
    " WHERE excluded.until_us > credential_cooling.until_us")
_COOLING: Final = "SELECT organization, provider, name, model, why, since_us, until_us, stated FROM credential_cooling WHERE until_us > ?"


class HealthSharing:
    """The job of one process. `instance`: which one it is."""

    def __init__(self, database: Database, standings: Standings, clock: Clock, instance: str) -> None:
        self._database = database
        self._standings = standings
        self._clock = clock
        self._instance = instance
        self._written: dict[Place, Health] | None = None     # None: what an earlier run wrote is not read yet
        self._figures_us = 0
        self._unwritten: dict[tuple[Place, str | None], Cooling] = {}

    def step(self) -> bool:
        """Write what changed here and read what cools. Returns False: there is never more to do at once. Raises
        StoreFault; what was not written is written at the next turn."""
        now_us = self._clock.now_us()
        if self._written is None:
            self._written = self._resume()
        healths, coolings = self._standings.take_changes()
        self._unwritten |= coolings
        changed = self._changed(healths, now_us)
        if changed or self._unwritten:
            with self._database.write() as db:
                self._write(db, changed, now_us)
            self._written |= changed
            self._unwritten = {}
        with self._database.read() as db:
            for *place, model, why, since_us, until_us, stated in db.execute(_COOLING + " LIMIT ?", (now_us, READ_MAX)):
                self._standings.adopt(Place(*place), model or None, Cooling(why, since_us, until_us, bool(stated)))
        return False

    def _changed(self, healths: Mapping[Place, Health], now_us: int) -> dict[Place, Health]:
        """What differs from what was written: of counts only now and then."""
        assert self._written is not None, "what was written is read first"
        figures = now_us - self._figures_us >= FIGURES_EVERY_US
        if figures:
            self._figures_us = now_us
        nothing = Health()
        return {place: health for place, health in healths.items() if (before := self._written.get(place, nothing)) != health
                and (figures or before.state(cooling=False) != health.state(cooling=False))}

    def _write(self, db: Connection, changed: Mapping[Place, Health], now_us: int) -> None:
        db.execute("DELETE FROM credential_cooling WHERE until_us <= ?", (now_us,))
        db.execute("DELETE FROM credential_health WHERE written_us < ?", (now_us - KEPT_US,))
        db.executemany(_WRITE_HEALTH, [(*place, self._instance, *astuple(health), now_us) for place, health in changed.items()])
        db.executemany(_WRITE_COOLING, [
            (*place, model or "", cooling.why, cooling.since_us, cooling.until_us, int(cooling.stated))
            for (place, model), cooling in self._unwritten.items()])

    def _resume(self) -> dict[Place, Health]:
        """Count on from where an earlier run of this process stopped."""
        with self._database.read() as db:
            rows = db.execute(f"SELECT organization, provider, name, {_HEALTH} FROM credential_health WHERE instance = ?",  # noqa: S608
                              (self._instance,)).fetchall()
        found = {Place(*row[:3]): Health(*row[3:]) for row in rows}
        self._standings.resume(found)
        return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How one credential stands, all processes together: their figures added up, and the state that the newest word says.
    `cooling`: by model, "" for every one."""

    state: State
    successes: int
    failures: int
    success_us: int | None
    failure_us: int | None
    failure_status: int
    cooling: Mapping[str, Cooling]


UNUSED: Final = Standing("healthy", 0, 0, None, None, 0, {})


def standings_of(database: Database, organization: int, now_us: int) -> dict[tuple[str, str], Standing]:
    """Every credential of an organisation that was used or cools, by provider and name. Raises StoreFault."""
    healths: dict[tuple[str, str], list[Health]] = {}
    cooling: dict[tuple[str, str], dict[str, Cooling]] = {}
    with database.read() as db:
        slug = db.execute("SELECT slug FROM organization WHERE id = ?", (organization,)).fetchone()[0]
        for provider, name, *health in db.execute(
                f"SELECT provider, name, {_HEALTH} FROM credential_health WHERE organization = ?", (slug,)):  # noqa: S608 - literals
            healths.setdefault((provider, name), []).append(Health(*health))
        for _, provider, name, model, *rest in db.execute(_COOLING + " AND organization = ?", (now_us, slug)):
            why, since_us, until_us, stated = rest
            cooling.setdefault((provider, name), {})[model] = Cooling(why, since_us, until_us, bool(stated))
    return {which: _together(healths.get(which, []), cooling.get(which, {})) for which in healths.keys() | cooling.keys()}


def _together(healths: list[Health], cooling: Mapping[str, Cooling]) -> Standing:
    newest = max(healths, key=lambda one: max(one.success_us or 0, one.failure_us or 0), default=Health())
    failed = max(healths, key=lambda one: one.failure_us or 0, default=Health())
    limited = any(one.why == "rate_limit" for one in cooling.values())
    return Standing(
        newest.state(cooling=limited), sum(one.successes for one in healths), sum(one.failures for one in healths),
        _latest(one.success_us for one in healths), failed.failure_us, failed.failure_status, cooling)


def _latest(moments: Iterable[int | None]) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)
