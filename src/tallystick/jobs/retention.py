"""Prunes months whose time has come, a step at a time beside the calls (stores/sql/pruning.py). Each step is bounded, and
between two there is a breath; what a step finds wrong is said once, and nothing is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import sleep
from typing import Final

import structlog

from tallystick.ports import Clock
from tallystick.stores.sql import pruning
from tallystick.stores.sql.engine import month_text
from tallystick.stores.sql.journal import Sequencer

log = structlog.get_logger(__name__)

PERIOD_S: Final = 60.0
BREATH_S: Final = 0.005


@dataclass(slots=True)
class Retention:
    """The job. `months_kept`: besides the running one, None for all."""

    sequencer: Sequencer
    clock: Clock
    months_kept: int | None
    _said: tuple[int, int, str] | None = field(default=None, init=False)

    def step(self) -> bool:
        """One step; whether there is more to do at once. Raises StoreFault."""
        more = pruning.step(self.sequencer, self.months_kept, self.clock.now_us())
        with self.sequencer.database.read() as db:
            at = pruning.under_way(db)
        said = None if at is None else (at.month, at.stage, at.fault)
        if at is not None and said != self._said:
            if at.fault:
                log.error("a month cannot be pruned", month=month_text(at.month), reason=at.fault)
            else:
                log.info("a month is being pruned", month=month_text(at.month), stage=pruning.STAGES[at.stage])
        if self._said is not None and at is None and not self._said[2] and self._said[1] == pruning.DROPPING:
            log.info("a month was pruned", month=month_text(self._said[0]))
        self._said = said
        if more:
            sleep(BREATH_S)
        return more
