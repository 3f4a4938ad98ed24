"""What is said over and over is counted instead: the log of a storm stays small, and nothing rare is lost in it."""

from __future__ import annotations

import structlog
from hypothesis import given
from hypothesis import strategies as st

from tallystick.logs import EVENTS_MAX, MINUTE_S, PER_MINUTE_MAX, Sparing


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def said(sparing: Sparing, text: str) -> dict[str, object] | None:
    """The event as it goes on; None where it is left out."""
    try:
        return dict(sparing(None, "error", {"event": text, "request_id": "r"}))
    except structlog.DropEvent:
        return None


def test_a_storm_is_a_few_lines_and_a_count() -> None:
    clock = Clock()
    sparing = Sparing(clock)
    lines = [said(sparing, "a refusal could not be journaled") for _ in range(1000)]
    assert [line for line in lines if line] == [{"event": "a refusal could not be journaled", "request_id": "r"}] * PER_MINUTE_MAX
    assert said(sparing, "something else") is not None
    clock.now_s += MINUTE_S
    assert said(sparing, "a refusal could not be journaled") == {
        "event": "a refusal could not be journaled", "request_id": "r", "left_out": 1000 - PER_MINUTE_MAX}
    assert said(sparing, "something else") == {"event": "something else", "request_id": "r"}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=60))
def test_every_event_is_a_line_or_counted(events: list[tuple[str, int]]) -> None:
    clock = Clock()
    sparing, lines, happened = Sparing(clock), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    for text, later_s in events:
        clock.now_s += later_s
        happened[text] += 1
        line = said(sparing, text)
        lines[text] += 0 if line is None else 1 + int(str(line.get("left_out", 0)))
    clock.now_s += 2 * MINUTE_S
    for text in "ab":
        line = said(sparing, text)
        assert line is not None
        assert lines[text] + int(str(line.get("left_out", 0))) == happened[text]


def test_what_is_remembered_is_bounded() -> None:
    sparing = Sparing(Clock())
    for number in range(EVENTS_MAX + 5):
        said(sparing, f"event {number}")
    assert len(sparing._said) <= EVENTS_MAX
