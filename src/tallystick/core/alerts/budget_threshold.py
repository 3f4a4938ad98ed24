"""A budget has reached a share of its cap. Raised once for each share, window and cap: the share is passed by what is
*settled*, so that a hold that comes back alarms nobody.

A hard cap is hardly ever settled to its last nano: the first call that is refused for good says the same as 100%, and
is told as such.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.alerts.alert import Alert, Severity, figure
from tallystick.core.alerts.node import Node

KIND: Final = "budget_threshold"
DEFAULT_PERCENTS: Final = (50, 80, 90, 100)
EXHAUSTED: Final = 100
PERCENT_MAX: Final = 1_000
PERCENTS_MAX: Final = 20


class BadThresholds(ValueError):
    """Thresholds that cannot be read; the message says what can."""


def read_percents(text: str) -> tuple[int, ...]:
    """`50,80,100` in rising order, each once; `none` for no alerts. Raises BadThresholds."""
    if text.strip().lower() == "none":
        return ()
    try:
        percents = sorted({int(part.strip().removesuffix("%")) for part in text.split(",")})
    except ValueError:
        percents = []
    if not percents or percents[0] < 1 or percents[-1] > PERCENT_MAX or len(percents) > PERCENTS_MAX:
        raise BadThresholds(f"{text!r}: say percents from 1 to {PERCENT_MAX}, at most {PERCENTS_MAX} of them, as 50,80,100; or none.")
    return tuple(percents)


def reached(settled: int, cap: int, percent: int) -> bool:
    """Whether this much is that share of a cap. Nothing spent is no share, not even of nothing."""
    return settled > 0 and settled * 100 >= cap * percent


def crossed(before: int, node: Node, percents: tuple[int, ...]) -> tuple[int, ...]:
    """The shares that spending passed on its way from `before` to what is settled now."""
    return tuple(percent for percent in percents
                 if reached(node.settled, node.cap, percent) and not reached(before, node.cap, percent))


def alert(node: Node, percent: int) -> Alert:
    """The alert of one share."""
    title = f"Budget of {node.name}: {'exhausted' if percent == EXHAUSTED else f'{percent}% used'}"
    text = f"{node.spent_text()} is spent in this window; {node.until}."
    if percent >= EXHAUSTED and node.budget.mode == "hard":
        text += " Calls that do not fit are refused."
    return Alert(KIND, node.thread, _mark(node, percent), _severity(node, percent), title, text,
                 {**node.facts, "threshold_percent": percent}, node.path, node.scopes)


def refused(node: Node, needed: int) -> Alert:
    """The alert of the first call that is refused for good: in the place of 100%."""
    text = (f"A call was refused: it needs up to {figure(node.budget.unit, needed)}, and {node.spent_text()} is spent;"
            f" {node.until}.")
    return Alert(KIND, node.thread, _mark(node, EXHAUSTED), "critical", f"Budget of {node.name}: exhausted, calls are refused", text,
                 {**node.facts, "threshold_percent": EXHAUSTED, "refused_needing": needed}, node.path, node.scopes)


def _mark(node: Node, percent: int) -> str:
    return f"{percent}%/{node.cap_version}"


def _severity(node: Node, percent: int) -> Severity:
    if percent >= EXHAUSTED:
        return "critical" if node.budget.mode == "hard" else "warning"
    return "warning" if percent >= 80 else "info"
