"""A budget will pass its cap before its window ends, if spending goes on as it did. The forecast is the plainest there
is: what is spent so far, spread evenly over the time so far, drawn on to the end. It says nothing before a tenth of the
window and at least an hour are over, and nothing of windows shorter than a day.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert, figure
from tallystick.core.alerts.node import Node
from tallystick.core.windows import END_OF_TIME_US

KIND: Final = "run_rate"
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
STANDS_US: Final = 600_000_000               # how long a forecast must say so before anybody is told
HISTORY_PART: Final = 10                     # one part in ten of the window


def passes_at_us(node: Node) -> int | None:
    """When the cap is passed at this rate, None where it is not within the window, or too early to say."""
    start_us, length_us = node.key.start_us, node.end_us - node.key.start_us
    elapsed_us = node.now_us - start_us
    if node.end_us >= END_OF_TIME_US or length_us < DAY_US or elapsed_us < max(length_us // HISTORY_PART, HOUR_US):
        return None
    if not 0 < node.settled < node.cap:
        return None
    at_us = start_us + elapsed_us * node.cap // node.settled
    return at_us if at_us < node.end_us else None


def forecast(node: Node) -> int:
    """What the window comes to at this rate, in the budget's unit."""
    return node.settled * (node.end_us - node.key.start_us) // max(1, node.now_us - node.key.start_us)


def alert(node: Node, at_us: int) -> Alert:
    """The alert of a cap that will be passed `at_us`."""
    unit = node.budget.unit
    by_day = node.settled * DAY_US // max(1, node.now_us - node.key.start_us)
    text = (f"{node.spent_text()} is spent. At {figure(unit, by_day)} a day it passes its cap on {node.day_text(at_us)}, and comes to"
            f" {figure(unit, forecast(node))} by the end of the window ({node.day_text(node.end_us - 1)}).")
    return Alert(KIND, node.thread, f"run-rate/{node.cap_version}", "warning",
                 f"Budget of {node.name}: will pass its cap on {node.day_text(at_us)}", text,
                 {**node.facts, "per_day": by_day, "forecast": forecast(node), "passes_on": node.day_text(at_us)}, node.path, node.scopes)
