"""The same world, driven by hypothesis: what it finds, it makes as short as it can."""

from __future__ import annotations

import asyncio
from shutil import rmtree

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from structlog.testing import capture_logs

from tallystick.core.budget import Scope
from tallystick.stores.sql.engine import FILE_NAME
from tests.simulation.loop import Process
from tests.simulation.story import EACH_CALL, SCOPES, SPANS, UNITS, Plan, Story, empty_database, memory_folder
from tests.simulation.world import WHO, Instance, Order, World

NAMES = ("i0", "i1")
names = st.sampled_from(NAMES)
kinds = st.sampled_from(("usage", "gone", "error", "unreached", "silence", "cut", "job"))


class Caps(RuleBasedStateMachine):
    """Two instances; the bill is held against the caps at every step, the books at the end."""

    @initialize(seed=st.integers(0, 255), strict=st.tuples(st.booleans(), st.booleans()), scope=st.sampled_from(SCOPES), size=st.integers(1, 9))
    def begin(self, seed: int, strict: tuple[bool, bool], scope: tuple[str, str], size: int) -> None:
        self.folder = memory_folder()
        (self.folder / FILE_NAME).write_bytes(empty_database())
        self.world = World(seed, self.folder)
        self.story = Story(Plan(seed, instances=len(NAMES)), self.world)
        self.story.set(Scope(*scope), "money", "day", size * EACH_CALL["money"], first=True)  # type: ignore[arg-type]  # a kind
        for name, own in zip(NAMES, strict, strict=True):
            self.world.instances[name] = Instance(self.world, name, strict=own)
            self.world.instances[name].start()
        self.world.loop.spawn(Process("-"), self.story.follow_changes())
        self.passes(0.3)

    def passes(self, seconds: float) -> None:
        with capture_logs():
            self.world.loop.run(asyncio.sleep(seconds))

    @rule(name=names, who=st.sampled_from(WHO), ending=kinds, fills=st.booleans(), takes_s=st.sampled_from((0.0, 0.1, 2.0)),
          bound=st.none() | st.integers(1, 5), calls=st.sampled_from((1, 1, 6)))
    def call(self, name: str, who: object, ending: str, fills: bool, takes_s: float, bound: int | None, calls: int) -> None:
        for _ in range(calls if self.world.instances[name].serving else 0):
            self.world.instances[name].call(Order(
                who, ending=ending, fills=fills, takes_s=takes_s, bound_nanos=bound and bound * EACH_CALL["money"]))  # type: ignore[arg-type]
        self.passes(0.01)

    @rule(seconds=st.sampled_from((0.0, 0.05, 1.2)))
    def wait(self, seconds: float) -> None:
        self.passes(seconds)

    @rule(name=names, power=st.booleans())
    def die(self, name: str, power: bool) -> None:
        instance = self.world.instances[name]
        instance.crash(power=power and instance.strict)

    @rule(name=names, calls=st.integers(1, 9))
    def die_in_io(self, name: str, calls: int) -> None:
        self.world.instances[name].disk.crash_in = calls

    @rule(name=names)
    def rise(self, name: str) -> None:
        if not self.world.instances[name].process.alive:
            self.world.instances[name].start()
        self.passes(0.2)

    @rule(refused=st.sampled_from((0, 300)), lost=st.sampled_from((0, 300)), away=st.booleans())
    def weather(self, refused: int, lost: int, away: bool) -> None:
        weather = self.world.weather
        weather.refused, weather.lost, weather.away = refused, lost, away

    @rule(scope=st.sampled_from(SCOPES), unit=st.sampled_from(UNITS), span=st.sampled_from(SPANS), size=st.integers(0, 9))
    def budget(self, scope: tuple[str, str], unit: str, span: str, size: int) -> None:
        """A new one, or another limit for one that stands."""
        self.story.set(Scope(*scope), unit, span, size * EACH_CALL[unit])  # type: ignore[arg-type, index]  # of our own lists
        self.passes(0.01)

    @precondition(lambda self: self.world.jobs)
    @rule()
    def a_job_ends(self) -> None:
        self.story.do_end_job()
        self.passes(0.01)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            with capture_logs():
                self.world.loop.run(self.story.come_to_rest())
        finally:
            self.world.close()
            rmtree(self.folder)


TestCaps = Caps.TestCase
TestCaps.settings = settings(max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
