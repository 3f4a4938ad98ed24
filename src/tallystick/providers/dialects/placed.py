"""A wire format whose rates depend on where a call was served, which its path says and its reply does
not: a named location is a trait of the reply, the global one is the standard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tallystick.core.call import Dialect, Facts, JsonObject, Meter, ReplyHead
from tallystick.core.usage import Reading

STANDARD = "global"


@dataclass(frozen=True, slots=True)
class Placed:
    """`dialect`, below paths whose segment behind `after` names the location."""

    dialect: Dialect
    after: str = "locations"

    @property
    def name(self) -> str:
        return self.dialect.name

    def facts(self, body: JsonObject, path_model: str | None) -> Facts:
        return self.dialect.facts(body, path_model)

    def meter(self, facts: Facts, head: ReplyHead) -> Meter:
        meter = self.dialect.meter(facts, head)
        _, found, rest = head.path.partition(f"/{self.after}/")
        return _PlacedMeter(meter) if found and rest.partition("/")[0] != STANDARD else meter


class _PlacedMeter:
    """The dialect's own meter; its reading says that a named location answered."""

    __slots__ = ("_meter",)

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    @property
    def ended(self) -> bool:
        return self._meter.ended

    def feed(self, data: bytes) -> None:
        self._meter.feed(data)

    def finish(self) -> Reading:
        reading = self._meter.finish()
        return replace(reading, traits={**reading.traits, "location": "regional"})
